"""What the types of stored records do not say: one function per kind, which gives the record or refuses it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product

from varprobe.audit.records import Audit
from varprobe.errors import Place
from varprobe.gate.records import OUTCOMES, CheckRun
from varprobe.report.records import Histogram, Report
from varprobe.results.reading import refuse
from varprobe.sweeps.records import Sweep
from varprobe.verdict.labels import Label, Severity, SignalLabel
from varprobe.verdict.records import Target, Verdict

# A field, what stands there, and what may.
_Word = tuple[str, str, tuple[str, ...]]
DECIDED = ("met", "failed", "undecided")


def check_report(report: Report, place: Place) -> Report:
    """Refuses a report without layers, histograms whose counts are not those of their bins, and unknown words."""
    _check_report(report, "report", "run", place)
    return report


def _check_report(report: Report, noun: str, command: str, place: Place, at: str = "") -> None:
    """As `check_report`, of a report that stands at `at` in a result of another kind."""
    if not report.layers:
        raise refuse(noun, command, "it has no layers", place, f"{at}layers")
    for number, row in enumerate(report.layers):
        if row.histogram is not None and not _is_counted(row.histogram):
            reason, field = "its counts are not those of its bins", f"{at}layers.{number}.histogram"
            raise refuse(noun, command, reason, place, field)
    _check_words(_words_of(report.verdict, f"{at}verdict"), noun, command, place)


def check_reports(reports: Iterable[Report], place: Place) -> None:
    """Refuses a comparison one of whose reports is none."""
    for number, report in enumerate(reports):
        _check_report(report, "comparison", "compare", place, f"reports.{number}.")


def _check_words(words: Iterator[_Word], noun: str, command: str, place: Place) -> None:
    for field, found, legal in words:
        if found not in legal:
            raise refuse(noun, command, f"{_unknown(field, found)}, known are {', '.join(legal)}", place, field)


def _unknown(field: str, found: str) -> str:
    return f"unknown {field.rpartition('.')[2]} '{found[:40]}'"


def _words_of(verdict: Verdict, at: str) -> Iterator[_Word]:
    """The words that a verdict's readers decide on."""
    yield f"{at}.overall", verdict.overall, tuple(Label)
    yield f"{at}.forward.label", verdict.forward.label, tuple(Label)
    yield f"{at}.backward.label", verdict.backward.label, tuple(Label)
    yield f"{at}.signal.label", verdict.signal.label, tuple(SignalLabel)
    for number, finding in enumerate(verdict.findings):
        yield f"{at}.findings.{number}.severity", finding.severity, tuple(Severity)
        for place, change in enumerate(finding.changes):
            yield f"{at}.findings.{number}.changes.{place}.target", change.target, tuple(Target)


def _is_counted(histogram: Histogram) -> bool:
    """Whether every bin has its counts, or none has, and no more zeros are told than values."""
    bins = len(histogram.edges) - 1
    sides = (histogram.activation, histogram.activation_zeros), (histogram.gradient, histogram.gradient_zeros)
    return all(
        len(counts) in (0, bins) and min(counts, default=0) >= 0 and 0 <= (zeros or 0) <= sum(counts)
        for counts, zeros in sides
    )


def check_sweep(sweep: Sweep, place: Place) -> Sweep:
    """Refuses a sweep whose points are not those of its axes, each measured or failed."""
    reason = _trouble(sweep)
    if reason:
        raise refuse("sweep", "sweep", reason, place, "points")
    for number, point in enumerate(sweep.points):
        if point.verdict is not None:
            _check_words(_words_of(point.verdict, f"points.{number}.verdict"), "sweep", "sweep", place)
    return sweep


def _trouble(sweep: Sweep) -> str:
    if not 1 <= len(sweep.axes) <= 2 or not all(axis.values for axis in sweep.axes):
        return "it has no axes, more than two, or one without values"
    count = math.prod(len(axis.values) for axis in sweep.axes)
    if len(sweep.points) != count:
        return f"{len(sweep.points):,} points where its axes make {count:,}"
    expected = product(*(axis.values for axis in sweep.axes))
    if any(point.values != values for point, values in zip(sweep.points, expected, strict=True)):
        return "a point lies elsewhere than its axes say"
    if not all(point.is_sound for point in sweep.points):
        return "a point is neither failed nor measured with curves of one length and labels that there are"
    return ""


def check_audit(audit: Audit, place: Place) -> Audit:
    """Refuses an audit without tensors."""
    if not audit.tensors:
        raise refuse("audit", "audit", "it has no tensors", place, "tensors")
    return audit


def check_outcomes(checks: CheckRun, place: Place) -> CheckRun:
    """Refuses checks with an outcome that nobody knows, or with a report that is none."""
    _check_words(_outcomes(checks), "check", "check", place)
    for number, checked in enumerate(checks.checked):
        if checked.report is not None:
            _check_report(checked.report, "check", "check", place, f"checked.{number}.report.")
    return checks


def _outcomes(checks: CheckRun) -> Iterator[_Word]:
    yield "outcome", checks.outcome, OUTCOMES
    for number, checked in enumerate(checks.checked):
        yield f"checked.{number}.outcome", checked.outcome, OUTCOMES
        for place, decision in enumerate(checked.decisions):
            yield f"checked.{number}.decisions.{place}.outcome", decision.outcome, DECIDED
