"""Networks that an expert judges at a glance: labels, findings, and the change of a typical draw against PyTorch."""

from __future__ import annotations

import json
import math
from functools import cache

import pytest
from torch_reference.cases import CASES, STORED, case_reference

import varprobe
from varprobe.report.records import Report
from varprobe.verdict.records import DirectionVerdict

REFERENCE = json.loads(STORED.read_text())
# Standard errors between two independent means. With 44 comparisons, 4.5 are left by chance in one run of 3,000; the
# seeds are fixed.
APART = 4.5

by_name = pytest.mark.parametrize("name", CASES)


@cache
def measured(name: str) -> Report:
    return varprobe.run(CASES[name].config)


@by_name
def test_an_expert_would_say_the_same(name: str) -> None:
    case, verdict = CASES[name], measured(name).verdict
    for wanted, direction in (
        (case.forward, verdict.forward),
        (case.backward, verdict.backward),
        (case.signal, verdict.signal),
    ):
        assert wanted in (None, direction.label), direction
    codes = {finding.code for finding in verdict.findings}
    assert set(case.codes) <= codes
    assert not set(case.never) & codes
    assert (verdict.head is not None) == case.head
    if (case.forward, case.backward) == ("stable", "stable"):
        errors = {finding.code for finding in verdict.findings if finding.severity == "error"}
        assert errors == set(case.codes) & {"frozen-branch", "symmetric-units"}


@by_name
def test_a_typical_draw_is_that_of_pytorch(name: str) -> None:
    verdict = measured(name).verdict
    for way, direction in (("forward", verdict.forward), ("backward", verdict.backward)):
        if direction.total_log10 is None:
            truth = REFERENCE[name][way]
            assert 2 * truth["alive"] <= truth["draws"]
            continue
        assert abs(direction.total_log10 - REFERENCE[name][way]["mean"]) <= APART * _error(direction, name, way) + 1e-6


def _error(direction: DirectionVerdict, name: str, way: str) -> float:
    """Standard error of the difference of the two means, each from its own draws."""
    truth, trials = REFERENCE[name][way], measured(name).settings.trials
    assert direction.spread_log10 is not None
    return math.hypot(direction.spread_log10 / math.sqrt(trials), truth["sd"] / math.sqrt(truth["alive"]))


@pytest.mark.parametrize("name", ["tanh of width 1", "siren", "makemore", "branches of zeros"])
def test_the_stored_draws_are_those_of_pytorch(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra: the stored draws stand for it")
    found = case_reference(CASES[name])
    for way, stored in REFERENCE[name].items():
        assert found[way] == pytest.approx(stored, rel=1e-9, abs=1e-9)
