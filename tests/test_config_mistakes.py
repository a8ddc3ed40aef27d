"""All mistakes of a config are told at once, each with its place, in the order of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import Said

from varprobe.cli.main import run as run_command
from varprobe.config.loading import load
from varprobe.config.overrides import parse_assignment
from varprobe.errors import MOST_TOLD, ConfigError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mistakes(text: str, *assignments: str) -> list[tuple[int | None, int | None, str]]:
    """Line, column and field of every mistake of a file net.yaml with that text."""
    error = refusal(text, *assignments)
    return [(one.place.line, one.place.column, one.field) for one in (error, *error.others) if one.place]


def refusal(text: str, *assignments: str) -> Any:
    Path("net.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load("net.yaml", [parse_assignment(each) for each in assignments])
    return caught.value


SLOPPY = """\
nmae: sloppy
input: {feature: 64, distribution: gauss, std: -1}
defaults: {activation: {name: rellu, slope: 1}, init: {name: he, mod: fan_in, gain: big}}
layers:
  - dense: {width: 64.5, activaton: tanh, init: {name: normal, std: 1/0}}
    repeat: 0
  - dens: 64
  - norm: {kind: bach, epsilon: 1}
  - residual: {scal: 1, layers: [{dense: 64, role: tail}, {dropout: 1.5}]}
  - {norm: layer, role: body, nme: x}
probe: {trails: 5, batch: 0}
expect: {forward: [stable, steady], rate: {sideways: [0, 1]}, layers: {1: {variance: [0, 1]}}, safe_in: [float15]}
"""


def test_every_mistake_of_a_sloppy_config_has_its_place(said: Said) -> None:
    error = refusal(SLOPPY)
    places = [(one.place.line, one.place.column) for one in (error, *error.others)]
    assert places == sorted(places)
    assert len(places) == 25
    assert all(one.hint for one in (error, *error.others))
    said(error)


def test_what_cannot_be_built_is_gathered_too(said: Said) -> None:
    np.save("batch.npy", np.ones((5, 4)))
    text = """\
input: {features: 4, distribution: file, path: none.npy}
layers:
  - dense: {width: 8, init: {name: file, path: missing.npy}}
    repeat: 3
  - residual: {layers: [{dense: 7}]}
  - norm: {kind: layer, gamma: {path: batch.npy}}
  - dense: {width: 8, init: {name: uniform, low: 1, high: 0}}
  - {dense: 1, role: head, repeat: 2}
probe: {gradient: cross_entropy}
"""
    error = refusal(text)
    assert [one.field for one in (error, *error.others)] == [
        "input.path",
        "layers[0].dense.init",
        "layers[1]",
        "layers[2].norm.gamma",
        "layers[3].dense.init",
        "layers[4].role",
        "probe.gradient",
    ]
    said(error)


def test_what_is_expected_of_what_is_not_there_is_gathered() -> None:
    text = "input: {features: 4}\nlayers: [{dense: 8}, {dense: 8}]\nprobe: {batch: 1}\nexpect:\n"
    text += "  head: {scale: [0, 1]}\n  initial_loss: [0, 1]\n  effective_rank: 2\n"
    text += "  layers: {9: {activation.variance: [0, 1]}, 1: {activation.saturated: [0, 1]}}\n"
    found = mistakes(text)
    assert [field for _, _, field in found] == [
        "expect.head",
        "expect.initial_loss",
        "expect.effective_rank",
        "expect.layers.9",
        "expect.layers.1.activation.saturated",
    ]


def test_a_key_that_was_meant_is_not_said_to_be_missing() -> None:
    assert mistakes("input: {featurs: 4}\nlayer: [{dense: 4}]\n") == [(1, 9, "input.featurs"), (2, 1, "layer")]
    assert mistakes("input: {x: 4}\nlayers: [{dense: 4}]\n") == [(1, 8, "input.features"), (1, 9, "input.x")]


def test_of_what_is_no_config_one_line_is_shown() -> None:
    found = mistakes("root:$6$abc: x\ndaemon:*:19000: x\nbin:*:19000: x\n")
    assert [field for _, _, field in found] == ["root:$6$abc", "input", "layers"]


def test_an_option_s_mistakes_come_first() -> None:
    found = mistakes("input: {features: 0}\nlayers: [{dense: 4}]\n", "probe.trials=0", "probe.batch=x")
    assert set(found[:2]) == {(None, None, "probe.trials"), (None, None, "probe.batch")}
    assert found[2:] == [(1, 19, "input.features")]


def test_what_an_alias_repeats_is_told_once() -> None:
    assert mistakes("input: {features: 4}\nlayers: [&a {dense: 0}, *a, *a]\n") == [(2, 21, "layers[0].dense.width")]


@pytest.mark.parametrize("number", [MOST_TOLD, MOST_TOLD + 1, 3000])
@pytest.mark.parametrize("entry", ["dense: 0", "dense: {width: 4, init: {name: file, path: file%d}}"])
def test_so_many_are_told_and_no_more(number: int, entry: str) -> None:
    entries = (f"  - {entry % at if '%' in entry else entry}\n" for at in range(number))
    words = str(refusal("input: {features: 4}\nlayers:\n" + "".join(entries))).split("\n")
    assert sum("hint: " in line for line in words) == MOST_TOLD
    assert (words[-1] == "and more mistakes behind these") == (number > MOST_TOLD)


def test_one_mistake_is_told_as_ever(capfd: Any) -> None:
    Path("net.yaml").write_text("input: {features: 4}\nlayers: [{dense: 0}]\n")
    assert run_command(["run", "net.yaml"]) == 2
    assert capfd.readouterr().err == (
        "varprobe: net.yaml:2:18: layers[0].dense.width: must be at least 1, given 0\n"
        "  hint: write a number that is at least 1\n"
    )


def test_several_are_told_on_standard_error_and_end_with_2(capfd: Any) -> None:
    Path("net.yaml").write_text("input: {features: 0}\nlayers: [{dense: 0}]\n")
    for command in ("run", "predict", "tune"):
        assert run_command([command, "net.yaml"]) == 2
        told = capfd.readouterr().err.split("\n")
        assert [line[:25] for line in told if "hint" not in line][:2] == [
            "varprobe: net.yaml:1:19: ",
            "net.yaml:2:18: layers[0].",
        ]


def test_a_check_tells_them_once_where_the_result_stands(capfd: Any) -> None:
    Path("nets").mkdir()
    Path("nets/net.yaml").write_text("input: {features: 0}\nlayers: [{dense: 0}]\n")
    Path("nets/other.yaml").write_text("input: {features: 4}\nlayers: [{dense: 4}]\nprobe: {batch: 4}\n")
    for form in ("terminal", "github", "junit", "sarif", "markdown", "json"):
        assert run_command(["check", "nets", "--format", form]) == 2
        told = capfd.readouterr()
        assert told.err == ""
        assert told.out.count("given 0") == (4 if form == "junit" else 2)  # there a message, a text and an output


def test_a_check_tells_as_many_as_a_run(capfd: Any) -> None:
    entries = "".join("  - dense: 0\n" for _ in range(MOST_TOLD + 5))
    Path("net.yaml").write_text("input: {features: 4}\nlayers:\n" + entries)
    assert run_command(["check", "net.yaml"]) == 2
    told = capfd.readouterr().out
    assert told.count("must be at least 1, given 0") == MOST_TOLD
    assert "there are more mistakes behind these" in told
