"""Comparison -> the terminal: a table of the networks, which of them are stable, and what changed."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.comparison import Comparison
from varprobe.formatting import printable
from varprobe.reporters.comparison.changes import change_lines, verdict_cells
from varprobe.reporters.report.terminal import BAD, STYLES, put
from varprobe.reporters.text import wrap
from varprobe.reporters.verdict_phrases import SUBJECTS
from varprobe.verdict.labels import Label


def print_comparison(comparison: Comparison, console: Console) -> None:
    """A row a network: label and change over the depth each way; below the networks by verdict, and what changed."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", min_width=8)
    for what in SUBJECTS.values():
        table.add_column(what, no_wrap=True)
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        forward, backward, signal = verdict_cells(report)
        changes = (f"{label} {total}".removesuffix(" -") for _, label, _, total in (forward, backward))
        table.add_row(Text(printable(name)), *changes, signal[1])
    console.print(table)
    console.print()
    lines = "\n".join(change_lines(comparison)).splitlines()
    for line in lines:
        lead = " " * (len(line) - len(line.lstrip()))
        for part in wrap(line.strip(), console.width - len(lead), "    "):
            console.print(Text(lead + part), soft_wrap=True)
    if lines:
        console.print()
    found: dict[str, list[str]] = {label: [] for label in Label}
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        found.setdefault(report.verdict.overall, []).append(printable(name))
    for label, names in found.items():
        if names:
            put(console, f"{label}: {'; '.join(names)}", style=STYLES.get(Label(label), BAD))
