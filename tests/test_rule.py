"""The rule of the verdict, sentence by sentence, on measurements made by hand whose figures can be computed apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import a_layer, a_line, a_measurement, a_walk
from scipy import stats

from varprobe.network.description import LayerDescription
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import judge
from varprobe.verdict.judged import pick_points
from varprobe.verdict.records import DirectionVerdict, Finding, Verdict
from varprobe.verdict.rule import direction_label, judge_direction, worse

LN10, LN100, LN1000 = math.log(10), math.log(100), math.log(1000)
NONE = -math.inf


def _codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def _one(verdict: Verdict, code: str) -> Finding:
    (found,) = (finding for finding in verdict.findings if finding.code == code)
    return found


def _forward(logs: np.ndarray, **parts: Any) -> DirectionVerdict:
    return judge(a_measurement(logs, **parts)).forward


def _exactly(changes: Sequence[float], layers: int = 20) -> np.ndarray:
    """Draws in straight lines that change by these."""
    return np.outer(changes, np.arange(layers) / (layers - 1))


def _spread(total: float, half: float, trials: int = 20) -> np.ndarray:
    """Draws whose mean change is `total`, and half its 95 % interval `half`."""
    pattern = np.tile([1.0, -1.0], trials // 2)
    unit = float(stats.t.ppf(0.975, trials - 1)) * pattern.std(ddof=1) / math.sqrt(trials)
    return _exactly(total + pattern * half / unit)


# --- 1: what is judged ---


def _judged(layers: Sequence[LayerDescription]) -> list[tuple[int, int]]:
    return [(point.row, point.output) for point in pick_points(layers)]


def _branch(*kinds: str) -> list[LayerDescription]:
    return [*(a_layer(kind, trunk=False) for kind in kinds), a_layer("residual")]


@pytest.mark.parametrize(
    ("kinds", "judged"),
    [
        (["dense", "dense"], [(0, 0), (1, 1)]),
        (["dense", "norm", "activation", "dropout", "dense"], [(0, 3), (4, 4)]),
        (["norm", "dense", "dense"], [(1, 1), (2, 2)]),
        (["dense", "activation"], [(0, 1)]),
    ],
)
def test_judged_is_what_a_dense_layer_hands_on(kinds: list[str], judged: list[tuple[int, int]]) -> None:
    assert _judged([a_layer(kind) for kind in kinds]) == judged


def test_judged_is_what_a_join_hands_on_with_the_final_norm_and_never_the_inside_of_a_branch() -> None:
    block = _branch("norm", "dense", "dense")
    layers = [a_layer(), *block, *block, a_layer("norm"), a_layer(is_head=True)]
    assert _judged(layers) == [(0, 0), (4, 4), (8, 9)]
    # A norm before a block in the trunk belongs to what comes before it, as after a post-norm join.
    assert _judged([a_layer(), a_layer("norm"), *block, a_layer("norm"), *block]) == [(0, 1), (5, 6), (10, 10)]


def test_blocks_alone_are_judged_at_their_joins() -> None:
    assert _judged(_branch("dense") * 5) == [(row, row) for row in (1, 3, 5, 7, 9)]


def test_a_head_is_not_judged_with_the_body() -> None:
    assert _judged([a_layer(), a_layer(), a_layer(is_head=True)]) == [(0, 0), (1, 1)]
    logs = a_line(0.0, 8)
    logs[:, -1] = -60.0
    assert _forward(logs, layers=[a_layer()] * 7 + [a_layer(is_head=True)]).label == "stable"
    assert _forward(logs, layers=[a_layer()] * 8).label == "vanishing"


def test_a_scale_that_a_norm_takes_out_is_not_judged() -> None:
    layers = [a_layer(), a_layer("norm")] * 6
    logs = np.zeros((5, 12))
    logs[:, ::2] = 40.0 * np.random.default_rng(0).standard_normal((5, 6))
    assert _forward(logs, layers=layers).total_log10 == pytest.approx(0, abs=1e-12)


def test_forward_is_the_second_moment_of_the_output_and_nothing_of_z() -> None:
    measured = a_measurement(a_line(3.0), a_line(0.0))
    s = measured.statistics
    for table in (s.log_preactivation_second_moment, s.log_gradient_second_moment, s.log_preactivation_sample_variance):
        table[:] = np.random.default_rng(0).normal(0, 40, table.shape)
    verdict = judge(measured)
    # 19 of 20 steps of 3.0/20 each.
    assert verdict.forward.total_log10 == pytest.approx(3.0 * 19 / 20 / LN10)
    assert verdict.backward.total_log10 == pytest.approx(0, abs=1e-12)


def test_backward_is_entries_times_the_gradient_of_the_same_output() -> None:
    widths = [4**i for i in range(1, 7)]
    layers = [a_layer(width=width) for width in widths]
    measured = a_measurement(np.zeros((5, 6)), layers=layers)
    # Per entry the same everywhere: towards the input the number of entries falls by 4**5.
    measured.statistics.log_activation_gradient_second_moment[:] = 0.0
    assert judge(measured).backward.total_log10 == pytest.approx(-5 * math.log10(4))


def test_the_step_through_what_belongs_to_a_layer_is_judged_both_ways() -> None:
    # A dense layer keeps the second moment, and the activation row behind it halves it, and the gradient on its way.
    layers = [a_layer(), a_layer("activation")] * 6
    logs = np.tile(-(np.arange(1, 13) // 2) * math.log(2), (5, 1))
    verdict = judge(a_measurement(logs, -logs, layers=layers))
    assert verdict.forward.total_log10 == pytest.approx(-5 * math.log10(2))
    assert verdict.backward.total_log10 == pytest.approx(-5 * math.log10(2))


# --- 3: D and h ---


@pytest.mark.parametrize("layers", [4, 5, 9, 24, 101])
@pytest.mark.parametrize("trials", [2, 3, 20])
def test_d_is_the_mean_of_the_logs_of_every_draws_change_and_h_students(layers: int, trials: int) -> None:
    ups, downs = (
        a_walk(trials, layers, step=0.1, noise=0.4, seed=layers),
        a_walk(trials, layers, noise=0.3, seed=trials),
    )
    verdict = judge(a_measurement(ups, downs))
    # Backward the gradient travels from the last layer to the first.
    for direction, changes in (
        (verdict.forward, [trial[-1] - trial[0] for trial in ups]),
        (verdict.backward, [trial[0] - trial[-1] for trial in downs]),
    ):
        mean = sum(changes) / trials
        sd = math.sqrt(sum((change - mean) ** 2 for change in changes) / (trials - 1))
        half = float(stats.t.ppf(0.975, trials - 1)) * sd / math.sqrt(trials)
        assert direction.total_log10 == pytest.approx(mean / LN10)
        assert direction.error_log10 == pytest.approx(half / LN10)
        assert direction.spread_log10 == pytest.approx(sd / LN10)
        assert direction.mean_log10 == pytest.approx(math.log10(np.mean(np.exp(changes))))


def test_a_gradient_that_grows_towards_the_input_explodes() -> None:
    grows = a_line(10.0)[:, ::-1]
    verdict = judge(a_measurement(a_line(0.0), grows))
    assert verdict.backward.label == "exploding"
    assert verdict.backward.total_log10 == pytest.approx(10.0 * 19 / 20 / LN10)
    assert verdict.backward.rate == pytest.approx(math.exp(0.5))
    fades = judge(a_measurement(a_line(0.0), a_line(10.0))).backward
    assert fades.label == "vanishing"
    assert fades.rate == pytest.approx(math.exp(-0.5))


def test_the_typical_draw_is_judged_and_not_the_mean() -> None:
    # 19 draws lose 12 decades, one gains 13: the mean over draws grows, the typical draw is dead.
    direction = _forward(_exactly([-12 * LN10] * 19 + [13 * LN10]))
    assert direction.label == "vanishing"
    assert direction.total_log10 == pytest.approx(-12 + 25 / 20)
    assert direction.mean_log10 == pytest.approx(13 - math.log10(20), abs=1e-9)


def test_no_window_and_no_extrapolation() -> None:
    # What the first half does counts like what the second does, and what is between cancels.
    logs = np.zeros((4, 20))
    logs[:, 1:] -= 8.0
    logs[:, 5:15] += np.random.default_rng(1).normal(0, 1, (4, 10))
    assert _forward(logs).label == "vanishing"
    assert _forward(logs).total_log10 == pytest.approx(-8.0 / LN10)


# --- 4: labels ---


@pytest.mark.parametrize(
    ("total", "label"),
    [
        (0.0, "stable"),
        (LN100 - 1e-6, "stable"),
        (LN100 + 1e-6, "borderline"),
        (LN1000 - 1e-6, "borderline"),
        (LN1000 + 1e-6, "exploding"),
        (1000.0, "exploding"),
    ],
)
def test_without_noise_the_change_alone_decides(total: float, label: str) -> None:
    up = {"exploding": "exploding"}.get(label, label)
    down = {"exploding": "vanishing"}.get(label, label)
    for sign, wanted in ((1, up), (-1, down)):
        logs = _exactly([sign * total] * 4)
        verdict = judge(a_measurement(logs, -logs))
        assert (verdict.forward.label, verdict.backward.label) == (wanted, wanted)
        assert verdict.forward.error_log10 == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("total", "half", "label"),
    [
        (LN1000 + 1.01 * LN10, 1.0 * LN10, "exploding"),
        (50.0, 43.0, "exploding"),  # D - h is beyond, however wide
        (50.0, 43.2, "inconclusive"),
        (0.0, LN10 - 1e-6, "stable"),
        (0.0, LN10 + 1e-6, "inconclusive"),
        (LN100 - 1e-6, 2.3, "stable"),
        (LN100 + 1e-6, 2.3, "borderline"),
        (LN1000 + 1e-6, 2.3, "exploding"),
        (LN1000 + 1e-6, 2.31, "inconclusive"),
        (0.0, None, "inconclusive"),
        (100.0, None, "inconclusive"),
    ],
)
def test_labels_need_their_interval(total: float, half: float | None, label: str) -> None:
    assert direction_label(total, half) == label
    assert direction_label(-total, half) == {"exploding": "vanishing"}.get(label, label)
    if half is not None and label != "stable":
        logs = _spread(total, half)
        verdict = judge(a_measurement(logs, logs))
        assert verdict.forward.error_log10 == pytest.approx(half / LN10)
        assert verdict.forward.label == label
        assert verdict.backward.label == {"exploding": "vanishing"}.get(label, label)


@pytest.mark.parametrize("total", [-300.0, 0.0, 300.0])
def test_one_draw_decides_nothing(total: float) -> None:
    verdict = judge(a_measurement(a_line(total, trials=1), a_line(total, trials=1)))
    for direction in (verdict.forward, verdict.backward):
        assert direction.label == "inconclusive"
        assert direction.total_log10 is not None
        assert (direction.error_log10, direction.spread_log10, direction.depth_scale) == (None, None, None)
        assert (direction.rate_low, direction.rate_high) == (None, None)
    assert verdict.overall == "inconclusive"
    assert len([finding for finding in verdict.findings if finding.code == "inconclusive"]) == 3


@pytest.mark.parametrize(
    ("half", "trials", "needed"),
    [
        (1.5, 20, math.ceil(1.1 * 20 * 1.5**2)),
        (1.001, 20, 23),
        (4.2, 20, math.ceil(1.1 * 20 * 4.2**2)),  # 389
        (4.3, 20, None),  # 407
        (1.01, 400, None),
        (40.0, 20, None),
    ],
)
def test_it_is_said_how_many_draws_would_do_and_never_more_than_400(
    half: float, trials: int, needed: int | None
) -> None:
    logs = _spread(0.0, half * LN10, trials)
    case = build_case(a_measurement(logs, logs, logs))
    for judged in (case.forward, case.backward, case.signal):
        assert judged.direction.label == "inconclusive"
        assert judged.needed == needed


def test_draws_that_would_do_are_counted_with_those_that_die() -> None:
    logs = np.concatenate([_spread(0.0, 1.5 * LN10, 12), np.full((8, 20), NONE)])
    # 12 of 20 live, and will of those to come.
    assert build_case(a_measurement(logs)).forward.needed == math.ceil(1.1 * 20 * 1.5**2)


def test_what_is_decided_asks_for_no_more_draws() -> None:
    case = build_case(a_measurement(_spread(0.0, 1.0), _spread(50.0, 20.0)))
    assert (case.forward.needed, case.backward.needed, case.signal.needed) == (None, None, None)


def test_the_overall_label_is_the_worse_of_the_two() -> None:
    order = ("degenerate", "exploding", "vanishing", "inconclusive", "borderline", "stable")
    for i, first in enumerate(order):
        for j, second in enumerate(order):
            assert worse(first, second) == order[min(i, j)]


# --- 5: fewer than four layers ---


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("total", [-5.0, 0.0, 2.5, 5.0])
def test_few_layers_are_judged_from_the_input_to_the_last(layers: int, total: float) -> None:
    widths = [256, 128, 10][-layers:]
    rows = [a_layer(width=width) for width in widths]
    logs = np.random.default_rng(0).normal(0, 5, (4, layers))
    back = np.random.default_rng(1).normal(0, 5, (4, layers))
    # Backward: features times the gradient at the input, against the entries times the gradient at the last output.
    at_input = back[:, -1] + total * LN10 - math.log(784)
    verdict = judge(
        a_measurement(
            logs, back, layers=rows, at_input=logs[:, -1] - total * LN10, gradient_at_input=at_input, features=784
        )
    )
    for direction in (verdict.forward, verdict.backward):
        assert direction.total_log10 == pytest.approx(total)
        assert direction.label == direction_label(total * LN10, 0.0)
        assert (direction.rate, direction.depth_scale, direction.deep_half_log10) == (None, None, None)


def test_three_small_layers_vanish_and_the_input_counts_only_below_four() -> None:
    assert _forward(a_line(0.0, layers=3), at_input=50.0).label == "vanishing"
    assert _forward(a_line(0.0, layers=4), at_input=50.0).label == "stable"
    assert _forward(a_line(0.0, layers=3), at_input=NONE).label == "degenerate"
    assert _forward(a_line(0.0, layers=4), at_input=NONE).label == "stable"
    # The head is no layer of the body: four with it are three.
    layers = [a_layer()] * 3 + [a_layer(is_head=True)]
    assert _forward(a_line(0.0, layers=4), layers=layers, at_input=50.0).label == "vanishing"


# --- 6: dead draws ---


@pytest.mark.parametrize("bad", [NONE, math.nan])
@pytest.mark.parametrize("count", [1, 4, 5, 9, 10])
def test_half_of_the_draws_or_more_dead_is_degenerate(count: int, bad: float) -> None:
    logs, back = a_walk(10, 20), a_walk(10, 20, seed=1)
    logs[:count, 13:] = bad
    back[:count, :7] = bad
    measured = a_measurement(logs, back)
    if math.isnan(bad):  # given weights that hold nan themselves
        measured = replace(measured, layers=tuple(replace(layer, given=True) for layer in measured.layers))
        measured.statistics.weight_variance[:] = math.nan
    verdict = judge(measured)
    alive = judge(a_measurement(logs[count:], back[count:])) if count < 10 else None
    for direction, living, way, row in (
        (verdict.forward, alive and alive.forward, "forward", 14),
        (verdict.backward, alive and alive.backward, "backward", 7),
    ):
        if count >= 5:
            assert direction.label == "degenerate"
            assert (direction.total_log10, direction.error_log10, direction.rate) == (None, None, None)
            found = _one(verdict, f"{way}-degenerate")
        else:
            assert living is not None
            assert (direction.label, direction.total_log10) == (living.label, living.total_log10)
            assert direction.error_log10 == living.error_log10
            assert direction.rate == (None if math.isnan(bad) else living.rate)  # given layers are not alike
            (found,) = (one for one in verdict.findings if one.code == "dead-trials" and way in one.message)
            assert found.severity == "warning"
        assert (found.layer, found.measured) == (row, count / 10)
    assert ("dead-trials" in _codes(verdict)) is (count < 5)


@pytest.mark.parametrize(("ended", "label"), [(4, "stable"), (5, "exploding"), (10, "exploding")])
def test_overflow_of_finite_weights_explodes(ended: int, label: str) -> None:
    logs, back = a_walk(10, 20), a_walk(10, 20, seed=1)
    logs[:ended, 13:], back[:ended] = math.nan, math.nan
    verdict = judge(a_measurement(logs, back))
    assert (verdict.forward.label, verdict.backward.label, verdict.overall) == (label, label, label)
    assert _one(verdict, "non-finite").layer == 14
    if label == "exploding":
        assert verdict.forward.total_log10 is None
        assert {"forward-exploding", "backward-exploding"} <= _codes(verdict)
        assert verdict.signal == DirectionVerdict("undefined")


def test_zeros_and_ends_count_together() -> None:
    logs = a_walk(10, 20)
    logs[:3, 5:], logs[3:5, 9:] = NONE, math.nan
    assert _forward(logs).label == "degenerate"
    logs[2] = 0.0
    assert _forward(logs).label == "stable"


def test_a_dead_draw_has_lost_and_a_theory_of_zeros_has_no_draws() -> None:
    logs = np.zeros((10, 20))
    logs[:3, 13:] = NONE
    lost = _forward(logs).lost
    assert lost is not None
    assert (lost.share, lost.low, lost.high) == pytest.approx(
        (0.3, float(stats.beta.ppf(0.025, 3, 8)), float(stats.beta.ppf(0.975, 4, 7)))
    )
    zero = judge_direction(np.full((1, 8), NONE), np.zeros(1), (), backward=False, exact=True).direction
    assert zero == DirectionVerdict("degenerate")
