"""No output replaces what is read, by whatever name it is called, nor a file that may not be written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from varprobe.cli.main import run

CONFIG = """\
name: net
input: {features: 4}
defaults: {activation: tanh}
layers: [{dense: {width: 4, init: {name: file, path: given.csv}}}, {dense: 4, repeat: 4}]
probe: {batch: 4, trials: 2}
"""
PLAIN = CONFIG.replace("{dense: {width: 4, init: {name: file, path: given.csv}}}", "{dense: 4}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    with (tmp_path / "given.csv").open("wb") as stream:
        np.save(stream, np.eye(4))
    (tmp_path / "net.json").write_text(PLAIN)
    (tmp_path / "net.yaml").write_text(PLAIN)
    (tmp_path / "given.yaml").write_text(CONFIG)
    assert run(["run", "net.yaml", "-o", "r.json", "-q"]) == 0
    assert run(["sweep", "net.yaml", "--vary", "probe.seed=1,2", "-o", "s.json", "-q", "--threads", "1"]) == 0
    (tmp_path / "link.json").symlink_to("r.json")
    (tmp_path / "link.yaml").symlink_to("net.yaml")
    os.link(tmp_path / "r.json", tmp_path / "hard.json")
    return tmp_path


REPLACING = (
    "run net.json -o net.json",
    "run net.json -o ./sub/../net.json",
    "run given.yaml -o given.csv",
    "predict given.yaml -o given.csv",
    "predict net.json -o net.json",
    "sweep given.yaml --vary probe.seed=1,2 -o given.csv",
    "show r.json -o r.json",
    "show r.json -o link.json",
    "show link.json -o r.json",
    "show r.json -o hard.json",
    "show s.json -o s.json",
    "compare r.json net.yaml -o r.json",
    "check net.json -o net.json",
    "check net.yaml --baseline r.json -o r.json",
    "check net.yaml --baseline net.yaml --update-baseline",
    "tune net.yaml -o net.yaml",
    "tune net.yaml -o link.yaml",
    "tune link.yaml -o sub/../net.yaml",
)


@pytest.mark.parametrize("command", REPLACING)
def test_no_output_replaces_an_input(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    capsys.readouterr()
    assert run(command.split()) == 2
    said = capsys.readouterr().err
    assert "would replace an input" in said
    assert ("--force" in said) == command.startswith("tune")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_tune_writes_over_its_config_by_force(folder: Path) -> None:
    (folder / "net.yaml").write_text(PLAIN.replace("activation: tanh", "activation: tanh, init: small"))
    before = (folder / "net.yaml").stat().st_ino
    assert run(["tune", "net.yaml", "-o", "net.yaml", "--force", "-q"]) in (0, 1)  # so few draws may confirm nothing
    assert (folder / "net.yaml").stat().st_ino != before


def test_a_file_that_may_not_be_written_is_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = folder / "kept.json"
    kept.write_text("kept")
    kept.chmod(0o444)
    (folder / "to-kept.json").symlink_to("kept.json")
    for name in ("kept.json", "to-kept.json"):
        assert run(["run", "net.yaml", "-o", name]) == 2
        assert "may not be written" in capsys.readouterr().err
    assert kept.read_text() == "kept"
