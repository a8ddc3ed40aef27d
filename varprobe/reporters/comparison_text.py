"""Comparison -> a table of networks, and what changed; for the terminal, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.comparison import COMPARISON_VERSION, FAMILY_ERROR, Change, Comparison
from varprobe.formatting import count, percent, power, printable
from varprobe.report.records import Report
from varprobe.report.storage import to_json
from varprobe.reporters.report_phrases import DIRECTIONS, direction_figures, escaped_markdown, spreadsheet_text
from varprobe.verdict.records import DirectionVerdict


def print_comparison(comparison: Comparison, console: Console) -> None:
    """A row a network: its verdict, and label, rate and total in each direction; below what changed."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", min_width=8)
    for heading in ("", "", "rate", "over the depth"):
        table.add_column(heading, no_wrap=True)
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        for place, (what, label, rate, total) in enumerate(_cells(report)):
            shown = (
                Text(printable(name), style="bold")
                if place == 0
                else Text(report.verdict.overall if place == 1 else "")
            )
            table.add_row(shown, Text(what), Text(label), rate, total)
    console.print(table)
    lines = change_lines(comparison)
    if lines:
        console.print()
        console.print(Text("\n".join(lines)))


def _cells(report: Report) -> list[tuple[str, str, str, str]]:
    found = []
    for what in DIRECTIONS:
        direction: DirectionVerdict = getattr(report.verdict, what)
        _, total, _ = direction_figures(direction)
        rate = "-" if direction.rate is None else f"{direction.rate:.4g}"
        found.append((what, direction.label, rate, total))
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


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A flat record a network, for CSV and JSON."""
    rows = []
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        row: dict[str, Any] = {"name": name, "overall": report.verdict.overall}
        for what in DIRECTIONS:
            direction: DirectionVerdict = getattr(report.verdict, what)
            for field in ("label", "rate", "rate_low", "rate_high", "total_log10"):
                row[f"{what}.{field}"] = getattr(direction, field)
        rows.append(row)
    return rows


def render_comparison_json(comparison: Comparison) -> str:
    """The networks' figures and the changes; and the reports, so that every other format can be made from it."""
    changes = [vars_of(change) for change in comparison.changes]
    body = {
        "comparison_version": COMPARISON_VERSION,
        "networks": comparison_rows(comparison),
        "changes": changes,
        "tested": comparison.tested,
        "reason": comparison.reason,
    }
    reports = ",\n".join(map(to_json, comparison.reports))
    return f'{json.dumps(body, indent=2)[:-2]},\n  "reports": [\n{reports}\n]}}\n'


def vars_of(change: Change) -> dict[str, Any]:
    """A change as a mapping; a deviation without noise is null."""
    deviation = change.deviation if abs(change.deviation) < 1e300 else None
    return {
        "layer": change.layer,
        "name": change.name,
        "statistic": change.statistic,
        "log10": change.log10,
        "deviation": deviation,
    }


def render_comparison_csv(comparison: Comparison) -> str:
    """A row a network."""
    rows = comparison_rows(comparison)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: spreadsheet_text(value) for key, value in row.items()} for row in rows)
    return stream.getvalue()


def render_comparison_markdown(comparison: Comparison) -> str:
    """A table of the networks and the changes."""
    lines = ["| network | overall | forward | backward | signal |", "|---|---|---|---|---|"]
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        cells = [f"{label} {total}" if total != "-" else label for _, label, _, total in _cells(report)]
        shown = map(escaped_markdown, (name, report.verdict.overall, *cells))
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join([*lines, "", *change_lines(comparison)]).rstrip() + "\n"
