"""What claims answer, word by word and figure by figure, on measurements made by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import a_measurement
from golden import Said
from scipy import stats
from test_gate import _config, _layers

import varprobe
from varprobe.comparison import Change, Comparison
from varprobe.config.expectation import LayerBound, Range, SideRange
from varprobe.diagnose import diagnose, examine, predict_report, report_on
from varprobe.errors import InputFileError, Place
from varprobe.formatting import number, percent, power
from varprobe.gate import baseline as baselines
from varprobe.gate import finding_claims
from varprobe.gate.baseline import baseline_claim
from varprobe.gate.check import gather
from varprobe.gate.claim import Answer, Claim, trials_needed
from varprobe.gate.claims import claims_of
from varprobe.gate.direction_claims import label_claim, range_claim
from varprobe.gate.explanation import explain
from varprobe.gate.finding_claims import findings_claim, theory_claim
from varprobe.gate.layer_claims import bound_claim, format_claim, limit_claim
from varprobe.gate.records import CHECK_VERSION, CheckOutcome, CheckResult, Decision
from varprobe.probe.measurement import Measurement
from varprobe.report.records import Report
from varprobe.results.baseline import load_baseline
from varprobe.results.store import from_json, render_json, to_json
from varprobe.theory.predict import predict
from varprobe.verdict.agreement import Agreement, Band, RowAgreement
from varprobe.verdict.intervals import binomial_interval
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Direction
from varprobe.verdict.possible import possible

LN10, LN100, LN1000 = math.log(10), math.log(100), math.log(1000)
LEVEL = 0.01
TRIALS, DEPTH = 30, 12


def _noisy(total: float = 0.0, noise: float = 0.1, seed: int = 0, trials: int = TRIALS) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(total / (DEPTH - 1), noise, (trials, DEPTH))
    return np.cumsum(steps, axis=1)


def _naive(changes: np.ndarray) -> tuple[float, float]:
    """The mean over draws, and half its 95 % interval by Student's t."""
    half = float(stats.t.isf(0.025, len(changes) - 1)) * float(changes.std(ddof=1)) / math.sqrt(len(changes))
    return float(changes.mean()), half


def _slopes(logs: np.ndarray) -> np.ndarray:
    """Of every draw, the slope per layer in the deep half."""
    return np.array([np.polyfit(np.arange(DEPTH - DEPTH // 2), draw[DEPTH // 2 :], 1)[0] for draw in logs])


def _evidence(forward: np.ndarray, backward: np.ndarray | None = None, signal: np.ndarray | None = None) -> Diagnosis:
    return _judged(a_measurement(forward, backward, signal, layers=_layers(DEPTH), features=32))


def _unlike(forward: np.ndarray, backward: np.ndarray | None = None, seams: tuple[int, ...] = (6,)) -> Diagnosis:
    """The same of layers that are of another kind from each of these on."""
    layers = [
        replace(layer, likeness=(layer.likeness, sum(at >= seam for seam in seams)))
        for at, layer in enumerate(_layers(DEPTH))
    ]
    return _judged(a_measurement(forward, backward, layers=layers, features=32))


def _judged(measurement: Measurement) -> Diagnosis:
    spec = varprobe.load(_config(depth=DEPTH)).network
    return examine(spec, spec.settings, predict(spec), measurement)


def _reported(evidence: Diagnosis) -> Report:
    experiment = varprobe.load(_config(depth=DEPTH))
    return report_on(experiment, experiment.network.settings, evidence, remedies=False)


def _reach(half: float, level: float) -> float:
    """Half an interval of 95 %, at another level."""
    freedom = TRIALS - 1
    return half / float(stats.t.isf(0.025, freedom)) * float(stats.t.isf(level / 2, freedom))


def _interval(logs: np.ndarray, level: float) -> tuple[float, float, float]:
    """D and its interval; the share of dead draws has half of the level with 20 trials, a third with these 30."""
    assert len(logs) == TRIALS == 30
    total, half = _naive(logs[:, -1] - logs[:, 0])
    reach = _reach(half, level * 2 / 3)
    return total, total - reach, total + reach


def _close(found: float | None, wanted: float) -> bool:
    return found == pytest.approx(wanted, rel=1e-6)


def _words(answer: Answer) -> str:
    return f"{answer.found}\n{answer.remedy}"


# --- the change over depth ---


def test_a_label_is_answered_with_its_interval() -> None:
    logs = _noisy(1.0)
    total, low, high = _interval(logs, LEVEL)
    answer = label_claim("forward", ("stable",), 7).answer(_evidence(logs), LEVEL)
    assert answer.outcome == "met"
    assert (
        answer.found == f"stable: x {power(total / LN10)} over the depth ({power(low / LN10)} to {power(high / LN10)})"
    )
    assert _close(answer.value, total / LN10)
    assert _close(answer.low, low / LN10)
    assert _close(answer.high, high / LN10)
    assert (answer.needed, answer.layer, answer.remedy) == (None, None, "")


def test_a_label_at_its_edge_is_undecided_until_the_interval_has_left_it() -> None:
    logs = _noisy(4.4, 0.3)
    total, low, high = _interval(logs, LEVEL)
    assert low < LN100 < high < LN1000
    answer = label_claim("forward", ("stable",), None).answer(_evidence(logs), LEVEL)
    assert answer.outcome == "undecided"
    assert answer.found.startswith("stable or borderline: x ")
    assert answer.needed == max(math.ceil(1.1 * TRIALS * ((high - low) / 2 / (total - LN100)) ** 2), TRIALS + 1)
    wide = label_claim("forward", ("stable", "borderline"), None).answer(_evidence(logs), LEVEL)
    assert (wide.outcome, wide.needed) == ("met", None)
    other = label_claim("forward", ("exploding", "vanishing"), None).answer(_evidence(logs), LEVEL)
    assert (other.outcome, other.needed) == ("failed", None)


def test_what_is_backward_is_not_what_is_forward() -> None:
    evidence = _evidence(_noisy(0.0), -_noisy(9.0, seed=1))
    assert label_claim("forward", ("stable",), None).answer(evidence, LEVEL).outcome == "met"
    assert label_claim("backward", ("exploding",), None).answer(evidence, LEVEL).outcome == "met"
    assert possible(evidence.case, "overall", LEVEL).labels == ("exploding",)


def test_the_signal_has_the_whole_level_for_its_interval() -> None:
    logs = np.zeros((TRIALS, DEPTH))
    signal = _noisy(-3.5, seed=2)
    total, half = _naive(signal[:, -1])  # from the input on, whose samples have a share of 1
    reach = _reach(half, LEVEL)
    found = possible(_evidence(logs, signal=signal).case, "signal", LEVEL)
    assert found.labels == ("fading",)
    assert _close(found.value, total)
    assert _close(found.low, total - reach)
    assert _close(found.high, total + reach)
    assert (found.trials, found.spared) == (TRIALS, True)


@pytest.mark.parametrize(("total", "label"), [(-9.0, "collapsing"), (-3.5, "fading"), (0.0, "preserved")])
def test_the_signal_has_its_own_labels(total: float, label: str) -> None:
    evidence = _evidence(np.zeros((TRIALS, DEPTH)), signal=_noisy(total, seed=2))
    for other in ("collapsing", "fading", "preserved"):
        answer = label_claim("signal", (other,), None).answer(evidence, LEVEL)
        assert answer.outcome == ("met" if other == label else "failed")
        assert answer.found.startswith(f"{label}: x ")


def test_a_signal_below_the_rounding_floor_is_collapsing_however_the_layers_before_it_do() -> None:
    signal = np.tile(np.arange(DEPTH) * -0.2, (TRIALS, 1))
    signal[:, 9:] = -100.0
    found = possible(_evidence(np.zeros((TRIALS, DEPTH)), signal=signal).case, "signal", LEVEL)
    assert found.labels == ("collapsing",)
    assert found.trials == TRIALS
    # What the layers before it lose, 0.2 each, is not what is lost.
    assert math.isnan(found.value)


def test_a_signal_that_has_no_error_may_be_anything() -> None:
    found = possible(_evidence(np.zeros((1, DEPTH))).case, "signal", LEVEL)
    assert found.labels == ("preserved", "fading", "collapsing")
    assert math.isnan(found.value)


def test_of_one_draw_nothing_is_known() -> None:
    found = possible(_evidence(np.zeros((1, DEPTH))).case, "forward", LEVEL)
    assert found.labels == ("exploding", "vanishing", "borderline", "stable", "degenerate")
    assert (found.trials, found.spared) == (1, False)
    rate = SideRange("forward", Range(0.9, 1.1))
    spec = varprobe.load(_config(depth=DEPTH)).network
    answer = range_claim("rate", rate, None, spec, has_rate=True).answer(_evidence(np.zeros((1, DEPTH))), LEVEL)
    # Nothing has failed; 2**-9 is the first below a quarter of the level.
    words = "exploding or vanishing or borderline or stable or degenerate"
    assert answer == Answer("undecided", words, needed=9)
    label = label_claim("forward", ("stable",), None).answer(_evidence(np.zeros((1, DEPTH))), LEVEL)
    assert label == Answer("undecided", words, needed=9)


def test_a_dead_network_has_no_rate() -> None:
    dead = np.zeros((TRIALS, DEPTH))
    dead[:, 5:] = -np.inf
    spec = varprobe.load(_config(depth=DEPTH)).network
    answer = range_claim("rate", SideRange("forward", Range(0.9, 1.1)), None, spec, has_rate=True).answer(
        _evidence(dead), LEVEL
    )
    assert answer == Answer("failed", "degenerate")
    label = label_claim("forward", ("stable",), None).answer(_evidence(dead), LEVEL)
    assert label == Answer("failed", "degenerate")


def test_dead_draws_have_their_share_of_the_level() -> None:
    logs = _noisy()
    logs[:8, 7:] = -np.inf
    found = possible(_evidence(logs).case, "forward", LEVEL)
    low, high = binomial_interval(8, TRIALS, LEVEL / 3)
    assert low < 0.5 < high
    assert found.labels == ("stable", "degenerate")
    assert (found.trials, found.spared) == (TRIALS - 8, False)
    logs = _noisy()
    logs[:5, 7:] = -np.inf
    assert binomial_interval(5, TRIALS, LEVEL / 3)[1] < 0.5
    assert possible(_evidence(logs).case, "forward", LEVEL).labels == ("stable",)


@pytest.mark.parametrize("turned", [False, True])
def test_overall_is_the_worse_of_both_at_half_of_the_level_each(*, turned: bool) -> None:
    logs, back = _noisy(4.4, 0.3), -_noisy(-4.4, 0.3, seed=3)
    if turned:
        logs, back = -back, -logs
    answer = label_claim("overall", ("stable",), 3).answer(_evidence(logs, back), LEVEL)
    assert answer.outcome == "undecided"
    assert answer.found == "borderline or stable"
    needed = []
    for one in (logs, -back):
        total, low, high = _interval(one, LEVEL / 2)
        edge = LN100 if total > 0 else -LN100
        assert low < edge < high
        needed.append(max(math.ceil(1.1 * TRIALS * ((high - low) / 2 / abs(total - edge)) ** 2), TRIALS + 1))
    assert answer.needed == max(needed)
    assert (needed[0] < needed[1]) == turned
    assert label_claim("overall", ("stable", "borderline"), 3).answer(_evidence(logs, back), LEVEL).outcome == "met"
    failed = label_claim("overall", ("exploding", "degenerate"), 3).answer(_evidence(logs, back), LEVEL)
    assert (failed.outcome, failed.needed) == ("failed", None)


def test_at_the_edge_itself_no_number_of_trials_is_named(said: Said) -> None:
    logs = _noisy(2.0, 0.3)
    logs += (LN100 - _naive(logs[:, -1] - logs[:, 0])[0]) * np.arange(DEPTH) / (DEPTH - 1)
    answer = label_claim("overall", ("stable",), 3).answer(_evidence(logs), LEVEL)
    assert answer == Answer("undecided", "borderline or stable", answer.remedy)
    said(answer.remedy)


@pytest.mark.parametrize(("most", "told"), [(399, True), (401, False)])
def test_no_more_than_400_trials_are_named(most: int, told: bool) -> None:
    logs = _noisy(3.0, 0.3)
    total, low, high = _interval(logs, LEVEL)
    # So near to the edge that so many would tell, for errors that fall as one over their root, a tenth to spare.
    near = (high - low) / 2 * math.sqrt(1.1 * TRIALS / (most - 0.5))
    logs += (LN100 - near - total) * np.arange(DEPTH) / (DEPTH - 1)
    answer = label_claim("forward", ("stable",), None).answer(_evidence(logs), LEVEL)
    assert (answer.outcome, answer.needed) == ("undecided", most if told else None)
    assert bool(answer.remedy) is not told


def test_overall_counts_what_both_may_be() -> None:
    # Forward explodes or nearly so, backward vanishes: the worse of the two is one or the other.
    logs, back = _noisy(6.9, 0.3), -_noisy(-12.0, seed=3)
    evidence = _evidence(logs, back)
    assert possible(evidence.case, "forward", LEVEL / 2).labels == ("borderline", "exploding")
    assert possible(evidence.case, "overall", LEVEL).labels == ("exploding", "vanishing")
    # Between the intervals of half of the level and of a third of it.
    total, half = _naive(logs[:, -1] - logs[:, 0])
    shift = LN100 - total - _reach(half, LEVEL / 2 * 2 / 3) * 1.02
    moved = logs + shift * np.arange(DEPTH) / (DEPTH - 1)
    assert _reach(half, LEVEL / 3 * 2 / 3) > 1.03 * _reach(half, LEVEL / 2 * 2 / 3)
    assert possible(_evidence(moved, -moved).case, "overall", LEVEL).labels == ("stable",)


def test_a_rate_is_answered_with_its_interval() -> None:
    logs = _noisy(1.0)
    slope, half = _naive(_slopes(logs))
    rates = [math.exp(slope + sign * _reach(half, LEVEL)) for sign in (0, -1, 1)]
    spec = varprobe.load(_config(depth=DEPTH)).network
    answer = range_claim("rate", SideRange("forward", Range(1.0, 1.2)), None, spec, has_rate=True).answer(
        _evidence(logs), LEVEL
    )
    assert answer.outcome == "met"
    assert answer.found == f"{number(rates[0])} a layer ({number(rates[1])} to {number(rates[2])})"
    assert [_close(*pair) for pair in zip((answer.value, answer.low, answer.high), rates, strict=True)] == [True] * 3
    assert answer.needed is None


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (None, -1.1, "failed"),
        (1.1, None, "failed"),
        (-1.1, None, "met"),
        (None, 1.1, "met"),
        (-math.inf, 1.1, "met"),
        (-math.inf, -math.inf, "failed"),
        (0.5, None, "undecided"),
        (None, 0.5, "undecided"),
        (-1.1, 0.5, "undecided"),
    ],
)
def test_ranges_of_rates_are_held_against_the_interval(low: float | None, high: float | None, outcome: str) -> None:
    """The ends of the range are given in halves of the interval from its middle."""
    logs = _noisy(1.0)
    slope, half = _naive(_slopes(logs))
    ends = [None if end is None else math.exp(slope + end * _reach(half, LEVEL)) for end in (low, high)]
    spec = varprobe.load(_config(depth=DEPTH)).network
    answer = range_claim("rate", SideRange("forward", Range(*ends)), None, spec, has_rate=True).answer(
        _evidence(logs), LEVEL
    )
    assert answer.outcome == outcome
    assert answer.needed == (math.ceil(1.1 * TRIALS / 0.5**2) if outcome == "undecided" else None)


def test_a_total_is_answered_in_powers_of_ten() -> None:
    logs = _noisy(1.0)
    three = [one / LN10 for one in _interval(logs, LEVEL)]
    spec = varprobe.load(_config(depth=DEPTH)).network
    answer = range_claim("total_log10", SideRange("forward", Range(-1, 1)), None, spec, has_rate=True).answer(
        _evidence(logs), LEVEL
    )
    assert answer.outcome == "met"
    assert answer.found == f"{three[0]:.4g} ({three[1]:.4g} to {three[2]:.4g})"
    assert [_close(*pair) for pair in zip((answer.value, answer.low, answer.high), three, strict=True)] == [True] * 3
    below = range_claim("total_log10", SideRange("forward", Range(None, three[0])), None, spec, has_rate=True).answer(
        _evidence(logs), LEVEL
    )
    assert below.outcome == "undecided"


def test_a_range_is_not_met_while_half_of_the_draws_may_be_dead() -> None:
    few = _noisy(trials=5)
    spec = varprobe.load(_config(depth=DEPTH)).network
    answer = range_claim("total_log10", SideRange("forward", Range(-50, 50)), None, spec, has_rate=True).answer(
        _evidence(few), LEVEL
    )
    assert answer.outcome == "undecided"
    # 2**-n has to fall below a quarter of the level.
    assert 2.0**-9 < LEVEL / 4 < 2.0**-8
    assert answer.needed == 9


EXPECT = """\
  forward: [stable, borderline]
  signal: preserved
  overall: stable
  rate:
    forward: [0.5, null]
  total_log10:
    backward: [-1, 1]
  layers:
    2:
      activation.variance: [null, 2]
  saturated: 0.1
  dead: 0.25
  safe_in: [float16]
  theory: agree
  allow: [jump]
"""


def test_claims_know_their_lines(tmp_path: Path) -> None:
    config = tmp_path / "net.yaml"
    config.write_text("input: {features: 8}\nlayers:\n  - dense: 8\n    repeat: 5\nexpect:\n" + EXPECT)
    lines = {claim.expectation: claim.line for claim in claims_of(varprobe.load(config))}
    assert lines == {
        "forward": 6, "signal": 7, "overall": 8, "rate.forward": 10, "total_log10.backward": 12,
        "layers.2.activation.variance": 15, "saturated": 16, "dead": 17, "safe_in.float16": 18, "theory": 19,
        "findings": 20,
    }  # fmt: skip


def test_an_answer_about_a_layer_has_the_line_of_its_entry() -> None:
    evidence = _unlike(_jumped(7.5))
    layers = tuple(replace(layer, line=100 + at) for at, layer in enumerate(evidence.case.measured.layers, 1))
    placed = _judged(replace(evidence.case.measured, layers=layers))
    decision = findings_claim((), 5).decide(placed, LEVEL)
    assert (decision.layer, decision.line, decision.level) == (7, 107, LEVEL)
    assert findings_claim((), 5).decide(evidence, LEVEL).line == 5
    assert label_claim("forward", ("stable",), 3).decide(placed, LEVEL).line == 3


def test_claims_say_what_is_wanted() -> None:
    expect = {"forward": ["stable", "borderline"], "rate": {"forward": [0.5, None]}, "saturated": 0.1, "dead": 0.25,
              "safe_in": ["float16"], "allow": ["jump"], "theory": "agree", "overall": "stable",
              "layers": {"all": {"activation.variance": [None, 2]}}}  # fmt: skip
    wanted = [(claim.expectation, claim.wanted) for claim in claims_of(varprobe.load(_config(expect)))]
    assert wanted == [
        ("forward", "stable or borderline"),
        ("overall", "stable"),
        ("rate.forward", "at least 0.5"),
        ("layers.all.activation.variance", "at most 2"),
        ("saturated", "at most 10 % in every layer"),
        ("dead", "at most 25 % in every layer"),
        ("safe_in.float16", "safe in float16: at most 1 % of the draws leave it"),
        ("theory", "agrees with the measurement"),
        ("findings", "no errors but jump"),
    ]


# --- jumps and other findings ---


def _jumped(size: float, noise: float = 0.02) -> np.ndarray:
    logs = _noisy(noise=noise)
    logs[:, 6:] += size
    return logs


def _step(logs: np.ndarray, level: float) -> tuple[float, float]:
    """The typical step from the sixth layer to the seventh, with half its interval."""
    mean, half = _naive(logs[:, 6] - logs[:, 5])
    return mean, _reach(half, level)


@pytest.mark.parametrize(("sign", "way"), [(1, "forward"), (-1, "forward"), (1, "backward"), (-1, "backward")])
def test_a_jump_is_named_with_its_factor_and_its_layer(sign: int, way: str, said: Said) -> None:
    logs, flat = _jumped(sign * 7.5), _noisy()
    evidence = _unlike(logs, flat) if way == "forward" else _unlike(flat, logs)
    # Half of the level for each direction, and a third of that for jumps, of which one place is there.
    change, half = _step(logs if way == "forward" else -logs, LEVEL / 6)
    words = [power(one / LN10) for one in (abs(change), abs(change) - half, abs(change) + half)]
    answer = findings_claim((), None).answer(evidence, LEVEL)
    assert answer == Answer(
        "failed",
        f"jump: a factor {words[0]} ({words[1]} to {words[2]}) at this one layer ({way}), the limit is 1000",
        answer.remedy,
        layer=7,
    )
    said(answer.remedy)
    assert findings_claim(("jump",), None).answer(evidence, LEVEL) == Answer("met", "none")


def test_a_step_that_may_be_a_jump_is_undecided() -> None:
    logs = _jumped(LN1000 + 0.15, 0.4)
    change, half = _step(logs, LEVEL / 6)
    assert change - half < LN1000 < change
    answer = findings_claim((), None).answer(_unlike(logs), LEVEL)
    assert answer.outcome == "undecided"
    assert answer.layer == 7
    assert answer.needed == trials_needed(TRIALS, half, change - LN1000)
    assert answer.needed is not None


def test_of_steps_that_may_be_jumps_the_one_that_reaches_furthest_is_named() -> None:
    logs = _jumped(6.8, 0.02)
    logs[:, 3:] += np.random.default_rng(9).normal(-6.8, 0.6, (TRIALS, 1))
    answer = findings_claim((), None).answer(_unlike(logs, seams=(3, 6)), LEVEL)
    steps = [abs(float((logs[:, at] - logs[:, at - 1]).mean())) for at in (3, 6)]
    assert steps[0] < steps[1] < LN1000
    assert (answer.outcome, answer.layer) == ("undecided", 4)


def test_errors_that_are_not_about_labels_fail_with_their_remedy() -> None:
    logs = _noisy()
    logs[:2, 8:] = np.nan
    evidence = _evidence(logs)
    (finding,) = (item for item in _reported(evidence).verdict.findings if item.code == "non-finite")
    answer = findings_claim((), None).answer(evidence, LEVEL)
    assert answer == Answer("failed", f"non-finite: {finding.message}", finding.remedy, 9)
    assert findings_claim(("non-finite",), None).answer(evidence, LEVEL).outcome == "met"


def test_steps_below_a_thousand_and_between_layers_that_are_alike_are_none() -> None:
    assert findings_claim((), None).answer(_unlike(_jumped(6.8)), LEVEL) == Answer("met", "none")
    assert findings_claim((), None).answer(_evidence(_jumped(9.0)), LEVEL) == Answer("met", "none")
    for evidence in (_evidence(_noisy(trials=1)), _unlike(_jumped(9.0)[:1])):
        one = findings_claim(("excursion",) if len(evidence.case.cut) > 1 else (), None).answer(evidence, LEVEL)
        assert (one.outcome, one.found, one.needed) == ("undecided", "too few trials", 2)


def _hill(height: float, noise: float = 0.02) -> np.ndarray:
    logs = _noisy(noise=noise)
    logs[:, 5:9] += height
    return logs


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_an_excursion_is_held_against_what_is_stable_for_certain(way: str) -> None:
    def answered(logs: np.ndarray, allow: tuple[str, ...] = ()) -> Answer:
        flat = _noisy()
        evidence = _evidence(logs, flat) if way == "forward" else _evidence(flat, logs)
        return findings_claim(allow, None).answer(evidence, LEVEL)

    failed = answered(_hill(8.0))
    assert failed.outcome == "failed"
    assert failed.found.startswith("excursion: a factor ")
    assert f"on the way ({way}), the limit is 1000" in failed.found
    assert answered(_hill(8.0), ("excursion",)) == Answer("met", "none")
    assert answered(_hill(6.7)) == Answer("met", "none")
    # What may be borderline waits for its label; what certainly is not stable is told by that alone.
    ends = np.zeros(DEPTH)
    ends[9:] = 4.5
    beside = _hill(8.0, 0.15) + ends
    assert answered(beside).outcome == "undecided"
    assert answered(_hill(8.0) + 2 * ends) == Answer("met", "none")
    assert answered(np.full((TRIALS, DEPTH), -np.inf)) == Answer("met", "none")


def test_scatter_is_held_against_what_is_stable_for_certain() -> None:
    def answered(changes: np.ndarray) -> Answer:
        logs = np.outer(changes, np.arange(DEPTH) / (DEPTH - 1))
        return findings_claim(("excursion",), None).answer(_evidence(logs, logs * 0), LEVEL)

    sides = np.tile([5.0, -5.0], 15)
    failed = answered(sides)
    assert failed.outcome == "failed"
    low, high = binomial_interval(30, 30, LEVEL / 2 / 2)
    assert f"scattered: {percent(1.0)} of the draws ({percent(low)} to {percent(high)})" in failed.found
    assert (failed.layer, failed.needed) == (None, None)
    half = answered(np.concatenate([sides[:16], np.zeros(14)]))
    assert (half.outcome, half.needed) == ("undecided", 60)
    assert answered(np.concatenate([sides[:4], np.zeros(26)])) == Answer("met", "none")
    # Beside the limit the label may be another; beyond it it is, and tells what there is.
    assert answered(sides * 0.2 + 4.5).outcome == "undecided"
    assert answered(sides + 12.0) == Answer("met", "none")


def test_a_single_layer_has_no_step() -> None:
    spec = varprobe.load(_config(depth=1)).network
    measurement = a_measurement(np.zeros((TRIALS, 1)), layers=_layers(1), features=32)
    evidence = examine(spec, spec.settings, predict(spec), measurement)
    assert findings_claim((), None).answer(evidence, LEVEL) == Answer("met", "none")


# --- theory and baselines ---


def test_what_leaves_theory_is_named(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    inside = Band(-1.0, 1.0, measured=0.1, deviation=0.2)
    outside = Band(-1.0, 1.0, measured=-2.0, deviation=-7.25)
    seen = []

    def compare(measurement: Any, prediction: Any, level: float) -> Agreement:
        seen.append(level)
        rows = [RowAgreement(inside, inside)] * DEPTH
        rows[3] = RowAgreement(inside, outside)
        rows[5] = RowAgreement(outside, outside)
        return Agreement(prediction, tuple(rows), 2 * DEPTH)

    monkeypatch.setattr(finding_claims, "compare", compare)
    answer = theory_claim(None).answer(_evidence(_noisy()), LEVEL)
    assert seen == [LEVEL]
    assert answer == Answer("failed", answer.found, answer.remedy, layer=4)
    assert f" is {power(-2 / LN10)} times " in answer.found
    said(_words(answer))
    monkeypatch.setattr(
        finding_claims, "compare", lambda *_: Agreement(_[1], (RowAgreement(inside, inside),) * DEPTH, 24)
    )
    assert theory_claim(None).answer(_evidence(_noisy()), LEVEL) == Answer("met", "agrees in 24 second moments")
    monkeypatch.setattr(finding_claims, "compare", lambda *_: Agreement(_[1], (), 0))
    answer = theory_claim(None).answer(_evidence(_noisy()), LEVEL)
    assert answer == Answer("undecided", "no layer can be tested", answer.remedy)
    said(answer.remedy)


def test_drift_is_told_by_the_first_layer_and_by_the_worst(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    changes = (
        Change(4, "dense4", "gradient.second_moment", 0.3, 6.0, -1.0, -0.7),
        Change(2, "dense2", "activation.variance", -0.1, -5.0, 0.0, -0.1),
        Change(2, "dense2", "preactivation.second_moment", 0.1, 5.5, 2.0, 2.1),
        Change(7, "dense7", "activation.variance", 1.0, -math.inf, 0.0, 1.0),
    )
    evidence = _evidence(_noisy())
    baseline = _reported(evidence)
    seen = []

    def compare_layers(before: Any, after: Any, level: float) -> Comparison:
        seen.append((before is baseline.layers, after == _reported(evidence).layers, level))
        return Comparison((), (), changes, 40)

    monkeypatch.setattr(baselines, "compare_layers", compare_layers)
    answer = baseline_claim(baseline).answer(evidence, LEVEL)
    assert answer == Answer("failed", answer.found, answer.remedy, layer=2)
    said(_words(answer))
    assert seen == [(True, True, LEVEL)]
    monkeypatch.setattr(baselines, "compare_layers", lambda *_: Comparison((), (), changes[:1], 40))
    assert "; 1 statistic of 1 layer drifted" in baseline_claim(baseline).answer(evidence, LEVEL).found
    assert baseline_claim(baseline).answer(evidence, LEVEL).found.count("went from") == 1
    monkeypatch.setattr(baselines, "compare_layers", lambda *_: Comparison((), (), (), 40))
    assert baseline_claim(baseline).answer(evidence, LEVEL) == Answer("met", "none in 40 statistics")


@pytest.mark.parametrize(("trials", "outcome"), [(1, "undecided"), (2, "failed")])
def test_what_cannot_be_compared_has_drifted_unless_trials_are_wanting(
    trials: int, outcome: str, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr(baselines, "compare_layers", lambda *_: Comparison((), (), reason="their layers differ"))
    evidence = _evidence(_noisy(trials=trials))
    answer = baseline_claim(_reported(evidence)).answer(evidence, LEVEL)
    assert answer == Answer(outcome, answer.found, answer.remedy)
    said(_words(answer))


# --- layers ---


def _shares(values: np.ndarray) -> Diagnosis:
    """Evidence whose saturated shares are these (trials, layers)."""
    evidence = _evidence(_noisy(trials=len(values)))
    evidence.case.measured.statistics.saturated[:] = values
    return evidence


def _student(values: np.ndarray, level: float) -> tuple[float, float]:
    """Mean and half its interval."""
    n = len(values)
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) * float(stats.t.isf(level / 2, n - 1))


def test_a_share_is_held_to_its_limit_in_every_layer() -> None:
    random = np.random.default_rng(4)
    values = random.normal(0.2, 0.02, (TRIALS, DEPTH))
    values[:, 4] += 0.1
    values[:, 8] += 0.2
    rows = tuple(range(1, DEPTH + 1))
    evidence = _shares(values)
    mean, half = _student(values[:, 4], LEVEL / DEPTH)
    answer = limit_claim("saturated", 0.25, rows, None).answer(evidence, LEVEL)
    assert answer.outcome == "failed"
    assert (
        answer.found == f"{number(mean)} ({number(mean - half)} to {number(mean + half)}) at layer 5, and 1 more layer"
    )
    assert (answer.layer, answer.needed) == (5, None)
    assert _close(answer.value, mean)
    assert _close(answer.low, mean - half)
    assert _close(answer.high, mean + half)
    # Met: told is the layer with the least room.
    mean, half = _student(values[:, 8], LEVEL / DEPTH)
    met = limit_claim("saturated", 0.6, rows, None).answer(evidence, LEVEL)
    assert (met.outcome, met.layer) == ("met", 9)
    assert met.found == f"{number(mean)} ({number(mean - half)} to {number(mean + half)}) at layer 9"
    # Undecided: of these two layers the second, at its own share of the level.
    mean, half = _student(values[:, 8], LEVEL / 2)
    limit = mean + half / 3
    unsure = limit_claim("saturated", limit, (1, 9), None).answer(evidence, LEVEL)
    assert (unsure.outcome, unsure.layer) == ("undecided", 9)
    assert unsure.needed == math.ceil(1.1 * TRIALS * 9)
    assert limit_claim("dead", 0.5, (), None).answer(evidence, LEVEL) == Answer("met", "no layer has it")


def _bound(statistic: str, low: float | None, high: float | None, rows: tuple[int, ...] = (3, 5)) -> Any:
    return bound_claim(LayerBound("all", rows, statistic, Range(low, high)), None)


def test_a_positive_statistic_is_bounded_on_the_log_scale() -> None:
    logs = _noisy(noise=0.3)
    evidence = _evidence(logs)
    means = []
    for row in (3, 5):
        values = np.exp(logs[:, row - 1])
        mean, half = _student(values, LEVEL / 2)
        means.append((math.log(mean), half / mean))
    three = [math.exp(means[1][0] + sign * means[1][1]) for sign in (0, -1, 1)]
    answer = _bound("activation.second_moment", three[1] * 0.99, 5.0).answer(evidence, LEVEL)
    assert answer.outcome == "met"
    shown, low, high = (power(math.log10(one)) for one in three)
    assert answer.found == f"{shown} ({low} to {high}) at layer 5"
    assert [_close(*pair) for pair in zip((answer.value, answer.low, answer.high), three, strict=True)] == [True] * 3
    unsure = _bound("activation.second_moment", three[1] * 1.01, 5.0).answer(evidence, LEVEL)
    assert (unsure.outcome, unsure.layer) == ("undecided", 5)
    assert unsure.needed == trials_needed(TRIALS, means[1][1], means[1][0] - math.log(three[1] * 1.01))
    assert _bound("activation.second_moment", 0.0, 5.0).answer(evidence, LEVEL).outcome == "met"
    assert _bound("activation.second_moment", None, 0.0).answer(evidence, LEVEL).outcome == "failed"
    # Both limits outside: failed at the first, with how many more.
    failed = _bound("activation.second_moment", 20.0, None).answer(evidence, LEVEL)
    assert (failed.outcome, failed.layer, failed.needed) == ("failed", 3, None)
    assert failed.found.endswith(" at layer 3, and 1 more layer")


def test_means_that_can_be_negative_are_bounded_as_they_are() -> None:
    evidence = _evidence(_noisy())
    values = np.random.default_rng(5).normal(-0.5, 0.1, (TRIALS, DEPTH))
    evidence.case.measured.statistics.preactivation_mean[:] = values
    mean, half = _student(values[:, 2], LEVEL)
    answer = _bound("preactivation.mean", -1.0, -0.4, (3,)).answer(evidence, LEVEL)
    assert answer.outcome == "met"
    assert answer.found == f"{number(mean)} ({number(mean - half)} to {number(mean + half)}) at layer 3"
    assert _close(answer.value, mean)
    assert _bound("preactivation.mean", 0.0, None, (3,)).answer(evidence, LEVEL).outcome == "failed"


def test_the_largest_value_is_one_of_the_statistics() -> None:
    logs = _noisy()
    answer = _bound("activation.max_abs", 0.1, 99.0, (3,)).answer(_evidence(logs), LEVEL)
    assert _close(answer.value, float(np.exp(logs[:, 2] / 2 + 1).mean()))


def test_exact_zeros_are_shown_as_zero_and_what_ended_fails() -> None:
    logs = _noisy()
    evidence = _evidence(logs)
    table = evidence.case.measured.statistics.log_activation_variance
    table[:] = -np.inf
    answer = _bound("activation.variance", None, 1.0, (3,)).answer(evidence, LEVEL)
    assert (answer.outcome, answer.found) == ("met", "0 (0 to 0) at layer 3")
    assert (answer.value, answer.low, answer.high) == (0.0, 0.0, 0.0)
    assert _bound("activation.variance", 0.1, None, (3,)).answer(evidence, LEVEL).outcome == "failed"
    table[:, 4] = np.nan
    assert _bound("activation.variance", None, 1.0).answer(evidence, LEVEL) == Answer(
        "failed", "the arithmetic ended at layer 5", layer=5
    )


def test_one_trial_bounds_nothing() -> None:
    evidence = _evidence(_noisy(trials=1))
    answer = _bound("activation.second_moment", 0.1, 10.0).answer(evidence, LEVEL)
    assert (answer.outcome, answer.needed, answer.low, answer.high) == ("undecided", None, 0.0, None)
    assert answer.found.endswith(" (0 to inf) at layer 3")
    evidence.case.measured.statistics.preactivation_mean[:] = 0.25
    answer = _bound("preactivation.mean", 0.0, 1.0).answer(evidence, LEVEL)
    assert (answer.outcome, answer.found) == ("undecided", "0.25 (-inf to inf) at layer 3")
    assert (answer.value, answer.low, answer.high) == (0.25, None, None)


def test_a_check_of_one_trial_can_be_stored() -> None:
    config = {**_config({"layers": {3: {"preactivation.mean": [-1, 1]}}}), "probe": {"batch": 16, "trials": 1}}
    checked = varprobe.check(config, max_trials=1)
    assert checked.outcome == "undecided"
    checks = gather([checked])
    assert from_json(render_json(checks).encode(), "c.json") == checks


def test_two_trials_are_enough_for_an_interval() -> None:
    logs = _noisy(trials=2)
    assert findings_claim((), None).answer(_evidence(logs), LEVEL).found != "too few trials"
    mean, half = _student(np.exp(logs[:, 2]), LEVEL)
    answer = _bound("activation.second_moment", 0.1, 10.0, (3,)).answer(_evidence(logs), LEVEL)
    assert _close(answer.low, mean * math.exp(-half / mean))


def test_a_bound_at_what_is_measured_without_noise_is_met() -> None:
    still = _evidence(np.zeros((TRIALS, DEPTH)))
    assert _bound("activation.second_moment", 1.0, 1.0).answer(still, LEVEL).outcome == "met"


def test_a_rate_that_cannot_be_is_told_its_place(tmp_path: Path, said: Said) -> None:
    config = tmp_path / "net.yaml"
    config.write_text("input: {features: 8}\nlayers: [{dense: 8, repeat: 3}]\nexpect:\n  rate: {signal: [0.5, 2]}\n")
    with pytest.raises(varprobe.VarprobeError) as caught:
        varprobe.check(config)
    error = caught.value
    assert (error.place, error.field) == (Place(str(config), 4), "expect.rate.signal")
    said(f"{error.message}\n{error.hint}")


# --- number formats ---


def _formats(margins: np.ndarray, row: int = 4) -> Diagnosis:
    """Draws whose largest activation in one layer keeps these margins to float16's largest number."""
    evidence = _evidence(np.zeros((len(margins), DEPTH)))
    s = evidence.case.measured.statistics
    for table in (s.log_max_abs, s.log_gradient_max_abs, s.log_activation_second_moment, s.log_gradient_second_moment):
        table[:] = 0.0
    s.log_max_abs[:, row - 1] = math.log(65504.0) - margins
    return evidence


def _natrella(margins: np.ndarray, level: float) -> float:
    """The bound below which at most 1 % of a normal law lies, by Natrella's approximation."""
    n, zp, zg = len(margins), float(stats.norm.isf(0.01)), float(stats.norm.isf(level))
    a, b = 1 - zg**2 / (2 * (n - 1)), zp**2 - zg**2 / n
    return float(margins.mean() - (zp + math.sqrt(zp**2 - a * b)) / a * margins.std(ddof=1))


@pytest.mark.parametrize("shift", [0.05, -0.05])
def test_a_format_is_kept_by_the_tolerance_bound_of_the_margins(shift: float, said: Said) -> None:
    margins = np.random.default_rng(6).normal(0.0, 1.0, 40)
    margins += shift - _natrella(margins, LEVEL)
    assert margins.min() > 0
    answer = format_claim("float16", None).answer(_formats(margins), LEVEL)
    assert answer.outcome == ("met" if shift > 0 else "undecided")
    assert answer.found == f"0 of 40 draws left it; the closest kept a factor {power(margins.min() / LN10)}"
    assert answer.value == 0.0
    assert (answer.low, answer.high) == binomial_interval(0, 40, LEVEL)
    if shift > 0:
        assert (answer.layer, answer.remedy) == (None, "")
    else:
        assert answer.layer == 4
        said(answer.remedy)


def test_draws_that_leave_a_format_are_counted() -> None:
    margins = np.full(40, 0.5)
    margins[:10] = -0.5
    answer = format_claim("float16", None).answer(_formats(margins), LEVEL)
    assert (answer.outcome, answer.found, answer.layer) == ("failed", "10 of 40 draws left it", 4)
    assert (answer.value, answer.low, answer.high) == (0.25, *binomial_interval(10, 40, LEVEL))
    three = format_claim("float16", None).answer(_formats(np.array([1.0, 1.001, 1.002])), 1e-4)
    assert three.outcome == "undecided"  # whatever their margins, so few cannot tell
    margins[1:10] = 0.5
    few = format_claim("float16", None).answer(_formats(margins), LEVEL)
    assert (few.outcome, few.found) == ("undecided", "1 of 40 draws left it")


@pytest.mark.parametrize("table", ["log_max_abs", "log_gradient_max_abs"])
def test_both_ways_count_at_the_top_of_a_format(table: str) -> None:
    evidence = _formats(np.full(40, 1.0))
    getattr(evidence.case.measured.statistics, table)[:, 8] = math.log(65504.0) + 0.1
    answer = format_claim("float16", None).answer(evidence, LEVEL)
    assert (answer.outcome, answer.layer) == ("failed", 9)
    assert format_claim("bfloat16", None).answer(evidence, LEVEL).outcome == "met"


@pytest.mark.parametrize("table", ["log_activation_second_moment", "log_gradient_second_moment"])
def test_both_ways_count_at_the_bottom_of_a_format(table: str) -> None:
    smallest = 2.0**-24  # of float16, subnormal
    evidence = _formats(np.full(40, 1.0))
    logs = getattr(evidence.case.measured.statistics, table)
    logs[:, 8] = 2 * (math.log(smallest) + 0.1)
    answer = format_claim("float16", None).answer(evidence, LEVEL)
    assert (answer.outcome, answer.layer) == ("met", None)
    assert answer.found.endswith(f"kept a factor {power(0.1 / LN10)}")
    logs[:, 8] = 2 * (math.log(smallest) - 0.1)
    answer = format_claim("float16", None).answer(evidence, LEVEL)
    assert (answer.outcome, answer.layer) == ("failed", 9)
    # An exact zero fits any format, what is not a number none.
    logs[:, 8] = -np.inf
    assert format_claim("float16", None).answer(evidence, LEVEL).outcome == "met"
    logs[:, 8] = np.nan
    assert format_claim("float16", None).answer(evidence, LEVEL).outcome == "failed"


# --- what a check makes of the answers ---


def _decision(**parts: Any) -> Decision:
    return Decision("forward", "stable", "failed", "found", **parts)


def _explained(decision: Decision, outcome: str, report: Report, direction: str | None = "forward") -> Decision:
    claim = Claim("", "", None, lambda *_: Answer("met", ""), direction=direction and Direction(direction))
    return explain(claim, decision, CheckOutcome(outcome), report)


def test_what_has_not_been_met_is_explained_by_the_findings_of_the_report() -> None:
    experiment = varprobe.load(_config(depth=DEPTH, init="small"))
    report = diagnose(experiment)
    forward = next(item for item in report.verdict.findings if item.code == "forward-vanishing")
    explained = _explained(_decision(line=2), "failed", report)
    assert (explained.remedy, explained.layer, explained.line) == (forward.remedy, forward.layer, 2)
    total = _explained(_decision(line=2), "failed", report, "backward")
    backward = next(item for item in report.verdict.findings if item.code == "backward-vanishing")
    assert (total.remedy, total.layer) == (backward.remedy, backward.layer)
    # What has a remedy of its own keeps it, what is met needs none.
    for kept in (_decision(remedy="own"), replace(_decision(), outcome="met")):
        assert _explained(kept, "failed", report) == kept
    # What no finding stands behind has a remedy all the same.
    alone = _explained(_decision(), "failed", report, None)
    assert alone.remedy
    assert replace(alone, remedy="") == _decision()


def test_what_is_undecided_says_how_many_trials_would_do(said: Said) -> None:
    experiment = varprobe.load(_config(depth=DEPTH))
    report = diagnose(experiment)
    undecided = replace(_decision(needed=77, remedy="own"), outcome="undecided")
    assert _explained(undecided, "undecided", report).remedy == "Run with --max-trials 77."
    assert _explained(replace(undecided, needed=None), "undecided", report).remedy == "own"
    dropped = _explained(undecided, "failed", report)
    assert dropped.needed is None
    said(dropped.remedy)


def test_what_is_degenerate_is_explained() -> None:
    report = diagnose(varprobe.load(_config(depth=DEPTH, init="zeros")))
    explained = _explained(_decision(), "failed", report)
    assert explained.remedy.startswith("Draw the weights of layers 1 to 12, which are zero, by xavier")
    assert explained.layer == 1


def test_a_fading_signal_is_explained_by_its_own_finding() -> None:
    report = diagnose(varprobe.load(_config(depth=DEPTH, activation="sigmoid")))
    explained = _explained(_decision(), "failed", report, "signal")
    (finding,) = (item for item in report.verdict.findings if item.code == "collapsed-signal")
    assert (explained.remedy, explained.layer) == (finding.remedy, finding.layer)


def test_a_check_pursues_nothing_when_something_has_failed(said: Said) -> None:
    # The backward range ends at what is measured, the forward one is far off.
    measured = varprobe.run(_config()).verdict.backward.total_log10
    checked = varprobe.check(_config({"rate": {"forward": [0.5, 0.6]}, "total_log10": {"backward": [measured, 5]}}))
    assert checked.outcome == "failed"
    (undecided,) = (decision for decision in checked.decisions if decision.outcome == "undecided")
    said(undecided.remedy)


def test_one_trial_is_too_few_for_anything_and_more_are_drawn() -> None:
    baseline = varprobe.run(_config())
    config = _config({"forward": "stable", "rate": {"forward": [0.5, 1.5]}, "theory": "agree"}, width=64)
    one = {**config, "probe": {"batch": 16, "trials": 1}}
    checked = varprobe.check(one, max_trials=64)
    assert checked.outcome == "passed"
    assert checked.looks > 1
    held = {**_config(), "probe": {"batch": 16, "trials": 1}}
    found = varprobe.check(held, max_trials=64, baseline=baseline)
    assert found.outcome == "passed"
    assert found.decisions[-1].found.startswith("none in ")


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"max_trials": 0}], ids=["alpha", "max_trials"])
def test_what_is_impossible_is_said_with_what_is_usual(wrong: dict[str, Any], said: Said) -> None:
    with pytest.raises(varprobe.VarprobeError) as caught:
        varprobe.check(_config(), **wrong)
    said(caught.value)


def test_a_baseline_is_refused_with_the_way_to_write_one(tmp_path: Path, said: Said) -> None:
    path = tmp_path / "b.json"
    two = {**_config(), "probe": {"trials": 2}}
    one = varprobe.run({**two, "probe": {"trials": 1}})
    for report in (None, one, predict_report(varprobe.load(two))):
        if report is not None:
            path.write_text(to_json(report))
        with pytest.raises(InputFileError) as caught:
            load_baseline(path)
        assert (caught.value.place, caught.value.field) == (Place(str(path)), "")
        said(f"{caught.value.message}\n{caught.value.hint}")
    path.write_text(to_json(varprobe.run(two)))
    assert load_baseline(path).settings.trials == 2


def test_a_stored_check_is_refused_with_the_way_to_write_one(said: Said) -> None:
    checks = gather([varprobe.check(_config())])
    text = render_json(checks)
    assert from_json(text.encode(), "c.json") == checks
    with pytest.raises(InputFileError) as caught:
        from_json(text.replace('"met"', '"good"').encode(), "c.json")
    said(caught.value)
    with pytest.raises(InputFileError, match=r"^c\.json"):
        from_json(b"{", "c.json")
    with pytest.raises(InputFileError, match=r"^c\.json"):
        from_json(b"{}", "c.json")
    bad = replace(checks, checked=(replace(checks.checked[0], seconds=math.nan),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_json(bad)


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        ((), "passed"),
        (("passed", "undecided"), "undecided"),
        (("undecided", "failed", "passed"), "failed"),
        (("failed", "error"), "error"),
        (("error", "fault"), "fault"),
    ],
)
def test_several_checks_come_to_the_worst(outcomes: tuple[str, ...], worst: str) -> None:
    checked = [CheckResult("c", "n", outcome, (), 0, 0, 0.1, 1, 0.0) for outcome in outcomes]
    found = gather(checked)
    assert (found.check_version, found.outcome, found.checked) == (CHECK_VERSION, worst, tuple(checked))
