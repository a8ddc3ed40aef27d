"""Comparison -> a picture: the networks' curves over each other, and their histograms side by side, all on one axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from varprobe.comparison import Comparison
from varprobe.formatting import printable
from varprobe.report.records import LayerRow, Report
from varprobe.reporters.axes import activation_typical, find_stable_band, gradient_typical, judged_rows
from varprobe.reporters.picture import (
    HEIGHT,
    MARKED,
    SMALL,
    WIDTH,
    WORDS,
    draw_grid,
    fit,
    log_values,
    mark_layers,
    mark_powers,
    width_of,
)
from varprobe.reporters.report.ridges import SIDES, draw_ridges, find_ridge_axis, ridge_rows
from varprobe.verdict.labels import Direction

# Of Okabe and Ito's palette, the darkest first; each with a line and a marker of its own.
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#56B4E9", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#000000", "linestyle": (0, (1, 1)), "marker": "x"},
)
# Histograms of a network, and inches: a line of the legend, the margins, what stands above the axes beside it,
# the foot, and between columns, where layers have their numbers and zeros their shares.
_RIDGES, _LINE, _LEFT, _RIGHT, _ABOVE, _FOOT, _GAP = 5, 0.24, 0.85, 0.6, 0.62, 0.72, 0.78
_CURVES: tuple[tuple[Direction, str, Callable[[LayerRow], float | None]], ...] = (
    (Direction.FORWARD, "activation variance, a typical draw", activation_typical),
    (Direction.BACKWARD, "gradient variance, a typical draw", gradient_typical),
)


def draw_comparison(comparison: Comparison, *, own_scale: bool = False) -> Figure:
    """Curves on top; below them a column of histograms a network, for the first six.

    Arguments:
        own_scale: histograms each in units of their own layer's root mean square, in place of one axis for all.
    """
    shown = [(report, ridge_rows(report, _RIDGES)) for report in comparison.reports[: len(_LOOKS)]]
    some = any(rows for _, rows in shown)
    drawn = Figure(figsize=(WIDTH, HEIGHT))
    outer = drawn.add_gridspec(2 if some else 1, 1, height_ratios=(1, 1.12) if some else (1,), hspace=0.36)
    top = outer[0].subgridspec(1, 2, wspace=0.08)
    left = drawn.add_subplot(top[0, 0])
    right = drawn.add_subplot(top[0, 1], sharey=left)
    for axes, (way, heading, log10) in zip((left, right), _CURVES, strict=True):
        _overlay(axes, comparison, way, log10)
        axes.set_title(heading, fontsize=WORDS)
    mark_powers(left, (log10(row) for report in comparison.reports for row in report.layers for *_, log10 in _CURVES))
    right.tick_params(axis="y", labelleft=False)
    lines = _legend(drawn, left, comparison)
    height = HEIGHT + _LINE * max(0, lines - 2)
    drawn.set_figheight(height)
    drawn.subplots_adjust(
        left=_LEFT / WIDTH,
        right=1 - _RIGHT / WIDTH,
        top=1 - (_ABOVE + _LINE * lines) / height,
        bottom=_FOOT / height,
    )
    if some:
        _draw_columns(
            drawn,
            outer[1].subgridspec(2, len(shown), wspace=_wspace(len(shown)), hspace=0.3),
            comparison,
            shown,
            own_scale,
        )
    return drawn


def _wspace(columns: int) -> float:
    """The room between columns as matplotlib wants it, as a share of a column's width."""
    return _GAP / ((WIDTH - _LEFT - _RIGHT - _GAP * (columns - 1)) / columns)


def _draw_columns(drawn: Figure, cells: Any, comparison: Comparison, shown: Any, own_scale: bool) -> None:
    """A column of histograms a network: activations above gradients, each on one axis for all networks."""
    told, room = False, (WIDTH - _LEFT - _RIGHT + _GAP) / len(shown) - 0.2
    for line, side in enumerate(SIDES):
        axis = None if own_scale else find_ridge_axis(shown, side)
        for place, (report, rows) in enumerate(shown):
            axes = drawn.add_subplot(cells[line, place])
            told |= draw_ridges(axes, report, rows, side, axis, _LOOKS[place]["color"])
            if line == 0:
                name = fit(printable(comparison.names[place]), room, size=WORDS)
                axes.set_title(name, fontsize=WORDS, color=_LOOKS[place]["color"])
            if place == 0:
                axes.set_ylabel(side.heading, fontsize=SMALL)
    units = "each layer's own" if own_scale else " and ".join(f"{side.whose} ({side.heading})" for side in SIDES)
    words = f"histograms of layers, the first on top, in units of {units} root mean square"
    words += "; dark bars: exact zeros" if told else ""
    drawn.text(_LEFT / WIDTH, 0.14 / drawn.get_figheight(), words, fontsize=SMALL)


def _legend(drawn: Figure, axes: Axes, comparison: Comparison) -> int:
    """The networks and their verdicts above everything, as many beside each other as fit; how many lines that takes."""
    verdicts = (report.verdict.overall for report in comparison.reports)
    words = [
        fit(printable(name), WIDTH - 3, size=WORDS, tail=f": {overall}")
        for name, overall in zip(comparison.names, verdicts, strict=True)
    ]
    widest = max(width_of(text, WORDS) for text in words) + 0.85
    columns = max(1, min(len(words), int((WIDTH - _LEFT - _RIGHT) / widest)))
    handles = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    look: dict[str, Any] = {"ncols": columns, "frameon": False, "fontsize": WORDS, "borderaxespad": 0.3}
    drawn.legend(handles, words, loc="upper left", bbox_to_anchor=(_LEFT / WIDTH - 0.01, 1.0), **look)
    return -(-len(words) // columns)


def _look(place: int) -> dict[str, Any]:
    """Colour, line and marker of a network; beyond the last colour, with the next one's line and marker."""
    rest = _LOOKS[(place + place // len(_LOOKS)) % len(_LOOKS)]
    return {**rest, "color": _LOOKS[place % len(_LOOKS)]["color"]}


def _overlay(axes: Axes, comparison: Comparison, way: Direction, log10: Callable[[LayerRow], float | None]) -> None:
    deepest = max(len(report.layers) for report in comparison.reports)
    for place, (name, report) in enumerate(zip(comparison.names, comparison.reports, strict=True)):
        look = _look(place)
        if deepest > MARKED:
            look["marker"] = ""
        rows = judged_rows(report) or report.layers
        depth, values = [row.index for row in rows], log_values(map(log10, rows))
        _draw_stable(axes, report, way, look["color"])
        axes.plot(depth, values, label=printable(name) or "?", linewidth=1.8, markersize=4.5, **look)
    mark_layers(axes, deepest)
    draw_grid(axes)


def _draw_stable(axes: Axes, report: Report, way: Direction, colour: str) -> None:
    """Where a network would be stable, from its own start on."""
    band = find_stable_band(report, way)
    if band is not None:
        axes.fill_between(band.layers, band.low, band.high, color=colour, alpha=0.07, linewidth=0, zorder=0.5)
