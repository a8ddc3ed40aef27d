"""How often the rule is wrong, with bounds, against a usual rule of thumb as negative control."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

from varprobe.config.loading import load
from varprobe.probe.measure import measure
from varprobe.verdict.judged import Stretch, pick_points, stretches, trace_measurement
from varprobe.verdict.rule import judge_direction

LABELS = ("stable", "borderline", "inconclusive", "vanishing", "exploding", "degenerate")
WRONG = {"stable": ("vanishing", "exploding", "degenerate"), "vanishing": ("stable", "exploding", "degenerate")}
WIDTH, DEPTH = 64, 20


def _clopper_pearson(hits: int, cases: int, level: float = 0.99) -> tuple[float, float]:
    """Two-sided bounds of a share."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, cases - hits + 1))
    high = 1.0 if hits == cases else float(stats.beta.ppf(1 - tail, hits + 1, cases - hits))
    return low, high


def _label(logs: np.ndarray, cut: Any, *, backward: bool = False) -> str:
    label = judge_direction(logs, cut, np.zeros(len(logs)), backward=backward, overflow=False).direction.label
    assert label in LABELS
    return label


def _thumb(logs: np.ndarray) -> str:
    """The usual rule: last over first of one draw within [0.1, 10]."""
    change = logs[-1] - logs[0]
    return "stable" if abs(change) <= math.log(10) else "exploding" if change > 0 else "vanishing"


# --- simulated: one-sample He relu, whose ln step has sd sqrt(5/width) and mean ratio exp(rate) ---


def _walks(random: np.random.Generator, trials: int, depth: int, width: int, total: float) -> np.ndarray:
    sd = math.sqrt(5 / width)
    return np.cumsum(random.normal(total / depth - sd**2 / 2, sd, (trials, depth)), axis=1)


def _study(total: float, trials: int, runs: int, depth: int, width: int, seed: int) -> Counter[str]:
    random = np.random.default_rng(seed)
    cut = [Stretch(0, depth)]
    return Counter(_label(_walks(random, trials, depth, width, total), cut) for _ in range(runs))


@pytest.mark.parametrize(("truth", "total"), [("stable", 0.0), ("vanishing", -DEPTH * math.log(2))])
def test_twenty_independent_trials_hardly_ever_give_the_opposite_label(truth: str, total: float) -> None:
    runs = 1200
    found = _study(total, 20, runs, DEPTH, WIDTH, seed=1)
    wrong = sum(found[label] for label in WRONG[truth])
    assert _clopper_pearson(wrong, runs)[1] < 0.005
    # And the rule does decide.
    assert _clopper_pearson(found["inconclusive"], runs)[1] < 0.05
    assert found[truth] > 0.9 * runs


@pytest.mark.parametrize("trials", [10, 20])
@pytest.mark.parametrize(("truth", "total"), [("stable", 0.0), ("vanishing", -8.0)])
def test_narrow_and_deep_is_honest(truth: str, total: float, trials: int) -> None:
    # depth/width = 1.6, the end of the range for which rates are stated. Many runs are inconclusive; few are wrong.
    runs = 600
    found = _study(total, trials, runs, 48, 30, seed=2)
    wrong = sum(found[label] for label in WRONG[truth])
    assert _clopper_pearson(wrong, runs)[1] < 0.03


def test_the_interval_of_the_total_covers_it() -> None:
    # 95 % by name; a little less for the skew of log-normal ratios at 20 trials.
    random = np.random.default_rng(9)
    cut, runs, hits = [Stretch(0, DEPTH)], 600, 0
    for _ in range(runs):
        logs = _walks(random, 20, DEPTH, WIDTH, 0.5)
        direction = judge_direction(logs, cut, np.zeros(20), backward=False, overflow=False).direction
        assert direction.total_log10 is not None
        assert direction.error_log10 is not None
        hits += abs(direction.total_log10 - 0.5 / math.log(10)) <= direction.error_log10
    low, high = _clopper_pearson(hits, runs)
    assert low > 0.88
    assert high > 0.93
    assert low < 0.97


def test_the_rule_of_thumb_is_wrong_more_often() -> None:
    random = np.random.default_rng(3)
    runs = 1200
    wrong = sum(_thumb(_walks(random, 1, DEPTH, WIDTH, 0.0)[0]) != "stable" for _ in range(runs))
    # ln of the change is N(-0.74, 1.22^2): outside +-ln 10 in 10 % of the draws.
    low, high = _clopper_pearson(wrong, runs)
    assert low < 0.107 < high
    assert low > 0.05


def test_the_same_data_judged_by_typical_slopes_would_be_wrong() -> None:
    # The reason for ratio first, then mean, then log: the mean of logs falls by half the variance a layer.
    # At depth/width = 2 that alone is exp(-5), and a wide study of it says "vanishing" of a healthy network.
    random = np.random.default_rng(4)
    logs = _walks(random, 4000, 60, 30, 0.0)
    cut = [Stretch(0, 60)]
    judged = judge_direction(logs, cut, np.zeros(4000), backward=False, overflow=False)
    assert judged.direction.label == "stable"
    assert judged.typical_label == "vanishing"


# --- measured: a bank of trials of real networks ---


@cache
def _bank(init: str, depth: int = DEPTH) -> tuple[np.ndarray, np.ndarray, Any]:
    """Forward and backward logs of 200 trials of a relu network of width 64."""
    config = {
        "input": {"features": WIDTH},
        "defaults": {"activation": "relu", "init": init},
        "layers": [{"dense": WIDTH, "repeat": depth}],
        "probe": {"batch": 16, "trials": 200, "seed": 5},
    }
    measured = measure(load(config).network)
    points = pick_points(measured.layers)
    traces = trace_measurement(measured, points)
    forward, backward = traces.forward, traces.backward
    return forward, backward, stretches(points)


@pytest.mark.parametrize("trials", [10, 20])
@pytest.mark.parametrize(("init", "truth"), [("he", "stable"), ("xavier", "vanishing")])
def test_draws_from_a_bank_of_real_trials_hardly_ever_mislead(init: str, truth: str, trials: int) -> None:
    # Resamples of one bank are not independent: the bound holds for this bank, and the simulated study for the law.
    forward, backward, cut = _bank(init)
    random = np.random.default_rng(6)
    runs = 300
    for logs, is_backward in ((forward, False), (backward, True)):
        found = Counter(
            _label(logs[random.choice(200, trials, replace=False)], cut, backward=is_backward) for _ in range(runs)
        )
        wrong = sum(found[label] for label in WRONG[truth])
        assert _clopper_pearson(wrong, runs)[1] < 0.02
        assert found[truth] > (0.9 if trials == 20 else 0.8) * runs


def test_the_rule_of_thumb_misleads_on_a_bank_where_the_rule_does_not() -> None:
    forward, backward, cut = _bank("he", 60)
    thumb = sum(_thumb(trial) != "stable" for trial in np.concatenate([forward, -backward]))
    random = np.random.default_rng(8)
    runs = 150
    wrong = 0
    for logs, is_backward in ((forward, False), (backward, True)):
        labels = (_label(logs[random.choice(200, 20, replace=False)], cut, backward=is_backward) for _ in range(runs))
        wrong += sum(label in WRONG["stable"] for label in labels)
    assert _clopper_pearson(wrong, 2 * runs)[1] < 0.05 < _clopper_pearson(thumb, 400)[0]


def test_the_bank_moves_as_the_law_says() -> None:
    # relu under He: the mean ratio of a step is 1 both ways, and its ln-sd at most sqrt(5/64) = 0.28.
    # 200 trials x 19 steps: error 0.28/sqrt(3800) = 0.0045; four of it.
    forward, backward, _ = _bank("he")
    for steps in (np.diff(forward, axis=1), -np.diff(backward, axis=1)):
        assert np.exp(steps).mean() == pytest.approx(1, abs=4 * math.sqrt(5 / WIDTH / steps.size))
        assert 0.1 < steps.std() < math.sqrt(5 / WIDTH) * 1.1
