"""Sweep -> CSV and Markdown, a row a point."""

from __future__ import annotations

from typing import Any

from varprobe.reporters.sweep.words import counts_line, made_line, sweep_title, verdict_cells
from varprobe.reporters.text import csv_table, escape_markdown, markdown_table
from varprobe.reporters.verdict_phrases import DIRECTIONS
from varprobe.sweeps.records import Sweep, SweepPoint

_FIGURES = ("label", "total_log10", "error_log10", "rate", "rate_low", "rate_high", "depth_scale")
_THEORY = ("regime", "chi1", "xi_q", "xi_c", "xi_gradient", "trainable_depth")


def render_csv(sweep: Sweep) -> str:
    """A row a point; an empty cell where nothing is known."""
    return csv_table([_flatten(sweep, point) for point in sweep.points])


def _flatten(sweep: Sweep, point: SweepPoint) -> dict[str, Any]:
    row: dict[str, Any] = {axis.path: value for axis, value in zip(sweep.axes, point.values, strict=True)}
    row |= {"depth": point.depth, "overall": point.verdict and point.verdict.overall}
    for name in DIRECTIONS:
        direction = getattr(point.verdict, name, None)
        row |= {f"{name}.{figure}": getattr(direction, figure, None) for figure in _FIGURES}
    return (
        row | {f"theory.{name}": getattr(point.prediction, name, None) for name in _THEORY} | {"failure": point.failure}
    )


def render_markdown(sweep: Sweep) -> str:
    """A row a point, in words."""
    paths = (escape_markdown(axis.path) for axis in sweep.axes)
    rows = (
        map(
            escape_markdown,
            (*point.values, point.verdict.overall if point.verdict else point.failure, *verdict_cells(point)),
        )
        for point in sweep.points
    )
    head = f"# {escape_markdown(sweep_title(sweep))}", "", escape_markdown(made_line(sweep)), "", counts_line(sweep), ""
    headings = (*paths, "overall", "forward", "", "backward", "", "signal")
    return "\n".join([*head, *markdown_table(headings, map(list, rows))]) + "\n"
