"""Comparison -> CSV and Markdown, a row a network."""

from __future__ import annotations

from varprobe.comparison import Comparison
from varprobe.reporters.comparison.changes import change_lines, verdict_cells
from varprobe.reporters.text import csv_table, escape_markdown, markdown_table
from varprobe.reporters.verdict_phrases import DIRECTIONS
from varprobe.results.comparison import network_figures


def render_csv(comparison: Comparison) -> str:
    """A row a network."""
    return csv_table(network_figures(comparison))


def render_markdown(comparison: Comparison) -> str:
    """A table of the networks and the changes."""
    rows = []
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        cells = [f"{label} {total}" if total != "-" else label for _, label, _, total in verdict_cells(report)]
        rows.append([escape_markdown(cell) for cell in (name, report.verdict.overall, *cells)])
    lines = markdown_table(("network", "overall", *DIRECTIONS), rows)
    return "\n".join([*lines, "", *change_lines(comparison)]).rstrip() + "\n"
