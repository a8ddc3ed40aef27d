"""The gate: decisions at a stated level, against simulated truths and on real small networks."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from test_cli import varprobe as command

import varprobe
from varprobe.cli.main import run as run_command
from varprobe.cli.sources import configs_of
from varprobe.config.expectation import HEALTHY
from varprobe.diagnose import count_decisions, examine, predict_report
from varprobe.engine.record import StackStatistics
from varprobe.errors import ConfigError, InputFileError
from varprobe.formatting import power
from varprobe.gate import check as gate
from varprobe.gate.check import decide, looks
from varprobe.gate.claim import trials_needed
from varprobe.gate.claims import claims_of
from varprobe.gate.records import CheckResult, Decision
from varprobe.network.description import LayerDescription
from varprobe.probe.measure import measure, more
from varprobe.probe.measurement import Measurement
from varprobe.reporters.report_phrases import expectation_lines
from varprobe.results.store import load_report, to_json
from varprobe.theory.predict import predict
from varprobe.verdict.case import build_case
from varprobe.verdict.intervals import binomial_interval, reach
from varprobe.verdict.possible import DIRECTION_REGIONS, edges, labels_between, possible
from varprobe.verdict.rule import direction_label

LN100, LN1000 = math.log(100), math.log(1000)


def _config(expect: Any = None, depth: int = 8, width: int = 32, **defaults: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "name": "net",
        "input": {"features": width},
        "defaults": {"activation": "tanh", "init": "xavier", **defaults},
        "layers": [{"dense": width, "repeat": depth}],
        "probe": {"batch": 16, "trials": 20},
    }
    return config if expect is None else {**config, "expect": expect}


def _check(expect: Any = None, *, alpha: float = 0.001, max_trials: int = 400, **parts: Any) -> CheckResult:
    return varprobe.check(_config(expect, **parts), alpha=alpha, max_trials=max_trials)


def _decisions(checked: CheckResult) -> dict[str, Decision]:
    return {decision.expectation: decision for decision in checked.decisions}


# --- intervals ---


@pytest.mark.parametrize("cases", [1, 7, 20, 400])
@pytest.mark.parametrize("level", [0.05, 1e-3, 1e-7])
def test_shares_have_the_interval_of_clopper_and_pearson(cases: int, level: float) -> None:
    for hits in {0, 1, cases // 3, cases - 1, cases}:
        low, high = binomial_interval(hits, cases, level)
        # 1e-9: the bisection ends at 1e-12, and scipy's own inverse is good to about that.
        assert low == pytest.approx(0.0 if hits == 0 else stats.beta.ppf(level / 2, hits, cases - hits + 1), abs=1e-9)
        want = 1.0 if hits == cases else stats.beta.ppf(1 - level / 2, hits + 1, cases - hits)
        assert high == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(("trials", "level"), [(2, 0.05), (20, 0.05), (20, 2e-5), (400, 1e-7)])
def test_the_reach_of_an_error_is_students(trials: int, level: float) -> None:
    # The bisection of exact sums loses digits far out, where one minus the probability has few.
    assert reach(2.0, trials, level) == pytest.approx(2 * stats.t.isf(level / 2, trials - 1), rel=1e-6)
    assert reach(2.0, 1, level) is None


def test_regions_are_those_of_the_rule() -> None:
    for total in np.linspace(-8, 8, 641):
        assert labels_between(DIRECTION_REGIONS, total, total)[0] == direction_label(float(total), 0.0)
    assert labels_between(DIRECTION_REGIONS, -1.0, 5.0) == ("stable", "borderline")
    assert labels_between(DIRECTION_REGIONS, -5.0, 7.0) == ("borderline", "stable", "exploding")


def test_edges_are_where_what_is_allowed_ends() -> None:
    assert edges(DIRECTION_REGIONS, ("stable",)) == [-LN100, LN100]
    assert edges(DIRECTION_REGIONS, ("stable", "borderline")) == [-LN1000, LN1000]
    assert edges(DIRECTION_REGIONS, ("vanishing",)) == [-LN1000]


@pytest.mark.parametrize(
    ("trials", "most", "sizes"),
    [
        (20, 400, (20, 40, 80, 160, 320, 400)),
        (3, 20, (3, 6, 12, 20)),
        (20, 20, (20,)),
        (50, 10, (10,)),
        (1, 2, (1, 2)),
    ],
)
def test_a_check_looks_when_the_trials_have_doubled(trials: int, most: int, sizes: tuple[int, ...]) -> None:
    assert looks(trials, most) == sizes


def test_needed_trials_are_those_that_decide() -> None:
    assert trials_needed(20, 2.0, 1.0) == math.ceil(1.1 * 20 * 4)
    assert trials_needed(20, 2.0, 0.0) is None
    assert trials_needed(20, 2.0, 1e-4) is None
    assert trials_needed(20, math.inf, 1.0) is None
    assert trials_needed(20, 0.1, 1.0) == 21


# --- simulated networks, whose truth is known ---


@cache
def _layers(depth: int) -> tuple[LayerDescription, ...]:
    return measure(varprobe.load(_config(depth=depth)).network, varprobe.Settings(batch=2, trials=1)).layers


def _walk(total: float, sd: float, depth: int, seed: int) -> Any:
    """A `draw` of a network whose second moments are walks: D is `total`, ln of a step has sd `sd`."""
    random, layers = np.random.default_rng(seed), _layers(depth)

    def some(trials: int) -> StackStatistics:
        s = StackStatistics.empty(trials, depth)
        for field in fields(StackStatistics):
            table = getattr(s, field.name)
            if field.name.startswith("log_"):
                table[:] = 0.0
        steps = random.normal(total / (depth - 1), sd, (trials, depth))
        s.log_preactivation_second_moment[:] = np.cumsum(steps, axis=1)
        s.log_preactivation_sample_variance[:] = s.log_preactivation_second_moment
        s.log_activation_second_moment[:] = s.log_preactivation_second_moment
        s.dead[:], s.weight_variance[:], s.zero_branch[:] = 0.0, 0.01, 0.0
        return s

    def draw(trials: int, before: Measurement | None) -> Measurement:
        tables = (
            some(trials) if before is None else StackStatistics.join([before.statistics, some(trials - before.trials)])
        )
        return Measurement(layers, tables, 32, 16, trials, "float32", "random", 1, 0.0)

    return draw


def _outcomes(total: float, sd: float, runs: int, *, alpha: float = 0.001, depth: int = 12) -> dict[str, int]:
    experiment = varprobe.load(_config(depth=depth))
    spec = experiment.network
    found = [
        decide(experiment, spec.settings, _walk(total, sd, depth, seed), alpha=alpha, max_trials=160).outcome
        for seed in range(runs)
    ]
    return {outcome: found.count(outcome) for outcome in ("passed", "failed", "undecided")}


@pytest.mark.parametrize("sd", [0.05, 0.3])
def test_healthy_walks_pass_and_broken_ones_fail(sd: float) -> None:
    # Far from every edge: at alpha 0.001 each of these 60 is wrong with a chance of 0.06 at the very most.
    assert _outcomes(0.0, sd, 60)["passed"] == 60
    assert _outcomes(-9.0, sd, 60)["failed"] == 60
    assert _outcomes(9.0, sd, 60)["failed"] == 60


def test_at_the_edge_itself_it_is_wrong_no_more_often_than_it_says() -> None:
    # D is ln 100, where passing and failing are both wrong decisions by a hair: with alpha 0.2 each of the three
    # expectations has 0.067 over its four looks, and forward, the only one that varies, may be wrong that often.
    runs = 120
    found = _outcomes(LN100, 0.2, runs, alpha=0.2)
    wrong = found["passed"] + found["failed"]
    assert found["undecided"] == runs - wrong
    # Four standard errors above 0.067 are 0.158. The negative control, without correction, is wrong in 0.28: three
    # standard errors more.
    bound = 0.067 + 4 * math.sqrt(0.067 * 0.933 / runs)
    assert wrong / runs <= bound
    control = _outcomes(LN100, 0.2, runs, alpha=0.999 * 3 * 4 * 0.2)
    assert (control["passed"] + control["failed"]) / runs > bound


def test_the_level_is_shared_by_expectations_and_looks() -> None:
    checked = _check({"forward": "stable", "signal": "preserved", "dead": 0.9}, alpha=0.012)
    # forward, signal, dead and findings; the first of six looks has a tenth.
    assert [decision.level for decision in checked.decisions] == [pytest.approx(0.012 / 4 / 10)] * 4


def test_dead_draws_are_decided_by_their_share() -> None:
    spec = varprobe.load(_config()).network
    measurement = measure(spec)

    def with_dead(dead: int) -> Any:
        tables = replace(measurement.statistics)
        for table in (tables.log_activation_second_moment, tables.log_activation_sample_variance):
            table[:dead, 4:] = -math.inf
        return possible(build_case(replace(measurement, statistics=tables)), "forward", 1e-3)

    assert with_dead(0).labels == ("stable",)
    assert set(with_dead(6).labels) == {"stable", "degenerate"}
    assert with_dead(20).labels == ("degenerate",)


def test_few_trials_cannot_rule_out_that_half_of_the_draws_are_dead() -> None:
    checked = varprobe.check({**_config(), "probe": {"batch": 16, "trials": 5}}, max_trials=5)
    forward = _decisions(checked)["forward"]
    assert checked.outcome == "undecided"
    assert "degenerate" in forward.found
    # 2^-n has to fall below a quarter of 0.001/3.
    assert forward.needed is not None
    assert 2.0**-forward.needed < 0.001 / 3 / 4


# --- real networks ---


def test_a_healthy_network_passes_by_default() -> None:
    checked = _check()
    assert checked.outcome == "passed"
    assert [(d.expectation, d.wanted, d.outcome) for d in checked.decisions] == [
        ("forward", "stable", "met"),
        ("backward", "stable", "met"),
        ("findings", "no errors", "met"),
    ]
    assert checked.report is not None
    assert checked.report.settings.trials == checked.trials == 20


def test_what_broke_is_named_with_its_layer_and_its_remedy(tmp_path: Path) -> None:
    config = tmp_path / "net.yaml"
    config.write_text(
        "input: {features: 32}\ndefaults: {init: {name: xavier, gain: 0.3}}\nlayers:\n  - dense: 32\n    repeat: 6\n"
    )
    found = _decisions(varprobe.check(config))
    forward = found["forward"]
    assert forward.outcome == "failed"
    assert forward.found.startswith("vanishing: x ")
    assert forward.value is not None
    assert forward.low is not None
    assert forward.high is not None
    assert forward.low < forward.value < forward.high < -2
    assert (forward.layer, forward.line) == (3, 4)
    assert "Multiply" in forward.remedy
    assert found["findings"].outcome == "met"


EXPECTED = {
    "the other labels": ({"forward": "vanishing", "backward": ["vanishing", "borderline"]}, {"init": "small"}, {}),
    "overall": ({"overall": ["vanishing", "exploding"]}, {"init": "small"}, {}),
    "a rate": ({"rate": {"forward": [0.6, 1.1], "backward": [0.8, 1.25]}}, {}, {}),
    "an open rate": ({"rate": {"backward": [0.5, None]}}, {}, {}),
    "a total": ({"total_log10": {"forward": [-1, 1], "backward": [-1, 1], "signal": [-1, 1]}}, {}, {}),
    "a layer": ({"layers": {3: {"activation.variance": [0.1, 0.4], "preactivation.mean": [-0.2, 0.2]}}}, {}, {}),
    "all layers": (
        {"layers": {"all": {"gradient.second_moment": [0.05, 3]}, "dense2": {"weight_gradient.variance": [0, 99]}}},
        {},
        {},
    ),
    "shares": ({"saturated": 0.05, "dead": 0.05}, {}, {}),
    "a format": ({"safe_in": ["float16", "bfloat16"]}, {}, {}),
    "theory": ({"theory": "agree"}, {"width": 128}, {}),
    "the signal": ({"signal": "preserved"}, {}, {}),
    "nothing but what to allow": ({"allow": []}, {}, {}),
}  # fmt: skip
BROKEN = {
    "the other labels": ({"forward": "exploding"}, {"init": "small"}),
    "overall": ({"overall": ["vanishing", "stable"]}, {"init": {"name": "large", "std": 2}, "activation": "linear"}),
    "a rate": ({"rate": {"forward": [1.2, 1.5]}}, {}),
    "an open rate": ({"rate": {"backward": [None, 0.5]}}, {}),
    "a total": ({"total_log10": {"forward": [1, 2]}}, {}),
    "a layer": ({"layers": {3: {"activation.variance": [0.5, 2]}}}, {}),
    "all layers": ({"layers": {"all": {"activation.variance": [0.2, 2]}}}, {}),
    "shares": ({"saturated": 0.05}, {"init": "large"}),
    "a format": ({"safe_in": "float16"}, {"init": {"name": "small", "std": 1e-4}}),
    "theory": ({"theory": "agree"}, {"width": 128}),
    "the signal": ({"signal": "preserved"}, {"activation": "sigmoid"}),
    "nothing but what to allow": ({"allow": []}, {"init": "small"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_expected_is_met(name: str) -> None:
    expect, parts, _ = EXPECTED[name]
    checked = _check(expect, **parts)
    assert checked.outcome == "passed", [d for d in checked.decisions if d.outcome != "met"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_so_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expect, parts = BROKEN[name]
    if name == "theory":  # a prediction of another network: weights 3 % too large
        other = varprobe.load(_config(**parts, init={"name": "xavier", "gain": 1.03})).network
        monkeypatch.setattr("varprobe.gate.check.predict", lambda spec, settings: predict(other, settings))
    checked = _check(expect, **parts)
    assert checked.outcome == "failed", checked.decisions
    failed = [decision for decision in checked.decisions if decision.outcome == "failed"]
    assert all(decision.found for decision in failed)


def test_the_layer_that_breaks_is_the_first() -> None:
    checked = _check({"layers": {"all": {"activation.variance": [0.25, 2]}}})
    decision = checked.decisions[0]
    assert checked.report is not None
    assert decision.layer is not None
    rows = [row.activation.variance for row in checked.report.layers if row.activation]
    first = next(row for row, estimate in enumerate(rows, 1) if estimate.high is not None and estimate.high < 0.25)
    # Its interval is wider than the report's 95 %: the layer found may be one or two further on.
    assert first <= decision.layer <= first + 2
    assert f"at layer {decision.layer}" in decision.found
    assert decision.value == pytest.approx(rows[decision.layer - 1].mean, rel=1e-6)


def test_a_jump_fails_a_network_that_is_expected_to_be_stable_unless_it_is_allowed() -> None:
    # 32 9^2 = 2592-fold; a norm behind the layer would take it out.
    layers = [{"dense": 32, "repeat": 4}, {"dense": {"width": 32, "init": {"name": "small", "std": 9.0}}},
              {"dense": 32, "repeat": 4}]  # fmt: skip
    config = {**_config(activation="linear"), "layers": layers}
    stable = {"forward": ["stable", "exploding", "borderline"], "signal": "preserved"}
    found = _decisions(varprobe.check({**config, "expect": stable}))
    assert found["findings"].outcome == "failed"
    assert found["findings"].found.startswith("jump: a factor ")
    assert found["findings"].layer == 5
    allowed = varprobe.check({**config, "expect": {**stable, "allow": ["jump"]}})
    assert _decisions(allowed)["findings"].outcome == "met"
    # Who expects an explosion expects its steps.
    assert "findings" not in _decisions(varprobe.check({**config, "expect": {"forward": "exploding"}}))


def test_what_is_not_finite_fails_whatever_the_labels(tmp_path: Path) -> None:
    weights = np.eye(8, dtype=np.float32)
    weights[0, 0] = np.nan
    np.savez(tmp_path / "weights.npz", W=weights)
    config = tmp_path / "net.yaml"
    config.write_text(
        "input: {features: 8}\nlayers:\n  - dense: {width: 8, init: {name: file, path: weights.npz, key: W}}\n"
        "expect: {forward: [stable, degenerate]}\n"
    )
    found = _decisions(varprobe.check(config))
    assert found["forward"].outcome == "met"
    assert found["findings"].outcome == "failed"
    assert found["findings"].found.startswith("non-finite")
    config.write_text(config.read_text().replace("degenerate]", "degenerate], allow: [non-finite]"))
    assert varprobe.check(config).outcome == "passed"


def test_more_trials_are_drawn_while_something_is_undecided() -> None:
    # D is about -1.2, so that the interval of a few trials of a narrow network reaches over ln 100.
    checked = _check(depth=16, width=12, activation="relu", init="he")
    assert checked.trials > 20
    assert checked.looks == looks(20, 400).index(checked.trials) + 1
    assert checked.report is not None
    assert checked.report.settings.trials == checked.trials


def test_what_cannot_be_decided_fails_with_the_trials_that_would() -> None:
    config = _config(depth=16, width=12, activation="relu", init="he")
    few = varprobe.check(config, max_trials=20)
    undecided = [decision for decision in few.decisions if decision.outcome == "undecided"]
    assert few.outcome == "undecided"
    needed = max(decision.needed or 0 for decision in undecided)
    assert any(f"--max-trials {needed}" in decision.remedy for decision in undecided)
    # An estimate: with three times as many it is decided.
    assert varprobe.check(config, max_trials=3 * needed).outcome == "passed"


def test_inconclusive_may_be_expected() -> None:
    config = _config(
        {"forward": ["stable", "inconclusive"], "allow": ["excursion", "scattered"]},
        depth=16,
        width=12,
        activation="relu",
        init="he",
    )
    checked = varprobe.check(config, max_trials=20)
    assert _decisions(checked)["forward"].outcome == "met"
    assert _decisions(checked)["forward"].found.startswith("inconclusive: ")


def test_drawing_ends_when_something_has_failed() -> None:
    config = _config({"rate": {"forward": [0.5, 0.6]}, "total_log10": {"backward": [-0.31, 1]}})
    assert varprobe.check(config).looks == 1


def test_a_rate_takes_four_layers() -> None:
    with pytest.raises(ConfigError, match="a rate takes four judged layers that are alike") as caught:
        _check({"rate": {"forward": [0.9, 1.1]}}, depth=3)
    assert caught.value.field == "expect.rate.forward"
    assert _check({"total_log10": {"forward": [-1, 1]}}, depth=3).outcome == "passed"


@pytest.mark.parametrize(
    "config",
    [
        {"input": {"features": 1}, "layers": [{"dense": 1}]},
        {"input": {"features": 4, "distribution": "constant", "mean": 1.0}, "layers": [{"dense": 4, "repeat": 5}]},
        {"input": {"features": 4}, "layers": [{"dense": 4, "repeat": 5}], "probe": {"batch": 1}},
        {"input": {"features": 4}, "layers": [{"dense": {"width": 4, "init": "zeros"}, "repeat": 5}]},
    ],
    ids=["one unit", "constant input", "batch of one", "zero weights"],
)
@pytest.mark.filterwarnings("error")
def test_extremes_are_decided_without_a_crash(config: dict[str, Any]) -> None:
    expect = {"forward": "stable", "signal": "preserved", "safe_in": "float16", "dead": 0.5, "theory": "agree",
              "layers": {"all": {"activation.variance": [0, 2], "gradient.variance": [0, 2]}}}  # fmt: skip
    checked = varprobe.check({**config, "expect": expect}, max_trials=40)
    assert checked.outcome in ("passed", "failed", "undecided")
    json.loads(to_json(checked.report)) if checked.report else None


# --- trials that are added ---


def test_added_trials_are_those_of_a_longer_run() -> None:
    spec = varprobe.load(_config(width=24)).network
    whole = measure(spec, replace(spec.settings, trials=7))
    part = more(measure(spec, replace(spec.settings, trials=3)), spec, replace(spec.settings, trials=7))
    for field in fields(StackStatistics):
        one, other = (getattr(m.statistics, field.name) for m in (whole, part))
        # The same draws; BLAS may sum a smaller stack in another order.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=field.name)
    assert part.trials == 7


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 1.0}, {"max_trials": 0}])
def test_a_level_and_a_number_of_trials_must_be_possible(wrong: dict[str, Any]) -> None:
    with pytest.raises(varprobe.VarprobeError, match=next(iter(wrong))):
        varprobe.check(_config(), **wrong)


def test_claims_follow_the_config() -> None:
    experiment = varprobe.load(_config({"signal": "preserved", "rate": {"forward": [0.5, 2]}, "safe_in": "float16"}))
    spec = experiment.network
    assert [claim.expectation for claim in claims_of(experiment)] == ["signal", "rate.forward", "safe_in.float16"]
    evidence = examine(spec, spec.settings, predict(spec), measure(spec))
    assert all(claim.decide(evidence, 1e-3).outcome == "met" for claim in claims_of(experiment))


def test_a_check_asks_theory_once_however_often_it_looks(monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    asked = []

    def count(*given: Any) -> Any:
        asked.append(given)
        return predict(*given)

    for place in ("gate.check", "diagnose"):
        monkeypatch.setattr(f"varprobe.{place}.predict", count)
    config = {**_config({"forward": "stable"}), "probe": {"batch": 16, "trials": 5}}
    checked = varprobe.check(config, baseline=load_report(stored))
    assert checked.report is not None
    assert checked.looks > 1
    assert len(asked) == 1


RUNS = {
    "healthy": {},
    "vanishing": {"init": "small"},
    "at an edge": {"depth": 12, "width": 12, "activation": "relu", "init": "he"},
    "without a signal": {"depth": 12, "activation": "sigmoid"},
    "dead": {"init": "zeros"},
}
LABELS = {
    "usual": {"forward": "stable", "backward": "stable", "signal": "preserved", "dead": 0.9},
    "wide": {"forward": ["stable", "borderline"], "overall": ["stable", "borderline"], "rate": {"signal": [0, 9]}},
    "broken": {"overall": ["vanishing", "degenerate"], "signal": ["collapsing", "fading"]},
    "undecided": {"forward": ["stable", "inconclusive"], "backward": "inconclusive", "overall": "inconclusive"},
}


@pytest.mark.parametrize("trials", [1, 6, 20])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("network", RUNS)
def test_a_run_says_of_labels_what_a_check_of_the_same_trials_says(network: str, labels: str, trials: int) -> None:
    config = {**_config(LABELS[labels], **RUNS[network]), "probe": {"batch": 16, "trials": trials}}
    run = {item.what: (item.found, item.met) for item in varprobe.run(config).expect}
    checked = varprobe.check(config, max_trials=trials)
    assert checked.report is not None
    assert {item.what: (item.found, item.met) for item in checked.report.expect} == run
    found = {what: decision.outcome == "met" for what, decision in _decisions(checked).items() if what in run}
    assert {what: met for what, (_, met) in run.items()} == found
    assert set(run) == set(LABELS[labels]) - {"dead", "rate"}


def test_too_few_trials_for_a_label_that_is_allowed_do_not_meet_it() -> None:
    config = {**_config({"forward": "stable"}), "probe": {"batch": 16, "trials": 6}}
    (item,) = varprobe.run(config).expect
    assert (item.found, item.allowed, item.met) == ("stable", ("stable",), False)
    assert expectation_lines(varprobe.run(config)) == [
        "expected activations stable: not decided, it is stable but so few trials leave other labels possible"
    ]
    # Theory draws nothing: its label is all that is possible.
    (item,) = predict_report(varprobe.load(config)).expect
    assert item.met


@pytest.mark.parametrize("expect", [None, *(expect for expect, _, _ in EXPECTED.values()), *LABELS.values()])
def test_all_decisions_of_a_config_share_its_chance_of_error(expect: Any) -> None:
    experiment = varprobe.load(_config(expect))
    assert count_decisions(experiment.expect or HEALTHY) == len(claims_of(experiment)) or expect == {"allow": []}


# --- baselines ---


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("baseline") / "baseline.json"
    path.write_text(to_json(varprobe.run(_config())))
    return path


@pytest.mark.parametrize("seed", range(5))
def test_another_seed_is_no_drift(seed: int, stored: Path) -> None:
    config = {**_config(), "probe": {"batch": 16, "trials": 20, "seed": seed}}
    found = _decisions(varprobe.check(config, baseline=stored))["baseline"]
    assert (found.outcome, found.wanted) == ("met", "no drift beyond noise")


def test_drift_names_the_layer_and_says_from_what_to_what(stored: Path) -> None:
    layers = [{"dense": 32, "repeat": 5}, {"dense": {"width": 32, "init": {"name": "xavier", "gain": 1.5}}},
              {"dense": 32, "repeat": 2}]  # fmt: skip
    checked = varprobe.check({**_config(), "layers": layers}, baseline=stored)
    found = _decisions(checked)["baseline"]
    assert found.outcome == "failed"
    report = load_report(stored)
    row = report.layers[(found.layer or 0) - 1]  # the gradient changes in all layers before the changed one too
    assert row.gradient is not None
    before = row.gradient.second_moment.log10_typical
    assert found.found.startswith(
        f"gradient.second_moment of layer {found.layer} ({row.name}) went from {power(before)} to "
    )
    assert "--update-baseline" in found.remedy
    assert re.search(r"\d+ statistics of [5-8] layers drifted", found.found)


def test_a_network_of_other_layers_has_drifted(stored: Path) -> None:
    found = _decisions(varprobe.check(_config(depth=7), baseline=stored))["baseline"]
    assert found.outcome == "failed"
    assert found.found == "cannot be compared: their layers differ"


def test_a_baseline_must_have_noise(tmp_path: Path) -> None:
    one = tmp_path / "one.json"
    one.write_text(to_json(varprobe.run({**_config(), "probe": {"trials": 1}})))
    with pytest.raises(InputFileError, match="has one trial"):
        varprobe.check(_config(), baseline=one)
    one.write_text(to_json(predict_report(varprobe.load(_config()))))
    with pytest.raises(InputFileError, match="theory alone"):
        varprobe.check(_config(), baseline=one)
    with pytest.raises(InputFileError, match="no such baseline"):
        varprobe.check(_config(), baseline=tmp_path / "none.json")


# --- the command ---

GOOD = """\
input: {features: 16}
defaults: {activation: tanh, init: xavier}
layers: [{dense: 16, repeat: 6}]
probe: {batch: 16}
"""
BAD = GOOD.replace("xavier", "small")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets" / "deep").mkdir(parents=True)
    (tmp_path / "nets" / ".hidden").mkdir()
    (tmp_path / "nets" / "b.yaml").write_text(GOOD)
    (tmp_path / "nets" / "a.yml").write_text(GOOD)
    (tmp_path / "nets" / "deep" / "c.yaml").write_text(GOOD)
    (tmp_path / "nets" / ".hidden" / "d.yaml").write_text("not a config")
    (tmp_path / "nets" / "notes.txt").write_text("not a config")
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "wrong.yaml").write_text("input: {features: 16}\nlayers: [{dens: 16}]\n")
    return tmp_path


def test_exit_codes_and_streams(folder: Path) -> None:
    good = command("check", "nets", cwd=folder)
    assert (good.code, good.err) == (0, "")
    names = [line.split(":")[0].split()[-1] for line in good.out.splitlines() if line.startswith("passed")]
    assert names == ["nets/a.yml", "nets/b.yaml", "nets/deep/c.yaml"]
    bad = command("check", "nets/b.yaml", "bad.yaml", cwd=folder)
    assert bad.code == 1
    assert "FAILED activations" in bad.out
    assert bad.err == ""
    undecided = command("check", "nets/b.yaml", "--trials", "3", "--max-trials", "3", cwd=folder)
    assert undecided.code == 1
    assert "UNDECIDED" in undecided.out
    assert "--max-trials" in undecided.out
    wrong = command("check", "bad.yaml", "wrong.yaml", "nets/b.yaml", cwd=folder)
    assert wrong.code == 2
    assert wrong.err == ""
    assert "ERROR     wrong.yaml:2:11: layers[0].dens: unknown key 'dens'\n    hint: did you mean" in wrong.out
    assert wrong.out.splitlines()[-1] == "1 passed, 1 failed, 1 error"


def test_a_fault_is_exit_code_three_and_the_others_are_still_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = gate.check

    def crash(experiment: Any, *arguments: Any, **options: Any) -> CheckResult:
        if experiment.network.name == "bad":
            raise RuntimeError("a bug")
        return real(experiment, *arguments, **options)

    monkeypatch.setattr("varprobe.cli.checking.check", crash)
    monkeypatch.chdir(folder)
    assert run_command(["check", "bad.yaml", "nets/b.yaml", "wrong.yaml"]) == 3
    out, err = capsys.readouterr()
    assert "RuntimeError: a bug" in err
    assert "passed" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nets/.hidden"], "a config is a mapping"),
        (["empty"], "the folder has no .yaml or .yml file"),
        (["nets/*.json"], "no file matches the pattern"),
        (["nets", "--alpha", "0"], "between 0 and 1"),
        (["nets", "--update-baseline"], "--update-baseline needs --baseline"),
        (["nets", "-o", "out.txt"], ".xml"),
        (["nets", "--format", "html"], "html"),
        (["nets", "--max-trials", "0"], "max-trials"),
        (["none.yaml"], "no such file"),
    ],
)
def test_mistakes_end_with_two(arguments: list[str], message: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    done = command("check", *arguments, cwd=folder)
    assert done.code == 2
    assert message in done.err or message in done.out
    assert "Traceback" not in done.err


def test_patterns_name_files_once(folder: Path) -> None:
    done = command("check", "nets/*.yaml", "nets/b.yaml", "nets/**/*.yaml", cwd=folder)
    assert done.out.count("nets/b.yaml") == 1
    assert done.out.count("nets/deep/c.yaml") == 1


@pytest.fixture
def tangled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configs among links to folders, in circles too, second names, pipes and other files."""
    nets = tmp_path / "nets"
    (nets / "deep" / "deeper").mkdir(parents=True)
    (nets / ".hidden").mkdir()
    for name in ("b.yaml", "deep/c.yml", "deep/deeper/d.yaml", ".hidden/e.yaml", "notes.txt"):
        (nets / name).write_text(GOOD)
    (nets / "deep" / "round").symlink_to(nets)
    (nets / "self").symlink_to(".")
    (nets / "same.yaml").symlink_to("b.yaml")
    os.mkfifo(nets / "pipe.yaml")
    (nets / "device.yaml").symlink_to("/dev/ptmx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("nets", ["b.yaml", "deep/c.yml", "deep/deeper/d.yaml"]),
        ("nets/**", ["b.yaml", "deep/c.yml", "deep/deeper/d.yaml"]),
        ("nets/**/**", ["b.yaml", "deep/c.yml", "deep/deeper/d.yaml"]),
        ("**", ["b.yaml", "deep/c.yml", "deep/deeper/d.yaml"]),
        ("nets/**/*.yaml", ["b.yaml", "deep/deeper/d.yaml"]),
        ("nets/**/deeper/**/*.yaml", ["deep/deeper/d.yaml"]),
        ("nets/**/d*/*", ["deep/c.yml", "deep/deeper/d.yaml"]),
        ("nets/*", ["b.yaml", "notes.txt"]),
        ("nets/[bn]*", ["b.yaml", "notes.txt"]),
        ("nets/*/*.yml", ["deep/c.yml"]),
        ("nets/.*/*", [".hidden/e.yaml"]),
        ("*", ["b.yaml", "deep/c.yml", "deep/deeper/d.yaml"]),
        ("*/self/deep/*.yml", ["self/deep/c.yml"]),  # a link that is named
    ],
)
def test_each_file_is_found_once_and_links_to_folders_are_not_followed(
    source: str, names: list[str], tangled: Path
) -> None:
    assert configs_of([source]) == [f"nets/{name}" for name in names]
    assert configs_of([str(tangled / source)]) == [f"{tangled}/nets/{name}" for name in names]
    twice = configs_of([source, "nets/same.yaml", "./nets/b.yaml", source])
    assert len(set(map(os.path.realpath, twice))) == len(twice) == len({*names, "b.yaml"})


def test_a_link_to_nothing_is_told(tangled: Path) -> None:
    (tangled / "nets" / "gone.yaml").symlink_to("nowhere.yaml")
    assert "nets/gone.yaml" in configs_of(["nets"])


@pytest.mark.skipif(not Path("/dev/ptmx").exists(), reason="there is no such device here")
def test_a_device_that_gives_nothing_is_not_waited_for(folder: Path) -> None:
    done = command("check", "/dev/ptmx", cwd=folder)
    assert done.code == 2
    assert "is a device that gives nothing" in done.out


def test_standard_input_can_be_checked(folder: Path) -> None:
    assert command("check", "-", cwd=folder, stdin=GOOD).code == 0
    assert command("check", "-", cwd=folder, stdin=BAD).code == 1


def test_baselines_from_the_command_line(folder: Path) -> None:
    arguments = ("check", "nets/b.yaml", "--baseline", "base.json")
    missing = command(*arguments, cwd=folder)
    assert missing.code == 2
    assert "no such baseline" in missing.out
    written = command(*arguments, "--update-baseline", cwd=folder)
    assert (written.code, written.err, written.out.splitlines()[0]) == (0, "", "wrote base.json")
    assert load_report(folder / "base.json").name == "b"
    assert command(*arguments, cwd=folder).code == 0
    assert command(*arguments, "--seed", "5", cwd=folder).code == 0
    drifted = command(
        *arguments, "--set", "defaults.init.gain=1.2", "--set", "expect.forward=[stable, borderline]", cwd=folder
    )
    assert drifted.code == 1
    assert "FAILED baseline" in drifted.out
    assert "went from" in drifted.out
    assert command("check", "nets", "--baseline", "bases", "--update-baseline", cwd=folder).code == 0
    assert sorted(path.name for path in (folder / "bases").iterdir()) == ["a.json", "b.json", "c.json"]
    assert command("check", "nets", "--baseline", "bases", cwd=folder).code == 0


def test_two_networks_of_one_name_cannot_share_a_baseline(folder: Path) -> None:
    (folder / "bad.yaml").write_text("name: b\n" + GOOD)
    done = command("check", "nets/b.yaml", "bad.yaml", "--baseline", "bases", "--update-baseline", cwd=folder)
    assert done.code == 2
    assert "bad.yaml: name: the network is called 'b' as that of nets/b.yaml" in done.out
    assert load_report(folder / "bases" / "b.json").layers[0].path == "layers[0]"


def test_files_and_standard_output_at_once(folder: Path) -> None:
    names = ("out.xml", "out.sarif", "out.md", "out.json")
    files = [part for name in names for part in ("-o", name)]
    done = command(
        "check", "nets/b.yaml", "bad.yaml", "--format", "github", *files, cwd=folder, GITHUB_STEP_SUMMARY="s.md"
    )
    assert done.code == 1
    assert done.out.startswith("::error file=bad.yaml,line=3,")
    assert all((folder / name).stat().st_size for name in names)
    assert (folder / "s.md").read_text() == (folder / "out.md").read_text()
    assert json.loads((folder / "out.json").read_text())["outcome"] == "failed"
    as_json = command("check", "nets/b.yaml", "--json", cwd=folder)
    assert json.loads(as_json.out)["outcome"] == "passed"
    assert command("check", "nets/b.yaml", "-o", "-", cwd=folder).out.startswith('{"check_version"')


def test_a_random_seed_is_told_and_repeats(folder: Path) -> None:
    first = command("run", "nets/b.yaml", "--seed", "random", "--json", cwd=folder)
    report = json.loads(first.out)
    seed = report["settings"]["seed"]
    assert first.err == f"seed {seed}: --seed {seed} repeats this\n"
    again = json.loads(command("run", "nets/b.yaml", "--seed", str(seed), "--json", cwd=folder).out)
    assert again["layers"] == report["layers"]
    other = command("check", "nets/b.yaml", "--seed", "random", cwd=folder)
    assert other.err.startswith("seed ")
    assert other.err != first.err


def test_a_check_is_the_same_on_any_threads_and_in_any_folder(folder: Path) -> None:
    def checked(cwd: Path, config: str, threads: int) -> dict[str, Any]:
        done = command("check", config, "--json", "--threads", str(threads), cwd=cwd)
        found: dict[str, Any] = json.loads(done.out)["checked"][0]
        return found

    here, there = checked(folder, "nets/b.yaml", 1), checked(folder / "nets" / "deep", "../b.yaml", 1)
    two = checked(folder, "nets/b.yaml", 2)
    for one in (here, there, two):
        one.pop("seconds"), one.pop("config")
        one["report"]["provenance"].pop("seconds")
    assert here == there
    assert two["report"]["provenance"].pop("threads") == 2
    assert here["report"]["provenance"].pop("threads") == 1
    assert here == two
