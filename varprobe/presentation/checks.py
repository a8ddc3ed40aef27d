"""A check in a few lines, and its decisions as rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from varprobe.errors import OutputError
from varprobe.formatting import count
from varprobe.gate.check import gather
from varprobe.gate.records import CheckResult, CheckRun, Decision
from varprobe.presentation.kinds import Outline
from varprobe.report.records import Report
from varprobe.reporters.check import words
from varprobe.results.kinds import render


def outline_check(checked: CheckResult) -> Outline:
    """The outcome, how it was reached, and the decisions, the broken ones first."""
    first = sorted(checked.decisions, key=lambda decision: decision.outcome == "met")
    items = (f"{words.word(one.outcome)} {words.subject(one)}: {words.tell(one)}" for one in first)
    return Outline(_verdict(checked), (f"{words.place(checked)}: {words.how(checked)}",), tuple(items))


def summarise_check(checked: CheckResult) -> Iterator[str]:
    """The outcome, and of each decision what was wanted and found, where, and what to do."""
    yield _verdict(checked)
    yield f"{words.place(checked)}: {words.how(checked)}"
    for number, trouble in enumerate(words.troubles_of(checked)):
        if number:
            yield f"{words.place(checked, trouble.line, trouble.column)}: {words.trouble_words(trouble)}"
        yield from words.hint_lines(trouble)
    yield from (f"since the baseline: {line}" for line in words.since_lines(checked))
    for decision in checked.decisions:
        yield f"{words.word(decision.outcome)} {words.subject(decision)}: {words.tell(decision)}"
        if decision.outcome != "met":
            yield f"  at {words.where(checked, decision)}"
            yield from (f"  -> {line}" for line in words.to_do(checked, decision))


def _verdict(checked: CheckResult) -> str:
    troubles = words.troubles_of(checked)
    if troubles:
        return f"{words.word(checked.outcome)}: {words.trouble_words(troubles[0])}"
    met = sum(decision.outcome == "met" for decision in checked.decisions)
    return f"{words.word(checked.outcome)}: {met} of {count(len(checked.decisions), 'expectation')} met"


def outline_run(checks: CheckRun) -> Outline:
    """How many configs came to what, and a line each."""
    first = sorted(checks.checked, key=lambda checked: checked.outcome == "passed")
    items = (f"{_verdict(checked)}, {words.place(checked)}" for checked in first)
    return Outline(words.counts_line(checks), (), tuple(items))


def summarise_run(checks: CheckRun) -> Iterator[str]:
    """How many configs came to what, and the summary of each."""
    yield words.counts_line(checks)
    for checked in checks.checked:
        yield from summarise_check(checked)


def render_check(checked: CheckResult, target: Path) -> str | bytes:
    """The same file as that of a run over one config."""
    return render(gather([checked]), target.suffix.lower())


def report_of(checked: CheckResult) -> Report:
    """The report on all trials, which has the picture.

    Raises:
        OutputError: where the config could not be checked.
    """
    if checked.report is None:
        raise OutputError("the network was not measured, there is no picture", hint="`.summary()` says why")
    return checked.report


def list_decisions(checked: CheckResult) -> list[dict[str, Any]]:
    """A row a decision."""
    own = {"config": checked.config, "network": checked.name, "trials": checked.trials}
    return [own | {one.name: getattr(decision, one.name) for one in fields(Decision)} for decision in checked.decisions]


def list_all_decisions(checks: CheckRun) -> list[dict[str, Any]]:
    """The same of all configs."""
    return [row for checked in checks.checked for row in list_decisions(checked)]
