"""Remedies of whole networks: a cause told once, and what is printed to paste brings what it promises."""

from __future__ import annotations

import json
import math
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.advice.edits import find_edits
from varprobe.advice.variants import Recipe, Variation, find_loud_norms, find_tunable, std_of, vary
from varprobe.config.loading import ConfigText, load
from varprobe.config.overrides import Override, parse_assignment
from varprobe.diagnose import diagnose, predict_report
from varprobe.gate.check import check
from varprobe.report.records import Report
from varprobe.tuning import Tuning, tune
from varprobe.verdict.records import Finding

HEAD = {"dense": {"width": 10, "activation": "linear"}}
LEAKY = {"name": "leaky_relu", "slope": 0.2}
EPS = [
    {"block": [{"dense": width}, {"norm": {"kind": "batch", "eps": 0.8}}, {"activation": LEAKY}]}
    for width in (256, 512, 1024)
]


def network(layers: list[Any], activation: Any, init: Any, features: int = 64, **parts: Any) -> dict[str, Any]:
    source = {"features": features, **parts.pop("input", {})}
    defaults = {"activation": activation, "init": init, **parts.pop("defaults", {})}
    return {"input": source, "defaults": defaults, "layers": layers, **parts}


# name: (config, the finding that has the remedy, where in the config its edits are)
CASES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "biases that saturate": (
        network([{"dense": 64, "repeat": 10}], "tanh", "xavier", defaults={"bias": {"std": 100}}),
        "backward-vanishing",
        ["defaults.bias"],
    ),
    "an input that is too large": (
        network([{"dense": 64, "repeat": 10}], "tanh", "xavier", input={"std": 1e6}),
        "input-scale",
        ["input.std"],
    ),
    "weights with a mean": (
        network([{"dense": 100, "repeat": 3}, HEAD], "relu", {"name": "uniform", "low": 0, "high": 1}, 784),
        "forward-exploding",
        ["defaults.init"],
    ),
    "norms with a large eps": (
        network(
            [{"dense": 128}, {"activation": LEAKY}, *EPS, {"dense": {"width": 784, "activation": "tanh"}}],
            "linear", "torch.linear_default", 100, probe={"batch": 64},
        ),
        "forward-borderline",
        [f"layers[{at}].block[1].norm.eps" for at in (2, 3, 4)],
    ),
    "a scheme of its own": (
        network([{"dense": 256, "repeat": 30}], "linear", {"name": "normal", "std": 1.0}, 256, probe={"batch": 16}),
        "forward-exploding",
        ["defaults.init.std"],
    ),
    "sigmoid with a head": (
        network([{"dense": 64, "repeat": 6}, HEAD], "sigmoid", "xavier", probe={"gradient": "cross_entropy"}),
        "backward-vanishing",
        ["defaults.init.gain", "layers[1].dense.init"],
    ),
    "one layer": (
        network(
            [{"dense": 64, "repeat": 6}, {"dense": {"width": 64, "init": {"name": "small", "std": 1e-4}}},
             {"dense": 64, "repeat": 6}], "relu", "he",
        ),
        "forward-vanishing",
        ["layers[1].dense.init"],
    ),
}  # fmt: skip


@cache
def run(name: str) -> Report:
    return diagnose(load(CASES[name][0]))


def found(report: Report, code: str) -> Finding:
    return next(finding for finding in report.verdict.findings if finding.code == code)


def pasted(remedy: str) -> list[Override]:
    """The options that a remedy prints."""
    words = shlex.split(re.findall(r"`(--set [^`]*)`", remedy)[0])
    assert set(words[::2]) == {"--set"}
    return [parse_assignment(text) for text in words[1::2]]


def tuned(data: dict[str, Any]) -> Tuning:
    return tune(ConfigText(json.dumps(data), "config.json", Path(), "network"))


@pytest.mark.parametrize("name", CASES)
def test_the_cause_is_what_is_changed(name: str) -> None:
    _, code, paths = CASES[name]
    assert [edit.path for edit in pasted(found(run(name), code).remedy)] == paths


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_pasted_is_stable_and_mends_what_it_says(name: str, dtype: str) -> None:
    data, code, _ = CASES[name]
    edits = [parse_assignment(f"probe.dtype={dtype}"), *pasted(found(run(name), code).remedy)]
    verdict = diagnose(load(data, edits), remedies=False).verdict
    assert verdict.overall == "stable"
    said = {each.code for each in run(name).verdict.findings if each.remedy.startswith(f"A consequence of {code}")}
    assert not said & {each.code for each in verdict.findings}


@pytest.mark.parametrize("name", CASES)
def test_tune_writes_what_a_run_advertises(name: str) -> None:
    data, code, _ = CASES[name]
    tuning = tuned(data)
    shown = [(edit.path, edit.text) for edit in pasted(found(run(name), code).remedy)]
    assert [(edit.path, edit.text) for edit in tuning.edits] == shown
    assert tuning.is_confirmed


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_stands_once(name: str) -> None:
    remedies = [finding.remedy for finding in run(name).verdict.findings]
    long = [text for text in remedies if not text.startswith(("A consequence", "Nothing to do", "As "))]
    assert len(long) == len(set(long))
    assert sum("--set" in text for text in remedies) == 1


def test_the_head_is_never_scaled_for_the_body() -> None:
    data, _, _ = CASES["sigmoid with a head"]
    spec, head = load(data).network, load(data).network.head
    assert head is not None
    assert spec.steps.index(head) not in find_tunable(spec)
    changed = load(data, pasted(found(run("sigmoid with a head"), "backward-vanishing").remedy)).network.head
    assert changed is not None
    assert changed.layer.weights == head.layer.weights


def test_a_large_head_is_scaled_alone() -> None:
    large = {"dense": {"width": 10, "activation": "linear", "init": "large"}}
    data = network([{"dense": 128, "repeat": 6}, large], "relu", "he", 128)
    (edit,) = pasted(found(diagnose(load(data)), "large-head").remedy)
    assert edit.path == "layers[1].dense.init.std"
    # One over the root of fan_in, but for the draws' own change of the body's output.
    assert float(edit.text) == pytest.approx(1 / math.sqrt(128), rel=0.05)
    after = diagnose(load(data, [edit])).verdict
    assert after.head is not None
    assert after.head.scale_log10 == pytest.approx(0.0, abs=0.02)
    assert after.findings == ()


def test_a_fan_that_is_taken_for_the_other_is_named_at_its_layer() -> None:
    data = network([{"dense": 256, "repeat": 8}, HEAD], "relu", {"name": "he", "mode": "fan_out"}, 32)
    finding = found(diagnose(load(data)), "fan-mode")
    assert (finding.layer, finding.severity, finding.measured) == (9, "warning", pytest.approx(25.6))
    assert [(edit.path, edit.text) for edit in pasted(finding.remedy)] == [("layers[1].dense.init", "he")]
    codes = {each.code for each in diagnose(load(data, pasted(finding.remedy))).verdict.findings}
    assert "fan-mode" not in codes
    constant = network([{"dense": 256, "repeat": 8}, HEAD], "relu", {"name": "normal", "std": 0.0884}, 256)
    assert "fan-mode" not in {each.code for each in predict_report(load(constant)).verdict.findings}


def test_half_of_a_transformer_is_asked_for_its_branches() -> None:
    mlp = [{"norm": "layer"}, {"dense": {"width": 256, "activation": "gelu"}}, {"dense": 64}]
    data = network([{"residual": {"layers": mlp}, "repeat": 6}], "linear", "gpt2")
    finding = found(predict_report(load(data)), "branch-count")
    assert (finding.measured, finding.limit) == (6.0, 12.0)
    edits = pasted(finding.remedy)
    assert [(edit.path, edit.text) for edit in edits] == [("defaults.init.branches", "12")]
    steps = load(data, edits).network.rows
    assert std_of(steps[2]) == pytest.approx(0.02 / math.sqrt(12))
    assert "branch-count" not in {each.code for each in predict_report(load(data, edits)).verdict.findings}


def test_identical_units_come_before_what_follows_from_them() -> None:
    first = {"dense": {"width": 64, "init": {"name": "constant", "value": 0.125}}}
    last = {"dense": {"width": 64, "init": "xavier"}, "role": "body"}
    constant = {"name": "constant", "value": 1 / 64}
    report = diagnose(load(network([first, {"dense": 64, "repeat": 10}, last], "linear", constant)))
    assert "Draw the weights at random" in found(report, "symmetric-units").remedy
    others = [each for each in report.verdict.findings if each.code.startswith("backward-")]
    assert all(each.remedy == "First mend symmetric-units, then look again." for each in others)


@pytest.mark.parametrize(("activation", "width", "depth"), [("tanh", 1, 20), ("sigmoid", 6, 15)])
def test_narrow_networks_are_told_to_widen(activation: str, width: int, depth: int) -> None:
    data = network([{"dense": width, "repeat": depth}], activation, "xavier", width)
    findings = diagnose(load(data)).verdict.findings
    remedy = next(each.remedy for each in findings if each.code.endswith("-vanishing"))
    assert f"{depth} layers of width {width}" in remedy
    assert "Widen the layers" in remedy
    tuning = tuned(data)
    assert (tuning.edits, tuning.is_confirmed) == ((), False)


@pytest.mark.parametrize(("eps", "loud"), [(1e-5, False), (0.8, True)])
def test_a_norm_passes_a_scale_on_where_its_eps_counts(eps: float, *, loud: bool) -> None:
    norm = {"kind": "layer", "eps": eps}
    data = network([{"dense": 64}, {"norm": norm}, {"dense": 64}], "linear", {"name": "normal", "std": 0.05})
    spec = load(data).network
    assert bool(find_loud_norms(spec)) == loud
    assert (0 in find_tunable(spec)) == loud
    # What a factor of 2 of the first layer does behind the norm: nothing, or next to nothing, else much.
    twice = vary(spec, Variation(recipes={"layers[0]": Recipe(factor=2.0)}))
    first, other = (predict_report_of(each) for each in (spec, twice))
    assert (abs(other / first - 1) > 0.1) == loud


def predict_report_of(spec: Any) -> float:
    from varprobe.theory.predict import predict

    output = predict(spec).rows[1].output
    assert output is not None
    return float(output.second_moment)


@pytest.mark.parametrize("mode", ["fan_in", "fan_avg", "fan_out"])
@pytest.mark.parametrize(("features", "width"), [(64, 16), (16, 64)])
def test_orthogonal_layers_get_the_variance_of_the_recipe(mode: str, features: int, width: int) -> None:
    experiment = load(network([{"dense": width}], "tanh", "orthogonal", features))
    change = Variation(recipes={"layers[0]": Recipe(mode=mode, gain=1.3)})
    edits = find_edits(experiment, change)
    assert [edit.path for edit in edits] == ["defaults.init.gain"]
    fan = {"fan_in": features, "fan_out": width, "fan_avg": 40}[mode]
    step = load(experiment.document, edits).network.steps[0]
    assert std_of(step) == pytest.approx(1.3 / math.sqrt(fan), rel=1e-6)


def test_a_given_input_is_standardised_by_columns(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((64, 12)) * 10.0 ** np.arange(-5, 7)
    np.save(tmp_path / "rows.npy", rows)
    layers = [{"dense": 64, "repeat": 4}, HEAD]
    data = network(layers, "relu", "he", 12, input={"distribution": "file", "path": str(tmp_path / "rows.npy")})
    first = next(each for each in diagnose(load(data)).verdict.findings if each.code == "input-scale")
    assert "for each column of the file" in first.remedy
    assert "`--set input.standardize=true`" in first.remedy
    mended = diagnose(load(data, [parse_assignment("input.standardize=true")])).verdict
    assert not {"input-scale", "input-offset", "input-columns"} & {each.code for each in mended.findings}


EXPECTATIONS: list[dict[str, Any]] = [
    {"rate": {"forward": [0.5, 0.6]}},
    {"total_log10": {"backward": [-0.1, -0.05]}},
    {"saturated": 0.0},
    {"dead": 0.0},
    {"layers": {"all": {"activation.variance": [5, 6]}}},
    {"head": {"scale": [5, 6]}},
    {"effective_rank": [60, 61]},
    {"forward": "exploding"},
    {"signal": "fading"},
    {"overall": "vanishing"},
    {"safe_in": ["float16"], "forward": "exploding"},
]


@pytest.mark.parametrize("expect", EXPECTATIONS, ids=str)
def test_what_fails_has_a_remedy(expect: dict[str, Any]) -> None:
    scheme = ("tanh", "large") if "saturated" in expect else ("relu", "he")
    data = network([{"dense": 64, "repeat": 6}, HEAD], *scheme, expect=expect, probe={"batch": 16})
    result = check(load(data))
    failed = [decision for decision in result.decisions if decision.outcome != "met"]
    assert failed
    assert all(decision.remedy for decision in failed)


def test_a_network_too_deep_to_draw_variants_of_is_advised_by_theory() -> None:
    layers = [{"dense": 8, "repeat": 1000}]
    probe = {"trials": 2, "batch": 4}
    config = {"input": {"features": 8}, "defaults": {"activation": "tanh"}, "layers": layers, "probe": probe}
    verdict = diagnose(load(config)).verdict
    assert verdict.overall == "vanishing"
    assert all(finding.remedy for finding in verdict.findings)
