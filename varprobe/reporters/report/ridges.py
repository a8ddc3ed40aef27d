"""Histograms of layers above each other: on one axis for all of them, or each in units of its own root mean square."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from varprobe.formatting import percent
from varprobe.frozen import dataclass
from varprobe.report.estimates import typical_log10
from varprobe.report.records import Estimate, Histogram, LayerRow, Report
from varprobe.reporters.axes import HistogramAxis, find_histogram_axis, size_unit_log10
from varprobe.reporters.picture import ACTIVATION, GRADIENT, SMALL, THEORY, width_of, width_of_axes

# Histograms beside each other.
RIDGES = 9
# The tallest bar of a histogram, in the distance between two: spikes must not run into each other.
_TALLEST = 0.9
# In units of the layer's own root mean square.
_OWN = HistogramAxis(None, 5.0)
# The share of exact zeros from which on it is told.
_TOLD = 0.001


@dataclass(frozen=True)
class RidgeSide:
    """What is shown of every layer: its activations, or the gradient.

    Attributes:
        counts: bins and exact zeros of a histogram.
        second_moment: of a row.
        unit: log10 of the root mean square in whose units a report's histograms are.
        whose: that root mean square, in words.
    """

    heading: str
    colour: str
    counts: Callable[[Histogram], tuple[Sequence[int], int | None]]
    second_moment: Callable[[LayerRow], Estimate | None]
    unit: Callable[[Report], float]
    whose: str


SIDES = (
    RidgeSide(
        "activations",
        ACTIVATION,
        lambda histogram: (histogram.activation, histogram.activation_zeros),
        lambda row: row.activation.second_moment if row.activation else None,
        size_unit_log10,
        "the input's",
    ),
    RidgeSide(
        "gradient of z",
        GRADIENT,
        lambda histogram: (histogram.gradient, histogram.gradient_zeros),
        lambda row: row.gradient.second_moment if row.gradient else None,
        lambda _: 0.0,
        "the output gradient's",
    ),
)


def ridge_rows(report: Report, most: int = RIDGES) -> list[LayerRow]:
    """Dense layers whose histograms are shown: all of a few, else as many spread over the depth."""
    rows = [row for row in report.dense if row.histogram is not None]
    if len(rows) <= most:
        return rows
    return [rows[round(i * (len(rows) - 1) / (most - 1))] for i in range(most)]


def size_log10(report: Report, row: LayerRow, side: RidgeSide) -> float | None:
    """log10 of a layer's root mean square in a typical draw, in the side's units; None where it is exactly zero."""
    moment = typical_log10(side.second_moment(row))
    return None if moment is None else moment / 2 - side.unit(report)


def find_ridge_axis(shown: Sequence[tuple[Report, Sequence[LayerRow]]], side: RidgeSide) -> HistogramAxis:
    """One axis for the histograms of all these rows, of one report or of several."""
    return find_histogram_axis(size_log10(report, row, side) for report, rows in shown for row in rows)


def draw_ridges(
    axes: Axes,
    report: Report,
    rows: Sequence[LayerRow],
    side: RidgeSide,
    shared: HistogramAxis | None,
    colour: str | None = None,
) -> bool:
    """One histogram a layer, the first on top; heights are roots of the counts, so that a spike leaves the rest.

    Exact zeros are a bar of their own, as high as their share, which is told beside it. What lies beyond five of a
    layer's root mean squares, and is counted in the end bins, is left out: where it lies is not known.

    Arguments:
        shared: the axis of all layers; None for each in units of its own root mean square.
        colour: in place of the side's own.

    Returns:
        Whether there are exact zeros.
    """
    axis, colour = shared or _OWN, colour or side.colour
    told = False
    for place, row in enumerate(rows):
        base = len(rows) - 1 - place
        axes.plot([-axis.end, axis.end], [base, base], color=colour, linewidth=0.7, zorder=place)
        if row.histogram is None:
            continue
        counts, zeros = side.counts(row.histogram)
        size = 0.0 if shared is None else size_log10(report, row, side)
        if size is not None:
            edges = axis.place(np.array(row.histogram.edges)[1:-1], size)
            _draw_bins(axes, _without_zeros(row.histogram, counts, zeros or 0), edges, base, colour, place)
        share = (zeros or 0) / max(1, sum(counts))
        if share >= _TOLD:
            told = True
            axes.vlines(0, base, base + _TALLEST * share, color=THEORY, linewidth=3.0, zorder=len(rows) + place)
            axes.text(1.02, base, percent(share), transform=axes.get_yaxis_transform(), fontsize=SMALL, color=THEORY)
    _mark(axes, rows, axis)
    return told


def _without_zeros(histogram: Histogram, counts: Sequence[int], zeros: int) -> list[int]:
    """The counts between the end bins, without the exact zeros, which are in the bin that begins at 0."""
    kept = list(counts)
    if kept and zeros:
        kept[int(np.searchsorted(histogram.edges, 0.0, side="right")) - 1] -= zeros
    return kept[1:-1]


def _draw_bins(axes: Axes, counts: Sequence[int], edges: np.ndarray, base: int, colour: str, order: int) -> None:
    heights = np.sqrt(np.maximum(np.array(counts, float), 0.0))
    if heights.size and heights.max() > 0:
        line = base + _TALLEST * heights / heights.max()
        axes.stairs(line, edges, baseline=base, fill=True, color=colour, alpha=0.55, linewidth=0, zorder=order)
        axes.stairs(line, edges, baseline=base, color=colour, linewidth=0.9, zorder=order)


def _mark(axes: Axes, rows: Sequence[LayerRow], axis: HistogramAxis) -> None:
    axes.set_yticks(range(len(rows)), [str(row.index) for row in reversed(rows)])
    axes.set_ylim(-0.1, max(1, len(rows)))
    axes.set_xlim(-axis.end, axis.end)
    ticks = axis.ticks()
    room = width_of_axes(axes) / (2 * axis.end)  # inches of a unit
    axes.set_xticks([place for place, _ in ticks], _spaced(ticks, room), fontsize=SMALL)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _spaced(ticks: Sequence[tuple[float, str]], room: float) -> list[str]:
    """The words of ticks, without those that would lie over others; the ends and the middle come first."""
    ends = [place for place, words in ticks if words]
    kept: dict[float, float] = {}
    for place, words in sorted(ticks, key=lambda tick: (tick[0] not in (ends[0], 0.0, ends[-1]), -abs(tick[0]))):
        half = width_of(words, SMALL) / 2 + 0.03
        if all(abs(place - other) * room >= half + width for other, width in kept.items()):
            kept[place] = half
    return [words if place in kept else "" for place, words in ticks]
