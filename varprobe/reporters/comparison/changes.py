"""Sentences on what changed, and cells on the verdicts, that reporters of comparisons share."""

from __future__ import annotations

from varprobe.comparison import FAMILY_ERROR, Change, Comparison
from varprobe.formatting import count, percent, power
from varprobe.report.records import Report
from varprobe.reporters.verdict_phrases import DIRECTIONS, total_cell


def verdict_cells(report: Report) -> list[tuple[str, str, str, str]]:
    """Of each direction its name, label, rate and factor over the depth."""
    found = []
    for what in DIRECTIONS:
        direction = getattr(report.verdict, what)
        rate = "-" if direction.rate is None else f"{direction.rate:.4g}"
        found.append((what, direction.label, rate, total_cell(direction)))
    return found


def change_lines(comparison: Comparison) -> list[str]:
    """What changed between two reports, in sentences; empty where that was not asked."""
    if comparison.reason:
        return [f"Not tested for changes: {comparison.reason}."]
    if not comparison.tested:
        return []
    level = percent(FAMILY_ERROR)
    tested = f"{count(comparison.tested, 'statistic')} tested together at {level}"
    if not comparison.changes:
        return [f"Nothing changed beyond noise ({tested})."]
    lines = [f"{len(comparison.changes):,} of {tested} changed beyond noise:"]
    statistics = dict.fromkeys(change.statistic for change in comparison.changes)
    of = {name: [change for change in comparison.changes if change.statistic == name] for name in statistics}
    return [*lines, *map(_changes_line, of.values())]


def _changes_line(changes: list[Change]) -> str:
    """One statistic: where it changed, by how much at both ends, and where that is clearest."""

    def there(change: Change) -> str:
        return f"x {power(change.log10)} at layer {change.layer}"

    first, last, clearest = changes[0], changes[-1], max(changes, key=lambda change: abs(change.deviation))
    errors = f"{abs(clearest.deviation):,.1f} standard errors" if abs(clearest.deviation) < 1e6 else "no noise at all"
    if first is last:
        return f"  {first.statistic}: {there(first)} ({errors})"
    ends = f"{there(first)}, {there(last)}"
    where = f"    (clearest at layer {clearest.layer}: {errors})"
    return f"  {first.statistic}: {count(len(changes), 'layer')}, {ends}\n{where}"
