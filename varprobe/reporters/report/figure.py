"""Report -> a picture: variances of outputs and of the gradients there over depth, with theory, and histograms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from varprobe.formatting import count, power, printable
from varprobe.report.records import Estimate, LayerRow, Report
from varprobe.reporters.picture import (
    ACTIVATION,
    GRADIENT,
    MARKED,
    THEORY,
    Values,
    draw_grid,
    fit,
    log_values,
    mark_layers,
    mark_powers,
)
from varprobe.reporters.report_phrases import activation_log10, gradient_log10, is_predicted, size_words
from varprobe.verdict.records import DirectionVerdict, Finding

# The tallest bar of a histogram, in the distance between two: spikes must not run into each other.
_TALLEST = 0.9
# Histograms beside each other.
_RIDGES = 9
_HEADER: tuple[dict[str, Any], ...] = ({"fontsize": 13, "fontweight": "bold"}, {"fontsize": 10.5}, {"fontsize": 9.5})
# Inches above the axes; where they begin and end, as shares of the width.
_HEAD = 1.12
_WIDTH, _LEFT, _RIGHT = 8.0, 0.125, 0.96


def draw_report(report: Report, *, header: bool = True) -> Figure:
    """The picture, to be saved or shown; without a header where the words stand beside it."""
    ridges = ridge_rows(report)
    head = _HEAD if header else 0.35
    height = (9.0 if ridges else 5.5) + head - _HEAD
    drawn = Figure(figsize=(_WIDTH, height))
    drawn.subplots_adjust(left=_LEFT, right=_RIGHT, top=1 - head / height, bottom=0.6 / height)
    if header:
        for inches, text, style in zip((0.32, 0.58, 0.8), _header(report), _HEADER, strict=True):
            drawn.text(_LEFT, 1 - inches / height, text, **style)
    if not ridges:
        draw_variances(drawn.subplots(), report)
        return drawn
    grid = drawn.add_gridspec(2, 2, height_ratios=(1.25, 1), hspace=0.3, wspace=0.16)
    draw_variances(drawn.add_subplot(grid[0, :]), report)
    activation, gradient = drawn.add_subplot(grid[1, 0]), drawn.add_subplot(grid[1, 1])
    draw_ridges(activation, ridges, lambda row: row.histogram.activation if row.histogram else (), ACTIVATION)
    draw_ridges(gradient, ridges, lambda row: row.histogram.gradient if row.histogram else (), GRADIENT)
    activation.set_ylabel("layer")
    activation.set_title("activations (height: root of the count)", fontsize=10)
    gradient.set_title("gradients with respect to z", fontsize=10)
    return drawn


def _header(report: Report) -> tuple[str, str, str]:
    verdict = report.verdict

    def said(name: str, direction: DirectionVerdict) -> str:
        total = "" if direction.total_log10 is None else f" x {power(direction.total_log10)}"
        return f"{name} {direction.label}{total}"

    whose = "by theory" if is_predicted(report) else "in a typical draw"
    both = f"{said('forward', verdict.forward)}, {said('backward', verdict.backward)} {whose}"
    made = "theory at large width" if is_predicted(report) else count(report.settings.trials, "trial")
    band = "; the band holds the middle 90 % of them" if report.settings.trials > 1 and not is_predicted(report) else ""
    room, style = _WIDTH * (_RIGHT - _LEFT), _HEADER[0]
    name = fit(printable(report.name), room, size=style["fontsize"], bold=True, tail=f": {size_words(report)}")
    return name, f"{verdict.overall}: {both}", f"{said('signal', verdict.signal)}; {made}{band}"


def draw_variances(axes: Axes, report: Report) -> None:
    """Both variances over depth, with theory, and the layer of the first error."""
    rows = report.layers
    depth = np.array([row.index for row in rows])
    marked = {"markersize": 4.5, "markeredgewidth": 1.2} if len(rows) <= MARKED else {"marker": ""}
    measured = not is_predicted(report)
    if measured:
        _band(axes, depth, [row.activation.variance if row.activation else None for row in rows], ACTIVATION)
        _band(
            axes,
            depth,
            [row.activation_gradient.variance if row.activation_gradient else None for row in rows],
            GRADIENT,
        )
    kinds = "theory: " if not measured else ""
    styles: tuple[tuple[str, Callable[[LayerRow], float | None], str, dict[str, Any]], ...] = (
        ("activation variance", activation_log10, ACTIVATION, {"marker": "o", "linestyle": "-"}),
        ("gradient variance", gradient_log10, GRADIENT, {"marker": "s", "linestyle": "--", "markerfacecolor": "white"}),
    )
    for name, log10, colour, style in styles:
        values = log_values(log10(row) for row in rows)
        axes.plot(depth, values, color=colour, linewidth=1.8, label=kinds + name, **{**style, **marked})
    if measured:
        _theory(axes, depth, rows)
    _joints(axes, rows)
    mark_layers(axes, len(rows))
    axes.set_ylabel("variance (log scale)")
    mark_powers(axes)
    _trouble(axes, report)
    draw_grid(axes)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=5,
        frameon=False,
        fontsize=9.5,
        handlelength=2.6,
        columnspacing=1.4,
        borderaxespad=0.1,
    )


def _band(axes: Axes, depth: Values, estimates: Sequence[Estimate | None], colour: str) -> None:
    """From the 5th to the 95th per cent of the trials."""
    most = max((len(estimate.trials) for estimate in estimates if estimate), default=0)
    if most < 2:
        return
    table = np.full((len(estimates), most), math.nan)
    for row, estimate in enumerate(estimates):
        if estimate is not None:
            table[row, : len(estimate.trials)] = log_values(estimate.trials)
    usable = np.isfinite(table).any(axis=1)
    if usable.any():
        low, high = np.nanpercentile(table[usable], (5, 95), axis=1)
        axes.fill_between(depth[usable], low, high, color=colour, alpha=0.22, linewidth=0)


def _theory(axes: Axes, depth: Values, rows: Sequence[LayerRow]) -> None:
    lines = (
        log_values(row.predicted.log10_activation_variance for row in rows),
        log_values(row.predicted.log10_activation_gradient_second_moment for row in rows),
    )
    label: str | None = "theory"
    for line in lines:
        if np.isfinite(line).any():
            axes.plot(depth, line, color=THEORY, linewidth=1.0, linestyle=":", label=label, zorder=3)
            label = None


def _joints(axes: Axes, rows: Sequence[LayerRow]) -> None:
    """Norms and residual joins, marked at the foot."""
    for kind, marker, name in (("norm", "|", "norm"), ("residual", "^", "residual join")):
        places = [row.index for row in rows if row.kind == kind]
        if places:
            foot = np.full(len(places), 0.02)
            size = 7 if len(places) <= MARKED else 3
            where = axes.get_xaxis_transform()
            axes.plot(places, foot, marker, color="#555555", markersize=size, label=name, transform=where)


def _trouble(axes: Axes, report: Report) -> None:
    """Points at the layer of the first error."""
    finding = _first_error(report)
    if finding is None or finding.layer is None:
        return
    row = report.layers[finding.layer - 1]
    backward = finding.code.startswith("backward") or "gradient" in finding.code
    value = gradient_log10(row) if backward else activation_log10(row)
    if value is None:
        return
    low, high = axes.get_ylim()

    def shares(log10: Callable[[LayerRow], float | None]) -> list[tuple[float, float]]:
        """Where a curve runs, as shares of the axes."""
        points = zip(report.layers, map(log10, report.layers), strict=True)
        count = len(report.layers)
        return [((r.index - 0.5) / count, (v - low) / (high - low)) for r, v in points if v is not None]

    theory = shares(lambda r: r.predicted.log10_activation_variance) + shares(
        lambda r: r.predicted.log10_activation_gradient_second_moment
    )
    curves = np.array(shares(activation_log10) + shares(gradient_log10) + theory)
    target = np.array([(finding.layer - 0.5) / len(report.layers), (value - low) / (high - low)])
    axes.annotate(
        f"{finding.code}, layer {finding.layer}",
        xy=(finding.layer, value),
        xytext=_free_place(curves, target),
        textcoords="axes fraction",
        ha="center",
        va="center",
        fontsize=10,
        arrowprops={"arrowstyle": "->", "color": THEORY, "linewidth": 1.2},
        bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": THEORY, "linewidth": 0.8},
    )


def _free_place(curves: Values, target: Values) -> tuple[float, float]:
    """A place for a label, in shares of the axes: away from the curves, and as near to its target as that allows."""
    places = [(x, y) for x in (0.2, 0.35, 0.5, 0.65, 0.8) for y in (0.12, 0.3, 0.5, 0.7, 0.9)]

    def badness(place: tuple[float, float]) -> float:
        # A label is some three times as wide as a curve may come near to it.
        near = np.hypot((curves[:, 0] - place[0]) / 3, curves[:, 1] - place[1]).min()
        return float(np.hypot(*(target - place))) - 8 * min(float(near), 0.1)

    return min(places, key=badness)


def _first_error(report: Report) -> Finding | None:
    return next((one for one in report.verdict.findings if one.severity == "error" and one.layer is not None), None)


def ridge_rows(report: Report) -> list[LayerRow]:
    """Dense layers whose histograms are shown: all of a few, else as many spread over the depth."""
    rows = [row for row in report.dense if row.histogram is not None]
    if len(rows) <= _RIDGES:
        return rows
    return [rows[round(i * (len(rows) - 1) / (_RIDGES - 1))] for i in range(_RIDGES)]


def draw_ridges(axes: Axes, rows: Sequence[LayerRow], counts: Callable[[LayerRow], Sequence[int]], colour: str) -> None:
    """One histogram a layer, the first on top; heights are roots of the counts, so that a spike leaves the rest."""
    for place, row in enumerate(rows):
        heights = np.sqrt(np.array(counts(row), float))
        edges = np.array(row.histogram.edges if row.histogram else ())
        if heights.size and heights.max() > 0:
            base = len(rows) - 1 - place
            line = base + _TALLEST * heights / heights.max()
            axes.stairs(line, edges, baseline=base, fill=True, color=colour, alpha=0.55, linewidth=0, zorder=place)
            axes.stairs(line, edges, baseline=None, color=colour, linewidth=0.9, zorder=place)
    axes.set_yticks(range(len(rows)), [str(row.index) for row in reversed(rows)])
    axes.set_ylim(-0.1, len(rows))
    axes.set_xlim(-5, 5)
    axes.set_xticks((-4, -2, 0, 2, 4))
    axes.set_xlabel("in units of the layer's root mean square", fontsize=9.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
