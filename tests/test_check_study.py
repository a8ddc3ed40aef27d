"""A small run of the study of labels and of `varprobe check`, so that it counts what it says it counts."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.gate.check import Reached, decide
from varprobe.verdict import possible, rule
from varprobe.verdict.case import build_case
from varprobe.verdict.records import DirectionVerdict
from varprobe.verdict.rule import BROKEN, STABLE, Judged

REPORTS = Path(__file__).parents[1] / "reports"
sys.path.insert(0, str(REPORTS))

import check_counts  # noqa: E402
import check_networks  # noqa: E402
import check_pages  # noqa: E402
import check_study  # noqa: E402
import check_sums  # noqa: E402
from check_counts import Truth  # noqa: E402
from check_networks import Network, chain, gained  # noqa: E402
from check_study import study  # noqa: E402

HEALTHY = Network("one", "healthy", chain("relu", gained("he", 0.9), 48, 6), truth=200, draws=200)
WRONG = Network("one", "broken", chain("relu", gained("he", 0.36), 48, 6), truth=200, draws=200)
DYING = Network("two", "dying", chain("relu", "he", 4, 12, 4), truth=200, draws=200)


def _plain(network: Network, folder: Path) -> dict[str, Any]:
    """What the study writes of it."""
    return json.loads(json.dumps(check_study.without_nan(asdict(study(network, folder)))))


def test_a_healthy_network_is_stable_and_passes_and_a_broken_one_is_not(tmp_path: Path) -> None:
    healthy, broken = (study(network, tmp_path) for network in (HEALTHY, WRONG))
    for side in (healthy.forward, healthy.backward):
        assert side.truth.label == "stable"
        assert [one.labels for one in side.groups] == [{"stable": 10}, {"stable": 2}]
        assert [one.intervals for one in side.groups] == [10, 2]
    assert broken.forward.truth.label == broken.backward.truth.label == "vanishing"
    assert broken.forward.groups[0].labels == {"vanishing": 10}
    assert (healthy.checks.passed, broken.checks.failed) == (10, 10)
    assert 20 <= healthy.checks.mean_draws <= healthy.checks.most_draws <= 200
    assert (healthy.accepted["label"], broken.accepted["label"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("network", "limit", "wrong"), [(HEALTHY, 0.3, "failed"), (WRONG, 30.0, "passed")], ids=["false alarm", "missed"]
)
def test_a_check_with_other_limits_is_caught(
    network: Network, limit: float, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions = (("vanishing", -math.inf), ("stable", -limit), ("exploding", limit))
    monkeypatch.setattr(possible, "DIRECTION_REGIONS", regions)
    # A path that falls by so much is an excursion of its own.
    monkeypatch.setattr("varprobe.gate.finding_claims.BROKEN", max(limit, BROKEN))
    monkeypatch.setattr("varprobe.verdict.draw_checks.STABLE", max(limit, STABLE))  # and its draws are scattered
    result = _plain(network, tmp_path)
    assert result["checks"][wrong] == 10
    found = check_sums.checks([result])[wrong]
    # The bound is 0.025^(1/10) of a share of one.
    assert found == {"number": 10, "of": 10, "low": pytest.approx(0.025 ** (1 / 10)), "high": 1.0}


def test_a_rule_that_says_the_opposite_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = _plain(WRONG, tmp_path)
    monkeypatch.setattr(rule, "direction_label", lambda total, half: "stable")
    counts = [check_sums.labels([one], 0)["opposite"] for one in (right, _plain(WRONG, tmp_path))]
    assert [(one["number"], one["of"]) for one in counts] == [(0, 20), (20, 20)]


@pytest.mark.parametrize(
    ("said", "true", "opposite"),
    [
        ("stable", "vanishing", True),
        ("exploding", "stable", True),
        ("degenerate", "stable", True),
        ("stable", "degenerate", True),
        ("exploding", "vanishing", True),
        ("vanishing", "degenerate", False),
        ("borderline", "stable", False),
        ("borderline", "exploding", False),
        ("inconclusive", "stable", False),
        ("vanishing", "borderline", False),
        ("stable", "open", False),
    ],
)
def test_what_is_opposite(said: str, true: str, *, opposite: bool) -> None:
    assert check_sums.is_opposite(said, true) == opposite


@pytest.mark.parametrize(
    ("total", "error", "dead", "label"),
    [
        (STABLE - 0.4, 0.1, 0, "stable"),
        (STABLE - 0.2, 0.1, 0, "open"),
        (-STABLE - 0.4, 0.1, 0, "borderline"),
        (BROKEN - 0.2, 0.1, 0, "open"),
        (BROKEN + 0.4, 0.1, 0, "exploding"),
        (-BROKEN - 0.4, 0.1, 60, "vanishing"),
        (0.0, 0.1, 95, "open"),
        (0.0, 0.1, 140, "degenerate"),
    ],
)
def test_a_truth_leaves_room_for_its_error(total: float, error: float, dead: int, label: str) -> None:
    nothing = np.zeros((200 - dead, 2))
    judged = Judged(DirectionVerdict("stable"), nothing, nothing[:, 0], dead=dead)
    assert check_counts.sure_label(judged, 200, total, error) == label


def test_intervals_that_miss_are_counted_on_either_side(tmp_path: Path) -> None:
    experiment, settings = check_study.loaded(HEALTHY)
    bank = check_study.stored(tmp_path, experiment, replace(settings, trials=200, seed=3), "bank")
    case = build_case(bank)
    cases = [build_case(check_study.taken(bank, group)) for group in check_counts.groups_of(200, 20)]
    changes = check_counts.changes_of(case, backward=False)
    total, half = changes.mean(), 2.0  # twenty times the half-width
    counts = [
        check_counts.count_groups(Truth("stable", true, error, 1, 0, 0, 0), 20, cases, changes, backward=False)
        for true, error in ((total, 0.0), (total + half, 0.0), (total - half, 0.0), (total - half, half))
    ]
    assert counts[0].below + counts[0].above <= 3
    assert [(one.below, one.above) for one in counts[1:]] == [(10, 0), (0, 10), (0, 0)]


@pytest.mark.parametrize("network", [HEALTHY, DYING, Network("one", "three", chain("relu", "he", 4, 3, 4))])
def test_the_change_of_a_draw_is_what_the_rule_judges(network: Network, tmp_path: Path) -> None:
    experiment, settings = check_study.loaded(network)
    bank = check_study.stored(tmp_path, experiment, replace(settings, trials=200, seed=3), network.name)
    case = build_case(bank)
    for judged, backward in ((case.forward, False), (case.backward, True)):
        changes = check_counts.changes_of(case, backward=backward)
        assert np.isneginf(changes).sum() == judged.dead
        if 2 * judged.dead < 200:
            assert np.array_equal(changes[np.isfinite(changes)], judged.changes)
    assert (network is DYING) == (case.forward.dead > 20)


def test_dead_draws_count_in_the_mean_and_as_no_label(tmp_path: Path) -> None:
    changes = np.array([0.0, -math.inf, math.nan])
    assert check_counts.group_mean(changes) == pytest.approx(math.log(0.5))
    assert list(map(check_counts.label_of, changes)) == ["stable", "degenerate", "degenerate"]
    result = study(DYING, tmp_path)
    assert result.forward.one["degenerate"] == round(200 * _dead_share(DYING, tmp_path))


def _dead_share(network: Network, folder: Path) -> float:
    experiment, settings = check_study.loaded(network)
    bank = check_study.stored(
        folder, experiment, replace(settings, trials=200, seed=check_study.seeds_of(network)[1]), network.name
    )
    return build_case(bank).forward.dead / 200


def test_banks_have_draws_of_their_own_and_are_read_again(tmp_path: Path) -> None:
    experiment, settings = check_study.loaded(HEALTHY)
    seeds = check_study.seeds_of(HEALTHY)
    banks = [
        check_study.stored(tmp_path, experiment, replace(settings, trials=30, seed=seed), "a b")
        for seed in (*seeds, *seeds)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"a_b-{seed}-30.npz" for seed in seeds)
    moments = [bank.statistics.log_activation_second_moment for bank in banks]
    assert np.array_equal(moments[0], moments[2])
    assert not np.isin(moments[0], moments[1]).any()
    picked = check_study.taken(banks[0], np.array([3, 3, 7]))
    assert picked.trials == 3
    for name, table in vars(picked.statistics).items():
        if not name.endswith("histogram"):
            assert np.array_equal(table, getattr(banks[0].statistics, name)[[3, 3, 7]], equal_nan=True), name


def test_a_check_begins_with_its_group_and_goes_on_through_the_bank(tmp_path: Path) -> None:
    experiment, settings = check_study.loaded(HEALTHY)
    bank = check_study.stored(tmp_path, experiment, replace(settings, trials=50, seed=3), "bank")
    seen = []

    def watched(experiment: Any, settings: Any, draw: Any, **more: Any) -> Reached:
        seen.extend([draw(20, None), draw(40, None)])
        return decide(experiment, settings, draw, **more)

    check_study.replay(experiment, settings, bank, 40, watched)
    whole = bank.statistics.log_activation_second_moment
    order = [*range(40, 50), *range(30)]
    for few in seen:
        assert np.array_equal(few.statistics.log_activation_second_moment, whole[order[: few.trials]])


def test_the_rules_of_one_draw_are_what_they_say(tmp_path: Path) -> None:
    experiment, settings = check_study.loaded(HEALTHY)
    bank = check_study.stored(tmp_path, experiment, replace(settings, trials=200, seed=3), "bank")
    case = build_case(bank)
    logs = case.traces.forward, case.traces.backward
    factors = [np.exp(abs(some[:, -1] - some[:, 0])) for some in logs]
    changes = [check_counts.changes_of(case, backward=backward) for backward in (False, True)]
    found = check_counts.usual_rules(bank, changes, [case])
    for name, limit in (("within_10", 10), ("within_100", 100)):
        assert found[name] == ((factors[0] <= limit) & (factors[1] <= limit)).mean(), name
    std = np.exp(bank.statistics.log_activation_variance[:, -1] / 2)
    assert found["output"] == ((std >= 0.5) & (std <= 2)).mean()
    assert 0.5 < found["within_10"] < 1


def _result(labels: Sequence[str], findings: Sequence[str] = ()) -> dict[str, Any]:
    sides = {side: {"truth": {"label": label}} for side, label in zip(check_sums.SIDES, labels, strict=True)}
    return {**sides, "findings": list(findings)}


@pytest.mark.parametrize(
    ("labels", "findings", "found"),
    [
        (("stable", "stable"), (), "healthy"),
        (("stable", "stable"), ("jump",), "error beside the labels"),
        (("stable", "borderline"), ("jump",), "borderline"),
        (("open", "borderline"), (), "borderline"),
        (("open", "stable"), (), "open"),
        (("open", "vanishing"), (), "broken"),
        (("degenerate", "stable"), (), "broken"),
    ],
)
def test_what_a_network_is_to_a_check(labels: Sequence[str], findings: Sequence[str], found: str) -> None:
    assert check_sums.class_of(_result(labels, findings)) == found


def test_what_is_finished_is_not_made_again(tmp_path: Path) -> None:
    made = []

    def make() -> check_study.Result:
        made.append(1)
        return study(HEALTHY, tmp_path)

    first, second = (check_study.finished(tmp_path / "it.json", make) for _ in range(2))
    assert first == second
    assert made == [1]


def test_the_networks_are_of_every_kind() -> None:
    networks = check_networks.NETWORKS
    assert len({one.name for one in networks}) == len(networks) >= 100
    assert len({seed for one in networks for seed in check_study.seeds_of(one)}) == 2 * len(networks)
    assert [one.name for one in check_study.in_turn(networks)[:2]] == [
        next(one.name for one in networks if one.kind == kind) for kind in check_networks.KINDS[:2]
    ]


def test_the_stored_page_is_that_of_the_stored_results() -> None:
    stored = json.loads((REPORTS / "check_study.json").read_text())
    assert [one["name"] for one in stored["networks"]] == [one.name for one in check_networks.NETWORKS]
    assert check_sums.summary(stored["networks"]) == stored["summary"]
    page = check_pages.page(stored["networks"], stored["summary"], stored["made"])
    assert page == (REPORTS / "check_study.md").read_text()


def test_the_stored_results_reach_their_aims() -> None:
    totals = json.loads((REPORTS / "check_study.json").read_text())["summary"]
    few, many = totals["labels"]["all"].values()
    assert totals["networks"]["all"] >= 100
    assert few["opposite"]["high"] < 0.001
    assert many["opposite"]["number"] == 0
    for labels in (few, many):
        assert labels["missed"]["number"] <= 0.07 * labels["missed"]["of"]
    assert check_sums.wrong_checks(totals)["high"] < 0.001
    assert totals["checks_all"]["mean_draws"] <= 75
