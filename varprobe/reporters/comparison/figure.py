"""Comparison -> a picture: the networks' curves over each other, and their histograms side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from varprobe.comparison import Comparison
from varprobe.formatting import printable
from varprobe.report.records import LayerRow
from varprobe.reporters.picture import MARKED, fit, log_values, mark_layers, mark_powers, width_of
from varprobe.reporters.report.figure import draw_ridges, ridge_rows
from varprobe.reporters.report_phrases import activation_log10, gradient_log10

# Of Okabe and Ito's palette, the darkest first; each with a line and a marker of its own.
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#56B4E9", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#000000", "linestyle": (0, (1, 1)), "marker": "x"},
)
_LEGEND = 9.5


def draw_comparison(comparison: Comparison) -> Figure:
    """Curves on top; below them a column of histograms a network, for the first six."""
    count = len(comparison.reports)
    ridges = [ridge_rows(report)[:: 2 if count > 3 else 1] for report in comparison.reports[: len(_LOOKS)]]
    some = any(ridges)
    drawn = Figure(figsize=(9.0, 9.6 if some else 4.4))
    outer = drawn.add_gridspec(3 if some else 1, 1, height_ratios=(1.25, 1, 1) if some else (1,), hspace=0.46)
    top = outer[0].subgridspec(1, 2, wspace=0.22)
    left, right = drawn.add_subplot(top[0, 0]), drawn.add_subplot(top[0, 1])
    _overlay(left, comparison, activation_log10, "activation variance")
    _overlay(right, comparison, gradient_log10, "gradient variance")
    lines = _legend(drawn, left, comparison)
    height = drawn.get_figheight() + 0.2 * (lines - 1)
    drawn.set_figheight(height)
    drawn.subplots_adjust(left=0.1, right=0.97, top=1 - (0.62 + 0.2 * lines) / height, bottom=0.55 / height)
    if not some:
        return drawn
    sides: tuple[tuple[str, Callable[[LayerRow], Any]], ...] = (
        ("activations", lambda row: row.histogram.activation if row.histogram else ()),
        ("gradients of z", lambda row: row.histogram.gradient if row.histogram else ()),
    )
    for line, (word, counts) in enumerate(sides, 1):
        columns = outer[line].subgridspec(1, len(ridges), wspace=0.25)
        for place, rows in enumerate(ridges):
            axes = drawn.add_subplot(columns[0, place])
            draw_ridges(axes, rows, counts, _LOOKS[place]["color"])
            axes.set_xlabel("root mean squares" if line == 2 else "", fontsize=9.5 if len(ridges) <= 3 else 7.5)
            name = fit(printable(comparison.names[place]), 7.2 / len(ridges), size=9)
            axes.set_title(f"{name}\n{word}", fontsize=9, linespacing=1.1)
            if len(ridges) > 3:
                axes.set_xticks((-4, 0, 4))
    return drawn


def _legend(drawn: Figure, axes: Axes, comparison: Comparison) -> int:
    """The networks and their verdicts above everything, as many beside each other as fit; how many lines that takes."""
    verdicts = (report.verdict.overall for report in comparison.reports)
    words = [
        fit(printable(name), 7.4, size=_LEGEND, tail=f": {overall}")
        for name, overall in zip(comparison.names, verdicts, strict=True)
    ]
    widest = max(width_of(text, _LEGEND) for text in words) + 0.75
    columns = max(1, min(len(words), int(8.4 / widest)))
    look: dict[str, Any] = {"ncols": columns, "frameon": False, "fontsize": _LEGEND, "bbox_to_anchor": (0.06, 1.0)}
    drawn.legend(list(axes.lines), words, loc="upper left", **look)
    return -(-len(words) // columns)


def _look(place: int) -> dict[str, Any]:
    """Colour, line and marker of a network; beyond the last colour, with the next one's line and marker."""
    rest = _LOOKS[(place + place // len(_LOOKS)) % len(_LOOKS)]
    return {**rest, "color": _LOOKS[place % len(_LOOKS)]["color"]}


def _overlay(axes: Axes, comparison: Comparison, log10: Callable[[LayerRow], float | None], heading: str) -> None:
    deepest = max(len(report.layers) for report in comparison.reports)
    for place, (name, report) in enumerate(zip(comparison.names, comparison.reports, strict=True)):
        look = _look(place)
        if deepest > MARKED:
            look["marker"] = ""
        depth = [row.index for row in report.layers]
        values = log_values(map(log10, report.layers))
        axes.plot(depth, values, label=printable(name), linewidth=1.6, markersize=4, **look)
    axes.set_title(heading, fontsize=10.5)
    mark_layers(axes, deepest)
    mark_powers(axes)
