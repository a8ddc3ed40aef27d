"""What is expected of the head, the first loss, the effective rank and saturation: read, and answered at a level."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import a_layer, a_measurement
from golden import Said
from scipy import stats

import varprobe
from varprobe.config.expectation import Expectation, Range
from varprobe.config.loading import load
from varprobe.config.records import SaturationLimit
from varprobe.diagnose import count_decisions
from varprobe.errors import VarprobeError
from varprobe.formatting import number
from varprobe.gate.claim import Answer
from varprobe.gate.claims import claims_of
from varprobe.gate.head_claims import loss_claim, rank_claim, scale_claim
from varprobe.probe.measure import measure
from varprobe.verdict.case import build_case
from varprobe.verdict.head import trace_head
from varprobe.verdict.judge import Diagnosis, conclude

TRIALS, DEPTH, LEVEL = 30, 6, 0.01
HEAD = DEPTH - 1
LAYERS = [*(a_layer() for _ in range(HEAD)), a_layer(width=10, activation="linear", init="small", is_head=True)]


def _evidence(
    logs: np.ndarray | None = None,
    *,
    loss: np.ndarray | None = None,
    ranks: np.ndarray | None = None,
    objective: str = "cross_entropy",
) -> Diagnosis:
    """Natural logs of the head's output over the body's (trials,), losses (trials,), ranks (trials, rows)."""
    trials = next(len(one) for one in (logs, loss, ranks) if one is not None)
    forward = np.random.default_rng(1).normal(0, 0.01, (trials, DEPTH))
    measurement = a_measurement(forward, layers=LAYERS, objective=objective)
    s = measurement.statistics
    if logs is not None:
        s.log_activation_second_moment[:, HEAD] = s.log_activation_second_moment[:, HEAD - 1] + logs
    if loss is not None:
        s.initial_loss[:, 0] = loss
    if ranks is not None:
        s = replace(s, effective_rank=ranks)
    return conclude(build_case(replace(measurement, statistics=s)))


def _normal(mean: float, sd: float, trials: int = TRIALS) -> np.ndarray:
    """Draws with exactly that mean and standard deviation."""
    draws = np.random.default_rng(5).normal(size=trials)
    return mean + sd * (draws - draws.mean()) / draws.std(ddof=1)


def _half(sd: float, level: float = LEVEL, trials: int = TRIALS) -> float:
    return float(stats.t.isf(level / 2, trials - 1)) * sd / math.sqrt(trials)


def _words(answer: Answer) -> str:
    return f"{answer.found}\n{answer.remedy}"


# --- the head ---


def test_the_scale_is_of_a_typical_draw_with_student_s_interval(said: Said) -> None:
    # A wide law: the mean of the scale, exp(1/2) times the typical one, would be another number.
    logs = _normal(math.log(0.01), 1.0)
    answer = scale_claim(Range(0.005, 0.02), None).answer(_evidence(logs), LEVEL)
    half = _half(1.0)
    wanted = (math.log(0.01), math.log(0.01) - half, math.log(0.01) + half)
    assert (answer.value, answer.low, answer.high) == pytest.approx([math.exp(log) for log in wanted], rel=1e-9)
    assert (answer.outcome, answer.layer) == ("met", DEPTH)
    said(answer.found)


def test_the_scale_is_decided_by_its_interval() -> None:
    half, evidence = _half(0.5), _evidence(_normal(0.0, 0.5))
    for limits, outcome in (
        (Range(None, math.exp(half) * 1.001), "met"),
        (Range(None, math.exp(half) * 0.999), "undecided"),
        (Range(math.exp(-half) * 0.999, None), "met"),
        (Range(math.exp(half) * 0.999, None), "undecided"),
        (Range(math.exp(half) * 1.001, None), "failed"),
        (Range(None, math.exp(-half) * 0.999), "failed"),
    ):
        assert scale_claim(limits, None).answer(evidence, LEVEL).outcome == outcome, limits
    near = scale_claim(Range(None, math.exp(half) * 0.999), None).answer(evidence, LEVEL)
    assert near.needed == TRIALS + math.ceil(TRIALS * (1.1 * (half / (half + math.log(0.999))) ** 2 - 1))


@pytest.mark.parametrize("limits", [Range(0.04, 0.5), Range(None, 1e-4), Range(0.04, None), Range(1e-6, 1e-5)])
def test_the_remedy_of_a_scale_brings_it_to_the_nearer_end(limits: Range, said: Said) -> None:
    answer = scale_claim(limits, None).answer(_evidence(_normal(math.log(0.01), 0.1)), LEVEL)
    assert answer.outcome == "failed"
    factor = float(answer.remedy.rstrip(".").split()[-1])
    edge = limits.low if limits.low and limits.low > 0.01 else limits.high
    # The factor is written in a few digits, and the scale goes as its square.
    assert 0.01 * factor**2 == pytest.approx(edge, rel=0.01)
    said(_words(answer))


def test_a_zero_head_has_a_scale_of_zero(said: Said) -> None:
    evidence = _evidence(np.full(TRIALS, -math.inf))
    for limits, outcome in ((Range(None, 0.1), "met"), (Range(0.0, 0.0), "met"), (Range(1e-9, 1.0), "failed")):
        answer = scale_claim(limits, None).answer(evidence, LEVEL)
        assert (answer.outcome, answer.value, answer.low, answer.high) == (outcome, 0.0, 0.0, 0.0)
    said(_words(answer))
    wide = scale_claim(Range(None, 0.0), None).answer(_evidence(_normal(0.0, 0.1)), LEVEL)
    assert wide.outcome == "failed"
    said(_words(wide))


def test_draws_that_end_before_the_head_say_nothing_of_it(said: Said) -> None:
    logs, living = np.zeros(TRIALS), _normal(0.3, 0.2, TRIALS - 3)
    evidence = _evidence(logs)
    table = evidence.case.measured.statistics.log_activation_second_moment
    table[3:, HEAD] = table[3:, HEAD - 1] + living
    table[:2, HEAD - 1 :] = -math.inf
    table[2, HEAD] = -math.inf  # its output is dead
    assert np.isnan(trace_head(evidence.case.measured, evidence.case.points)[:2]).all()
    answer = scale_claim(Range(0.1, 10), None).answer(evidence, LEVEL)
    half = _half(0.2, trials=TRIALS - 3)
    assert (answer.low, answer.high) == pytest.approx((math.exp(0.3 - half), math.exp(0.3 + half)), rel=1e-9)
    table[:, HEAD - 1 :] = -math.inf
    ended = scale_claim(Range(0.1, 10), None).answer(evidence, LEVEL)
    assert ended.outcome == "failed"
    said(ended.found)


def test_the_output_is_what_the_network_hands_on() -> None:
    layers = [*LAYERS, a_layer("activation", width=10)]
    measurement = a_measurement(np.tile(np.arange(7.0), (3, 1)), layers=layers)
    case = build_case(measurement)
    assert trace_head(measurement, case.points).tolist() == [2.0] * 3


def test_one_draw_decides_nothing() -> None:
    one = _evidence(np.zeros(1), loss=np.ones(1), ranks=np.full((1, DEPTH), 9.0))
    for claim in (scale_claim(Range(0.5, 2), None), loss_claim(Range(0, 2), None), rank_claim(Range(1, 20), [1], None)):
        assert claim.answer(one, LEVEL).outcome == "undecided"


# --- the loss, the rank ---


def test_the_first_loss_has_an_interval_of_its_mean(said: Said) -> None:
    evidence = _evidence(loss=_normal(2.3, 0.2))
    half = _half(0.2)
    answer = loss_claim(Range(2.3 - half * 1.001, 2.3 + half * 1.001), None).answer(evidence, LEVEL)
    assert (answer.outcome, answer.layer) == ("met", None)
    assert (answer.value, answer.low, answer.high) == pytest.approx((2.3, 2.3 - half, 2.3 + half), rel=1e-9)
    said(answer.found)
    assert loss_claim(Range(None, 2.3 + half * 0.9), None).answer(evidence, LEVEL).outcome == "undecided"
    for limits in (Range(None, 2.0), Range(None, 2.31 - 3 * half), Range(3.0, None)):
        failed = loss_claim(limits, None).answer(evidence, LEVEL)
        assert failed.outcome == "failed"
        said(_words(failed))
    beyond = np.full(TRIALS, 2.3)
    beyond[:2] = math.inf
    assert loss_claim(Range(2.0, None), None).answer(_evidence(loss=beyond), LEVEL).outcome == "met"
    infinite = loss_claim(Range(None, 2.4), None).answer(_evidence(loss=beyond), LEVEL)
    assert infinite.outcome == "failed"
    said(_words(infinite))
    ended = loss_claim(Range(None, 2.0), None).answer(_evidence(loss=np.full(TRIALS, math.nan)), LEVEL)
    assert ended.outcome == "failed"
    said(ended.found)


@pytest.mark.parametrize(("objective", "guess"), [("cross_entropy", math.log(10)), ("bce", math.log(2)), ("mse", 1.0)])
def test_what_no_head_can_reach_is_said_to_be_so(objective: str, guess: float) -> None:
    evidence = _evidence(loss=_normal(3.0, 0.01), objective=objective)
    below, above = (loss_claim(Range(None, guess + step), None).answer(evidence, LEVEL) for step in (-0.1, 0.1))
    assert below.remedy == f"Raise the range: a head that says nothing has {number(guess)}."
    assert above.remedy.startswith("Lower the scale of the head's output: ")
    # The loss of a network whose head is zeros is that of a guess, within four standard errors.
    head = {"dense": {"width": 10, "activation": "linear", "init": "zeros"}}
    spec = load(_config(layers=[{"dense": 64}, head], probe={"gradient": objective, "trials": 100})).network
    losses = measure(spec).statistics.initial_loss[:, 0]
    assert losses.mean() == pytest.approx(guess, abs=4 * losses.std(ddof=1) / 10 + 1e-6)


def test_every_judged_layer_has_a_share_of_the_rank_s_level(said: Said) -> None:
    ranks = np.full((TRIALS, DEPTH), 20.0)
    ranks[:, 2] = _normal(8.0, 2.0)
    rows = [1, 2, 3, 4, 5]
    half = _half(2.0, LEVEL / 5)
    evidence = _evidence(ranks=ranks)
    for limits, outcome in (
        (Range(8 - half * 1.001, None), "met"),
        (Range(8 - half * 0.999, None), "undecided"),
        (Range(8 + half * 0.999, None), "undecided"),
        (Range(8 + half * 1.001, None), "failed"),
        (Range(1, 20), "met"),
        (Range(1, 19), "failed"),
    ):
        assert rank_claim(limits, rows, None).answer(evidence, LEVEL).outcome == outcome, limits
    answer = rank_claim(Range(12, None), rows, None).answer(evidence, LEVEL)
    assert answer.layer == 3
    assert (answer.value, answer.low, answer.high) == pytest.approx((8, 8 - half, 8 + half), rel=1e-9)
    said(_words(answer))


def test_draws_whose_samples_are_alike_have_no_rank(said: Said) -> None:
    ranks = np.tile(_normal(8.0, 1.0)[:, None], DEPTH)
    ranks[:10, 3:] = math.nan
    answer = rank_claim(Range(1, 20), [1, 2, 3, 4, 5], None).answer(_evidence(ranks=ranks), LEVEL)
    known = ranks[10:, 0]
    half = _half(float(known.std(ddof=1)), LEVEL / 5, TRIALS - 10)
    assert (answer.value, answer.high) == pytest.approx((known.mean(), known.mean() + half), rel=1e-9)
    none = rank_claim(Range(1, 20), [1, 4], None).answer(_evidence(ranks=np.full((TRIALS, DEPTH), math.nan)), LEVEL)
    assert none.outcome == "failed"
    said(_words(none))


# --- configs ---


def _config(expect: Any = None, **parts: Any) -> dict[str, Any]:
    small = {"dense": {"width": 4, "activation": "linear", "init": {"name": "small", "std": 0.1}}}
    config: dict[str, Any] = {
        "input": {"features": 64},
        "defaults": {"activation": "tanh", "init": "xavier"},
        "layers": [{"dense": 64, "repeat": 4}, small],
        "probe": {"batch": 16, "trials": 20},
        **parts,
    }
    return config if expect is None else {**config, "expect": expect}


ALL = {
    "head": {"scale": [0.1, 1]},
    "effective_rank": 4,
    "initial_loss": [None, 2],
    "saturated": {"above": 0.9, "share": 0.2},
}


def test_they_are_read_with_their_lines_and_become_claims(said: Said) -> None:
    experiment = load(_config(ALL, probe={"gradient": "mse"}))
    assert experiment.expect == Expectation(
        head_scale=Range(0.1, 1.0),
        effective_rank=Range(4.0, None),
        initial_loss=Range(None, 2.0),
        saturated=SaturationLimit(0.2, 0.9),
    )
    assert set(experiment.expect.lines) == {"head.scale", "initial_loss", "effective_rank", "saturated"}
    claims = claims_of(experiment)
    assert count_decisions(experiment.expect) == len(claims) == 4
    said("\n".join(f"{claim.expectation}: {claim.wanted}" for claim in claims))
    plain = load(_config({"saturated": 0.2, "effective_rank": [2, None]})).expect
    assert plain == Expectation(saturated=SaturationLimit(0.2), effective_rank=Range(2.0, None))
    assert load(_config({"head": {}})).expect == Expectation()


@pytest.mark.parametrize(
    ("expect", "parts"),
    [
        ({"head": {"scale": [0.1, 1]}}, {"layers": [{"dense": 64, "repeat": 4}]}),
        ({"head": {"scale": [0.1, 1]}}, {"layers": [{"dense": 64}, {"dense": 4, "role": "body"}]}),
        ({"initial_loss": [0, 1]}, {}),
        ({"effective_rank": 3}, {"probe": {"batch": 1}}),
        ({"head": 3}, {}),
        ({"head": {"size": [0, 1]}}, {}),
        ({"head": {"scale": [-1, 1]}}, {}),
        ({"effective_rank": [2, 1]}, {}),
        ({"effective_rank": "many"}, {}),
        ({"effective_rank": True}, {}),
        ({"initial_loss": 2}, {}),
        ({"saturated": {"above": 0.9}}, {}),
        ({"saturated": {"above": 1.0, "share": 0.1}}, {}),
        ({"saturated": {"above": 0, "share": 0.1}}, {}),
        ({"saturated": {"abov": 0.5, "share": 0.1}}, {}),
    ],
)
def test_what_cannot_be_expected_is_one_error(expect: Any, parts: dict[str, Any], said: Said) -> None:
    with pytest.raises(VarprobeError) as caught:
        load(_config(expect, **parts))
    assert caught.value.field.startswith("expect.")
    assert caught.value.hint
    said(f"{caught.value.field}: {caught.value.message}\n{caught.value.hint}")


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("above", [0.5, 0.9, 0.99])
def test_saturation_begins_where_the_config_says(activation: str, above: float) -> None:
    # One layer on ones: z ~ N(0, 4) over the draws, of which P(|z| > atanh(above)) are beyond; of sigmoid twice as far.
    config = _config(
        {"saturated": {"above": above, "share": 0.5}},
        layers=[{"dense": {"width": 64, "activation": activation, "init": {"name": "xavier", "gain": 2.0}}}],
        input={"features": 64, "distribution": "constant", "mean": 1.0},
        probe={"batch": 2, "trials": 400},
    )
    statistics = measure(load(config).network).statistics
    shares = (statistics.saturated if above == 0.99 else statistics.saturated_as_asked)[:, 0]
    wanted = math.erfc(math.atanh(above) * (2 if activation == "sigmoid" else 1) / 2 / math.sqrt(2))
    # Four standard errors of the mean over draws.
    assert shares.mean() == pytest.approx(wanted, abs=4 * shares.std(ddof=1) / math.sqrt(len(shares)))
    # Settings of one's own do not undo it, and what the report tells begins where it always does.
    spec = load(config).network
    again = measure(spec, varprobe.Settings(2, 400)).statistics
    if above == 0.99:
        assert np.isnan(again.saturated_as_asked).all()
        assert (again.saturated[:, 0] == shares).all()
    else:
        assert (again.saturated_as_asked[:, 0] == shares).all()
        assert (again.saturated == measure(load({**config, "expect": {}}).network).statistics.saturated).all()


def test_without_a_word_saturation_begins_at_a_half_per_cent_of_the_range() -> None:
    assert load(_config()).network.saturated_above == load(_config({"saturated": 0.1})).network.saturated_above == 0.99


def test_a_limit_of_saturation_is_for_its_own_line() -> None:
    # Of tanh of N(0, 1) values 76 % are beyond 0.3, and 0.8 % beyond 0.99.
    both = {
        "saturated": {"above": 0.3, "share": 0.4},
        "layers": {1: {"activation.saturated": [0.0, 0.05]}},
    }
    layers = [{"dense": {"width": 64, "activation": "tanh", "init": "xavier"}, "repeat": 4}]
    checked = varprobe.check(_config(both, layers=layers))
    assert {one.expectation: one.outcome for one in checked.decisions} == {
        "saturated": "failed",
        "layers.1.activation.saturated": "met",
    }


def test_a_check_holds_a_network_to_them() -> None:
    # Of weights N(0, 0.01) on 64 units the output has 0.64 times their second moment in the mean over draws.
    expect = {"head": {"scale": [0.4, 1.0]}, "effective_rank": [3, None], "saturated": {"above": 0.3, "share": 0.9}}
    checked = varprobe.check(_config(expect))
    assert {one.expectation: one.outcome for one in checked.decisions} == dict.fromkeys(
        ("head.scale", "effective_rank", "saturated"), "met"
    )
    broken = varprobe.check(_config({**expect, "head": {"scale": [None, 0.1]}}))
    assert broken.outcome == "failed"
    decision = next(one for one in broken.decisions if one.outcome == "failed")
    assert (decision.expectation, decision.layer) == ("head.scale", 5)
