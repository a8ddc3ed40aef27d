"""What the rule says of the head, of the batch, of symmetric units and dead branches, and by theory alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from builders import a_layer, a_line, a_measurement, a_walk
from test_rule import LN10, LN100, NONE, _codes, _exactly, _one, _spread

from varprobe.config.loading import load
from varprobe.diagnose import diagnose, predict_report
from varprobe.network.description import LayerDescription
from varprobe.probe.measurement import Measurement
from varprobe.report.records import Report
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import judge
from varprobe.verdict.records import DirectionVerdict, HeadVerdict
from varprobe.verdict.rule import judge_direction, judge_signal, signal_label
from varprobe.verdict.traces import Foreseen

LINEAR = {"activation": "linear"}


def _network(
    layers: list[Any], width: int = 16, *, activation: str = "tanh", init: Any = "xavier", **parts: Any
) -> Any:
    return {
        "input": {"features": width, **parts.pop("input", {})},
        "defaults": {"activation": activation, "init": init},
        "layers": layers,
        "probe": {"batch": 16, "trials": 10, **parts},
    }


def _run(layers: list[Any], width: int = 16, **parts: Any) -> Report:
    return diagnose(load(_network(layers, width, **parts)), remedies=False)


# --- 2: body and head ---


LAST = {"dense": {"width": 16, **LINEAR}}


@pytest.mark.parametrize(
    ("layers", "head"),
    [
        # Another activation, another width, another scheme.
        ([{"dense": 16, "repeat": 3}, LAST], 3),
        ([{"dense": {"width": 16, **LINEAR}, "repeat": 3}, {"dense": {"width": 4, **LINEAR}}], 3),
        ([{"dense": {"width": 16, **LINEAR}, "repeat": 3}, {"dense": {"width": 16, **LINEAR, "init": "small"}}], 3),
        # Alike in all three, and not linear.
        ([{"dense": {"width": 16, **LINEAR}, "repeat": 4}], None),
        ([{"dense": 16, "repeat": 3}, {"dense": 4}], None),
        ([{"dense": 16, "repeat": 3}, LAST, {"activation": "relu"}], None),
        # One layer alone is the body.
        ([LAST], None),
        # Outside every block.
        ([{"dense": 16}, {"residual": {"layers": [{"dense": 16}, LAST]}}], None),
        ([{"dense": 16}, {"residual": {"layers": [{"dense": 16}]}}, LAST], -1),
        ([{"dense": 16}, {"residual": {"layers": [{"dense": 16}]}}, {"norm": "layer"}, LAST], -1),
        # What follows the layer before it belongs to that.
        ([{"dense": {"width": 16, **LINEAR}}, {"activation": "relu"}, LAST], 2),
        # A layer may be told its role.
        ([{"dense": 16, "repeat": 3}, {**LAST, "role": "body"}], None),
        ([{"dense": 16, "repeat": 3}, {"dense": 4, "role": "head"}], 3),
        ([{"dense": {"width": 16, **LINEAR}, "repeat": 3}, {**LAST, "role": "head"}], 3),
    ],
)
def test_the_head_is_the_last_dense_layer_if_it_is_linear_outside_blocks_and_not_alike(
    layers: list[Any], head: int | None
) -> None:
    spec = load(_network(layers)).network
    assert spec.head is (None if head is None else spec.steps[head])
    report = _run(layers, trials=2)
    assert (report.verdict.head is None) == (head is None)


def _headed(head: float = 0.0, **parts: Any) -> Measurement:
    """Six layers of size 1 and a head whose output has this ln second moment; ten units before it, four behind."""
    layers = [a_layer(width=10)] * 6 + [a_layer(width=4, is_head=True, activation="linear")]
    logs = np.zeros((5, 7))
    logs[:, -1] = head
    back = np.zeros((5, 7))
    back[:, -1] = parts.pop("gradient", 0.0)
    return a_measurement(logs, back, layers=layers, **parts)


def test_the_head_is_told_by_what_it_makes_of_the_signal_and_of_the_gradient() -> None:
    measured = _headed(math.log(0.3), gradient=math.log(7.0))
    assert judge(measured).head == HeadVerdict(
        pytest.approx(math.log10(0.3)),  # type: ignore[arg-type]
        pytest.approx(-math.log10(7.0)),
        None,
        None,
    )
    assert judge(a_measurement(a_line(0.0))).head is None


@pytest.mark.parametrize(
    ("objective", "chance"), [("cross_entropy", math.log(4)), ("bce", math.log(2)), ("mse", 1.0), ("random", None)]
)
def test_the_initial_loss_stands_beside_that_of_chance(objective: str, chance: float | None) -> None:
    measured = _headed(objective=objective)
    measured.statistics.initial_loss[:, 0] = [1.0, 2.0, 3.0, 4.0, 5.0]
    head = judge(measured).head
    assert head is not None
    assert (head.initial_loss, head.chance_loss) == (3.0, chance)
    measured.statistics.initial_loss[:, 0] = math.inf
    head = judge(measured).head
    assert head is not None
    assert head.initial_loss is None


@pytest.mark.parametrize(
    ("scale", "code"),
    [(1 / 19, None), (1 / 21, "small-head"), (1e-9, "small-head"), (99.0, None), (101.0, "large-head")],
)
def test_small_and_large_heads_are_told_and_the_body_is_judged_alone(scale: float, code: str | None) -> None:
    verdict = judge(_headed(math.log(scale)))
    assert (verdict.forward.label, verdict.backward.label) == ("stable", "stable")
    assert _codes(verdict) & {"small-head", "large-head", "zero-head"} == ({code} if code else set())
    if code:
        found = _one(verdict, code)
        assert (found.severity, found.layer) == ("info" if code == "small-head" else "warning", 7)
        assert found.measured == pytest.approx(math.log10(scale))
        assert found.limit == pytest.approx(math.log10(1 / 20) if code == "small-head" else 2.0)


@pytest.mark.parametrize(
    ("objective", "loss", "found"),
    [
        ("cross_entropy", 1.9 * math.log(4), False),
        ("cross_entropy", 2.1 * math.log(4), True),
        ("bce", 2.1 * math.log(2), True),
        # Outputs of second moment 1 have a squared error of 2 to targets of second moment 1.
        ("mse", 2.5, False),
    ],
)
def test_a_loss_far_above_chance_is_a_large_head(objective: str, loss: float, found: bool) -> None:
    measured = _headed(objective=objective)
    measured.statistics.initial_loss[:] = loss
    verdict = judge(measured)
    assert ("large-head" in _codes(verdict)) is found
    if found:
        large = _one(verdict, "large-head")
        assert large.measured == pytest.approx(loss)
        assert (large.limit or 0) < loss


def test_a_zero_head_is_told_and_its_body_judged_on() -> None:
    verdict = judge(_headed(NONE))
    assert (verdict.forward.label, verdict.backward.label) == ("stable", "stable")
    found = _one(verdict, "zero-head")
    assert (found.severity, found.layer) == ("info", 7)
    assert verdict.head == HeadVerdict(None, None)
    assert "small-head" not in _codes(verdict)
    # A body that is zero makes the head's output zero, whatever the head.
    dead = np.full((5, 7), NONE)
    layers = [a_layer(width=10)] * 6 + [a_layer(width=4, is_head=True)]
    assert "zero-head" not in _codes(judge(a_measurement(dead, layers=layers)))


@pytest.mark.parametrize(
    ("init", "code"),
    [({"name": "orthogonal", "gain": 0.01}, "small-head"), ({"name": "large", "std": 2.0}, "large-head")],
)
def test_real_heads_leave_the_body_as_it_is(init: Any, code: str) -> None:
    body = {"dense": 64, "repeat": 6}
    report = _run([body, {"dense": {"width": 8, "init": init, **LINEAR}}], 64, activation="relu", init="he")
    plain = _run([body, {"dense": {"width": 8, "init": "lecun", **LINEAR}}], 64, activation="relu", init="he")
    for way in ("forward", "backward"):
        mine, other = (getattr(one.verdict, way) for one in (report, plain))
        assert (mine.label, other.label) == ("stable", "stable")
        # The draws of the body are the same, and the gradient has another direction at its output.
        assert mine.total_log10 == pytest.approx(other.total_log10, abs=1e-9 if way == "forward" else 0.3)
    assert code in _codes(report.verdict)
    assert not [finding for finding in report.verdict.findings if finding.severity == "error"]


# --- 10: the signal, rank, symmetry ---


@pytest.mark.parametrize(
    ("total", "label"),
    [
        (50.0, "preserved"),
        (0.0, "preserved"),
        (-LN10 + 1e-6, "preserved"),
        (-LN10 - 1e-6, "fading"),
        (-LN100 + 1e-6, "fading"),
        (-LN100 - 1e-6, "collapsing"),
        (-20.0, "collapsing"),
    ],
)
def test_the_signal_keeps_a_tenth_or_fades_or_collapses_from_the_input_on(total: float, label: str) -> None:
    # From the input: the batch itself has this share already.
    share = np.full((5, 20), total - 3.0)
    measured = a_measurement(a_line(0.0), signal=share)
    measured.statistics.log_input_sample_variance[:] = -3.0
    signal = judge(measured).signal
    assert signal.label == label
    assert signal.total_log10 == pytest.approx(total / LN10)
    assert ("collapsed-signal" in _codes(judge(measured))) == (label == "collapsing")
    assert judge(measured).overall == "stable"


@pytest.mark.parametrize(
    ("total", "half", "label"),
    [
        (0.0, 1.1 * LN10, "inconclusive"),
        (4.0 * LN10, 4.9 * LN10, "preserved"),
        (-3.0 * LN10, 0.9 * LN10, "collapsing"),
        (-3.0 * LN10, 1.1 * LN10, "inconclusive"),
        (-9.0 * LN10, 6.9 * LN10, "collapsing"),
        (0.0, None, "inconclusive"),
    ],
)
def test_labels_of_the_signal_need_their_interval(total: float, half: float | None, label: str) -> None:
    assert signal_label(total, half) == label
    if half is not None:
        steps = _spread(total, half)
        found = judge(a_measurement(np.zeros((20, 20)), signal=steps)).signal
        assert (found.label, found.error_log10) == (label, pytest.approx(half / LN10))


def test_the_signal_counts_the_typical_draw_from_the_input_to_the_last_layer_of_the_body() -> None:
    layers = [a_layer()] * 9 + [a_layer(is_head=True)]
    signal = a_walk(6, 10, step=-0.3, noise=0.3, seed=4)
    signal[:, -1] = -50.0
    found = judge(a_measurement(np.zeros((6, 10)), signal=signal, layers=layers)).signal
    assert found.total_log10 == pytest.approx(float(signal[:, 8].mean()) / LN10)


@pytest.mark.parametrize(("dtype", "eps"), [("float32", 2.0**-23), ("float64", 2.0**-52)])
def test_below_the_rounding_floor_the_signal_has_collapsed(dtype: str, eps: float) -> None:
    # Falls by 0.0557 a layer to the floor, then stands in the rounding noise, as in a real run.
    rate, floor = math.log(0.0557), math.log(100 * eps**2)
    share = np.maximum(np.arange(60) * rate, floor - 3.0)
    lost = int(np.argmax(share < floor))
    verdict = judge(a_measurement(a_line(0.0, 60), signal=np.tile(share, (5, 1)), dtype=dtype))
    assert verdict.signal.label == "collapsing"
    # The change is that of the layers before it, and the rate that of their deep half.
    assert verdict.signal.total_log10 == pytest.approx((lost - 1) * rate / LN10)
    assert verdict.signal.rate == pytest.approx(0.0557)
    assert _one(verdict, "collapsed-signal").layer == lost + 1
    # Above the floor and flat it is preserved.
    flat = np.full((5, 60), floor + 1.0)
    measured = a_measurement(a_line(0.0, 60), signal=flat, dtype=dtype)
    measured.statistics.log_input_sample_variance[:] = floor + 1.0
    assert judge(measured).signal.label == "preserved"


@pytest.mark.parametrize(("zeros", "label"), [(4, "preserved"), (5, "collapsing")])
def test_a_signal_that_is_exactly_zero_in_half_of_the_draws_has_collapsed(zeros: int, label: str) -> None:
    signal = np.zeros((10, 20))
    signal[:zeros, 13:] = NONE
    found = judge(a_measurement(a_walk(10, 20), signal=signal)).signal
    assert found.label == label
    assert (found.total_log10 is None) == (label == "collapsing")


def test_the_signal_is_undefined_without_two_samples_or_any_difference_between_them() -> None:
    nothing = np.full((5, 20), math.nan)
    assert judge(a_measurement(a_line(0.0), signal=nothing, batch=1)).signal == DirectionVerdict("undefined")
    constant = a_measurement(a_line(0.0), signal=np.full((5, 20), NONE))
    constant.statistics.log_input_sample_variance[:] = NONE
    assert judge(constant).signal == DirectionVerdict("undefined")
    # Half of the draws ended: nothing is known of what a typical draw keeps. Below that the rest is judged.
    for ended, label in ((9, "preserved"), (10, "undefined")):
        signal = np.zeros((20, 8))
        signal[:ended, 5:] = math.nan
        found = judge_signal(signal, np.zeros(20), (), batch=16, eps=2.0**-23)
        assert found.direction.label == label
    # Without a layer there is nothing to judge.
    assert judge_signal(np.zeros((3, 0)), np.zeros(3), (), batch=16, eps=2.0**-23).direction.label == "undefined"


@pytest.mark.parametrize(
    ("rank", "before", "found"),
    [(1.51, 30.0, False), (1.49, 30.0, True), (1.49, 4.0, False), (1.49, 4.1, True), (1.0, math.nan, False)],
)
def test_a_rank_below_one_and_a_half_has_collapsed_where_the_inputs_was_above_four(
    rank: float, before: float, found: bool
) -> None:
    measured = a_measurement(a_line(0.0))
    measured.statistics.effective_rank[:, 12:] = rank
    measured.statistics.input_effective_rank[:] = before
    verdict = judge(measured)
    assert ("rank-collapse" in _codes(verdict)) is found
    if found:
        collapse = _one(verdict, "rank-collapse")
        assert (collapse.layer, collapse.severity, collapse.measured) == (13, "warning", pytest.approx(rank))


def test_a_rank_that_most_draws_do_not_have_has_not_collapsed() -> None:
    for known, found in ((2, False), (3, True)):
        measured = a_measurement(a_line(0.0, trials=4))
        measured.statistics.effective_rank[:, 5:] = math.nan
        measured.statistics.effective_rank[:known, 5:] = 1.0
        assert ("rank-collapse" in _codes(judge(measured))) is found


def test_a_product_of_rank_one_has_a_preserved_signal_and_a_collapsed_rank() -> None:
    report = _run([{"dense": {"width": 16, **LINEAR}, "repeat": 100}], activation="linear", init="lecun", batch=32)
    assert "rank-collapse" in _codes(report.verdict)
    # relu under He keeps about 2 here.
    kept = _run([{"dense": 128, "repeat": 30}], 128, activation="relu", init="he", batch=32, trials=5)
    assert "rank-collapse" not in _codes(kept.verdict)


def test_units_that_are_one_unit_are_an_error_in_every_sample_and_draw() -> None:
    measured = a_measurement(a_line(0.0))
    measured.statistics.identical_units[:, 7] = 1.0
    found = _one(judge(measured), "symmetric-units")
    assert (found.layer, found.severity, found.measured) == (8, "error", 1.0)
    measured.statistics.identical_units[2, 7] = 0.0
    assert "symmetric-units" not in _codes(judge(measured))
    # Zeros are another trouble, and one unit is not many.
    measured.statistics.identical_units[:, 7] = math.nan
    assert "symmetric-units" not in _codes(judge(measured))
    zero = a_measurement(np.full((5, 20), NONE))
    zero.statistics.identical_units[:] = 1.0
    assert "symmetric-units" not in _codes(judge(zero))


def test_constant_weights_make_symmetric_units() -> None:
    report = _run([{"dense": 16, "repeat": 6}], init={"name": "normal", "mean": 0.1, "std": 0.0})
    assert "symmetric-units" in _codes(report.verdict)


# --- branches that never learn ---


def _blocks(weight: float, output: float) -> Measurement:
    branch = [a_layer(trunk=False), a_layer(trunk=False), a_layer("residual")]
    layers = [a_layer(), *branch, *branch, *branch]
    measured = a_measurement(np.zeros((5, 10)), layers=layers)
    s = measured.statistics
    s.log_weight_gradient_second_moment[:] = weight
    s.log_weight_gradient_second_moment[:, 0] = 0.0
    for row in (2, 5, 8):
        s.log_activation_second_moment[:, row] = output
    return measured


def test_a_branch_that_is_zero_with_all_its_weight_gradients_never_learns() -> None:
    found = _one(judge(_blocks(NONE, NONE)), "frozen-branch")
    assert (found.severity, found.layer, found.measured) == ("error", 4, 3.0)
    assert "3 residual blocks" in found.message
    for weight, output in ((0.0, NONE), (NONE, 0.0), (0.0, 0.0)):
        assert "frozen-branch" not in _codes(judge(_blocks(weight, output)))
    one = _blocks(NONE, NONE)
    one.statistics.log_weight_gradient_second_moment[3, 5] = 0.0  # one draw of one layer of the second block
    assert _one(judge(one), "frozen-branch").measured == 2.0


@pytest.mark.parametrize(("first", "frozen"), [("zeros", True), ("he", False)])
def test_two_zero_layers_in_a_branch_are_frozen_and_one_is_not(first: str, frozen: bool) -> None:
    branch = [{"dense": {"width": 16, "init": first}}, {"dense": {"width": 16, "init": "zeros", **LINEAR}}]
    report = _run([{"dense": 16}, {"residual": {"layers": branch}, "repeat": 4}, {"dense": 16}], activation="relu")
    assert ("frozen-branch" in _codes(report.verdict)) is frozen
    assert "zero-branch" in _codes(report.verdict)


# --- 11: the input ---


@pytest.mark.parametrize(
    ("log10", "found"), [(1.99, False), (2.01, True), (-1.99, False), (-2.01, True), (-math.inf, False)]
)
def test_an_input_beyond_a_hundredfold_is_told(log10: float, found: bool) -> None:
    measured = a_measurement(a_line(0.0), at_input=log10 * LN10)
    verdict = judge(measured)
    assert ("input-scale" in _codes(verdict)) is found
    if found:
        told = _one(verdict, "input-scale")
        assert (told.severity, told.measured) == ("warning", pytest.approx(log10))
        assert told.limit == math.copysign(2.0, log10)


@pytest.mark.parametrize(("share", "found"), [(0.49, False), (0.51, True), (math.nan, False)])
def test_an_input_that_is_mostly_its_mean_is_told(share: float, found: bool) -> None:
    measured = a_measurement(a_line(0.0))
    measured.statistics.input_mean_squared_share[:] = share
    assert ("input-offset" in _codes(judge(measured))) is found


@pytest.mark.parametrize(
    ("share", "features", "found"), [(0.89, 20, False), (0.91, 20, True), (0.91, 9, False), (0.95, 12, True)]
)
def test_a_tenth_of_the_columns_that_carries_nearly_all_is_told(share: float, features: int, found: bool) -> None:
    measured = a_measurement(a_line(0.0), features=features)
    measured.statistics.input_column_share[:] = share
    verdict = judge(measured)
    assert ("input-columns" in _codes(verdict)) is found
    if found:
        assert f"{features // 10} of the input's {features} columns" in _one(verdict, "input-columns").message


# --- 12: theory alone ---


def test_theory_alone_is_judged_by_the_same_rule_and_has_no_error() -> None:
    report = predict_report(load(_network([{"dense": 64, "repeat": 30}], 64, activation="relu", init="xavier")))
    forward = report.verdict.forward
    assert forward.label == "vanishing"
    # Half a layer over 29 steps on the mean; in a typical draw 5/(2 n) less a layer in ln, up to terms in 1/n^2, which
    # are (5/n)^2 a layer at most.
    assert forward.mean_log10 == pytest.approx(29 * math.log10(0.5), abs=1e-6)
    drift = 29 * 5 / (2 * 64) / LN10
    assert forward.total_log10 == pytest.approx(29 * math.log10(0.5) - drift, abs=29 * (5 / 64) ** 2 / LN10)
    assert (forward.error_log10, forward.lost, forward.grown) == (0.0, None, None)
    codes = _codes(report.verdict)
    assert "inconclusive" not in codes
    assert "scattered" not in codes


def test_theory_that_knows_the_spread_of_draws_says_so() -> None:
    judged = judge_direction(np.zeros((1, 8)), np.zeros(1), (), backward=False, exact=True, foreseen=Foreseen(0.0, 1.2))
    assert (judged.direction.label, judged.direction.error_log10) == ("stable", 0.0)
    assert judged.direction.spread_log10 == pytest.approx(1.2 / LN10)


def test_theory_that_does_not_reach_all_is_inconclusive() -> None:
    logs = np.zeros((1, 8))
    logs[0, 3] = math.nan
    judged = judge_direction(logs, np.zeros(1), (), backward=False, exact=True)
    assert judged.direction == DirectionVerdict("inconclusive")
    assert judged.needed is None


# --- without a layer of the body ---


def test_a_head_alone_has_nothing_that_is_judged_and_no_crash() -> None:
    layers: list[LayerDescription] = [a_layer(is_head=True)]
    verdict = judge(a_measurement(np.zeros((5, 1)), layers=layers))
    assert (verdict.forward.label, verdict.forward.total_log10) == ("stable", 0.0)
    assert verdict.signal.label == "undefined"
    assert verdict.head is None


def test_ties_have_no_error() -> None:
    case = build_case(a_measurement(_exactly([1.0, 1.0]), _exactly([-1.0] * 2)))
    for judged in (case.forward, case.backward):
        assert (judged.direction.label, judged.direction.error_log10) == ("stable", pytest.approx(0.0, abs=1e-12))
