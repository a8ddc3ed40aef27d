"""The table by layer: measured values beside theory, or theory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from varprobe.formatting import number
from varprobe.report.records import LayerRow, Predicted, Report
from varprobe.reporters import report_phrases as phrases

# Rows of the table up to which nothing is folded, and how many then stay at each end.
FULL_TABLE, KEPT_ENDS = 24, 4
BAR_WIDTH = 12
# Columns from which there is room for bars beside theory.
WIDE = 106
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAD = "bold red"


def measured_table(report: Report, width: int, *, every_row: bool, ascii_only: bool) -> Table:
    """Both variances, each with theory and how far it lies from it; bars in a wide terminal."""
    bars = BAR_WIDTH if width >= WIDE else 0
    table = _table(report)
    for heading in (" activation\n variance", " gradient\n variance"):
        table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("\n theory", justify="right", no_wrap=True)
        table.add_column(" se\n off", justify="right", no_wrap=True)
        if bars:
            table.add_column("", width=bars + 1, no_wrap=True)
    table.add_column("", no_wrap=True)
    activation_bar = _bars([phrases.activation_log10(row) for row in report.layers], ascii_only=ascii_only)
    gradient_bar = _bars([phrases.gradient_log10(row) for row in report.layers], ascii_only=ascii_only)
    for row, mark in shown_rows(report, every_row=every_row):
        if isinstance(row, int):
            _fold(table, row)
            continue
        cells = [*phrases.activation_cells(row), *([activation_bar(phrases.activation_log10(row))] if bars else [])]
        cells += [*phrases.gradient_cells(row), *([gradient_bar(phrases.gradient_log10(row))] if bars else [])]
        table.add_row(*_place(row), *(f" {cell}" for cell in cells), Text(f" {mark}", style=_BAD))
    return table


def predicted_table(report: Report, *, every_row: bool) -> Table:
    """Two lines a layer: z (in other rows the input) and a (the output)."""
    table = _table(report)
    table.add_column("", no_wrap=True)
    for heading in (" second\n moment", "\n mean", "\n variance", " sample\n variance", "\n gradient", "\n chi1"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row, mark in shown_rows(report, every_row=every_row):
        if isinstance(row, int):
            _fold(table, row)
            continue
        theory = row.predicted
        above, below = ("z", "a") if row.is_dense else ("in", "out")
        pairs = zip((above, *_signal(theory)), (below, *_output(theory)), strict=True)
        cells = (f" {first}\n {second}" for first, second in pairs)
        table.add_row(*_place(row), *cells, f" {number(theory.chi1)}", Text(f" {mark}", style=_BAD))
    return table


def _signal(theory: Predicted) -> tuple[str, ...]:
    return (
        phrases.theory_value(theory.second_moment, theory.log10_second_moment),
        number(theory.mean),
        number(theory.variance),
        number(theory.sample_variance),
        phrases.theory_value(theory.gradient_second_moment, theory.log10_gradient_second_moment),
    )


def _output(theory: Predicted) -> tuple[str, ...]:
    return (
        number(theory.activation_second_moment),
        number(theory.activation_mean),
        phrases.theory_value(theory.activation_variance, theory.log10_activation_variance),
        number(theory.activation_sample_variance),
        number(theory.activation_gradient_second_moment),
    )


def _table(report: Report) -> Table:
    """The first columns; every cell begins with the space between columns, which is quicker than padding."""
    table = Table(box=None, padding=0, header_style="bold")
    table.add_column("\n#", justify="right", no_wrap=True, min_width=len(str(len(report.layers))))
    table.add_column("\n layer", max_width=13, no_wrap=True, overflow="ellipsis")
    table.add_column("\n width", justify="right", no_wrap=True)
    return table


def _place(row: LayerRow) -> tuple[str, Text, str]:
    return str(row.index), Text(f" {phrases.row_label(row)}"), f" {row.fan_out:,}"


def _fold(table: Table, left_out: int) -> None:
    table.add_row("", Text(f" ... {left_out:,} more", style="dim"))


def shown_rows(report: Report, *, every_row: bool) -> Iterator[tuple[LayerRow | int, str]]:
    """The rows to print with their marks, and numbers of rows left out in their place."""
    rows, marked = report.layers, phrases.marks(report)
    near = {index + offset for index in marked for offset in (-1, 0, 1)}
    last = 0
    for position, row in enumerate(rows):
        at_end = position < KEPT_ENDS or position >= len(rows) - KEPT_ENDS
        if every_row or len(rows) <= FULL_TABLE or at_end or row.index in near:
            if position > last:
                yield position - last, ""
            yield row, marked.get(row.index, "")
            last = position + 1


def _bars(values: Sequence[float | None], *, ascii_only: bool) -> Callable[[float | None], str]:
    """A function from a log10 to its bar; the scale is logarithmic and common to a column."""
    logs = [value for value in values if value is not None]
    high = max(logs, default=0.0)
    # At least three decades, so that a stable network shows bars that look alike.
    low = min(min(logs, default=0.0), high - 3)

    def bar(value: float | None) -> str:
        if value is None:
            return ""
        share = (value - low) / (high - low)
        eighths = max(1, round(share * BAR_WIDTH * 8))
        if ascii_only:
            return "#" * max(1, eighths // 8)
        whole, rest = divmod(eighths, 8)
        return "█" * whole + (_EIGHTHS[rest] if rest else "")

    return bar
