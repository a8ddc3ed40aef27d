"""The rule: on measurements made by hand, where every figure can be computed apart, and on small real networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
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
from varprobe.verdict.rule import ORDER, direction_label, signal_label, worse

LN10 = math.log(10)

# --- measurements made by hand ---


def _forward(logs: np.ndarray, **parts: Any) -> DirectionVerdict:
    return judge(a_measurement(logs, **parts)).forward


def _codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def _naive(logs: np.ndarray) -> tuple[float, float]:
    """T and h of a network of one kind of layers, as the rule is written; layers numbered from 1."""
    trials, layers = logs.shape
    deep = [layer for layer in range(1, layers + 1) if layer >= layers // 2 + 1]
    k = min(max(1, layers // 8), len(deep) - 1)

    def total(rows: list[int]) -> float:
        ratios = [
            math.log(np.mean([math.exp(logs[t, layer + k - 1] - logs[t, layer - 1]) for t in rows]))
            for layer in deep
            if layer + k in deep
        ]
        return layers * float(np.mean(ratios)) / k

    without = [total([t for t in range(trials) if t != out]) for out in range(trials)]
    error = math.sqrt((trials - 1) / trials * sum((x - np.mean(without)) ** 2 for x in without))
    return total(list(range(trials))), float(stats.t.ppf(0.975, trials - 1)) * error


@pytest.mark.parametrize("layers", [4, 5, 6, 7, 8, 9, 15, 16, 17, 24, 40, 63, 64, 101])
def test_the_total_and_its_error_follow_the_rule_word_by_word(layers: int) -> None:
    ups, downs = a_walk(8, layers, step=0.05, noise=0.4, seed=layers), a_walk(8, layers, noise=0.3, seed=layers + 1)
    verdict = judge(a_measurement(ups, downs))
    for direction, logs in ((verdict.forward, ups), (verdict.backward, -downs)):
        total, half = _naive(logs)
        assert direction.total_log10 == pytest.approx(total / LN10, rel=1e-9, abs=1e-12)
        assert direction.error_log10 == pytest.approx(half / LN10, rel=1e-9)
        assert direction.rate == pytest.approx(math.exp(total / layers), rel=1e-9)
        assert direction.rate_low == pytest.approx(math.exp((total - half) / layers), rel=1e-9)
        assert direction.rate_high == pytest.approx(math.exp((total + half) / layers), rel=1e-9)
        window = logs[:, layers // 2 :]
        slopes = [np.polyfit(np.arange(window.shape[1]), trial, 1)[0] for trial in window]
        assert direction.typical_log10 == pytest.approx(layers * float(np.mean(slopes)) / LN10, rel=1e-7, abs=1e-9)
        seen = math.log10(np.mean(np.exp(logs[:, -1] - logs[:, 0])))
        assert direction.measured_log10 == pytest.approx(seen, rel=1e-9)


def test_the_first_half_does_not_enter() -> None:
    logs = a_walk(6, 20)
    moved = logs.copy()
    moved[:, :10] += 30 * np.random.default_rng(1).standard_normal((6, 10))
    assert _forward(moved).total_log10 == pytest.approx(_forward(logs).total_log10, rel=1e-12)


def test_ratios_come_first_then_the_mean_then_the_log() -> None:
    # Two trials whose steps are +a and -a: the mean ratio is cosh a, neither 1 (mean of logs) nor, as the trials
    # stand e^50 apart, the ratio of the means (e^a).
    a = 0.7
    logs = np.stack([50 + a * np.arange(12), -a * np.arange(12)])
    direction = _forward(logs)
    assert direction.total_log10 == pytest.approx(12 * math.log10(math.cosh(a)), rel=1e-9)
    assert direction.typical_log10 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("total", "label"),
    [
        (0.0, "stable"),
        (0.999, "stable"),
        (-0.999, "stable"),
        (1.001, "borderline"),
        (-1.001, "borderline"),
        (1.999, "borderline"),
        (-1.999, "borderline"),
        (2.001, "exploding"),
        (-2.001, "vanishing"),
        (500.0, "exploding"),
        (-500.0, "vanishing"),
    ],
)
def test_without_noise_the_total_alone_decides(total: float, label: str) -> None:
    verdict = judge(a_measurement(a_line(total * LN10), -a_line(total * LN10)))
    assert verdict.forward.label == label
    assert verdict.backward.label == label
    assert verdict.forward.total_log10 == pytest.approx(total)


@pytest.mark.parametrize(
    ("total", "half", "label"),
    [
        (3.0, 0.9, "exploding"),
        (-3.0, 0.9, "vanishing"),
        (3.0, 1.5, "inconclusive"),
        (-3.0, 1.5, "inconclusive"),
        (5.0, 2.9, "exploding"),  # far enough beyond, however wide
        (-5.0, 2.9, "vanishing"),
        (0.0, 1.1, "inconclusive"),
        (0.5, 0.9, "stable"),
        (1.5, 0.9, "borderline"),
        (2.5, 0.9, "exploding"),
        (-2.5, 0.9, "vanishing"),
        (0.0, None, "inconclusive"),
        (100.0, None, "inconclusive"),
    ],
)
def test_labels_need_their_interval(total: float, half: float | None, label: str) -> None:
    assert direction_label(total * LN10, None if half is None else half * LN10) == label


@pytest.mark.parametrize(
    ("total", "half", "label"),
    [
        (50.0, 0.5, "preserved"),
        (0.0, 0.5, "preserved"),
        (-0.99, 0.5, "preserved"),
        (-1.01, 0.5, "fading"),
        (-1.99, 0.5, "fading"),
        (-2.01, 0.5, "collapsing"),
        (-9.0, 0.5, "collapsing"),
        (-9.0, 5.0, "collapsing"),
        (-3.0, 1.5, "inconclusive"),
        (0.0, 1.5, "inconclusive"),
        (0.0, None, "inconclusive"),
    ],
)
def test_labels_of_the_signal(total: float, half: float | None, label: str) -> None:
    assert signal_label(total * LN10, None if half is None else half * LN10) == label


@pytest.mark.parametrize("total", [-300.0, 0.0, 300.0])
def test_one_trial_decides_nothing(total: float) -> None:
    measurement = a_measurement(a_line(total, trials=1), a_line(total, trials=1))
    verdict = judge(measurement)
    for direction in (verdict.forward, verdict.backward):
        assert direction.label == "inconclusive"
        assert direction.total_log10 is not None
        assert (direction.rate_low, direction.rate_high, direction.depth_scale) == (None, None, None)
        assert direction.error_log10 is None
    assert verdict.overall == "inconclusive"
    case = build_case(measurement)
    remedies = [plain_remedy(case, finding) for finding in verdict.findings if finding.code == "inconclusive"]
    assert remedies == ["Run with --trials 20."] * 3  # forward, backward and signal


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


@pytest.mark.parametrize(("zeros", "label"), [(4, "preserved"), (5, "collapsing")])
def test_a_signal_that_is_exactly_zero_in_half_of_the_trials_has_collapsed(zeros: int, label: str) -> None:
    signal = np.zeros((10, 20))
    signal[:zeros, 13:] = -np.inf
    found = judge(a_measurement(a_walk(10, 20), signal=signal)).signal
    assert found.label == label
    assert (found.total_log10 is None) == (label == "collapsing")


@pytest.mark.parametrize("noise", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("step", [-0.5, -0.15, 0.0])
def test_the_signal_is_labelled_by_its_interval(noise: float, step: float) -> None:
    signal = a_walk(5, 40, step=step, noise=noise, seed=3)
    total, half = _naive(signal)
    found = judge(a_measurement(np.zeros((5, 40)), signal=signal)).signal
    assert found.total_log10 == pytest.approx(total / LN10)
    assert found.error_log10 == pytest.approx(half / LN10)
    if not 0.9 < half / LN10 < 1.1:
        assert found.label == signal_label(total, half)


# --- fewer than four layers ---


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    ("total", "label"), [(-5.0, "vanishing"), (0.0, "stable"), (1.5, "borderline"), (5.0, "exploding")]
)
def test_few_layers_are_judged_from_end_to_end(layers: int, total: float, label: str) -> None:
    widths = [256, 256, 10][-layers:]
    rows = [a_layer(width=width) for width in widths]
    logs = np.tile(np.linspace(1, 7 + total * LN10, layers), (4, 1))
    logs[:, -1] = 7 + total * LN10
    # Backward: features times dObjective/dX against width_L times the (unit) cotangent.
    at_input = total * LN10 + math.log(10) - math.log(784)
    verdict = judge(a_measurement(logs, layers=rows, at_input=7.0, gradient_at_input=at_input, features=784))
    for direction in (verdict.forward, verdict.backward):
        assert direction.label == label
        assert direction.rate is None
        assert direction.depth_scale is None
        assert direction.total_log10 == pytest.approx(total, abs=1e-9)


def test_the_step_into_the_first_layer_enters_only_below_four_layers() -> None:
    assert _forward(a_line(0.0, layers=3), at_input=50.0).label == "vanishing"
    assert _forward(a_line(0.0, layers=4), at_input=50.0).label == "stable"


def test_what_two_layers_change_is_measured() -> None:
    logs = np.tile([0.0, 2 * LN10], (4, 1))
    assert _forward(logs).measured_log10 == pytest.approx(2.0)
    assert _forward(logs[:, :1]).measured_log10 is None


def test_an_input_of_zeros_counts_only_below_four_layers() -> None:
    assert _forward(a_line(0.0, layers=4), at_input=-np.inf).label == "stable"
    assert _forward(a_line(0.0, layers=3), at_input=-np.inf).label == "degenerate"


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
    assert _real_cut([{"dense": 16, "repeat": 2}, {"dense": 10}]) == [(0, 2, 1), (2, 3, 1)]
    assert _real_cut([{"dense": 16, "repeat": 3}, {"dense": 16}]) == [(0, 4, 1)]
    assert _real_cut([{"dense": 16, "repeat": 3}, {"dense": {"width": 16, "init": "he"}}]) == [(0, 3, 1), (3, 4, 1)]
    assert _real_cut([{"dense": 16, "repeat": 3}, {"dense": {"width": 16, "bias": 1.0}}]) == [(0, 3, 1), (3, 4, 1)]
    assert _real_cut([{"block": [{"dense": 16}, {"dense": 8}], "repeat": 5}, {"dense": 8}]) == [(0, 10, 2), (10, 11, 1)]
    residual = {"residual": {"layers": [{"dense": 32}, {"dense": 16}]}, "repeat": 5}
    assert _real_cut([{"dense": 16}, residual, {"dense": 4}]) == [(0, 1, 1), (1, 6, 1), (6, 7, 1)]


def test_given_weights_are_stretches_of_their_own(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.eye(16))
    given = {"dense": {"width": 16, "init": {"name": "file", "path": str(tmp_path / "w.npy")}}}
    assert _real_cut([{**given, "repeat": 3}, {"dense": 16, "repeat": 4}]) == [
        (0, 1, 1),
        (1, 2, 1),
        (2, 3, 1),
        (3, 7, 1),
    ]


def test_a_repeated_block_is_compared_place_by_place() -> None:
    # Within a block the second moment goes up 1000-fold and down again; from block to block by exactly 1.2.
    block = [a_layer(likeness="wide", width=128), a_layer(likeness="narrow", width=32)]
    copies, rate = 10, math.log(1.2)
    logs = np.array([[rate * (i // 2) + (6.9 if i % 2 else 0.0) for i in range(2 * copies)]] * 3)
    direction = _forward(logs, layers=_copies("layers[0]", copies, block))
    assert direction.total_log10 == pytest.approx(copies * math.log10(1.2), rel=1e-9)
    assert direction.rate == pytest.approx(math.sqrt(1.2), rel=1e-9)
    assert direction.label == "stable"


def _stretched(logs: np.ndarray, cut: Sequence[tuple[int, int]]) -> float:
    """S L/(L-1): sum of (m-1) lambda over stretches from their deep halves, and the steps between."""
    count = logs.shape[1]

    def change(a: int, b: int) -> float:
        return math.log(np.mean(np.exp(logs[:, b] - logs[:, a])))

    total = sum(change(a[1] - 1, b[0]) for a, b in pairwise(cut))
    for start, stop in cut:
        m = stop - start
        total += (m - 1) * _naive(logs[:, start:stop])[0] / m if m >= 4 else change(start, stop - 1)
    return total * count / (count - 1)


def test_unlike_stretches_add_up() -> None:
    layers = [a_layer(width=w) for w in [256] * 9 + [64] * 3 + [100] + [32] * 12]
    logs = a_walk(7, 25, step=0.08, noise=0.5, seed=4)
    total = _stretched(logs, [(0, 9), (9, 12), (12, 13), (13, 25)])
    verdict = judge(a_measurement(logs, -logs, layers=layers))
    assert verdict.forward.total_log10 == pytest.approx(total / LN10, rel=1e-9)
    assert verdict.backward.total_log10 == pytest.approx(total / LN10, rel=1e-9)
    assert verdict.forward.rate == pytest.approx(math.exp(total / 25), rel=1e-9)


def test_a_bad_first_half_does_not_pass() -> None:
    layers = [a_layer(likeness="bad")] * 10 + [a_layer(likeness="good")] * 10
    logs = np.tile(np.concatenate([np.arange(10) * -0.7, np.full(10, 9 * -0.7)]), (4, 1))
    assert _forward(logs, layers=layers).label == "vanishing"
    # If the layers were alike it would be a transient; the change is named all the same.
    verdict = judge(a_measurement(logs))
    assert verdict.forward.label == "stable"
    assert "total-change" in _codes(verdict)


# --- findings of the rule ---


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_a_single_step_beyond_a_hundred_is_a_jump(sign: int, way: str) -> None:
    logs = a_walk(5, 20, noise=0.05)
    step = np.zeros(20)
    step[6:] = sign * 5.0
    flat = a_walk(5, 20, noise=0.05, seed=1)
    verdict = judge(a_measurement(logs + step, flat) if way == "forward" else a_measurement(flat, logs + step))
    (jump,) = (finding for finding in verdict.findings if finding.code == "jump")
    assert jump.severity == "error"
    assert jump.layer == 7
    assert way in jump.message
    assert (verdict.forward if way == "forward" else verdict.backward).label == "stable"
    step[6:] = sign * 4.4  # below ln 100
    assert "jump" not in _codes(judge(a_measurement(logs + step)))


def test_the_step_from_the_input_is_no_jump() -> None:
    assert "jump" not in _codes(judge(a_measurement(a_walk(5, 20), at_input=50.0)))


@pytest.mark.parametrize("zeros", [1, 4, 5, 9, 10])
def test_dead_trials_count_from_half_on(zeros: int) -> None:
    logs = a_walk(10, 20)
    logs[:zeros, 13:] = -np.inf
    verdict = judge(a_measurement(logs))
    if zeros >= 5:
        assert verdict.forward == DirectionVerdict("degenerate")
        assert verdict.overall == "degenerate"
        (finding,) = (item for item in verdict.findings if item.code == "forward-degenerate")
        assert "dead-trials" not in _codes(verdict)
    else:
        alive = judge(a_measurement(logs[zeros:])).forward
        assert verdict.forward == alive
        (finding,) = (item for item in verdict.findings if item.code == "dead-trials")
    assert finding.layer == 14
    assert finding.measured == zeros / 10


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


@pytest.mark.parametrize(
    ("total", "label"), [(0.0, "preserved"), (8.0, "preserved"), (-1.5, "fading"), (-3.0, "collapsing")]
)
def test_the_signal_is_judged_by_its_share(total: float, label: str) -> None:
    share = a_line(total * LN10)
    verdict = judge(a_measurement(a_line(0.0), signal=share - share.max()))
    assert verdict.signal.label == label
    assert verdict.signal.total_log10 == pytest.approx(total, abs=1e-9)
    assert ("collapsed-signal" in _codes(verdict)) == (label == "collapsing")
    assert verdict.overall == "stable"


@pytest.mark.parametrize(("dtype", "eps"), [("float32", 2.0**-23), ("float64", 2.0**-52)])
def test_below_the_rounding_floor_the_signal_is_censored(dtype: str, eps: float) -> None:
    # Falls by 0.0557 a layer to the floor, then stands in the rounding noise, as in a real run.
    rate, floor = math.log(0.0557), math.log(100 * eps**2)
    share = np.maximum(np.arange(60) * rate, floor - 3.0)
    lost = int(np.argmax(share < floor))
    verdict = judge(a_measurement(a_line(0.0, 60), signal=np.tile(share, (5, 1)), dtype=dtype))
    assert verdict.signal.label == "collapsing"
    assert verdict.signal.rate == pytest.approx(0.0557, rel=1e-9)
    (finding,) = (item for item in verdict.findings if item.code == "collapsed-signal")
    assert finding.layer == lost + 1
    # The noise alone, judged without a floor, would look steady.
    assert (
        judge(a_measurement(a_line(0.0, 60), signal=np.tile(share + 40, (5, 1)), dtype=dtype)).signal.label
        != "collapsing"
    )


def test_a_signal_of_exact_zeros_is_collapsing() -> None:
    share = np.zeros((5, 20))
    share[:, 15:] = -np.inf
    assert judge(a_measurement(a_line(0.0), signal=share)).signal.label == "collapsing"


def test_the_signal_is_undefined_at_batch_1_and_for_a_constant_input() -> None:
    nothing = np.full((5, 20), np.nan)
    assert judge(a_measurement(a_line(0.0), signal=nothing, batch=1)).signal == DirectionVerdict("undefined")
    constant = a_measurement(a_line(0.0), signal=np.full((5, 20), -np.inf))
    constant.statistics.log_input_sample_variance[:] = -np.inf
    assert judge(constant).signal == DirectionVerdict("undefined")


# --- spread, chaos, order ---


@pytest.mark.parametrize(("noise", "found"), [(0.15, False), (0.4, True)])
def test_a_wide_spread_over_draws_is_a_warning_and_no_label(noise: float, found: bool) -> None:
    # sd of ln(v_L/v_1) over 24 steps: 0.73 and 2.
    verdict = judge(a_measurement(a_walk(200, 25, noise=noise, seed=2)))
    assert verdict.forward.label == "stable"
    assert ("finite-width" in _codes(verdict)) is found


def test_a_typical_draw_with_another_label_is_a_warning() -> None:
    # ln-sd 0.9 a step over 40 steps: the mean holds, the typical draw falls by exp(-16).
    verdict = judge(a_measurement(a_walk(4000, 40, noise=0.9, seed=3)))
    assert verdict.forward.label == "stable"
    assert verdict.forward.typical_log10 == pytest.approx(-40 * 0.405 / LN10, abs=0.5)
    assert "finite-width" in _codes(verdict)


def test_stable_activations_and_exploding_gradients_are_chaotic() -> None:
    chaos = judge(a_measurement(a_line(0.0), -a_line(20.0)))
    assert (chaos.forward.label, chaos.backward.label, chaos.overall) == ("stable", "exploding", "exploding")
    assert "chaotic" in _codes(chaos)
    assert "chaotic" not in _codes(judge(a_measurement(a_line(20.0), -a_line(20.0))))
    assert "chaotic" not in _codes(judge(a_measurement(a_line(0.0), a_line(20.0))))


def test_the_overall_label_is_the_worse_of_the_two() -> None:
    order = ("degenerate", "exploding", "vanishing", "inconclusive", "borderline", "stable")
    assert order == ORDER
    for i, first in enumerate(order):
        for j, second in enumerate(order):
            assert worse(first, second) == order[min(i, j)]


@pytest.mark.parametrize(("total", "noise"), [(0.0, 0.2), (0.05, 0.2), (3.0, 0.02), (-3.0, 0.02)])
def test_a_rate_that_may_be_one_has_no_depth_scale(total: float, noise: float) -> None:
    direction = _forward(a_walk(10, 24, step=total / 24, noise=noise, seed=6))
    low, high = direction.rate_low, direction.rate_high
    assert low is not None
    assert high is not None
    if low <= 1 <= high:
        assert direction.depth_scale is None
    else:
        assert direction.rate is not None
        assert direction.depth_scale == pytest.approx(1 / abs(math.log(direction.rate)), rel=1e-9)
    assert (direction.depth_scale is None) == (noise == 0.2)


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
    assert direction.total_log10 == pytest.approx(10 * math.log10(2), rel=1e-9)


def test_a_join_is_judged_by_its_output_and_the_gradient_there() -> None:
    layers = [a_layer("residual", likeness="join") for _ in range(8)]
    measured = a_measurement(a_line(0.0, 8), layers=layers)
    measured.statistics.log_preactivation_second_moment[:] = a_line(90.0, 8)
    measured.statistics.log_preactivation_sample_variance[:] = a_line(-90.0, 8)
    measured.statistics.log_gradient_second_moment[:] = a_line(90.0, 8)
    verdict = judge(measured)
    assert (verdict.forward.label, verdict.backward.label, verdict.signal.label) == ("stable", "stable", "preserved")


def test_the_row_of_a_dead_join_is_named() -> None:
    # x - x = 0 at the first of the joins, the fifth judged layer.
    identity = {"dense": {"width": 8, "activation": "linear", "init": "identity"}}
    block = {"residual": {"scale": -1.0, "layers": [identity]}}
    report = _report([{"dense": 8, "repeat": 4}, block], 8)
    (finding,) = (item for item in report.verdict.findings if item.code == "forward-degenerate")
    assert finding.layer is not None
    assert report.layers[finding.layer - 1].kind == "residual"


def test_the_width_factor_of_the_gradient_is_not_judged() -> None:
    widths = [4**i for i in range(1, 7)]
    layers = [a_layer(width=width) for width in widths]
    verdict = judge(a_measurement(a_line(0.0, 6), a_line(0.0, 6), layers=layers))
    assert verdict.backward.total_log10 == pytest.approx(0, abs=1e-9)
    (finding,) = (item for item in verdict.findings if item.code == "width-ratio")
    assert finding.severity == "info"


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
    # 256-256-10 is L = 3: with xavier tanh the squashing of three layers stays far from a factor 10.
    layers = [{"dense": 256, "repeat": 2}, {"dense": {"width": 10, "activation": "linear"}}]
    for seed in range(3):
        assert _labels(_report(layers, 784, activation, init, seed=seed)) == ("stable", "stable")


def test_three_layers_of_small_weights_vanish() -> None:
    layers = [{"dense": 256, "repeat": 2}, {"dense": {"width": 10, "activation": "linear"}}]
    for activation in ("relu", "tanh", "linear"):
        assert _labels(_report(layers, 784, activation, "small")) == ("vanishing", "vanishing")


def test_a_bad_first_half_before_a_good_second_is_not_stable() -> None:
    layers = [{"dense": 128, "repeat": 15}, {"dense": {"width": 128, "init": "he"}, "repeat": 15}]
    report = _report(layers, 128, "relu", "xavier")
    assert _labels(report) == ("vanishing", "vanishing")
    # 0.5 a layer over the 14 steps of the first half.
    assert report.verdict.forward.total_log10 == pytest.approx(14 * math.log10(0.5) * 30 / 29, abs=1.0)
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


def _assert_rate(direction: DirectionVerdict, expected: float, trials: int, layers: int, k: float = 4.0) -> None:
    """Within k of the report's own standard errors: h = t SE, and ln rate = T/L."""
    assert direction.rate is not None
    assert direction.error_log10 is not None
    error = direction.error_log10 * LN10 / float(stats.t.ppf(0.975, trials - 1)) / layers
    assert abs(math.log(direction.rate / expected)) < k * error
    # And the error is small enough for the comparison to say something.
    assert error < 0.03


def test_relu_under_xavier_loses_half_a_layer_both_ways() -> None:
    report = _report([{"dense": 256, "repeat": 30}], 256, "relu", "xavier", trials=20)
    assert _labels(report) == ("vanishing", "vanishing")
    _assert_rate(report.verdict.forward, 0.5, 20, 30)
    _assert_rate(report.verdict.backward, 0.5, 20, 30)


def test_tanh_with_large_weights_is_chaotic_at_the_known_rate() -> None:
    init = {"name": "mean_field", "sw": 2.5, "sb": 0.3}
    report = _report([{"dense": 256, "repeat": 20}], 256, "tanh", init, trials=20)
    assert _labels(report) == ("stable", "exploding")
    _assert_rate(report.verdict.forward, 1.0, 20, 20)
    _assert_rate(report.verdict.backward, 1.585, 20, 20)
    assert "chaotic" in _codes(report.verdict)


def test_dropout_adds_its_factor() -> None:
    block = {"block": [{"dense": 256}, {"dropout": 0.5}], "repeat": 20}
    report = _report([block], 256, "relu", "he", trials=20)
    assert _labels(report) == ("exploding", "exploding")
    _assert_rate(report.verdict.forward, 2.0, 20, 20)
    _assert_rate(report.verdict.backward, 2.0, 20, 20)


def test_the_default_linear_layer_of_torch_lives_on_its_biases() -> None:
    report = _report([{"dense": 128, "repeat": 20}], 128, "relu", "torch.linear_default", trials=20)
    assert _labels(report) == ("stable", "vanishing")
    assert report.verdict.signal.label == "collapsing"
    _assert_rate(report.verdict.backward, 1 / 6, 20, 20)
