"""Sweep over one axis -> curves: the change over the depth, which the verdict is about, rates and depth scales."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from varprobe.formatting import number
from varprobe.reporters.axes import STABLE_DECADES
from varprobe.reporters.picture import (
    ACTIVATION,
    GRADIENT,
    HEIGHT,
    MARKED,
    SMALL,
    THEORY,
    WIDTH,
    draw_grid,
    mark_powers,
)
from varprobe.reporters.sweep.scale import Scale, fall, mark_axis, scale_of
from varprobe.reporters.sweep.values import (
    colour_of,
    direction_of,
    few_between,
    figures_of,
    has_rates,
    ink_on,
    theory_of,
)
from varprobe.reporters.sweep.words import letter, letter_words, setting_words
from varprobe.sweeps.axes import numbers
from varprobe.sweeps.records import Sweep

# Inches above the axes and below them; a letter needs so much.
_HEAD, _FOOT, _LETTER = 1.2, 1.05, 0.17
# Ends of the axis of rates, at least: a rate of 1.01 is hardly another than 1.
_SLOWEST, _FASTEST = 0.5, 2.0
_WAYS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("forward", ACTIVATION, {"marker": "o", "linestyle": "-"}),
    ("backward", GRADIENT, {"marker": "<", "linestyle": "--", "markerfacecolor": "white"}),
)


def draw_curves(sweep: Sweep) -> Figure:
    """The picture without its header."""
    scale, words = scale_of(sweep.axes[0]), setting_words(sweep, sweep.axes[0])
    some = has_rates(sweep)
    below = fall(scale, 5.2 if some else 11.0)
    height = HEIGHT + below
    drawn = Figure(figsize=(WIDTH, height))
    drawn.subplots_adjust(
        left=0.95 / WIDTH, right=1 - 0.3 / WIDTH, top=1 - _HEAD / height, bottom=(_FOOT + below) / height
    )
    grid = drawn.add_gridspec(1, 2 if some else 1, wspace=0.16)
    column = grid[0].subgridspec(2, 1, height_ratios=(1, 0.09), hspace=0.05)
    changes = drawn.add_subplot(column[0])
    labels = drawn.add_subplot(column[1], sharex=changes)
    _draw_changes(changes, sweep, scale)
    _draw_strip(labels, sweep, scale)
    changes.tick_params(axis="x", labelbottom=False)
    mark_axis(labels, scale, "x", words)
    if some:
        column = grid[1].subgridspec(2, 1, hspace=0.24)
        rates = drawn.add_subplot(column[0], sharex=changes)
        depths = drawn.add_subplot(column[1], sharex=changes)
        _draw_rates(rates, sweep, scale)
        _draw_depths(depths, sweep, scale)
        rates.tick_params(axis="x", labelbottom=False)
        mark_axis(depths, scale, "x", words)
    changes.set_xlim(scale.edges[0], scale.edges[-1])
    drawn.text(0.95 / WIDTH, 0.16 / height, f"verdict: {letter_words(sweep)}", fontsize=SMALL)
    return drawn


def _looks(scale: Scale) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of measured points and of theory; names have nothing between them."""
    if numbers(scale.axis) is None:
        names = {"color": THEORY, "marker": "_", "markersize": 22, "linestyle": ""}
        return {"markersize": 7, "linestyle": ""}, names
    marker: dict[str, Any] = {"markersize": 5} if len(scale.places) <= MARKED else {"marker": ""}
    return marker, {"color": THEORY, "linewidth": 1.2, "linestyle": ":"}


def _legend(axes: Axes) -> None:
    look: dict[str, Any] = {"ncols": 3, "frameon": False, "fontsize": SMALL, "borderaxespad": 0.1}
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), columnspacing=1.2, handlelength=2.0, **look)


def _draw_spread(axes: Axes, scale: Scale, low: Any, high: Any, colour: str) -> None:
    if numbers(scale.axis) is None:
        axes.vlines(scale.places, low, high, color=colour, linewidth=2.2, alpha=0.6)
    else:
        axes.fill_between(scale.places, low, high, color=colour, alpha=0.22, linewidth=0)


def _draw_changes(axes: Axes, sweep: Sweep, scale: Scale) -> None:
    """The change in a typical draw, over the depth, on the axis that stable networks look flat on."""
    shown: list[float] = []
    axes.axhspan(-STABLE_DECADES, STABLE_DECADES, color="#999999", alpha=0.2, linewidth=0, label="within a factor 100")
    for name, colour, style in _WAYS:
        found = [direction_of(point, name) for point in sweep.points]
        totals = np.array([one.total_log10 if one and one.total_log10 is not None else np.nan for one in found])
        errors = np.array([one.error_log10 or 0.0 if one else 0.0 for one in found])
        axes.plot(scale.places, totals, label=name, **{"color": colour, "linewidth": 1.8, **style, **_looks(scale)[0]})
        _draw_spread(axes, scale, totals - errors, totals + errors, colour)
        shown += [*(totals - errors), *(totals + errors)]
    mark_powers(axes, shown)
    axes.set_ylabel("change over the depth, a typical draw")
    draw_grid(axes)
    _legend(axes)


def _draw_rates(axes: Axes, sweep: Sweep, scale: Scale) -> None:
    measured, theory = _looks(scale)
    for name, colour, style in _WAYS:
        found = [direction_of(point, name) for point in sweep.points]
        look = {"color": colour, "linewidth": 1.8, **style, **measured}
        axes.plot(scale.places, figures_of(found, "rate"), label=f"{name} rate", **look)
        _draw_spread(axes, scale, figures_of(found, "rate_low"), figures_of(found, "rate_high"), colour)
    chi1 = theory_of(sweep, "chi1")
    axes.axhline(1, color="#999999", linewidth=0.8, zorder=0)
    if np.isfinite(chi1).any():
        axes.plot(scale.places, chi1, **theory, label="theory: chi1")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, _SLOWEST), max(high, _FASTEST))
    _mark_numbers(axes, "factor per layer")


def _draw_depths(axes: Axes, sweep: Sweep, scale: Scale) -> None:
    measured, theory = _looks(scale)
    for name, colour, style in _WAYS:
        found = [direction_of(point, name) for point in sweep.points]
        look = {"color": colour, "linewidth": 1.8, **style, **measured}
        axes.plot(scale.places, figures_of(found, "depth_scale"), label=name, **look)
    xi = theory_of(sweep, "trainable_depth")
    if np.isfinite(xi).any():
        axes.plot(scale.places, xi, **theory, label="theory: 6 xi")
    if any(np.isfinite(np.asarray(each.get_ydata(), float)).any() for each in axes.lines):
        axes.set_yscale("log")
    _mark_numbers(axes, "layers for a factor e")


def _mark_numbers(axes: Axes, words: str) -> None:
    axes.set_ylabel(words)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.yaxis.set_minor_formatter(FuncFormatter(few_between(axes)))
    axes.tick_params(which="minor", labelsize=SMALL)
    draw_grid(axes)
    _legend(axes)


def _draw_strip(axes: Axes, sweep: Sweep, scale: Scale) -> None:
    """The verdict under each value, as colour and letter."""
    step = max(1, -(-len(sweep.points) // int(axes.get_position().width * WIDTH / _LETTER)))
    cells = zip(scale.places, scale.edges[:-1], scale.edges[1:], sweep.points, strict=True)
    for index, (place, low, high, point) in enumerate(cells):
        axes.axvspan(low, high, color=colour_of(point), linewidth=0)
        if index % step == step // 2:
            axes.text(place, 0.5, letter(point), ha="center", va="center_baseline", fontsize=SMALL, color=ink_on(point))
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.set_ylabel("verdict", rotation=0, ha="right", va="center", labelpad=4)
