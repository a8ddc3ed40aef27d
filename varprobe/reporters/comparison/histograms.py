"""Comparison -> histograms in absolute units, a line per layer, as in Glorot and Bengio (2010), figures 6 and 7."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from varprobe.comparison import Comparison
from varprobe.formatting import printable
from varprobe.report.records import Estimate, LayerRow
from varprobe.reporters.report.ridges import ridge_rows

_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
# Where the axis ends, in root mean squares of the widest layer.
_REACH = 3.0


def draw_histograms(comparison: Comparison) -> Figure:
    """A column per network, activations above gradients: the density of values by layer."""
    drawn = Figure(figsize=(9.0, 6.4))
    drawn.subplots_adjust(left=0.09, right=0.97, top=0.93, bottom=0.09, hspace=0.38, wspace=0.22)
    axes = drawn.subplots(2, len(comparison.reports), squeeze=False)
    for column, (name, report) in enumerate(zip(comparison.names, comparison.reports, strict=True)):
        rows = ridge_rows(report)
        _densities(axes[0, column], rows, _activation, f"{printable(name)}: activations")
        _densities(axes[1, column], rows, _gradient, f"{printable(name)}: gradients")
    axes[0, 0].legend(frameon=False, fontsize=9)
    for line in axes[:, 0]:
        line.set_ylabel("density")
    return drawn


Part = Callable[[LayerRow], tuple[Estimate | None, Sequence[int]]]


def _activation(row: LayerRow) -> tuple[Estimate | None, Sequence[int]]:
    return (row.activation.second_moment if row.activation else None), row.histogram.activation if row.histogram else ()


def _gradient(row: LayerRow) -> tuple[Estimate | None, Sequence[int]]:
    return (row.gradient.second_moment if row.gradient else None), row.histogram.gradient if row.histogram else ()


def _densities(axes: Axes, rows: Sequence[LayerRow], part: Part, heading: str) -> None:
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, max(len(rows), 1)))
    widest = 0.0
    for place, row in enumerate(rows):
        moment, counts = part(row)
        total = sum(counts)
        if row.histogram is None or moment is None or moment.log10_mean is None or not total:
            continue
        root = 10 ** (moment.log10_mean / 2)
        edges = np.array(row.histogram.edges)[1:-1] * root  # the end bins hold what lies beyond
        density = np.array(counts[1:-1]) / total / np.diff(edges)
        widest = max(widest, root)
        style = _STYLES[place % len(_STYLES)]
        label = f"layer {row.index}"
        axes.stairs(density, edges, color=colours[place], linestyle=style, linewidth=1.5, label=label, baseline=None)
    if widest:
        axes.set_xlim(-_REACH * widest, _REACH * widest)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("value")
    axes.set_title(heading, fontsize=10.5)
