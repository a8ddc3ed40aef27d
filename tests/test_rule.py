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

from varprobe.advice.remedies import plain_remedy
from varprobe.formatting import percent, power
from varprobe.network.description import LayerDescription
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import conclude, judge
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
    measured = a_measurement(a_line(total, trials=1), a_line(total, trials=1))
    assert [judged.needed for _, _, judged in build_case(measured).directions] == [20, 20]
    verdict = judge(measured)
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
    remedies = {plain_remedy(case, one) for one in conclude(case).verdict.findings if one.code == "inconclusive"}
    assert len(remedies) == 1
    # Where so many would not do, what is known is said instead.
    assert (f"--trials {needed}." in remedies.pop()) is (needed is not None)


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


# --- 7: the mean and the draws ---


@pytest.mark.parametrize(("sd", "found"), [(0.99, False), (1.01, True)])
def test_a_spread_of_more_than_a_factor_e_is_told(sd: float, found: bool) -> None:
    pattern = np.tile([1.0, -1.0], 50)
    logs = _exactly(pattern * sd / pattern.std(ddof=1))
    verdict = judge(a_measurement(logs, np.zeros_like(logs)))
    assert verdict.forward.label == "stable"
    assert ("finite-width" in _codes(verdict)) is found
    if found:
        assert _one(verdict, "finite-width").measured == pytest.approx(sd)


def test_a_mean_in_another_region_than_the_typical_draw_is_told() -> None:
    # 99 draws at -4.7 and one at 4: D = -4.61, sd 0.87 only; the mean over draws is at -0.59.
    changes = [-4.7] * 99 + [4.0]
    direction = judge(a_measurement(_exactly(changes))).forward
    assert direction.spread_log10 is not None
    assert direction.spread_log10 * LN10 < 1
    assert direction.label == "borderline"
    assert direction.mean_log10 == pytest.approx(math.log10((99 * math.exp(-4.7) + math.exp(4.0)) / 100))
    message = _one(judge(a_measurement(_exactly(changes), np.zeros((100, 20)))), "finite-width").message
    # What a typical draw keeps, what the mean is, and the share that loses, with its interval.
    assert direction.lost is not None
    share = f"{percent(0.99)} ({percent(direction.lost.low)} to {percent(direction.lost.high)}) lose"
    for words in (power(direction.total_log10), power(direction.mean_log10), share):
        assert words in message


def test_beside_a_limit_the_mean_is_no_other_than_the_typical_draw() -> None:
    logs = _spread(LN100 - 0.002, 0.1)
    direction = _forward(logs)
    assert direction.mean_log10 is not None
    assert direction.mean_log10 > 2 > (direction.total_log10 or 0)
    assert "finite-width" not in _codes(judge(a_measurement(logs)))


def test_lost_and_grown_are_shares_of_the_draws_after_clopper_and_pearson() -> None:
    changes = [-5.0] * 3 + [0.0] * 10 + [5.0] * 7
    direction = _forward(_exactly(changes))
    for share, hits in ((direction.lost, 3), (direction.grown, 7)):
        assert share is not None
        assert share.share == hits / 20
        assert share.low == pytest.approx(float(stats.beta.ppf(0.025, hits, 21 - hits)), abs=1e-9)
        assert share.high == pytest.approx(float(stats.beta.ppf(0.975, hits + 1, 20 - hits)), abs=1e-9)


@pytest.mark.parametrize(("far", "found"), [(0, False), (20, False), (29, False), (31, True), (40, True)])
def test_stable_in_the_middle_and_scattered_is_an_error(far: int, found: bool) -> None:
    # Of 40 draws; half of them is below the interval of 27 and more: 27 of 40 is 0.509 to 0.814.
    assert float(stats.beta.ppf(0.025, 27, 14)) > 0.5 > float(stats.beta.ppf(0.025, 26, 15))
    far = 26 if far == 29 else 27 if far == 31 else far
    changes = [5.0 * (-1) ** i for i in range(far)] + [0.0] * (40 - far)
    verdict = judge(a_measurement(_exactly(changes), np.zeros((40, 20))))
    assert verdict.forward.label == "stable"
    assert ("scattered" in _codes(verdict)) is found
    if found:
        assert _one(verdict, "scattered").severity == "error"


def test_dead_draws_are_beyond_a_hundredfold_and_only_what_is_stable_scatters() -> None:
    logs = _exactly([4.7, -4.7] * 6 + [0.0] * 10)
    dead = np.full((18, 20), NONE)
    # 30 of 40; without the dead it would be 12 of 22.
    assert "scattered" in _codes(judge(a_measurement(np.concatenate([logs, dead]))))
    assert "scattered" not in _codes(judge(a_measurement(logs)))
    gone = _codes(judge(a_measurement(_exactly([9.0] * 40))))
    assert "scattered" not in gone
    assert "forward-exploding" in gone


# --- 8: on the way ---


def _hill(height: float, layers: int = 20, end: float = 0.0) -> np.ndarray:
    path = np.zeros(layers)
    path[: layers // 2 + 1] = np.linspace(0, height, layers // 2 + 1)
    path[layers // 2 :] = np.linspace(height, end, layers - layers // 2)
    return np.tile(path, (5, 1))


@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_excursion_is_told_where_the_path_leaves_a_thousandfold_and_comes_back(sign: int, way: str) -> None:
    for height, found in ((LN1000 - 0.01, False), (LN1000 + 0.01, True)):
        logs, flat = _hill(sign * height), a_line(0.0)
        verdict = judge(a_measurement(logs, flat) if way == "forward" else a_measurement(flat, logs))
        assert verdict.overall == "stable"
        assert ("excursion" in _codes(verdict)) is found
    excursion = _one(verdict, "excursion")
    assert excursion.severity == "error"
    assert way in excursion.message
    assert abs(excursion.measured or 0) == pytest.approx(height / LN10)


def test_an_excursion_between_any_two_layers_counts() -> None:
    # Up by 4 and down by 8 before it comes back: no layer is a thousandfold from the first.
    path = np.interp(np.arange(20), [0, 5, 12, 19], [0.0, 4.0, -4.0, 0.0])
    found = _one(judge(a_measurement(np.tile(path, (5, 1)))), "excursion")
    assert (found.layer, found.measured) == (13, pytest.approx(-8 / LN10))


@pytest.mark.parametrize("end", [-12.0, -7.0, 7.0, 12.0])
def test_an_excursion_is_never_told_with_the_label_that_explains_it(end: float) -> None:
    verdict = judge(a_measurement(_hill(20.0, end=end), _hill(20.0, end=end)))
    assert verdict.overall in ("vanishing", "exploding")
    assert "excursion" not in _codes(verdict)
    assert "excursion" not in _codes(judge(a_measurement(a_line(end * 2))))


def test_an_excursion_of_a_borderline_direction_warns_if_it_comes_back_at_all() -> None:
    verdict = judge(a_measurement(_hill(20.0, end=5.5)))
    assert verdict.forward.label == "borderline"
    assert _one(verdict, "excursion").severity == "warning"
    # On the way to its end it goes a little further than that.
    for height in (7.0, 7.5):
        assert "excursion" not in _codes(judge(a_measurement(_hill(height, end=6.5))))


def test_an_excursion_has_its_interval_too() -> None:
    noise = np.zeros((5, 20))
    noise[:, 10] = np.random.default_rng(0).normal(0, 2.0, 5)
    noise[:, 10] -= noise[:, 10].mean()
    assert "excursion" not in _codes(judge(a_measurement(_hill(LN1000 + 0.5) + noise)))
    assert "excursion" not in _codes(judge(a_measurement(_hill(30.0)[:1])))


def _stepped(size: float, trials: int = 5, at: int = 6) -> np.ndarray:
    step = np.zeros(20)
    step[at:] = size
    return a_walk(trials, 20, noise=0.001) + step


UNLIKE = [a_layer()] * 6 + [a_layer(likeness="other", expected_std=0.001)] + [a_layer(likeness="third")] * 13


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("dead", [0, 1])
def test_a_single_step_beyond_a_thousand_is_a_jump_with_its_sign(sign: int, way: str, dead: int) -> None:
    for size, found in ((LN1000 - 0.05, False), (LN1000 + 0.05, True)):
        # Backward what grows on its way is smaller at later layers.
        logs = _stepped(sign * size if way == "forward" else -sign * size)
        flat = a_walk(5, 20, noise=0.001, seed=1)
        logs[:dead, 3 if way == "backward" else 15] = NONE
        verdict = judge(a_measurement(*((logs, flat) if way == "forward" else (flat, logs)), layers=UNLIKE))
        assert ("jump" in _codes(verdict)) is found
    jump = _one(verdict, "jump")
    assert (jump.severity, jump.layer) == ("error", 7)
    assert way in jump.message
    assert jump.measured == pytest.approx(sign * size / LN10, abs=0.01)


def test_layers_that_are_alike_have_no_jump() -> None:
    assert "jump" not in _codes(judge(a_measurement(_stepped(9.0))))
    # 256-fold a layer in a network of one kind is one rate, told once.
    verdict = judge(a_measurement(a_line(20 * 8.0)))
    assert _codes(verdict) & {"jump", "excursion"} == set()
    assert "forward-exploding" in _codes(verdict)
    # Nor has the step from the input.
    assert "jump" not in _codes(judge(a_measurement(a_walk(5, 20), at_input=50.0, layers=UNLIKE)))


def test_a_jump_has_its_interval_too() -> None:
    noisy = _stepped(LN1000 + 0.5)
    noisy[:, 6:] += np.array([2.0, -2.0, 1.0, -1.0, 0.0])[:, None]
    assert "jump" not in _codes(judge(a_measurement(noisy, layers=UNLIKE)))
    assert "jump" not in _codes(judge(a_measurement(_stepped(30.0, trials=1), layers=UNLIKE)))


def _levelling(layers: int, total: float, deep: float) -> np.ndarray:
    """A path that changes by `total`, in its deep half at a rate that over the whole depth makes `deep`."""
    half = layers // 2
    path = np.zeros(layers)
    path[half:] = np.arange(layers - half) * deep / (layers - 1)
    path[:half] = np.linspace(-(total - path[-1]), 0, half)
    return np.tile(path - path[0], (4, 1))


@pytest.mark.parametrize(
    ("total", "deep", "found"),
    [
        (-4.0, -0.9 * LN10, True),
        (-4.0, 0.9 * LN10, True),
        (-4.0, -1.1 * LN10, False),
        (-8.0, -0.5, True),
        (-0.95 * LN10, 0.0, False),
        (1.05 * LN10, 0.0, True),
    ],
)
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_what_the_deep_half_hardly_adds_to_levels_off(total: float, deep: float, found: bool, way: str) -> None:
    logs, flat = _levelling(20, total, deep), a_line(0.0, trials=4)
    verdict = judge(a_measurement(logs, flat) if way == "forward" else a_measurement(flat, -logs))
    direction = verdict.forward if way == "forward" else verdict.backward
    assert direction.total_log10 == pytest.approx(total / LN10)
    assert direction.deep_half_log10 == pytest.approx(deep / LN10)
    assert ("levelling-off" in _codes(verdict)) is found
    if found:
        assert _one(verdict, "levelling-off").severity == "info"


def test_a_change_that_other_layers_made_does_not_level_off() -> None:
    # Eight bad layers before twelve good ones: the good ones' rate is 1, which explains nothing of the change.
    layers = [a_layer(likeness="bad")] * 8 + [a_layer(likeness="good")] * 12
    logs = np.tile(np.concatenate([np.arange(8) * -0.7, np.full(12, 7 * -0.7)]), (4, 1))
    verdict = judge(a_measurement(logs, layers=layers))
    assert verdict.forward.label == "borderline"
    assert verdict.forward.rate == pytest.approx(1)
    assert "levelling-off" not in _codes(verdict)


def test_stable_activations_and_exploding_gradients_are_chaotic() -> None:
    chaos = judge(a_measurement(a_line(0.0), -a_line(20.0)))
    assert (chaos.forward.label, chaos.backward.label, chaos.overall) == ("stable", "exploding", "exploding")
    assert "2.72-fold a layer" in _one(chaos, "chaotic").message
    assert "chaotic" not in _codes(judge(a_measurement(a_line(20.0), -a_line(20.0))))
    assert "chaotic" not in _codes(judge(a_measurement(a_line(0.0), a_line(20.0))))


def test_chaos_tells_no_growth_that_its_rate_does_not_show() -> None:
    # The gradient explodes at one layer unlike the others, whose rate is below 1.
    back = -_stepped(20.0) + 0.1 * np.arange(20)
    message = _one(judge(a_measurement(a_line(0.0), back, layers=UNLIKE)), "chaotic").message
    assert "-fold a layer" not in message


# --- where it begins ---


def test_the_first_row_that_is_no_longer_stable_is_named_in_the_direction_of_travel() -> None:
    # One a layer: ln 100 = 4.6 is passed at the fifth step.
    verdict = judge(a_measurement(a_line(20.0), -a_line(20.0)))
    assert _one(verdict, "forward-exploding").layer == 6
    assert _one(verdict, "backward-exploding").layer == 15


def test_of_few_layers_the_change_begins_at_the_input() -> None:
    logs = np.tile([-6.0, -7.0, -8.0], (4, 1))
    assert _one(judge(a_measurement(logs)), "forward-vanishing").layer == 1
    assert _one(judge(a_measurement(logs, at_input=-2.0)), "forward-borderline").layer == 2
    # Backward the last step is to the input, which has no row.
    back = judge(a_measurement(logs * 0, np.zeros((4, 3)), gradient_at_input=-9.0 - math.log(64)))
    assert _one(back, "backward-vanishing").layer is None


# --- 9: the rate ---


@pytest.mark.parametrize("layers", [4, 5, 8, 21])
def test_the_rate_is_that_of_the_deep_half_of_typical_draws_with_its_interval(layers: int) -> None:
    logs = a_walk(9, layers, step=0.3, noise=0.2, seed=layers)
    verdict = judge(a_measurement(logs, -logs))
    slopes = [np.polyfit(np.arange(layers - layers // 2), trial[layers // 2 :], 1)[0] for trial in logs]
    mean = float(np.mean(slopes))
    half = float(stats.t.ppf(0.975, 8)) * float(np.std(slopes, ddof=1)) / 3
    for direction in (verdict.forward, verdict.backward):
        assert direction.rate == pytest.approx(math.exp(mean))
        assert direction.rate_low == pytest.approx(math.exp(mean - half))
        assert direction.rate_high == pytest.approx(math.exp(mean + half))
        assert direction.deep_half_log10 == pytest.approx((layers - 1) * mean / LN10)
        assert (direction.depth_scale is None) == (abs(mean) <= half)
        if direction.depth_scale is not None:
            assert direction.depth_scale == pytest.approx(1 / abs(mean))


def test_a_rate_that_may_be_one_has_no_depth_scale() -> None:
    direction = _forward(a_walk(10, 24, noise=0.2, seed=6))
    assert (direction.rate_low or 0) < 1 < (direction.rate_high or 0)
    assert direction.depth_scale is None


def test_the_rate_is_not_judged_and_has_none_below_four_layers_that_are_alike() -> None:
    for width_of, known in ((lambda i: 32 * (i // 4 + 1), True), (lambda i: 32 * (i // 3 + 1), False)):
        layers = [a_layer(width=width_of(i)) for i in range(12)]
        direction = _forward(a_line(20.0, 12), layers=layers)
        assert direction.label == "exploding"
        assert (direction.rate is not None) is known
        assert (direction.deep_half_log10 is not None) is known


def test_the_rate_is_that_of_the_longest_stretch() -> None:
    layers = [a_layer(width=8)] * 5 + [a_layer(width=64)] * 9 + [a_layer(width=16)] * 6
    logs = np.cumsum([[0.7] * 5 + [0.1] * 9 + [-0.9] * 6] * 3, axis=1)
    assert _forward(logs, layers=layers).rate == pytest.approx(math.exp(0.1))


def test_a_repeated_block_has_a_rate_per_layer_whatever_is_inside_it() -> None:
    block = [a_layer(likeness="wide", width=128), a_layer(likeness="narrow", width=32)]
    layers = [replace(part, group=("layers[0]", copy)) for copy in range(1, 11) for part in block]
    # Within a block the second moment goes up 100-fold and down again; from block to block by 1.2.
    logs = np.array([[math.log(1.2) * (i // 2) + (4.6 if i % 2 else 0.0) for i in range(20)]] * 3)
    assert _forward(logs, layers=layers).rate == pytest.approx(math.sqrt(1.2))
