"""A small run of the study of `varprobe check`, so that it counts what it says it counts."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.gate.check import Reached, decide
from varprobe.verdict import possible
from varprobe.verdict.case import build_case
from varprobe.verdict.rule import LN10, LN100

REPORTS = Path(__file__).parents[1] / "reports"
sys.path.insert(0, str(REPORTS))

import check_networks  # noqa: E402
import check_pages  # noqa: E402
import check_study  # noqa: E402
from check_networks import Network, tilted  # noqa: E402
from check_study import Truth, study  # noqa: E402

HEALTHY = Network("healthy", tilted(48, 6, -1.2), bank=200, fresh=2)
BROKEN = Network("broken", tilted(48, 6, -8.0), bank=200, fresh=2)
BORDERLINE = Network("borderline", tilted(48, 6, -LN10), bank=200, fresh=2)
REPLAYS = 60


def _stable_within(limit: float) -> Any:
    """The regions of T with other borders of what is stable."""
    return (("vanishing", -math.inf), ("borderline", -max(limit, LN100)), ("stable", -limit), ("borderline", limit),
            ("exploding", max(limit, LN100)))  # fmt: skip


def _hasty(*given: Any, alpha: float, **more: Any) -> Reached:
    """Decides at a level of even chances."""
    return decide(*given, alpha=0.9, **more)


def test_a_healthy_network_passes_and_a_broken_one_fails(tmp_path: Path) -> None:
    healthy, broken = (study(network, REPLAYS, tmp_path) for network in (HEALTHY, BROKEN))
    assert (healthy.group, broken.group) == ("healthy", "broken")
    assert healthy.replayed.passed == healthy.replayed.checks == REPLAYS
    assert broken.replayed.failed == REPLAYS
    assert broken.replayed.unmet["forward failed"] + broken.replayed.unmet.get("forward undecided", 0) == REPLAYS
    assert healthy.replayed.astray == 0
    assert 20 <= healthy.replayed.mean_trials <= healthy.replayed.max_trials <= 400
    assert check_study.fresh(HEALTHY, 2).passed == 2
    assert check_study.fresh(BROKEN, 2).failed == 2


@pytest.mark.parametrize(
    ("network", "limit", "wrong"), [(HEALTHY, 0.3, "failed"), (BROKEN, 20.0, "passed")], ids=["false alarm", "missed"]
)
def test_a_rule_with_other_borders_is_caught(
    network: Network, limit: float, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(possible, "DIRECTION_REGIONS", _stable_within(limit))
    result = asdict(study(network, REPLAYS, tmp_path)) | {"fresh": asdict(check_study.fresh(network, 1))}
    assert result["replayed"][wrong] == REPLAYS
    pooled = check_pages.summary([result])[f"{network.name} replayed"][wrong]
    # The bound is 0.025^(1/60) of a share of one.
    assert pooled == {"number": REPLAYS, "low": pytest.approx(0.025 ** (1 / REPLAYS)), "high": 1.0, "worst": 1.0}


def test_a_hasty_rule_goes_astray(tmp_path: Path) -> None:
    found, hasty = (study(BORDERLINE, REPLAYS, tmp_path, rule).replayed for rule in (decide, _hasty))
    assert found.astray == 0
    # At a level of 0.9 over three expectations and both ways: of the looks alone that end it, some 5 % each way.
    assert hasty.astray is not None
    assert hasty.astray >= 3
    assert hasty.mean_trials < found.mean_trials


@pytest.mark.parametrize(
    ("forward", "backward", "group"),
    [
        (Truth(1.5, 0.01, 0), Truth(-1.5, 0.01, 0), "healthy"),
        (Truth(1.5, 0.1, 0), Truth(0, 0, 0), "between"),
        (Truth(0, 0, 0), Truth(-7.1, 0.1, 0), "broken"),
        (Truth(0, 0, 0), Truth(7.0, 0.1, 0), "between"),
        (Truth(4, 0.1, 0), Truth(4, 0.1, 0), "between"),
    ],
)
def test_the_class_leaves_room_for_the_banks_error(forward: Truth, backward: Truth, group: str) -> None:
    assert check_study.group_of(forward, backward) == group


def test_a_bank_is_stored_and_read_again(tmp_path: Path) -> None:
    spec, settings = check_study.loaded(HEALTHY)
    one, other = (check_study.stored(tmp_path, spec, replace(settings, trials=30), "a b") for _ in range(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a_b-30.npz"]
    assert one.trials == other.trials == 30
    assert check_study.truths(one) == check_study.truths(other)
    picked = check_study.taken(one, np.array([3, 3, 7]))
    assert picked.trials == 3
    for name, table in vars(picked.statistics).items():
        if not name.endswith("histogram"):
            assert np.array_equal(table, getattr(one.statistics, name)[[3, 3, 7]], equal_nan=True), name


def test_the_usual_rules_are_what_they_say(tmp_path: Path) -> None:
    spec, settings = check_study.loaded(BORDERLINE)
    bank = check_study.stored(tmp_path, spec, replace(settings, trials=200), "bank")
    traces = build_case(bank).traces
    ratios = [np.exp(logs[:, -1] - logs[:, 0]) for logs in (traces.forward, traces.backward)]
    within = np.all([(ratio >= 0.1) & (ratio <= 10) for ratio in ratios], axis=0)
    found = check_study.usual_rules(bank)
    assert found.change == pytest.approx(within.mean())
    assert 0.1 < found.change < 1
    std = np.exp(bank.statistics.log_activation_variance[:, -1] / 2)
    assert found.output == pytest.approx(((std >= 0.5) & (std <= 2)).mean())
    # Means of 20 draws vary a twentieth as much: what lies on the near side of the border mostly stays there.
    assert found.mean_change > found.change


def test_what_is_finished_is_not_made_again(tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"one": 1}

    assert [check_study.finished(tmp_path / "it.json", make) for _ in range(2)] == [{"one": 1}] * 2
    assert made == [1]


def test_a_rate_is_told_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_study, "tilted", lambda width, depth, total, batch: tilted(24, depth, total))
    aim = check_study.Aim(0.999, 1.001, 40, 1)
    off, right = (check_study.told(rate, aim, 20, tmp_path) for rate in (0.7, 1.0))
    assert off["replayed"]["failed"] == 20
    assert off["fresh"]["failed"] == 1
    assert right["replayed"]["failed"] == 0
    assert right["replayed"]["max_trials"] == 40


def test_the_stored_results_are_those_of_the_networks() -> None:
    stored = json.loads((REPORTS / "check_study.json").read_text())
    assert [one["name"] for one in stored["networks"]] == [one.name for one in check_networks.NETWORKS]
    assert check_pages.summary(stored["networks"]) == stored["summary"]
    page = check_pages.page(stored["networks"], stored["summary"], stored["rates"], stored["made"], stored["replays"])
    assert page == (REPORTS / "check_study.md").read_text()


def test_the_stored_rates_reach_their_aims() -> None:
    found = json.loads((REPORTS / "check_study.json").read_text())["summary"]
    for source, most in (("replayed", 0.001), ("fresh", 0.005)):
        healthy, broken = found[f"healthy {source}"], found[f"broken {source}"]
        assert healthy["networks"] + broken["networks"] >= 24
        assert healthy["failed"]["high"] < most
        assert broken["passed"]["high"] < most
    assert found["healthy replayed"]["undecided"]["number"] <= 0.001 * found["healthy replayed"]["checks"]
