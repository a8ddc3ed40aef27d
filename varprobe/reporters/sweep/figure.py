"""Sweep -> a picture: curves over one axis, heat maps over two, theory's lines over both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter

from varprobe.formatting import count, number, printable
from varprobe.reporters.picture import ACTIVATION, GRADIENT, MARKED, THEORY, Values, draw_grid, width_of
from varprobe.reporters.sweep.scale import TICK_SIZE, Scale, fall, mark_axis, scale_of, tick_words
from varprobe.reporters.sweep.words import letter, letter_words
from varprobe.sweeps.axes import numbers
from varprobe.sweeps.records import Sweep, SweepPoint
from varprobe.verdict.records import DirectionVerdict

# By lightness too: healthy is light, what is broken dark; the letter says which.
_COLOURS = {
    "stable": "#CFE8F5",
    "borderline": "#F0E442",
    "inconclusive": "#DDDDDD",
    "vanishing": "#0072B2",
    "exploding": "#D55E00",
    "degenerate": "#111111",
}
_FAILED = "#FFFFFF"
# On colours, whatever the page behind them is.
_LIGHT, _DARK = "#FEFEFE", "#010101"
# Cells of a map up to which each has its letter.
_LETTERED = 700
# Ends of the colours: a depth scale, and the ln of a rate; what lies beyond is as extreme as can be.
_DEEPEST, _FARTHEST = 1000.0, math.log(2)


def draw_sweep(sweep: Sweep, *, header: bool = True) -> Figure:
    """The picture, to be saved or shown; without a header where the words stand beside it."""
    drawn = _curves(sweep) if len(sweep.axes) == 1 else _maps(sweep)
    if header:
        _header(drawn, sweep)
    return drawn


def _header(drawn: Figure, sweep: Sweep) -> None:
    height, left = drawn.get_figheight(), drawn.subplotpars.left
    s = sweep.settings
    made = f"{count(len(sweep.points), 'point')}, {count(s.trials, 'trial')} of batch {s.batch:,} each, seed {s.seed}"
    drawn.text(left, 1 - 0.32 / height, printable(sweep.name), fontsize=13, fontweight="bold")
    drawn.text(left, 1 - 0.58 / height, made, fontsize=10.5)


def _curves(sweep: Sweep) -> Figure:
    scale = scale_of(sweep.axes[0])
    below = fall(scale, 6.7)
    height = 8.0 + below
    drawn = Figure(figsize=(8.0, height))
    drawn.subplots_adjust(left=0.12, right=0.96, top=1 - 1.04 / height, bottom=(0.95 + below) / height)
    rates, depths, labels = drawn.subplots(3, 1, sharex=True, height_ratios=(1.4, 1.1, 0.22))
    drawn.subplots_adjust(hspace=0.12)
    marker: dict[str, Any] = {"markersize": 4.5} if len(scale.places) <= MARKED else {"marker": ""}
    theory: dict[str, Any] = {"color": THEORY, "linewidth": 1.1, "linestyle": ":"}
    named = numbers(sweep.axes[0]) is None
    if named:  # names have nothing between them
        marker = {"markersize": 7, "linestyle": ""}
        theory = {"color": THEORY, "marker": "_", "markersize": 22, "linestyle": ""}
    has_rates = _has_rates(sweep)
    noun = "rate" if has_rates else "factor"
    for name, colour, style in (
        ("forward", ACTIVATION, {"marker": "o", "linestyle": "-"}),
        ("backward", GRADIENT, {"marker": "s", "linestyle": "--", "markerfacecolor": "white"}),
    ):
        found = [_direction(point, name) for point in sweep.points]
        look = {"color": colour, "linewidth": 1.7, **style, **marker}
        rates.plot(scale.places, _factors(sweep, name), label=f"{name} {noun}", **look)
        if has_rates:
            low, high = _values(found, "rate_low"), _values(found, "rate_high")
            if named:
                rates.vlines(scale.places, low, high, color=colour, linewidth=2.2, alpha=0.6)
            else:
                rates.fill_between(scale.places, low, high, color=colour, alpha=0.22, linewidth=0)
        depths.plot(scale.places, _values(found, "depth_scale"), label=f"{name} depth scale", **look)
    chi1, xi = _theory(sweep, "chi1"), _theory(sweep, "trainable_depth")
    rates.axhline(1, color="#999999", linewidth=0.8, zorder=0)
    if has_rates and np.isfinite(chi1).any():
        rates.plot(scale.places, chi1, **theory, label="theory: chi1 at the fixed point")
    if np.isfinite(xi).any():
        depths.plot(scale.places, xi, **theory, label="theory: trainable depth, 6 xi")
    rates.set_ylabel("factor per layer" if has_rates else "factor over the depth")
    depths.set_ylabel("layers")
    for axes in (rates, depths):
        if any(np.isfinite(np.asarray(each.get_ydata(), float)).any() for each in axes.lines):
            axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axes.yaxis.set_minor_formatter(FuncFormatter(_few(axes)))
        draw_grid(axes)
    rates.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, frameon=False, fontsize=9.5, borderaxespad=0.1)
    depths.legend(frameon=False, fontsize=9)
    _strip(labels, sweep, scale)
    mark_axis(labels, scale, "x")
    drawn.text(0.12, 0.13 / height, f"verdict: {letter_words(sweep)}", fontsize=9.5)
    return drawn


def _few(axes: Axes) -> Callable[[float, int], str]:
    """Labels between powers of ten, where the axis holds less than two of them."""

    def shown(value: float, _: int) -> str:
        low, high = axes.get_ylim()
        few = low > 0 and math.log10(high / low) < 1.5
        return number(value) if few and f"{value:e}"[0] in "1235" else ""

    return shown


def _strip(axes: Axes, sweep: Sweep, scale: Scale) -> None:
    """The verdict under each value, as colour and letter."""
    for place, low, high, point in zip(scale.places, scale.edges[:-1], scale.edges[1:], sweep.points, strict=True):
        axes.axvspan(low, high, color=_colour(point), linewidth=0)
        if len(sweep.points) <= MARKED:
            axes.text(place, 0.5, letter(point), ha="center", va="center", fontsize=9, color=_ink(point))
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.set_ylabel("verdict", rotation=0, ha="right", va="center")
    axes.set_xlim(scale.edges[0], scale.edges[-1])


def _colour(point: SweepPoint) -> str:
    return _FAILED if point.verdict is None else _COLOURS.get(point.verdict.overall, _FAILED)


def _ink(point: SweepPoint) -> str:
    return _LIGHT if point.verdict and point.verdict.overall in ("vanishing", "exploding", "degenerate") else _DARK


def _direction(point: SweepPoint, name: str) -> DirectionVerdict | None:
    return None if point.verdict is None else getattr(point.verdict, name)


def _values(found: Sequence[DirectionVerdict | None], key: str) -> Values:
    """A figure of each point; nan where there is none, and for 0, which has no place on a log axis."""
    values = [getattr(direction, key, None) for direction in found]
    return np.array([value if value else math.nan for value in values])


def _has_rates(sweep: Sweep) -> bool:
    """Whether networks are deep enough for a rate; else the factor over the depth takes its place."""
    return any(point.verdict and (point.verdict.forward.rate or point.verdict.backward.rate) for point in sweep.points)


def _factors(sweep: Sweep, name: str) -> Values:
    """The rate of each point, or where no point has one, the factor over the depth."""
    found = [_direction(point, name) for point in sweep.points]
    if _has_rates(sweep):
        return _values(found, "rate")
    totals = [direction.total_log10 if direction else None for direction in found]
    return np.array([math.nan if total is None else 10 ** min(max(total, -300), 300) for total in totals])


def _theory(sweep: Sweep, key: str) -> Values:
    values = [getattr(point.prediction, key, None) for point in sweep.points]
    return np.array([value if value else math.nan for value in values])


def _maps(sweep: Sweep) -> Figure:
    x, y = scale_of(sweep.axes[0]), scale_of(sweep.axes[1])
    drawn = _sheet(x, y)
    (forward, backward), (verdict, depth) = drawn.subplots(2, 2)
    shape = len(x.places), len(y.places)
    rates = [_factors(sweep, name) for name in ("forward", "backward")]
    farthest, noun = (_FARTHEST, "rate per layer") if _has_rates(sweep) else (math.log(100), "factor over the depth")
    logs = np.log(np.concatenate(rates))
    reach = float(np.clip(np.nanpercentile(np.abs(logs), 98), 0.02, farthest)) if np.isfinite(logs).any() else 1.0
    for axes, name, values in zip((forward, backward), ("forward", "backward"), rates, strict=True):
        norm = LogNorm(math.exp(-reach), math.exp(reach))
        _map(axes, x, y, values.reshape(shape), norm, colormaps["cividis"], f"{name} {noun}")
    scales = np.stack(
        [_values([_direction(p, name) for p in sweep.points], "depth_scale") for name in ("forward", "backward")]
    )
    shortest = np.where(np.isnan(scales), np.inf, scales).min(axis=0)
    known = np.array([point.verdict is not None for point in sweep.points])
    shortest = np.where(known, np.minimum(shortest, _DEEPEST), math.nan)
    norm = LogNorm(max(0.1, float(np.nanmin(shortest, initial=1.0))), _DEEPEST)
    _map(depth, x, y, shortest.reshape(shape), norm, colormaps["viridis"], "depth scale: layers for a factor e")
    _labels(verdict, sweep, x, y)
    handles = [line for axes in (forward, backward, verdict, depth) for line in _contours(axes, sweep, x, y)]
    for axes in (forward, backward, verdict, depth):
        mark_axis(axes, x, "x")
        mark_axis(axes, y, "y")
        axes.set_xlim(x.edges[0], x.edges[-1])
        axes.set_ylim(y.edges[0], y.edges[-1])
    by_name = {str(handle.get_label()): handle for handle in handles}
    if by_name:
        drawn.legend(list(by_name.values()), list(by_name), loc="upper right", frameon=False, fontsize=9.5,
                     bbox_to_anchor=(0.98, 0.995), facecolor="#888888")  # fmt: skip
    drawn.text(drawn.subplotpars.left, 0.17 / drawn.get_figheight(), f"verdict: {letter_words(sweep)}", fontsize=9.5)
    return drawn


def _sheet(x: Scale, y: Scale) -> Figure:
    """The paper for four maps: as much larger as the axes' words need."""
    aside = max(0.0, max(width_of(word, TICK_SIZE) for word in tick_words(y)) - 0.35) if y.listed else 0.0
    below = fall(x, 3.3)
    width, height = 10.0 + 2 * aside, 8.4 + 2 * below
    drawn = Figure(figsize=(width, height))
    drawn.subplots_adjust(
        left=(0.9 + aside) / width,
        right=(9.7 + 2 * aside) / width,
        top=1 - 1.0 / height,
        bottom=(0.84 + below) / height,
        hspace=(0.86 + below) / 2.85,
        wspace=(0.8 + aside) / 4,
    )
    return drawn


def _map(axes: Axes, x: Scale, y: Scale, values: Values, norm: Normalize, colours: Any, heading: str) -> None:
    axes.set_facecolor("#bbbbbb")  # where there is nothing to show
    mesh = axes.pcolormesh(x.edges, y.edges, np.ma.masked_invalid(values.T), norm=norm, cmap=colours, rasterized=True)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, aspect=28, extend="neither" if "scale" in heading else "both")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    bar.ax.yaxis.set_minor_formatter(FuncFormatter(_few(bar.ax)))
    bar.ax.tick_params(labelsize=9, which="both")
    axes.set_title(heading, fontsize=10.5)


def _labels(axes: Axes, sweep: Sweep, x: Scale, y: Scale) -> None:
    shape = len(x.places), len(y.places)
    order = [*_COLOURS, ""]
    places = {label: place for place, label in enumerate(order)}
    found = [places.get(p.verdict.overall, places[""]) if p.verdict else places[""] for p in sweep.points]
    codes = np.array(found, float).reshape(shape)
    colours = ListedColormap([*_COLOURS.values(), _FAILED])
    axes.pcolormesh(x.edges, y.edges, codes.T, norm=Normalize(-0.5, len(order) - 0.5), cmap=colours, rasterized=True)
    if len(sweep.points) <= _LETTERED:
        for place, point in enumerate(sweep.points):
            column, row = divmod(place, shape[1])
            where = x.places[column], y.places[row]
            axes.text(*where, letter(point), ha="center", va="center", fontsize=7, color=_ink(point))
    axes.set_title("verdict", fontsize=10.5)


def _contours(axes: Axes, sweep: Sweep, x: Scale, y: Scale) -> list[Line2D]:
    """Theory's lines over a map: chi1 = 1, and where the trainable depth 6 xi is the network's own."""
    shape = len(x.places), len(y.places)
    if min(shape) < 2 or any(numbers(axis) is None for axis in sweep.axes):  # between names there is nothing
        return []
    depth = np.array([point.depth or math.nan for point in sweep.points])
    reach = np.array([_reach(point) for point in sweep.points])
    lines: tuple[tuple[str, Values, str], ...] = (
        ("theory: chi1 = 1", np.log(_theory(sweep, "chi1")), "-"),
        ("theory: depth = 6 xi", np.log(reach / depth), "--"),
    )
    handles = []
    for name, values, style in lines:
        table = np.ma.masked_invalid(values.reshape(shape).T)
        if table.count() and table.min() < 0 < table.max():
            drawn = axes.contour(
                x.places, y.places, table, levels=[0.0], colors=_LIGHT, linewidths=1.6, linestyles=style
            )
            drawn.set_path_effects([withStroke(linewidth=3.2, foreground=_DARK)])
            handle = Line2D([], [], color=_LIGHT, linewidth=1.6, linestyle=style, label=name)  # type: ignore[arg-type]  # its stub wants literals
            handle.set_path_effects([withStroke(linewidth=3.2, foreground=_DARK)])
            handles.append(handle)
    return handles


def _reach(point: SweepPoint) -> float:
    """The trainable depth; a large number where it has no limit."""
    if point.prediction is None or point.prediction.regime is None:
        return math.nan
    return point.prediction.trainable_depth or (1e6 if point.prediction.trainable_depth is None else 1e-3)
