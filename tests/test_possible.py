"""Labels that are possible hold the label of the verdict, at any level and whatever the draws are."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from builders import a_measurement

from varprobe.verdict.case import Case, build_case
from varprobe.verdict.labels import Label, Outcome
from varprobe.verdict.possible import OVERALL, decide, possible, settle
from varprobe.verdict.rule import worse

LEVELS = (0.05, 1e-3, 1e-5, 1e-8)
SIDES = ("forward", "backward", "signal", OVERALL)
LAWS: dict[str, Any] = {
    "normal": lambda random, trials: random.standard_normal(trials),
    "heavy": lambda random, trials: random.standard_cauchy(trials),
    "skewed": lambda random, trials: random.exponential(1.0, trials) ** 2,
    "two values": lambda random, trials: random.integers(2, size=trials).astype(float),
    "ties": lambda random, trials: np.zeros(trials),
}


def _cases(law: str) -> list[Case]:
    random, found = np.random.default_rng(sorted(LAWS).index(law)), []
    for number in range(60):
        trials, layers = (1, 2, 3, 5, 20, 60)[number % 6], (1, 3, 4, 12)[number % 4]
        logs = [
            np.outer(
                random.uniform(-12, 12) + random.uniform(0, 6) * LAWS[law](random, trials), np.linspace(0, 1, layers)
            )
            for _ in range(3)
        ]
        for table in logs:
            table[: random.integers(trials + 1) if number % 5 == 0 else 0, layers // 2 :] = -math.inf
        if number % 7 == 0:
            logs[0][: trials // 2, -1:] = math.nan
        found.append(build_case(a_measurement(*logs)))
    return found


def _label(case: Case, what: str) -> str:
    labels = {way: getattr(case, way).direction.label for way in ("forward", "backward", "signal")}
    return worse(labels["forward"], labels["backward"]) if what == OVERALL else labels[what]


@pytest.mark.parametrize("law", LAWS)
def test_the_label_of_the_verdict_is_one_of_those_that_are_possible(law: str) -> None:
    for case in _cases(law):
        for what in SIDES:
            for level in LEVELS:
                labels = possible(case, what, level).labels
                label = _label(case, what)
                assert label in labels or label == Label.INCONCLUSIVE, (what, level)
                assert labels
                assert Label.INCONCLUSIVE not in labels


@pytest.mark.parametrize("law", LAWS)
def test_a_smaller_chance_of_error_never_excludes_more(law: str) -> None:
    for case in _cases(law):
        for what in SIDES:
            sets = [set(possible(case, what, level).labels) for level in LEVELS]
            assert all(smaller <= larger for smaller, larger in pairwise(sets))


@pytest.mark.parametrize("law", LAWS)
def test_what_is_met_is_met_by_every_label_that_is_possible_and_what_failed_by_none(law: str) -> None:
    for case in _cases(law):
        for what in SIDES:
            found = possible(case, what, 1e-3)
            for allowed in (
                ("stable",),
                ("stable", "borderline"),
                ("vanishing", "degenerate"),
                ("preserved", "fading"),
            ):
                outcome = decide(found, allowed)
                assert (outcome == Outcome.MET) == (set(found.labels) <= set(allowed))
                assert (outcome == Outcome.FAILED) == (not set(found.labels) & set(allowed))
                # Nothing else makes an open label an expected one than that `inconclusive` is.
                assert settle(outcome, allowed) == outcome
                open_ = decide(found, (*allowed, "inconclusive"))
                assert settle(open_, (*allowed, "inconclusive")) == (
                    Outcome.FAILED if open_ == Outcome.FAILED else Outcome.MET
                )
