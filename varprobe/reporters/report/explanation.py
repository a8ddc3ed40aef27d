"""The bookkeeping of theory, written out for a class: a line per layer in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.formatting import number
from varprobe.report.records import LayerRow, Report
from varprobe.reporters.report.folding import Fold, fold_rows
from varprobe.reporters.report_phrases import row_label

_FORWARD = (
    "forward, from the input on: E[z^2] = fan_in Var(W) E[a^2] + rest",
    "z = W a + b; a is the input, or phi(z) of the layer before; rest is what biases and weights with a mean add.",
    ("fan_in", "Var(W)", "E[a^2]", "product", "rest", "E[z^2]"),
)
_BACKWARD = (
    "backward, from the output on: E[g_in^2] = fan_out Var(W) E[phi'^2] E[g_out^2]",
    "g_out and g_in are the gradients at the output and the input of a layer; at the end of the network E[g^2] is 1.",
    ("fan_out", "Var(W)", "E[phi'^2]", "factor", "E[g_out^2]", "E[g_in^2]"),
)
# A rest below this share of the result is rounding.
_ROUNDING = 1e-12
Cells = tuple[str, ...]


def print_explanation(report: Report, console: Console, *, every_row: bool = False) -> None:
    """Prints the formula and a line per layer, for both directions."""
    for (formula, words, headings), lines in ((_FORWARD, _forward(report)), (_BACKWARD, _backward(report))):
        console.print(Text(formula, style="bold"))
        console.print(Text(words))
        console.print()
        shown = list(fold_rows(report, every_row=every_row))
        console.print(_table(headings, lines, shown if headings is _FORWARD[2] else shown[::-1]))
        console.print()


def _table(headings: Sequence[str], lines: Mapping[int, Cells], rows: Sequence[LayerRow | Fold]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("layer", max_width=12, no_wrap=True, overflow="ellipsis")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if isinstance(row, Fold):
            table.add_row("", Text(f"... {row.layers:,} more", style="dim"))
        else:
            table.add_row(str(row.index), Text(row_label(row)), *lines[row.index])
    return table


def _forward(report: Report) -> dict[int, Cells]:
    feed = report.prediction.input_second_moment if report.prediction else None
    lines: dict[int, Cells] = {}
    for row in report.layers:
        theory = row.predicted
        if row.is_dense:
            lines[row.index] = _map_forward(row, feed)
        else:
            lines[row.index] = ("", "", number(feed), "", "", number(theory.activation_second_moment))
        feed = theory.activation_second_moment
    return lines


def _map_forward(row: LayerRow, feed: float | None) -> Cells:
    variance, result = _variance(row), row.predicted.second_moment
    product = None if variance is None or feed is None else row.fan_in * variance * feed
    rest = None if product is None or result is None else result - product
    if rest is not None and result is not None and abs(rest) < _ROUNDING * result:
        rest = 0.0
    return f"{row.fan_in:,}", *(number(value) for value in (variance, feed, product, rest, result))


def _backward(report: Report) -> dict[int, Cells]:
    lines: dict[int, Cells] = {}
    for row in report.layers:
        behind, before = row.predicted.activation_gradient_second_moment, row.predicted.gradient_second_moment
        if not row.is_dense:
            lines[row.index] = ("", "", "", "", number(behind), number(before))
            continue
        variance = _variance(row)
        bend = before / behind if before is not None and behind else None
        factor = None if variance is None or bend is None else row.fan_out * variance * bend
        result = None if factor is None or behind is None else factor * behind
        lines[row.index] = f"{row.fan_out:,}", *(number(value) for value in (variance, bend, factor, behind, result))
    return lines


def _variance(row: LayerRow) -> float | None:
    std = None if row.weights is None else row.weights.expected_std
    return None if std is None else std * std
