"""Findings figure by figure and word by word, of measurements made by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import a_layer, a_line, a_measurement, a_walk
from golden import Said
from scipy import stats

from varprobe.advice import rates
from varprobe.advice.remedies import plain_remedy
from varprobe.config.loading import load
from varprobe.diagnose import predict_report
from varprobe.network.description import describe_rows
from varprobe.network.number_formats import FORMATS
from varprobe.probe.measure import measure
from varprobe.probe.measurement import Measurement
from varprobe.theory.predict import predict
from varprobe.verdict.agreement import Agreement, Band, RowAgreement, compare, foresee
from varprobe.verdict.case import Case, build_case, foresee_case
from varprobe.verdict.findings import all_findings
from varprobe.verdict.judge import judge
from varprobe.verdict.judged import JudgedLayer, pick_points
from varprobe.verdict.ranges import count_chances
from varprobe.verdict.records import Finding, FormatRange, Leaving
from varprobe.verdict.traces import trace_prediction

LN10 = math.log(10)


def _found(measurement: Measurement, code: str) -> list[Finding]:
    return _told(build_case(measurement), code)


def _told(case: Case, code: str) -> list[Finding]:
    """Findings of a case with the remedies that take no search."""
    found = [finding for finding in all_findings(case) if finding.code == code]
    return [replace(finding, remedy=plain_remedy(case, finding)) for finding in found]


def _facts(found: Finding) -> tuple[Any, ...]:
    """What a finding says without words: its code, severity and layer, what was measured, and the limit."""
    return found.code, found.severity, found.layer, found.measured, found.limit


def _words(found: Finding) -> str:
    return f"{found.message}\n{found.remedy}"


def _points(*layers: Any) -> tuple[JudgedLayer, ...]:
    return pick_points(layers)


# --- rates ---


def test_one_factor_for_all_weights_is_the_rate_to_minus_a_half(said: Said) -> None:
    layers = [a_layer()] * 20
    # 10**(3/40) = 1.1885; the variance is 64 (0.11885)**2.
    said(rates.scale_weights(_points(*layers), layers, -3.0))
    linear = [a_layer(activation="relu", expected_std=None, curved=False)] * 20
    said(rates.scale_weights(_points(*linear), linear, 3.0))


@pytest.mark.parametrize(
    ("activation", "curved"),
    [("linear", False), ("leaky_relu", False), ("abs", False), ("relu_squared", True), ("tanh", True)],
)
def test_a_layer_is_curved_where_its_rate_depends_on_the_size_of_the_signal(activation: str, curved: bool) -> None:
    layers = [{"dense": {"width": 4, "activation": activation}}, {"norm": "layer"}]
    network = load({"input": {"features": 4}, "layers": layers}).network
    assert [row.curved for row in describe_rows(network)] == [curved, False]


def test_no_factor_is_named_where_none_would_do(said: Said) -> None:
    layers = [a_layer()] * 2
    said(rates.scale_weights(_points(*layers), layers, None))
    said(rates.scale_weights((), layers, 3.0))
    # 10**100 a layer is the end of it.
    assert rates.scale_weights(_points(*layers), layers, 399.9).startswith("Multiply the weights'")
    for far in (400.1, -400.1):
        said(rates.scale_weights(_points(*layers), layers, far))


def test_blocks_and_norms_have_their_own_remedies(said: Said) -> None:
    layers = [a_layer(), *[a_layer("residual")] * 4, a_layer("residual", trunk=False)]
    said(rates.scale_weights(_points(*layers), layers, 3.0))
    normed = [a_layer(), a_layer("norm")]
    said(rates.scale_weights(_points(*normed), normed, 3.0))
    inner = [a_layer(), a_layer("norm", trunk=False)]
    assert rates.scale_weights(_points(*inner), inner, 3.0).startswith("Multiply the weights'")


def test_a_single_step_is_named_with_its_factor(said: Said) -> None:
    said(rates.mend_step(7, a_layer(), -4.0, "forward"))
    said(rates.mend_step(7, a_layer("residual"), 4.0, "backward"))


def test_the_chaotic_phase_has_smaller_weights_for_a_remedy(said: Said) -> None:
    said(rates.lower_weights(None))
    said(rates.lower_weights(1.23456))


# --- the change over depth ---


def test_a_change_over_depth_is_told_from_end_to_end(said: Said) -> None:
    # 10**-0.17 a layer: 10**-3.23 from the first to the last; a hundredth is passed 12 layers on.
    flat = np.zeros((5, 20))
    (forward,) = _found(a_measurement(a_line(-3.4 * LN10), flat), "forward-vanishing")
    assert _facts(forward) == ("forward-vanishing", "error", 13, pytest.approx(-3.23), pytest.approx(-3.0))
    said(_words(forward))
    (backward,) = _found(a_measurement(flat, a_line(3.4 * LN10)), "backward-vanishing")
    assert _facts(backward) == ("backward-vanishing", "error", 8, pytest.approx(-3.23), pytest.approx(-3.0))
    said(_words(backward))


def test_limits_and_words_follow_the_label() -> None:
    flat = np.zeros((5, 20))
    (growing,) = _found(a_measurement(a_line(2.5 * LN10), flat), "forward-borderline")
    assert (growing.severity, growing.layer, growing.measured, growing.limit) == (
        "warning", 18, pytest.approx(2.375), 2.0,
    )  # fmt: skip
    (falling,) = _found(a_measurement(a_line(-2.5 * LN10), flat), "forward-borderline")
    assert falling.limit == -2.0
    (up,) = _found(a_measurement(a_line(4 * LN10), flat), "forward-exploding")
    assert up.limit == pytest.approx(3.0)
    # Rows that are not judged are not counted among the layers.
    layers = [layer for _ in range(20) for layer in (a_layer(), a_layer("dropout"))]
    rows = np.repeat(a_line(4 * LN10), 2, axis=1)
    (mixed,) = _found(a_measurement(rows, np.zeros((5, 40)), layers=layers), "forward-exploding")
    assert mixed.measured == pytest.approx(3.8)


def test_few_layers_are_told_from_the_input_on(said: Said) -> None:
    logs = np.full((4, 2), 3.5 * LN10)
    (found,) = _found(a_measurement(logs, gradient_at_input=0.0), "forward-exploding")
    said(found.message)


def test_one_step_that_makes_most_of_the_change_is_the_remedy() -> None:
    logs = np.zeros((5, 20))
    logs[:, 12:] = -8.0
    (found,) = _found(a_measurement(logs, np.zeros((5, 20))), "forward-vanishing")
    assert found.layer == 13
    assert found.remedy == rates.mend_step(13, a_layer(), -8.0 / LN10, "forward")
    (back,) = _found(a_measurement(np.zeros((5, 20)), -logs), "backward-vanishing")
    assert back.layer == 12
    assert back.remedy == rates.mend_step(13, a_layer(), -8.0 / LN10, "backward")
    # Less than half of the whole change, or less than a factor three, is not most of it.
    steep = a_line(-8.0) + np.where(np.arange(20) >= 12, -6.0, 0.0)
    (part,) = _found(a_measurement(steep, np.zeros((5, 20))), "forward-vanishing")
    assert part.remedy.startswith("Multiply the weights'")


def test_a_chaotic_network_is_told_both_ways(said: Said) -> None:
    measurement = a_measurement(np.zeros((5, 20)), -a_line(4 * LN10))
    (chaotic,) = _found(measurement, "chaotic")
    assert _facts(chaotic) == ("chaotic", "warning", None, pytest.approx(10**0.2), 1.0)
    said(_words(chaotic))
    (backward,) = _found(measurement, "backward-exploding")
    assert backward.remedy == rates.lower_weights(10**0.2)
    # Blocks and norms have remedies of their own.
    layers = [*[a_layer("residual")] * 20]
    (other,) = _found(a_measurement(np.zeros((5, 20)), -a_line(4 * LN10), layers=layers), "backward-exploding")
    assert other.remedy.startswith("Each block adds")
    few = a_measurement(np.zeros((5, 2)), np.zeros((5, 2)), gradient_at_input=7.0)
    said(_found(few, "chaotic")[0].message)


def test_what_died_and_what_ended_are_told_apart(said: Said) -> None:
    dead, ended = a_walk(10, 20), a_walk(10, 20)
    dead[:6, 13:] = -np.inf
    ended[:7, 13:] = np.nan
    (found,) = _found(a_measurement(dead, np.zeros((10, 20))), "forward-degenerate")
    assert _facts(found) == ("forward-degenerate", "error", 14, 0.6, 0.5)
    said(_words(found))
    back = np.zeros((10, 20))
    back[:7, :6] = np.nan
    (found,) = _found(a_measurement(np.zeros((10, 20)), back), "backward-exploding")
    assert (found.severity, found.measured) == ("error", None)
    said(_words(found))
    (left,) = _found(a_measurement(ended, np.zeros((10, 20))), "forward-exploding")
    said(left.message)
    assert left.limit == pytest.approx(3.0)
    (first, *_) = _found(a_measurement(ended, np.zeros((10, 20))), "non-finite")
    assert _facts(first) == ("non-finite", "error", 14, 0.7, 0.0)
    said(_words(first))
    (gradient, *more) = _found(a_measurement(np.zeros((10, 20)), back), "non-finite")
    assert (gradient.layer, more) == (6, [])
    assert gradient.message.startswith("From here on the gradient left the range")


def test_of_many_jumps_three_are_spelled_out() -> None:
    layers = [a_layer(likeness=str(at)) for at in range(20)]
    logs = a_walk(5, 20, noise=0.01)
    for at in (3, 6, 9, 12, 15):
        logs[:, at:] += 8.0 if at % 2 else -8.0
    found = _found(a_measurement(logs, np.zeros((5, 20)), layers=layers), "jump")
    assert [jump.layer for jump in found] == [4, 7, 10]
    assert [jump.limit for jump in found] == pytest.approx([3.0, -3.0, 3.0])
    assert found[0].message == (
        f"The activations grew {found[0].message.split()[3]} at this one layer (forward; std 0.1, fan_in 64). "
        "So do 4 more."
    )
    assert found[1].message.endswith("(forward; std 0.1, fan_in 64).")
    three = a_walk(5, 20, noise=0.01)
    for at in (3, 6, 9):
        three[:, at:] += 8.0 if at % 2 else -8.0
    few = _found(a_measurement(three, np.zeros((5, 20)), layers=layers), "jump")
    assert not any("more" in jump.message for jump in few)
    given = [a_layer(likeness=str(at), given=True, expected_std=None) for at in range(20)]
    (jump, *_) = _found(a_measurement(three, np.zeros((5, 20)), layers=given), "jump")
    assert jump.message.endswith("(forward; given weights).")
    assert jump.remedy.endswith(", or look for a forgotten factor in its scheme.")
    alike = a_measurement(three, np.zeros((5, 20)))
    assert _found(alike, "jump") == []


@pytest.mark.parametrize("dead", [0, 2])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_the_factor_of_a_jump_takes_it_back_whichever_way_and_draw(way: str, sign: int, dead: int) -> None:
    layers = [a_layer(likeness=str(at // 6)) for at in range(12)]
    logs = a_walk(6, 12, noise=0.01)
    logs[:, 6:] += sign * 8.0
    logs[:dead, 3] = -np.inf
    flat = np.zeros((6, 12))
    tables = (logs, flat) if way == "forward" else (flat, logs)
    (jump,) = _found(a_measurement(*tables, layers=layers), "jump")
    # The gradient goes towards the input: what is larger behind the step has lost it on its way.
    change = sign * 8.0 / LN10 * (1 if way == "forward" else -1)
    assert jump.layer == 7
    assert jump.measured == pytest.approx(change, abs=0.05)
    assert f"{'grew' if change > 0 else 'fell'} " in jump.message
    factor = float(jump.remedy.split("about ")[1].split(",")[0])
    assert factor == pytest.approx(10 ** (-change / 2), rel=0.06)


def test_a_jump_at_a_block_is_mended_at_its_branch() -> None:
    layers = [*[a_layer()] * 4, *[a_layer("residual")] * 4]
    logs = np.zeros((5, 8))
    logs[:, 4:] = 8.0
    (jump,) = _found(a_measurement(logs, np.zeros((5, 8)), layers=layers), "jump")
    assert jump.remedy.startswith("Multiply the branch of this block by about 0.0183,")


def test_a_signal_that_collapses_says_how(said: Said) -> None:
    logs = np.zeros((5, 20))
    (slow,) = _found(a_measurement(logs, signal=a_line(-3 * LN10)), "collapsed-signal")
    assert _facts(slow) == ("collapsed-signal", "warning", None, pytest.approx(-2.85), -2.0)
    said(_words(slow))
    signal = np.zeros((5, 20))
    signal[:, 9:] = -40.0
    (lost,) = _found(a_measurement(logs, signal=signal), "collapsed-signal")
    assert _facts(lost) == ("collapsed-signal", "warning", 10, None, pytest.approx(math.log10(100 * 2.0**-46)))
    said(_words(lost))


def test_a_loss_that_levels_off_is_told_with_the_deep_half(said: Said) -> None:
    logs = np.tile(np.minimum(np.arange(20), 4) * -1.0, (5, 1))
    (found,) = _found(a_measurement(logs, np.zeros((5, 20))), "levelling-off")
    assert _facts(found) == ("levelling-off", "info", None, pytest.approx(0.0), -1.0)
    said(_words(found))
    (back,) = _found(a_measurement(np.zeros((5, 20)), logs), "levelling-off")
    said(back.message)


# --- trials ---


def test_dead_trials_are_counted(said: Said) -> None:
    logs = a_walk(10, 20)
    logs[:2, 13:] = -np.inf
    logs[2, 15:] = -np.inf
    (found,) = _found(a_measurement(logs, np.zeros((10, 20))), "dead-trials")
    assert _facts(found) == ("dead-trials", "warning", 14, 0.3, 0.5)
    said(_words(found))


def test_draws_that_differ_are_told_with_their_spread(said: Said) -> None:
    logs = a_walk(10, 20, noise=0.5, seed=3)
    verdict = judge(a_measurement(logs, np.zeros((10, 20))))
    (found,) = _told(build_case(a_measurement(logs, np.zeros((10, 20)))), "finite-width")
    spread = float((logs[:, -1] - logs[:, 0]).std(ddof=1))
    assert found.measured == pytest.approx(spread)
    total, mean = verdict.forward.total_log10, verdict.forward.mean_log10
    assert total is not None
    assert mean is not None
    assert found.message.startswith(
        f"Draws differ (forward): the activations of a typical draw change x {10**total:.3g}, those of the mean over "
        f"draws, which infinite width describes, x {10**mean:.3g}."
    )
    said(found.remedy)
    assert (found.severity, found.layer, found.limit) == ("warning", None, 1.0)


@pytest.mark.parametrize(("ends", "told"), [((0.5, -0.5), False), ((5.6, 4.4), False), ((5.4, 3.6), True)])
def test_a_mean_of_another_label_is_told_whatever_the_spread(ends: tuple[float, float], *, told: bool) -> None:
    # Half of the draws end at each: the mean is ln of the mean of exp, D is 4.5 in the last, below ln 100.
    logs = np.stack([a_line(end * 20 / 19)[0] for end in ends] * 50)
    verdict = judge(a_measurement(logs, np.zeros((100, 20))))
    direct = [item for item in verdict.findings if item.code == "finite-width"]
    assert verdict.forward.total_log10 == pytest.approx(sum(ends) / 2 / LN10)
    assert bool(direct) == told


@pytest.mark.parametrize(("spread", "told"), [(0.99, False), (1.01, True)])
def test_a_spread_of_one_is_where_draws_begin_to_differ(spread: float, *, told: bool) -> None:
    logs = np.zeros((20, 20))
    # In the first half, so that T does not see it.
    logs[:, 5:] += np.where(np.arange(20) % 2, 1, -1)[:, None] * spread * math.sqrt(19 / 20)
    verdict = judge(a_measurement(logs, np.zeros((20, 20))))
    assert verdict.forward.label == "stable"
    found = [item for item in verdict.findings if item.code == "finite-width"]
    assert [item.measured for item in found] == ([pytest.approx(spread)] if told else [])


def test_what_is_inconclusive_says_what_it_knows(said: Said) -> None:
    logs = a_walk(6, 60, noise=0.5, seed=5)
    verdict = judge(a_measurement(logs))
    (found,) = (item for item in verdict.findings if item.code == "inconclusive")
    error = verdict.forward.error_log10
    assert error is not None
    said(found.message)
    assert (found.measured, found.limit, found.layer) == (error, 1.0, None)
    one = judge(a_measurement(np.zeros((1, 20))))
    said("\n".join(item.message for item in one.findings if item.code == "inconclusive"))


# --- layers ---


def test_saturated_layers_are_counted_and_the_worst_is_told(said: Said) -> None:
    measurement = a_measurement(np.zeros((4, 6)))
    shares = measurement.statistics.saturated
    shares[:] = 0.5  # at the limit is not above it
    assert _found(measurement, "saturated") == []
    shares[:, 2], shares[:, 4] = 0.6, 0.8
    (found,) = _found(measurement, "saturated")
    assert _facts(found) == ("saturated", "warning", 3, 0.8, 0.5)
    said(_words(found))


def test_the_first_layer_with_too_many_dead_units_is_told(said: Said) -> None:
    layers = [a_layer(activation="relu") for _ in range(6)]
    measurement = a_measurement(np.zeros((4, 6)), layers=layers)
    dead = measurement.statistics.dead
    dead[:, 3:] = 0.9
    (found,) = _found(measurement, "dead-units")
    assert (found.layer, found.measured) == (4, pytest.approx(0.9))
    assert found.limit is not None
    assert found.message == (
        "90 % of the units are zero for the whole batch; a healthy network of this depth and batch shows "
        f"{100 * (found.limit - 0.1):.0f} %."
    )
    said(found.remedy)
    # Two standard errors below the mean must lie above the limit.
    noisy = np.array([0.0, 0.0, 0.9, 0.9])
    dead[:] = 0.0
    dead[:, 3] = noisy
    assert _found(measurement, "dead-units") == []
    others = [a_layer(activation="tanh") for _ in range(6)]
    measurement = a_measurement(np.zeros((4, 6)), layers=others)
    measurement.statistics.dead[:] = 0.9
    assert _found(measurement, "dead-units") == []


def test_widths_that_change_are_told(said: Said) -> None:
    layers = [a_layer(width=width) for width in (64, 64, 32, 48)]
    (found,) = _found(a_measurement(np.zeros((4, 4)), layers=layers), "width-ratio")
    assert _facts(found) == ("width-ratio", "info", 3, 2.0, 2.0)
    said(_words(found))
    near = [a_layer(width=width) for width in (64, 64, 33, 48)]
    assert _found(a_measurement(np.zeros((4, 4)), layers=near), "width-ratio") == []


def test_branches_that_add_nothing_are_counted(said: Said) -> None:
    layers = [a_layer(), a_layer("residual"), a_layer("residual"), a_layer("residual")]
    measurement = a_measurement(np.zeros((4, 4)), layers=layers)
    measurement.statistics.zero_branch[:] = 0
    measurement.statistics.zero_branch[:, 1] = 1
    measurement.statistics.zero_branch[:, 3] = 1
    measurement.statistics.zero_branch[1:, 2] = 1  # not in every trial
    (found,) = _found(measurement, "zero-branch")
    assert _facts(found) == ("zero-branch", "info", 2, 2.0, 0.0)
    said(_words(found))


# --- number formats ---

_STAYS = Leaving(None, 0.0, None, 0.0, None, 0.0, None, 0.0, 0)


def _ranges(measured: Leaving | None, predicted: Leaving = _STAYS, name: str = "float16") -> list[Finding]:
    case = build_case(a_measurement(np.zeros((4, 6))))
    number = FormatRange(name, 65504.0, 2.0**-24, measured, predicted)
    return _told(replace(case, formats=(number,)), f"{name}-range")


def test_activations_that_leave_a_format_are_told_before_gradients(said: Said) -> None:
    both = replace(
        _STAYS, overflow_layer=3, overflow_probability=0.9, gradient_underflow_layer=2, underflow_layer=5,
        gradient_underflow_probability=0.7, underflow_probability=0.6,
    )  # fmt: skip
    (found,) = _ranges(both)
    assert _facts(found) == ("float16-range", "info", 3, 0.9, 0.5)
    said(_words(found))
    (under,) = _ranges(replace(both, overflow_layer=None))
    assert _facts(under) == ("float16-range", "info", 5, 0.6, 0.5)
    said(_words(under))
    # Beyond the network's end is not in it; the last layer is.
    assert _ranges(replace(both, overflow_layer=7)) == [under]
    assert _ranges(replace(both, overflow_layer=6))[0].layer == 6
    # Measured comes before predicted; only formats of the table are told.
    assert _ranges(_STAYS, both) == []
    assert _ranges(None, both)[0].layer == 3
    assert _ranges(both, name="float64") == []


def test_gradients_that_leave_a_format_are_told_with_their_loss_scale(said: Said) -> None:
    under = replace(_STAYS, gradient_underflow_layer=4, gradient_underflow_probability=0.8, loss_scale_log2=11)
    (found,) = _ranges(under)
    assert _facts(found) == ("float16-range", "info", 4, 0.8, 0.5)
    said(_words(found))
    over = replace(_STAYS, gradient_overflow_layer=2, gradient_overflow_probability=0.7, loss_scale_log2=None)
    (found,) = _ranges(over)
    assert _facts(found) == ("float16-range", "info", 2, 0.7, 0.5)
    said(_words(found))


def test_what_leaves_a_format_is_counted_by_its_root_mean_square() -> None:
    measurement = a_measurement(np.zeros((4, 3)))
    s, smallest, largest = measurement.statistics, math.log(2.0**-24), math.log(65504.0)
    for table in (s.log_activation_second_moment, s.log_gradient_second_moment):
        table[:] = 2 * (smallest + 0.01)
        table[:, 1] = 2 * (smallest - 0.01)
        table[:3, 2] = 2 * (smallest - 0.01)
    for table in (s.log_max_abs, s.log_gradient_max_abs):
        table[:] = largest - 0.01
        table[0, 0] = largest + 0.01
    s.log_max_abs[1, 0] = np.nan
    found = count_chances(measurement, next(number for number in FORMATS if number.name == "float16"))
    assert found.underflow.tolist() == found.gradient_underflow.tolist() == [0.0, 1.0, 0.75]
    assert found.overflow.tolist() == [0.5, 0.0, 0.0]
    assert found.gradient_overflow.tolist() == [0.25, 0.0, 0.0]
    assert found.gradient_rms[:2] == pytest.approx([-24 + 0.01 / math.log(2), -24 - 0.01 / math.log(2)])


# --- theory ---


def test_what_theory_traces_is_what_it_predicts_at_the_judged_points() -> None:
    branch = [{"dense": 16}, {"dense": {"width": 16, "activation": "linear"}}]
    config = {
        "input": {"features": 12},
        "defaults": {"activation": "tanh", "init": "xavier", "bias": {"std": 0.1}},
        "layers": [{"dense": 16}, {"residual": {"layers": branch}, "repeat": 2}, {"dense": 10}],
    }
    spec = load(config).network
    prediction = predict(spec)
    points = pick_points(describe_rows(spec))
    assert [point.layer.kind for point in points] == ["dense", "residual", "residual", "dense"]
    traces = trace_prediction(spec, prediction, points)
    for at, point in enumerate(points):
        row = prediction.rows[point.output]
        assert row.output is not None
        assert row.output.sample_variance is not None
        assert row.log_output_gradient is not None
        assert traces.forward[0, at] == pytest.approx(row.output.second_moment.log)
        shares = row.output.sample_variance.log - row.output.second_moment.log
        assert traces.signal[0, at] == pytest.approx(shares)
        assert traces.backward[0, at] == pytest.approx(row.log_output_gradient + math.log(10 if at == 3 else 16))
    assert prediction.log_input_gradient is not None
    assert traces.backward_input[0] == pytest.approx(prediction.log_input_gradient + math.log(12))
    assert traces.exact


def test_theory_of_zero_weights_has_no_signal() -> None:
    spec = load({"input": {"features": 8}, "layers": [{"dense": {"width": 8, "init": "zeros"}, "repeat": 5}]}).network
    prediction = predict(spec)
    points = pick_points(describe_rows(spec))
    assert np.isneginf(trace_prediction(spec, prediction, points).signal).all()


def test_theory_too_names_the_one_step_that_makes_most_of_the_change() -> None:
    bad = {"dense": {"width": 32, "init": {"name": "he", "gain": 1e-4}}}
    layers = [{"dense": 32, "repeat": 6}, bad, {"dense": 32, "repeat": 6}]
    spec = load({"input": {"features": 32}, "defaults": {"activation": "relu", "init": "he"}, "layers": layers}).network
    (found,) = _told(foresee_case(spec, spec.settings, foresee(predict(spec), 20)), "forward-vanishing")
    assert found.remedy.startswith("Most of it happens at one step, at layer 7 (")


def test_what_theory_lacks_is_told_with_its_reason(said: Said) -> None:
    layers = [{"dense": 32}, {"dense": {"width": 32, "init": "lsuv"}}, {"dense": 32}, {"dense": 32}]
    experiment = load({"input": {"features": 32}, "defaults": {"activation": "tanh"}, "layers": layers})
    report = predict_report(experiment)
    reason = report.layers[1].predicted.reason
    assert reason
    found = [item for item in report.verdict.findings if item.code == "theory-ends"]
    assert [(item.layer, item.message) for item in found] == [
        (2, f"Theory does not reach all of this network (forward): {reason}."),
        (3, f"Theory does not reach all of this network (backward): {reason}."),  # the first from the output
    ]
    said(found[0].remedy)


def test_bands_are_those_of_their_formula() -> None:
    spec = load({
        "input": {"features": 128},
        "defaults": {"activation": "tanh", "init": "xavier"},
        "layers": [{"dense": 128, "repeat": 4}],
        "probe": {"batch": 8, "trials": 12},
    }).network  # fmt: skip
    measurement, prediction = measure(spec), predict(spec)
    found = compare(measurement, prediction, 0.02)
    # Tested is what varies little from draw to draw, of outputs and the gradients there but the last, which is 1; at
    # this width some of it does not.
    widths = [row.width.output for row in prediction.rows] + [row.width.output_gradient for row in prediction.rows[:-1]]
    assert found.tested == sum(width is not None and width.variance <= 0.05 for width in widths) < len(widths) == 7
    assert all(width is not None and width.unknown <= 0.05 for width in widths)
    critical = float(stats.t.isf(0.02 / 2 / found.tested, 11))
    s = measurement.statistics
    for at, (row, theory) in enumerate(zip(found.rows, prediction.rows, strict=True)):
        assert theory.source is not None
        assert theory.output is not None
        behind = theory.width.output_gradient if at < 3 else None
        for band, log, width, table in (
            (row.output, theory.output.second_moment.log, theory.width.output, s.log_activation_second_moment),
            (row.output_gradient, theory.log_output_gradient, behind, s.log_activation_gradient_second_moment),
            (row.source, theory.source.second_moment.log, theory.width.source, s.log_preactivation_second_moment),
            (row.gradient, theory.log_gradient, theory.width.gradient, s.log_gradient_second_moment),
        ):
            values = np.exp(table[:, at])
            # A mean's jackknife is its standard error; for its logarithm each trial is left out in turn.
            without = np.log((values.sum() - values) / 11)
            error = max(math.sqrt(11 / 12 * float(np.square(without - without.mean()).sum())), 100 * 2.0**-23)
            assert log is not None
            assert band.measured == pytest.approx(math.log(values.mean()) - log, abs=1e-9)
            if width is None:
                assert (band.low, band.draw_low) == (None, None)
                continue
            shift = width.shift or 0.0
            assert band.deviation == pytest.approx((math.log(values.mean()) - log - shift) / error, rel=1e-6, abs=1e-9)
            middle, half = log + shift - width.variance / 2, float(stats.norm.isf(0.025)) * math.sqrt(width.variance)
            assert (band.draw_low, band.draw_high) == pytest.approx((middle - half, middle + half), rel=1e-6, abs=1e-9)
            if width.variance > 0.05:
                assert (band.low, band.high) == (None, None)
                continue
            allowed = width.variance * (1.0 if width.shift is None else 0.1) + width.unknown
            reach = critical * error + allowed
            wanted = (log + shift - reach, log + shift + reach)
            assert (band.low, band.high) == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_layers_that_leave_theory_are_counted_and_the_first_is_told(said: Said) -> None:
    inside = Band(-1.0, 1.0, measured=0.5, deviation=1.0)
    low = Band(-1.0, 1.0, measured=-1.5, deviation=-6.25)
    high = Band(-1.0, 1.0, measured=1.5, deviation=4.0)
    rows = [RowAgreement(inside, inside) for _ in range(6)]
    rows[2], rows[4] = RowAgreement(low, high), RowAgreement(high, low)
    layers = [*[a_layer()] * 4, a_layer(), a_layer("norm")]
    rows[5] = RowAgreement(low, low)  # of no dense layer: it is not tested
    case: Case = build_case(a_measurement(np.zeros((4, 6)), layers=layers))
    prediction: Any = None
    found = _told(replace(case, agreement=Agreement(prediction, tuple(rows), 12)), "theory-mismatch")
    assert [_facts(item) for item in found] == [
        ("theory-mismatch", "warning", 3, -6.25, None),
        ("theory-mismatch", "warning", 5, -6.25, None),
    ]
    for item in found:
        said(_words(item))
    assert _told(case, "theory-mismatch") == []
