"""Report -> a picture: variances of outputs and of the gradients there over depth, with theory, and histograms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from varprobe.formatting import count, power, printable
from varprobe.frozen import dataclass
from varprobe.report.records import Estimate, LayerRow, Report
from varprobe.reporters.axes import activation_typical, find_stable_band, find_y_range, gradient_typical, judged_rows
from varprobe.reporters.picture import (
    ACTIVATION,
    GRADIENT,
    HEADING,
    HEIGHT,
    MARKED,
    SMALL,
    THEORY,
    WIDTH,
    WORDS,
    Values,
    draw_grid,
    fit,
    log_values,
    mark_layers,
    mark_powers,
    width_of,
)
from varprobe.reporters.report.notes import note_trouble
from varprobe.reporters.report.ridges import SIDES, draw_ridges, find_ridge_axis, ridge_rows
from varprobe.reporters.report_phrases import is_predicted, size_words, whose_variance
from varprobe.verdict.labels import Direction
from varprobe.verdict.records import DirectionVerdict

_HEADER: tuple[dict[str, Any], ...] = (
    {"fontsize": HEADING, "fontweight": "bold"},
    {"fontsize": WORDS},
    {"fontsize": SMALL},
)
_BAND = "stable: within a factor 100"
# Inches above the axes; where they begin and end.
_HEAD, _FOOT, _LEFT, _RIGHT = 1.5, 0.78, 0.85, 0.6


@dataclass(frozen=True)
class _Curve:
    """What is drawn of a direction."""

    way: Direction
    name: str
    colour: str
    typical: Callable[[LayerRow], float | None]
    measured: Callable[[LayerRow], Estimate | None]
    theory: Callable[[LayerRow], float | None]
    look: dict[str, Any]


_CURVES = (
    _Curve(
        Direction.FORWARD,
        "activation variance",
        ACTIVATION,
        activation_typical,
        lambda row: row.activation.variance if row.activation else None,
        lambda row: row.predicted.log10_activation_variance,
        {"marker": "o", "linestyle": "-"},
    ),
    _Curve(
        Direction.BACKWARD,
        "gradient variance",
        GRADIENT,
        gradient_typical,
        lambda row: row.activation_gradient.variance if row.activation_gradient else None,
        lambda row: row.predicted.log10_activation_gradient_second_moment,
        {"marker": "<", "linestyle": "--", "markerfacecolor": "white"},
    ),
)


def draw_report(report: Report, *, header: bool = True, own_scale: bool = False) -> Figure:
    """The picture, to be saved or shown.

    Arguments:
        header: with name and verdict; without where the words stand beside it.
        own_scale: histograms each in units of their own layer's root mean square, in place of one axis for all.
    """
    rows = ridge_rows(report)
    head = _HEAD if header else 0.6
    height = HEIGHT + head - _HEAD
    left = _LEFT + max(0.0, width_of(power(find_y_range(_shown_logs(report))[0]), 11) - 0.5)
    drawn = Figure(figsize=(WIDTH, height))
    drawn.subplots_adjust(left=left / WIDTH, right=1 - _RIGHT / WIDTH, top=1 - head / height, bottom=_FOOT / height)
    if header:
        for inches, text, style in zip((0.36, 0.66, 0.92), _header(report), _HEADER, strict=True):
            drawn.text(left / WIDTH, 1 - inches / height, text, **style)
    if not rows:
        draw_variances(drawn.subplots(), report)
        return drawn
    grid = drawn.add_gridspec(1, 2, width_ratios=(1.3, 1), wspace=0.14)
    draw_variances(drawn.add_subplot(grid[0]), report)
    columns = grid[1].subgridspec(1, 2, wspace=0.46)
    for place, side in enumerate(SIDES):
        axes, whose = drawn.add_subplot(columns[place]), "the layer's" if own_scale else side.whose
        shared = None if own_scale else find_ridge_axis([(report, rows)], side)
        if draw_ridges(axes, report, rows, side, shared):
            axes.text(1.02, 1.02, "zeros", fontsize=SMALL, color=THEORY, transform=axes.transAxes)
        axes.set_title(side.heading, fontsize=WORDS, color=side.colour, loc="left")
        axes.set_xlabel(f"in units of {whose}\nroot mean square", fontsize=SMALL)
    drawn.axes[1].set_ylabel("histograms by layer (height: root of the count)", fontsize=SMALL)
    return drawn


def _header(report: Report) -> tuple[str, str, str]:
    verdict = report.verdict

    def said(name: str, direction: DirectionVerdict) -> str:
        total = "" if direction.total_log10 is None else f" x {power(direction.total_log10)}"
        return f"{name} {direction.label}{total}"

    whose = "by theory" if is_predicted(report) else "in a typical draw"
    both = f"{said('forward', verdict.forward)}, {said('backward', verdict.backward)} {whose}"
    made = "theory at large width" if is_predicted(report) else count(report.settings.trials, "trial")
    if report.settings.trials > 1 and not is_predicted(report):
        made += "; lines: a typical draw, shades around them: the middle 90 % of the draws"
    if len(judged_rows(report)) < len(report.layers):
        made += "; dots: layers that are not judged"
    room, style = WIDTH - _LEFT - _RIGHT, _HEADER[0]
    name = fit(printable(report.name), room, size=style["fontsize"], bold=True, tail=f": {size_words(report)}")
    return name, f"{verdict.overall}: {both}", f"{said('signal', verdict.signal)}; {made}"


def draw_variances(axes: Axes, report: Report, *, columns: int = 3) -> None:
    """Both variances over depth, with theory, what the verdict calls stable, and the layers where trouble begins.

    Arguments:
        columns: of the legend.
    """
    judged, is_measured = judged_rows(report), not is_predicted(report)
    shown = judged or list(report.layers)
    marked = {"markersize": 5.5, "markeredgewidth": 1.2} if len(shown) <= MARKED else {"marker": ""}
    for curve in _CURVES:
        _draw_stable(axes, report, curve)
    for curve in _CURVES:
        if is_measured:
            _draw_spread(axes, shown, curve)
        if len(shown) < len(report.layers):  # what the verdict does not judge, fainter
            rest = {
                "marker": ".",
                "markersize": 7 if len(report.layers) <= MARKED else 4,
                "markeredgewidth": 0,
                "linestyle": "",
                "alpha": 0.6,
            }
            _plot(axes, report.layers, curve.typical, color=curve.colour, **rest)
        name = curve.name if is_measured else f"theory: {curve.name}"
        _plot(axes, shown, curve.typical, color=curve.colour, linewidth=2.0, label=name, **{**curve.look, **marked})
    if is_measured:
        _draw_theory(axes, shown)
    _draw_joints(axes, report.layers)
    mark_layers(axes, len(report.layers))
    axes.set_ylabel(f"variance, {whose_variance(report)} (log scale)")
    mark_powers(axes, _shown_logs(report))
    _mark_ways(axes)
    draw_grid(axes)
    note_trouble(axes, report)
    handles, _ = axes.get_legend_handles_labels()
    # By columns: curves, what they are held to, marks at the foot.
    curves = 3 if any(handle.get_label() == "theory" for handle in handles) else 2
    handles.insert(curves, Patch(color="#999999", alpha=0.3, linewidth=0, label=_BAND))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=2.2,
        columnspacing=1.2,
        borderaxespad=0.1,
    )


def _plot(axes: Axes, rows: Sequence[LayerRow], log10: Callable[[LayerRow], float | None], **look: Any) -> None:
    axes.plot([row.index for row in rows], log_values(map(log10, rows)), **look)


def _draw_stable(axes: Axes, report: Report, curve: _Curve) -> None:
    """What the verdict calls stable, from the curve's start on, in its colour."""
    band = find_stable_band(report, curve.way)
    if band is None:
        return
    look: dict[str, Any] = {"color": curve.colour, "alpha": 0.1, "linewidth": 0, "zorder": 0.5}
    # A single layer is as wide as its place on the axis.
    first, last = band.layers[0] - 0.5, band.layers[-1] + 0.5
    layers = [first, *band.layers, last]
    low, high = ([ends[0], *ends, ends[-1]] for ends in (band.low, band.high))
    axes.fill_between(layers, low, high, **look)
    for edge in (low, high):
        axes.plot(layers, edge, color=curve.colour, linewidth=0.7, alpha=0.5, zorder=0.6)


def _draw_spread(axes: Axes, rows: Sequence[LayerRow], curve: _Curve) -> None:
    """From the 5th to the 95th per cent of the trials."""
    layers, low, high = _spread(rows, curve)
    axes.fill_between(layers, low, high, color=curve.colour, alpha=0.25, linewidth=0)


def _spread(rows: Sequence[LayerRow], curve: _Curve) -> tuple[Values, Values, Values]:
    """Layers, and between which log10 values the middle 90 % of the trials lie there; empty with a single trial."""
    estimates = [curve.measured(row) for row in rows]
    most = max((len(estimate.trials) for estimate in estimates if estimate), default=0)
    table = np.full((len(estimates), most), math.nan)
    for place, estimate in enumerate(estimates):
        if estimate is not None:
            table[place, : len(estimate.trials)] = log_values(estimate.trials)
    usable = np.isfinite(table).any(axis=1) & (most > 1)
    if not usable.any():
        return np.empty(0), np.empty(0), np.empty(0)
    low, high = np.nanpercentile(table[usable], (5, 95), axis=1)
    return np.array([row.index for row in rows])[usable], low, high


def _shown_logs(report: Report) -> Iterator[float | None]:
    """All log10 values that the picture of the variances must hold: curves, their spread, what is stable."""
    rows = judged_rows(report)
    for curve in _CURVES:
        yield from map(curve.typical, report.layers)
        yield from (end for ends in _spread(rows, curve)[1:] for end in ends.tolist())
        band = find_stable_band(report, curve.way)
        yield from () if band is None else (*band.low, *band.high)


def _draw_theory(axes: Axes, rows: Sequence[LayerRow]) -> None:
    label: str | None = "theory"
    for curve in _CURVES:
        if any(curve.theory(row) is not None for row in rows):
            _plot(axes, rows, curve.theory, color=THEORY, linewidth=1.2, linestyle=":", label=label, zorder=3)
            label = None


def _draw_joints(axes: Axes, rows: Sequence[LayerRow]) -> None:
    """Norms and residual joins, marked at the foot."""
    for kind, marker, name in (("norm", "|", "norm"), ("residual", "^", "residual join")):
        places = [row.index for row in rows if row.kind == kind]
        if places:
            foot = np.full(len(places), 0.02)
            size = 7 if len(places) <= MARKED else 3
            where = axes.get_xaxis_transform()
            axes.plot(places, foot, marker, color="#555555", markersize=size, label=name, transform=where)


def _mark_ways(axes: Axes) -> None:
    """Arrows beside the name of the axis: activations go from left to right, the gradient from right to left."""
    middle = axes.xaxis.label
    for name, start, stop, side, colour in (
        ("activations", 0.0, 0.36, "left", ACTIVATION),
        ("gradient", 1.0, 0.64, "right", GRADIENT),
    ):
        axes.annotate(
            name,
            xy=(stop, 0.5),
            xytext=(start, 0.5),
            xycoords=("axes fraction", middle),
            ha=side,
            va="center",
            color=colour,
            fontsize=SMALL,
            arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.6, "shrinkA": 3},
            annotation_clip=False,
        )
