"""A report in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from varprobe.presentation.kinds import Outline
from varprobe.report.records import Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.verdict_phrases import verdict_lines, verdict_words


def outline_report(report: Report) -> Outline:
    """The verdict, how it was measured, and the findings."""
    findings = (f"{phrases.finding_head(finding)}: {finding.message}" for finding in report.verdict.findings)
    facts = (phrases.title(report), phrases.made_with(report))
    return Outline(_verdict(report), facts, (*phrases.expectation_lines(report), *findings))


def summarise_report(report: Report) -> Iterator[str]:
    """The verdict, the draws that scatter, the head, every finding with its remedy, what was expected."""
    yield _verdict(report)
    yield from verdict_lines(report.verdict)
    for finding in report.verdict.findings:
        yield f"{phrases.finding_head(finding)}: {finding.message}"
        if finding.remedy:
            yield f"-> {finding.remedy}"
    yield from phrases.expectation_lines(report)


def _verdict(report: Report) -> str:
    return f"{report.verdict.overall}: {verdict_words(report.verdict)}"


def thin_report(report: Report, most: int) -> Report:
    """The same with the histograms of so many dense layers, spread over the depth, and of no other row."""
    rows = [place for place, row in enumerate(report.layers) if row.is_dense and row.histogram is not None]
    if len(rows) > most:
        rows = [rows[round(i * (len(rows) - 1) / max(1, most - 1))] for i in range(most)]
    kept = frozenset(rows)
    layers = (row if place in kept else replace(row, histogram=None) for place, row in enumerate(report.layers))
    return replace(report, layers=tuple(layers))
