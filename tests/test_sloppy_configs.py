"""Every error of a list of sloppy configs ends with 2, and names its place, its field and a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sloppy_configs import SLOPPY

from varprobe.cli.main import run as run_command
from varprobe.config.vocabulary import EXAMPLES, MEANT, WITHOUT, find_meant
from varprobe.config.yaml_tree import parse_yaml


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.ones((4, 8)))


@pytest.mark.parametrize("name", SLOPPY)
def test_a_sloppy_config_is_told_its_place_its_field_and_a_way_out(name: str, capfd: Any) -> None:
    text, place, field, way_out = SLOPPY[name]
    Path("net.yaml").write_text(text, encoding="utf-8")
    assert run_command(["run", "net.yaml"]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    entries = told.err.removeprefix("varprobe: ").split("\nnet.yaml:")
    at = f"{place}: {field}: " if field else f"{place}: "
    (entry,) = [entry for entry in entries if entry.removeprefix("net.yaml:").startswith(at)]
    assert f"\n  hint: {way_out}" in entry


def test_there_are_many_and_no_two_alike() -> None:
    assert len(SLOPPY) >= 90
    assert len({one.text for one in SLOPPY.values()}) == len(SLOPPY)


def test_a_way_out_is_more_than_a_reference() -> None:
    assert not [name for name, one in SLOPPY.items() if one.way_out.startswith(("see ", "check "))]


def test_examples_are_written_under_their_own_key() -> None:
    for key, example in EXAMPLES.items():
        assert list(parse_yaml(example, "example").plain()) == [key]


def test_words_of_others_stand_as_they_are_looked_up() -> None:
    for word in (*MEANT, *WITHOUT):
        assert word == word.lower().replace("_", "").replace("-", "").replace(" ", "")
    assert find_meant("Kernel-Initializer", ["init", "width"]) == "init"
    assert find_meant("conv2d", ["dense", "block"]) is None
