"""The least change that an expert makes, and what is said where no scale helps: what is printed holds when drawn."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from varprobe.advice.ways import By
from varprobe.config.loading import ConfigText, load
from varprobe.config.overrides import parse_assignment
from varprobe.diagnose import diagnose, predict_report
from varprobe.report.records import Report
from varprobe.tuning import tune
from varprobe.verdict.records import Finding


def config(layers: list[Any], activation: str, init: Any, width: int = 64, **parts: Any) -> dict[str, Any]:
    defaults = {"activation": activation, "init": init}
    return {"input": {"features": width}, "defaults": defaults, "layers": layers, "probe": {"batch": 32, **parts}}


def stack(depth: int, **odd: Any) -> list[Any]:
    """Layers of width 64 on the defaults, but those that are named by their number."""
    layers = [{"dense": 64} for _ in range(depth)]
    for number, init in odd.items():
        layers[int(number[1:]) - 1] = {"dense": {"width": 64, "init": init}}
    return layers


def one(report: Report, code: str) -> Finding:
    (found,) = (each for each in report.verdict.findings if each.code == code)
    return found


def edits(text: str) -> list[str]:
    """What the options of a remedy set."""
    words = [word for option in re.findall(r"`(--set [^`]*)`", text) for word in shlex.split(option)]
    return words[1::2]


SMALL, LARGE = {"name": "normal", "std": 1e-4}, {"name": "normal", "std": 300}
# name: (config, the finding, what its remedy sets)
ODD: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a small layer": (
        config(stack(20, n7="small"), "tanh", "xavier"), "forward-borderline", ["layers[6].dense.init=xavier"],
    ),
    "a large layer": (
        config(stack(20, n7={"name": "normal", "std": 3}), "tanh", "xavier"),
        "saturated",
        ["layers[6].dense.init=xavier"],
    ),
    "a layer of zeros": (config(stack(9, n5="zeros"), "relu", "he"), "forward-degenerate", ["layers[4].dense.init=he"]),
    "the last layer": (
        config(stack(12, n12=SMALL), "tanh", "xavier"), "forward-vanishing", ["layers[11].dense.init=xavier"],
    ),
    "two that make up": (
        config(stack(14, n5=SMALL, n10=LARGE), "relu", "he"),
        "excursion",
        ["layers[4].dense.init=he", "layers[9].dense.init=he"],
    ),
    "neighbours with a scheme of their own": (
        config(stack(9, **{f"n{k}": {"name": "lecun", "gain": 1.4} for k in (1, 2, 3, 4, 6, 7, 8, 9)}), "relu", SMALL),
        "forward-vanishing",
        ["defaults.init={name: lecun, gain: 1.4}"],
    ),
    "all zeros": (config([{"dense": 64, "repeat": 4}], "relu", "zeros"), "forward-degenerate", ["defaults.init=he"]),
    "all zeros, of tanh": (
        config([{"dense": 64, "repeat": 4}], "tanh", "zeros"), "forward-degenerate", ["defaults.init=xavier"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_layer_is_given_the_scheme_of_its_neighbours(name: str) -> None:
    data, code, wanted = ODD[name]
    findings = [each for each in diagnose(load(data)).verdict.findings if each.code == code]
    assert edits(findings[0].remedy) == wanted
    mended = diagnose(load(data, [parse_assignment(each) for each in wanted]))
    assert mended.verdict.overall == "stable"
    assert not [each for each in mended.verdict.findings if each.severity != "info"]


def test_a_layer_that_shares_its_scheme_with_as_many_as_its_neighbours_do_is_not_odd() -> None:
    layers = [*stack(4), *({"dense": {"width": 64, "init": "small"}} for _ in range(4)), *stack(3)[1:]]
    remedies = [each.remedy for each in diagnose(load(config(layers, "tanh", "xavier"))).verdict.findings]
    assert not any("neighbours" in text for text in remedies)


@pytest.mark.parametrize("name", ["two that make up", "all zeros"])
def test_tune_writes_the_scheme_that_run_tells(name: str) -> None:
    data, _, wanted = ODD[name]
    tuning = tune(ConfigText(json.dumps(data), "config.json", Path(), "network"))
    assert (tuning.by, tuning.is_confirmed) == (By.SCHEME, True)
    assert [f"{edit.path}={edit.text}" for edit in tuning.edits] == wanted


@pytest.mark.parametrize("name", ["a layer of zeros", "all zeros"])
def test_zeros_have_one_cause(name: str) -> None:
    for report in (diagnose(load(ODD[name][0])), predict_report(load(ODD[name][0]))):
        first, *others = report.verdict.findings
        assert first.code == "forward-degenerate"
        assert others
        assert {each.remedy for each in others} == {"A consequence of forward-degenerate: its remedy mends this too."}


# --- where no scale helps ---

HELD = "Residual blocks of scale 1/sqrt(blocks), with a layer norm between the weights and the activation of each"
HOPELESS: dict[str, dict[str, Any]] = {
    "silu": config([{"dense": 128, "repeat": 50}], "silu", "he", 128),
    "relu_squared": config([{"dense": 64, "repeat": 6}], "relu_squared", "he"),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_no_draw_holds_is_not_told_as_a_remedy(name: str) -> None:
    for report in (diagnose(load(HOPELESS[name])), predict_report(load(HOPELESS[name]))):
        text = one(report, f"forward-{report.verdict.forward.label}").remedy
        assert not edits(text)
        assert HELD in text
        assert "measure it" not in text


def test_layers_of_width_one_are_widened_and_not_given_a_norm_that_leaves_zero() -> None:
    data = config([{"dense": 1, "repeat": 20}], "tanh", "xavier", 1)
    text = one(diagnose(load(data)), "forward-vanishing").remedy
    assert text.endswith("Widen the layers or use fewer.")


def test_a_large_network_is_measured_once_more_with_what_theory_found() -> None:
    """Forward it multiplies 1.3e9 times: too much for a search by draws, little enough to be run once more."""
    data = config([{"dense": 256, "repeat": 40}], "gelu", "he", 256, trials=16)
    text = one(diagnose(load(data)), "forward-vanishing").remedy
    assert "Measured so, it gives" in text
    mended = diagnose(load(data, [parse_assignment(each) for each in edits(text)]), remedies=False)
    assert mended.verdict.overall == "stable"
    assert not edits(one(predict_report(load(data)), "forward-vanishing").remedy)


def test_an_activation_of_degree_two_is_told_to_double_the_exponent_of_a_deviation() -> None:
    text = one(diagnose(load(HOPELESS["relu_squared"])), "forward-exploding").remedy
    assert (
        "raises a deviation from the one size that it would keep to the power 2, after 6 layers to the power 64" in text
    )


@pytest.mark.parametrize("activation", ["silu", "relu_squared", "gelu", "softplus", "sigmoid"])
@pytest.mark.parametrize(("width", "depth"), [(128, 50), (64, 20), (4, 50)])
def test_blocks_with_a_norm_hold_what_no_scale_does(activation: str, width: int, depth: int) -> None:
    branch = [{"dense": width}, {"norm": "layer"}, {"activation": activation}]
    layers = [{"residual": {"scale": depth**-0.5, "layers": branch}, "repeat": depth}]
    data = config(layers, "linear", "lecun", width, trials=10)
    assert diagnose(load(data), remedies=False).verdict.overall == "stable"


# --- waves: the first layer's frequency is a choice ---

WAVES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a scheme without its w0": (
        config([{"dense": 128, "repeat": 5}], {"name": "sin", "frequency": 30}, {"name": "siren", "w0": 1}, 2),
        ["defaults.init={name: siren, w0: 30.0}"],
    ),
    "an activation without its frequency": (
        config([{"dense": 128, "repeat": 5}], "sin", {"name": "siren", "w0": 20}, 2),
        ["defaults.activation={name: sin, frequency: 20.0}"],
    ),
}
UNIFORM = {"name": "he", "distribution": "uniform"}
SIREN_FIRST = config(
    [{"dense": {"width": 128, "init": "siren"}}, {"dense": 128, "repeat": 4}],
    {"name": "sin", "frequency": 30}, UNIFORM, 2,
)  # fmt: skip


@pytest.mark.parametrize("name", WAVES)
def test_sin_and_its_scheme_are_given_one_frequency(name: str) -> None:
    data, wanted = WAVES[name]
    data["input"]["distribution"] = "uniform"
    report = diagnose(load(data))
    first = report.verdict.findings[0]
    assert edits(first.remedy) == wanted
    assert "The first layer's own weights choose the bandwidth" in first.remedy
    mended = load(data, [parse_assignment(each) for each in wanted])
    assert mended.network.steps[0].layer.weights == load(data).network.steps[0].layer.weights
    assert diagnose(mended, remedies=False).verdict.overall == "stable"


def test_a_first_layer_of_waves_keeps_its_frequency() -> None:
    for report in (diagnose(load(SIREN_FIRST)), predict_report(load(SIREN_FIRST))):
        first = report.verdict.findings[0]
        assert "in layers 2 to 5" in first.remedy
        mended = load(SIREN_FIRST, [parse_assignment(each) for each in edits(first.remedy)])
        assert mended.network.steps[0].layer.weights == load(SIREN_FIRST).network.steps[0].layer.weights
        assert diagnose(mended, remedies=False).verdict.overall == "stable"
