"""The rule: on measurements made by hand, where every figure can be computed apart, and on small real networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import a_layer, a_line, a_measurement, a_walk
from scipy import stats

from varprobe.advice.remedies import plain_remedy
from varprobe.config.loading import load
from varprobe.diagnose import diagnose
from varprobe.network.description import LayerDescription
from varprobe.probe.measure import measure
from varprobe.report.records import Report
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import judge
from varprobe.verdict.judged import pick_points, stretches
from varprobe.verdict.records import DirectionVerdict, Verdict
from varprobe.verdict.rule import region_of

LN10 = math.log(10)

# --- measurements made by hand ---


def _forward(logs: np.ndarray, **parts: Any) -> DirectionVerdict:
    return judge(a_measurement(logs, **parts)).forward


def _codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def test_an_inconclusive_run_says_how_many_trials_would_do() -> None:
    few = a_walk(6, 60, noise=0.5, seed=5)
    verdict = judge(a_measurement(few))
    assert verdict.forward.label == "inconclusive"
    (finding,) = (item for item in verdict.findings if item.code == "inconclusive")
    asked = int(plain_remedy(build_case(a_measurement(few)), finding).split()[-1].strip("."))
    # Errors fall as one over the root of the trials: h = ln 10 is asked for.
    half = verdict.forward.error_log10
    assert half is not None
    assert 6 * half**2 <= asked <= 1.3 * 6 * half**2 + 1


# --- stretches ---


def _cut(layers: Sequence[LayerDescription]) -> list[tuple[int, int, int]]:
    return [(s.start, s.stop, s.period) for s in stretches(pick_points(layers))]


def _copies(path: str, number: int, parts: Sequence[LayerDescription]) -> list[LayerDescription]:
    return [replace(part, group=(path, copy)) for copy in range(1, number + 1) for part in parts]


def test_layers_of_other_width_or_scheme_begin_a_new_stretch() -> None:
    layers = [a_layer(width=256)] * 2 + [a_layer(width=10)]
    assert _cut(layers) == [(0, 2, 1), (2, 3, 1)]
    assert _cut([a_layer()] * 5 + [a_layer(likeness="other")] * 4) == [(0, 5, 1), (5, 9, 1)]


def test_layers_with_given_weights_are_never_alike() -> None:
    assert _cut([a_layer(given=True)] * 4) == [(i, i + 1, 1) for i in range(4)]
    assert _cut(_copies("layers[0]", 3, [a_layer(given=True), a_layer()])) == [(i, i + 1, 1) for i in range(6)]


def test_what_stands_between_belongs_to_the_step() -> None:
    norm, dense = a_layer("norm"), a_layer()
    normed = [dense, norm] * 5
    assert _cut(normed) == [(0, 5, 1)]
    # The first plain layer after the normed ones still comes through a norm.
    assert _cut(normed + [dense] * 5) == [(0, 6, 1), (6, 10, 1)]
    assert _cut([dense] * 5 + normed) == [(0, 6, 1), (6, 10, 1)]
    assert _cut([dense, *normed]) == [(0, 2, 1), (2, 6, 1)]


def test_a_repeated_block_is_one_stretch() -> None:
    block = [a_layer(likeness="wide", width=128), a_layer(likeness="narrow", width=32)]
    assert _cut(_copies("layers[1]", 6, block)) == [(0, 12, 2)]
    layers = [a_layer(), *_copies("layers[1]", 6, block), a_layer()]
    assert _cut(layers) == [(0, 1, 1), (1, 13, 2), (13, 14, 1)]


def _real_cut(layers: list[Any], features: int = 16) -> list[tuple[int, int, int]]:
    spec = load({"input": {"features": features}, "layers": layers, "probe": {"batch": 2, "trials": 1}}).network
    return _cut(measure(spec).layers)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "selu", "silu", "sin", "tanh", "gelu"])
def test_a_repeated_block_with_an_activation_of_its_own_is_one_stretch(activation: str) -> None:
    parts = [{"dense": {"width": 16, "activation": "linear"}}, {"norm": "layer"}, {"activation": activation}]
    assert _real_cut([{"block": parts, "repeat": 9}]) == [(0, 9, 1)]
    assert _real_cut(parts * 9) == [(0, 9, 1)]


def test_real_configs_are_cut_where_they_change() -> None:
    body = {"role": "body"}
    assert _real_cut([{"dense": 16, "repeat": 2}, {"dense": 10, **body}]) == [(0, 2, 1), (2, 3, 1)]
    assert _real_cut([{"dense": 16, "repeat": 2}, {"dense": 10}]) == [(0, 2, 1)]
    assert _real_cut([{"dense": 16, "repeat": 3}, {"dense": 16}]) == [(0, 4, 1)]
    other = {"dense": {"width": 16, "init": "he"}, **body}
    assert _real_cut([{"dense": 16, "repeat": 3}, other]) == [(0, 3, 1), (3, 4, 1)]
    assert _real_cut([{"dense": 16, "repeat": 3}, {"dense": {"width": 16, "bias": 1.0}}]) == [(0, 3, 1), (3, 4, 1)]
    assert _real_cut([{"block": [{"dense": 16}, {"dense": 8}], "repeat": 5}, {"dense": 8}]) == [(0, 10, 2), (10, 11, 1)]
    residual = {"residual": {"layers": [{"dense": 32}, {"dense": 16}]}, "repeat": 5}
    assert _real_cut([{"dense": 16}, residual, {"dense": 4, **body}]) == [(0, 1, 1), (1, 6, 1), (6, 7, 1)]


def test_given_weights_are_stretches_of_their_own(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.eye(16))
    given = {"dense": {"width": 16, "init": {"name": "file", "path": str(tmp_path / "w.npy")}}}
    assert _real_cut([{**given, "repeat": 3}, {"dense": 16, "repeat": 4}]) == [
        (0, 1, 1),
        (1, 2, 1),
        (2, 3, 1),
        (3, 7, 1),
    ]


def test_dead_gradients_are_counted_apart() -> None:
    gradient = a_walk(10, 20)
    gradient[:3, :4] = -np.inf
    verdict = judge(a_measurement(a_walk(10, 20), gradient))
    assert verdict.forward.label == verdict.backward.label == "stable"
    (finding,) = (item for item in verdict.findings if item.code == "dead-trials")
    assert finding.layer == 4
    assert "backward" in finding.message


@pytest.mark.parametrize("layers", [2, 9])
def test_an_input_of_zeros_is_degenerate_at_any_depth(layers: int) -> None:
    logs = np.full((4, layers), -np.inf)
    verdict = judge(a_measurement(logs, at_input=-np.inf))
    assert verdict.forward.label == "degenerate"


# --- the signal ---


def test_a_signal_of_exact_zeros_is_collapsing() -> None:
    share = np.zeros((5, 20))
    share[:, 15:] = -np.inf
    assert judge(a_measurement(a_line(0.0), signal=share)).signal.label == "collapsing"


# --- residual stacks and widths ---


def test_residual_stacks_are_judged_at_their_joins() -> None:
    branch = [a_layer(trunk=False), a_layer(trunk=False, likeness="last")]
    join = a_layer("residual", likeness="join", expected_std=None)
    layers = [a_layer(likeness="first"), *_copies("layers[1]", 8, [*branch, join]), a_layer(likeness="head")]
    rows = [row for row, layer in enumerate(layers) if layer.trunk]
    forward = np.random.default_rng(0).normal(0, 40, (4, len(layers)))
    forward[:, rows] = np.arange(len(rows)) * math.log(2)
    direction = _forward(forward, layers=layers)
    assert direction.rate == pytest.approx(2, rel=1e-9)
    assert direction.total_log10 == pytest.approx(9 * math.log10(2), rel=1e-9)


def test_the_row_of_a_dead_join_is_named() -> None:
    # x - x = 0 at the first of the joins, the fifth judged layer.
    identity = {"dense": {"width": 8, "activation": "linear", "init": "identity"}}
    block = {"residual": {"scale": -1.0, "layers": [identity]}}
    report = _report([{"dense": 8, "repeat": 4}, block], 8)
    (finding,) = (item for item in report.verdict.findings if item.code == "forward-degenerate")
    assert finding.layer is not None
    assert report.layers[finding.layer - 1].kind == "residual"


# --- real networks ---


def _report(layers: list[Any], features: int, activation: str = "linear", init: Any = "xavier", **probe: Any) -> Report:
    probe = {"batch": 32, "trials": 10, **probe}
    defaults = {"activation": activation, "init": init}
    return diagnose(load({"input": {"features": features}, "defaults": defaults, "layers": layers, "probe": probe}))


def _labels(report: Report) -> tuple[str, str]:
    return report.verdict.forward.label, report.verdict.backward.label


def _report_numbers(value: Any) -> Iterator[float]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _report_numbers(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _report_numbers(item)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize(("activation", "init"), [("relu", "he"), ("tanh", "xavier")])
def test_the_textbook_classifier_is_stable(activation: str, init: str) -> None:
    # Two layers and the head: with xavier tanh the squashing stays far from a factor 100.
    layers = [{"dense": 256, "repeat": 2}, {"dense": {"width": 10, "activation": "linear"}}]
    for seed in range(3):
        assert _labels(_report(layers, 784, activation, init, seed=seed)) == ("stable", "stable")


def test_three_layers_of_small_weights_vanish() -> None:
    # Of variance 1e-4: 784 1e-4 (256 1e-4)^2 = 10^-4.3 from the input to the third, and the head is not judged.
    layers = [{"dense": 256, "repeat": 3}, {"dense": {"width": 10, "activation": "linear"}}]
    for activation in ("relu", "tanh", "linear"):
        assert _labels(_report(layers, 784, activation, "small")) == ("vanishing", "vanishing")
    # Two of them make 10^-2.7.
    two = _report([{**layers[0], "repeat": 2}, layers[1]], 784, "linear", "small")
    assert _labels(two) == ("borderline", "borderline")
    assert two.verdict.forward.total_log10 == pytest.approx(math.log10(784e-4 * 256e-4), abs=0.05)


def test_a_bad_first_half_before_a_good_second_is_not_stable() -> None:
    layers = [{"dense": 128, "repeat": 15}, {"dense": {"width": 128, "init": "he"}, "repeat": 15}]
    report = _report(layers, 128, "relu", "xavier")
    assert _labels(report) == ("vanishing", "vanishing")
    # 0.5 a layer over the 14 steps of the first half; a typical draw of this width loses a little more.
    assert report.verdict.forward.total_log10 == pytest.approx(14 * math.log10(0.5), abs=1.0)
    assert "levelling-off" not in _codes(report.verdict)
    assert _labels(_report([{"dense": 128, "repeat": 30}], 128, "relu", "he")) == ("stable", "stable")


def test_one_bad_layer_in_the_middle_is_a_jump_there() -> None:
    good = {"dense": 64, "repeat": 9}
    report = _report([good, {"dense": {"width": 64, "init": {"name": "small", "std": 0.0005}}}, good], 64, "relu", "he")
    jumps = [finding for finding in report.verdict.findings if finding.code == "jump"]
    assert {finding.layer for finding in jumps} == {10}
    assert len(jumps) == 2
    assert report.verdict.overall == "vanishing"


def test_a_bottleneck_of_two_units_dies_in_some_draws_without_a_nan() -> None:
    layers = [{"dense": 64, "repeat": 4}, {"dense": 2}, {"dense": 64, "repeat": 4}]
    codes: set[str] = set()
    for seed in range(6):
        # A dead pair of units needs all rows negative at both: at batch 2 some of 20 draws in most seeds.
        report = _report(layers, 64, "relu", "he", trials=20, seed=seed, batch=2)
        codes |= _codes(report.verdict)
        assert all(math.isfinite(number) for number in _report_numbers(report))
    assert "dead-trials" in codes


def test_residual_branches_that_start_at_zero_are_stable() -> None:
    last = {"dense": {"width": 32, "activation": "linear", "init": "zeros"}}
    block = {"residual": {"layers": [{"dense": 32}, last]}, "repeat": 40}
    report = _report([{"dense": 32}, block, {"dense": 32}], 32, "relu", "he")
    assert _labels(report) == ("stable", "stable")
    assert report.verdict.forward.total_log10 == pytest.approx(0, abs=0.5)
    assert "zero-branch" in _codes(report.verdict)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("depth", [12, 30, 60])
def test_sigmoid_under_xavier_collapses(depth: int, dtype: str) -> None:
    report = _report([{"dense": 128, "repeat": depth}], 128, "sigmoid", "xavier", dtype=dtype, trials=5)
    signal = report.verdict.signal
    assert signal.label == "collapsing"
    assert report.verdict.forward.label == "stable"
    # 0.0557 a layer, at infinite width. At width 128 the q of a layer is off by some per cents.
    assert signal.rate == pytest.approx(0.0557, rel=0.1)


def test_he_relu_of_some_depth_and_little_width_never_vanishes() -> None:
    for seed in range(5):
        report = _report([{"dense": 64, "repeat": 100}], 64, "relu", "he", seed=seed, trials=20)
        for label in _labels(report):
            assert label in ("stable", "inconclusive", "borderline")


def _assert_rate(direction: DirectionVerdict, expected: float, trials: int, k: float = 4.0) -> None:
    """Within k of the report's own standard errors, and 0.01 for what a typical draw of width 256 has less a layer."""
    assert direction.rate is not None
    assert direction.rate_high is not None
    error = math.log(direction.rate_high / direction.rate) / float(stats.t.ppf(0.975, trials - 1)) + 0.01 / k
    assert abs(math.log(direction.rate / expected)) < k * error
    # And the error is small enough for the comparison to say something.
    assert error < 0.03


def test_relu_under_xavier_loses_half_a_layer_both_ways() -> None:
    report = _report([{"dense": 256, "repeat": 30}], 256, "relu", "xavier", trials=20)
    assert _labels(report) == ("vanishing", "vanishing")
    _assert_rate(report.verdict.forward, 0.5, 20)
    _assert_rate(report.verdict.backward, 0.5, 20)


def test_tanh_with_large_weights_is_chaotic_at_the_known_rate() -> None:
    init = {"name": "mean_field", "sw": 2.5, "sb": 0.3}
    report = _report([{"dense": 256, "repeat": 20}], 256, "tanh", init, trials=20)
    assert _labels(report) == ("stable", "exploding")
    _assert_rate(report.verdict.forward, 1.0, 20)
    _assert_rate(report.verdict.backward, 1.585, 20)
    assert "chaotic" in _codes(report.verdict)


def test_dropout_adds_its_factor() -> None:
    block = {"block": [{"dense": 256}, {"dropout": 0.5}], "repeat": 20}
    report = _report([block], 256, "relu", "he", trials=20)
    assert _labels(report) == ("exploding", "exploding")
    _assert_rate(report.verdict.forward, 2.0, 20)
    _assert_rate(report.verdict.backward, 2.0, 20)


def test_the_default_linear_layer_of_torch_lives_on_its_biases() -> None:
    report = _report([{"dense": 128, "repeat": 20}], 128, "relu", "torch.linear_default", trials=20)
    # Outputs fall from 1/6 to the 1/640 that the biases of variance 1/384 make: beside the limit of 100.
    forward = report.verdict.forward
    assert forward.total_log10 == pytest.approx(math.log10(6 / 640), abs=0.1)
    assert (forward.label, report.verdict.backward.label) == (region_of(forward.total_log10 * LN10), "vanishing")
    assert report.verdict.signal.label == "collapsing"
    _assert_rate(report.verdict.backward, 1 / 6, 20)
