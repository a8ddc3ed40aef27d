"""What the types of stored records do not say: one function per kind, which gives the record or refuses it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from varprobe.audit.records import Audit
from varprobe.errors import InputFileError, Place
from varprobe.gate.records import OUTCOMES, CheckRun
from varprobe.report.records import Histogram, Report
from varprobe.results.reading import refuse
from varprobe.sweeps.records import Sweep

DECIDED = ("met", "failed", "undecided")


def check_report(report: Report, place: Place) -> Report:
    """Refuses a report without layers, and histograms whose counts are not those of their bins."""
    if not report.layers:
        raise refuse("report", "run", "it has no layers", place, "layers")
    for number, row in enumerate(report.layers):
        if row.histogram is not None and not _is_counted(row.histogram):
            reason, field = "its counts are not those of its bins", f"layers.{number}.histogram"
            raise refuse("report", "run", reason, place, field)
    return report


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
    """Refuses checks with an outcome that nobody knows."""
    for field, found, legal in _outcomes(checks):
        if found not in legal:
            hint = f"known are {', '.join(legal)}; name a file that `varprobe check -o check.json` wrote"
            message = f"is no varprobe check: unknown outcome '{found[:40]}'"
            raise InputFileError(message, hint=hint, place=place, field=field)
    return checks


def _outcomes(checks: CheckRun) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield "outcome", checks.outcome, OUTCOMES
    for number, checked in enumerate(checks.checked):
        yield f"checked.{number}.outcome", checked.outcome, OUTCOMES
        for place, decision in enumerate(checked.decisions):
            yield f"checked.{number}.decisions.{place}.outcome", decision.outcome, DECIDED
