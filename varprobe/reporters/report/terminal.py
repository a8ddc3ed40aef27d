"""Report -> the terminal: a header, a table by layer, a curve and the verdict."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from varprobe.formatting import power
from varprobe.report.records import Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.report.layer_table import measured_table, predicted_table
from varprobe.reporters.verdict_phrases import DIRECTIONS, FIGURES, direction_figures, verdict_lines

_STYLES = {
    "stable": "bold green",
    "preserved": "bold green",
    "borderline": "bold yellow",
    "inconclusive": "bold yellow",
    "fading": "bold yellow",
    "undefined": "bold",
}
_BAD = "bold red"


def print_report(
    report: Report, console: Console, *, every_row: bool = False, number_formats: bool = False, explain: bool = False
) -> None:
    """Prints the report.

    Arguments:
        every_row: do not fold long networks.
        number_formats: print first where the number formats are left.
        explain: print before all how theory's numbers come about.
    """
    if explain:
        from varprobe.reporters.report.explanation import print_explanation

        print_explanation(report, console, every_row=every_row)
    if number_formats:
        from varprobe.reporters.report.number_formats import print_number_formats

        print_number_formats(report, console)
    console.print(Text(phrases.title(report), style="bold"))
    console.print(Text(phrases.made_with(report)))
    console.print()
    if phrases.is_predicted(report):
        console.print(predicted_table(report, every_row=every_row))
    else:
        ascii_only = console.options.ascii_only
        console.print(measured_table(report, console.width, every_row=every_row, ascii_only=ascii_only))
    lines = curve_lines(report)
    if lines:
        console.print()
        console.print(Text("variance over depth (log scale): a activation, g gradient, * both"))
        console.print(Text("\n".join(lines)), soft_wrap=True)
    console.print()
    console.print(_verdict(report))


def _verdict(report: Report) -> Panel:
    verdict = report.verdict
    parts: list[RenderableType] = [_directions(report), *map(Text, verdict_lines(verdict))]
    for finding in verdict.findings:
        style = {"error": _BAD, "warning": "bold yellow"}.get(finding.severity, "bold")
        parts += [Text(), Text(phrases.finding_head(finding), style=style), Text(finding.message)]
        if finding.remedy:
            parts.append(Text(f"-> {finding.remedy}"))
    theory = [line for line in (phrases.theory_line(report), phrases.tested_line(report)) if line]
    if theory:
        parts += [Text(), *(Text(line) for line in theory)]
    lines = phrases.expectation_lines(report)
    if lines:
        parts += [Text(), *(Text(line) for line in lines)]
    heading = Text(f"{verdict.overall} ({phrases.finding_counts(report)})", style=_STYLES.get(verdict.overall, _BAD))
    return Panel(Group(*parts), title=heading, title_align="left")


def _directions(report: Report) -> Table:
    """Without the depth scale, for which there is no room: it follows from the rate."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in ("", "", *FIGURES[:3]):
        table.add_column(column, no_wrap=True)
    for name in DIRECTIONS:
        direction = getattr(report.verdict, name)
        label = Text(direction.label, style=_STYLES.get(direction.label, _BAD))
        table.add_row(name, label, *direction_figures(direction)[:3])
    return table


def curve_lines(report: Report, width: int = 64, height: int = 8) -> list[str]:
    """Lines of text: `a` variance of the output, `g` of the gradient there, `*` both; log scale. Empty with one layer.

    Every column is a layer, or where there are more layers than columns, the first of the layers it stands for.
    """
    rows = report.layers
    columns = min(width, len(rows))
    if columns < 2:
        return []
    picked = [rows[round(i * (len(rows) - 1) / (columns - 1))] for i in range(columns)]
    series = {
        "a": [phrases.activation_log10(row) for row in picked],
        "g": [phrases.gradient_log10(row) for row in picked],
    }
    known = [value for values in series.values() for value in values if value is not None]
    if not known:
        return []
    low, high = min(known), max(known)
    # Less than two decades of change must not look like much.
    margin = max(0.0, 2.0 - (high - low)) / 2
    low, high = low - margin, high + margin
    stretch = max(1, width // columns)
    grid = [[" "] * (columns * stretch) for _ in range(height)]
    for mark, values in series.items():
        for column, value in enumerate(values):
            if value is not None:
                line = height - 1 - round((value - low) / (high - low) * (height - 1))
                here = grid[line][column * stretch]
                grid[line][column * stretch] = mark if here == " " else "*"
    labels = {0: power(high), height - 1: power(low)}
    lines = [f"{labels.get(i, ''):>10} |{''.join(cells).rstrip()}" for i, cells in enumerate(grid)]
    axis = f"{'':>10} +{'-' * (columns * stretch)}"
    ends = f"{'layer':>10}  1{rows[-1].index!s:>{columns * stretch - 1}}"
    return [*lines, axis, ends]
