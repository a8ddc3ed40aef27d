"""Comparison -> the terminal: a table of the networks, and what changed."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.comparison import Comparison
from varprobe.formatting import printable
from varprobe.reporters.comparison.changes import change_lines, verdict_cells


def print_comparison(comparison: Comparison, console: Console) -> None:
    """A row a network: its verdict, and label, rate and total in each direction; below what changed."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", min_width=8)
    for heading in ("", "", "rate", "over the depth"):
        table.add_column(heading, no_wrap=True)
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        first = Text(printable(name), style="bold"), Text(report.verdict.overall), Text()
        for shown, (what, label, rate, total) in zip(first, verdict_cells(report), strict=True):
            table.add_row(shown, Text(what), Text(label), rate, total)
    console.print(table)
    lines = change_lines(comparison)
    if lines:
        console.print()
        console.print(Text("\n".join(lines)))
