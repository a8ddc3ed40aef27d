"""Networks that an expert judges at a glance: labels, findings, and the change of a typical draw against PyTorch."""

from __future__ import annotations

import json
import math
import re
import shlex
from functools import cache
from typing import Any

import pytest
from ruamel.yaml import YAML
from torch_reference.cases import CASES, MENDED, STORED, case_reference, mend

import varprobe
from varprobe.report.records import Report
from varprobe.verdict.records import DirectionVerdict

STORED_DRAWS = json.loads(STORED.read_text())
REFERENCE = STORED_DRAWS["cases"]
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


def _pasted(name: str) -> dict[str, Any]:
    """What the first remedy with options says to paste, as config paths."""
    for finding in measured(name).verdict.findings:
        if found := re.search("That is `([^`]*)`", finding.remedy):
            options = shlex.split(found[1])
            assert options[::2] == ["--set"] * (len(options) // 2)
            pairs = (option.split("=", 1) for option in options[1::2])
            return {path.replace("[", ".").replace("]", ""): YAML(typ="safe").load(value) for path, value in pairs}
    return {}


@by_name
def test_what_a_remedy_says_to_paste_is_what_pytorch_was_given(name: str) -> None:
    assert _pasted(name) == MENDED.get(name, {})


@pytest.mark.parametrize("name", MENDED)
def test_a_remedy_brings_what_it_promises_in_pytorch(name: str) -> None:
    """A typical draw is stable both ways, with its error; varprobe says so too."""
    found = STORED_DRAWS["mended"][name]
    for way in ("forward", "backward"):
        assert found[way]["alive"] == found[way]["draws"]
        error = found[way]["sd"] / math.sqrt(found[way]["draws"])
        assert abs(found[way]["mean"]) + APART * error < 2.0
    verdict = varprobe.run(mend(CASES[name], MENDED[name]).config).verdict
    assert (verdict.forward.label, verdict.backward.label) == ("stable", "stable")


@pytest.mark.parametrize("name", ["tanh of width 1", "siren", "makemore", "branches of zeros"])
def test_the_stored_draws_are_those_of_pytorch(name: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra: the stored draws stand for it")
    found = case_reference(CASES[name])
    for way, stored in REFERENCE[name].items():
        assert found[way] == pytest.approx(stored, rel=1e-9, abs=1e-9)
