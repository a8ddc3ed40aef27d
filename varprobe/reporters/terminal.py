"""Report -> the terminal: a header, a table by layer, a curve and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from varprobe.report.records import Estimate, LayerRow, Report
from varprobe.reporters.curve import curve
from varprobe.reporters.wordlist import (
    direction_figures,
    estimate,
    expectation_lines,
    finding_counts,
    finding_head,
    made_with,
    marks,
    row_label,
    title,
)

# Rows of the table up to which nothing is folded, and how many then stay at each end.
FULL_TABLE, KEPT_ENDS = 24, 4
BAR_WIDTH = 12
# Columns below which there is no room for bars.
NARROW = 76
_EIGHTHS = " ▏▎▍▌▋▊▉█"
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
    bars = console.width >= NARROW
    console.print(_table(report, every_row=every_row, ascii_only=console.options.ascii_only, bars=bars))
    lines = curve(report)
    if lines:
        console.print()
        console.print(Text("variance over depth (log scale): a activation, g gradient, * both"))
        console.print(Text("\n".join(lines)), soft_wrap=True)
    console.print()
    console.print(_verdict(report))


def _table(report: Report, *, every_row: bool, ascii_only: bool, bars: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True, min_width=len(str(len(report.layers))))
    table.add_column("layer", max_width=12, no_wrap=True, overflow="ellipsis")
    table.add_column("width", justify="right", no_wrap=True)
    table.add_column("activation var.", justify="right", no_wrap=True)
    table.add_column("", width=BAR_WIDTH if bars else 0, no_wrap=True)
    table.add_column("gradient var.", justify="right", no_wrap=True)
    table.add_column("", width=BAR_WIDTH if bars else 0, no_wrap=True)
    table.add_column("", no_wrap=True)
    activation_bar = _bars([row.activation.variance for row in report.layers], ascii_only=ascii_only)
    gradient_bar = _bars([row.gradient.variance for row in report.layers], ascii_only=ascii_only)
    marked = marks(report)
    for row in _shown(report, marked, every_row=every_row):
        if isinstance(row, int):
            table.add_row("", Text(f"... {row:,} more", style="dim"), "", "", "", "", "", "")
            continue
        table.add_row(
            str(row.index),
            Text(row_label(row)),
            f"{row.fan_out:,}",
            estimate(row.activation.variance),
            activation_bar(row.activation.variance) if bars else "",
            estimate(row.gradient.variance),
            gradient_bar(row.gradient.variance) if bars else "",
            Text(marked.get(row.index, ""), style=_BAD),
        )
    return table


def _shown(report: Report, marked: dict[int, str], *, every_row: bool) -> Iterator[LayerRow | int]:
    """The rows to print, and numbers of rows left out in their place."""
    rows = report.layers
    if every_row or len(rows) <= FULL_TABLE:
        yield from rows
        return
    near = {index + offset for index in marked for offset in (-1, 0, 1)}
    last = 0
    for position, row in enumerate(rows):
        at_end = position < KEPT_ENDS or position >= len(rows) - KEPT_ENDS
        if at_end or row.index in near:
            if position > last:
                yield position - last
            yield row
            last = position + 1


def _bars(estimates: Sequence[Estimate | None], *, ascii_only: bool) -> Callable[[Estimate | None], str]:
    """A function from an estimate to its bar; the scale is logarithmic and common to a column."""
    logs = [value.log10_mean for value in estimates if value and value.log10_mean is not None]
    high = max(logs, default=0.0)
    # At least three decades, so that a stable network shows bars that look alike.
    low = min(min(logs, default=0.0), high - 3)

    def bar(value: Estimate | None) -> str:
        if value is None or value.log10_mean is None:
            return ""
        share = (value.log10_mean - low) / (high - low)
        eighths = max(1, round(share * BAR_WIDTH * 8))
        if ascii_only:
            return "#" * max(1, eighths // 8)
        whole, rest = divmod(eighths, 8)
        return "█" * whole + (_EIGHTHS[rest] if rest else "")

    return bar


def _verdict(report: Report) -> Panel:
    verdict = report.verdict
    parts: list[RenderableType] = [_directions(report)]
    for finding in verdict.findings:
        style = {"error": _BAD, "warning": "bold yellow"}.get(finding.severity, "bold")
        parts += [Text(), Text(finding_head(finding), style=style), Text(finding.message)]
        if finding.remedy:
            parts.append(Text(f"-> {finding.remedy}"))
    lines = expectation_lines(report)
    if lines:
        parts += [Text(), *(Text(line) for line in lines)]
    heading = Text(f"{verdict.overall} ({finding_counts(report)})", style=_STYLES.get(verdict.overall, _BAD))
    return Panel(Group(*parts), title=heading, title_align="left")


def _directions(report: Report) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in ("", "", "rate per layer (95 %)", "over the depth", "e-fold in"):
        table.add_column(column, no_wrap=True)
    for name in ("forward", "backward", "signal"):
        direction = getattr(report.verdict, name)
        label = Text(direction.label, style=_STYLES.get(direction.label, _BAD))
        table.add_row(name, label, *direction_figures(direction))
    return table
