"""What a check may spend of its chance of error, and on what."""

from __future__ import annotations

import pytest
from scipy import stats

import varprobe
from varprobe.gate.check import looks, shares
from varprobe.gate.direction_claims import _draws_to_spare
from varprobe.verdict.possible import share_level


@pytest.mark.parametrize("count", [1, 2, 3, 6, 30])
def test_the_looks_spend_all_of_it_and_the_last_the_most(count: int) -> None:
    found = shares(count)
    assert len(found) == count
    assert sum(found) == pytest.approx(1)
    assert found[-1] == max(found) >= 0.5
    assert len(set(found[:-1])) <= 1


@pytest.mark.parametrize(("most", "share"), [(20, 1.0), (40, 0.5), (400, 0.1)])
def test_a_decision_says_its_share(most: int, share: float) -> None:
    config = {"input": {"features": 48}, "layers": [{"dense": 48, "repeat": 3}], "probe": {"batch": 8, "trials": 20}}
    checked = varprobe.check(config, alpha=0.003, max_trials=most)
    assert checked.looks == 1
    # Forward, backward and findings share alpha.
    assert [one.level for one in checked.decisions] == [pytest.approx(0.001 * share)] * 3


def test_the_last_look_has_half() -> None:
    # What no trials can decide is looked at to the end: T of a linear network of gain 1 lies within 0.0001 of 0.
    config = {
        "input": {"features": 16},
        "layers": [{"dense": 16, "repeat": 4}],
        "probe": {"batch": 4, "trials": 5},
        "expect": {"total_log10": {"forward": [-1e-9, 1e-9]}},
    }
    checked = varprobe.check(config, alpha=0.01, max_trials=20)
    assert checked.looks == len(looks(5, 20)) == 3
    assert [(one.outcome, one.level) for one in checked.decisions] == [("undecided", pytest.approx(0.005))]


def test_what_is_decided_at_once_has_all_of_its_chance() -> None:
    config = {
        "input": {"features": 48},
        "layers": [{"dense": 48, "repeat": 3}],
        "probe": {"batch": 8, "trials": 20},
        "expect": {"forward": "stable", "theory": "agree"},
    }
    report = varprobe.run(config | {"probe": {"batch": 8, "trials": 20, "seed": 5}})
    checked = varprobe.check(config, alpha=0.004, baseline=report)
    found = {one.expectation: one.level for one in checked.decisions}
    assert found == {
        "forward": pytest.approx(0.0001),
        "theory": pytest.approx(0.001),
        "findings": pytest.approx(0.0001),
        "baseline": pytest.approx(0.001),
    }


def test_dead_draws_have_less_of_the_level_the_more_trials_there_are() -> None:
    levels = [share_level(trials, 1e-4) for trials in (1, 10, 20, 40, 400)]
    assert levels == [pytest.approx(5e-5)] * 3 + [pytest.approx(2.5e-5), pytest.approx(2.5e-6)]


@pytest.mark.parametrize("level", [0.1, 1e-3, 1.7e-5, 1e-9])
def test_so_many_draws_without_a_dead_one_spare_a_network(level: float) -> None:
    needed = _draws_to_spare(level)
    least, most = (
        float(stats.beta.ppf(1 - share_level(trials, level) / 2, 1, trials)) for trials in (needed, needed - 1)
    )
    assert least < 0.5 <= most
