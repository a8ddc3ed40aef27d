"""Report -> the terminal: a header, a table by layer, a curve and the verdict."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from varprobe.report.records import Report
from varprobe.reporters.curve import curve
from varprobe.reporters.layer_table import measured_table, predicted_table
from varprobe.reporters.report_phrases import (
    direction_figures,
    expectation_lines,
    finding_counts,
    finding_head,
    is_predicted,
    made_with,
    tested_line,
    theory_line,
    title,
)

_STYLES = {
    "stable": "bold green",
    "preserved": "bold green",
    "borderline": "bold yellow",
    "inconclusive": "bold yellow",
    "fading": "bold yellow",
    "undefined": "bold",
}
_BAD = "bold red"


def print_report(report: Report, console: Console, *, every_row: bool = False) -> None:
    """Prints the report.

    Arguments:
        every_row: do not fold long networks.
    """
    console.print(Text(title(report), style="bold"))
    console.print(Text(made_with(report)))
    console.print()
    if is_predicted(report):
        console.print(predicted_table(report, every_row=every_row))
    else:
        ascii_only = console.options.ascii_only
        console.print(measured_table(report, console.width, every_row=every_row, ascii_only=ascii_only))
    lines = curve(report)
    if lines:
        console.print()
        console.print(Text("variance over depth (log scale): a activation, g gradient, * both"))
        console.print(Text("\n".join(lines)), soft_wrap=True)
    console.print()
    console.print(_verdict(report))


def _verdict(report: Report) -> Panel:
    verdict = report.verdict
    parts: list[RenderableType] = [_directions(report)]
    for finding in verdict.findings:
        style = {"error": _BAD, "warning": "bold yellow"}.get(finding.severity, "bold")
        parts += [Text(), Text(finding_head(finding), style=style), Text(finding.message)]
        if finding.remedy:
            parts.append(Text(f"-> {finding.remedy}"))
    theory = [line for line in (theory_line(report), tested_line(report)) if line]
    if theory:
        parts += [Text(), *(Text(line) for line in theory)]
    lines = expectation_lines(report)
    if lines:
        parts += [Text(), *(Text(line) for line in lines)]
    heading = Text(f"{verdict.overall} ({finding_counts(report)})", style=_STYLES.get(verdict.overall, _BAD))
    return Panel(Group(*parts), title=heading, title_align="left")


def _directions(report: Report) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    rate = "rate per layer" if is_predicted(report) else "rate per layer (95 %)"
    for column in ("", "", rate, "over the depth", "e-fold in"):
        table.add_column(column, no_wrap=True)
    for name in ("forward", "backward", "signal"):
        direction = getattr(report.verdict, name)
        label = Text(direction.label, style=_STYLES.get(direction.label, _BAD))
        table.add_row(name, label, *direction_figures(direction))
    return table
