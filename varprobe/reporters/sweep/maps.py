"""Sweep over two axes -> maps: rates, verdicts and depth scales, with theory's lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter

from varprobe.formatting import number
from varprobe.reporters.picture import HEIGHT, SMALL, WIDTH, WORDS, Values, width_of
from varprobe.reporters.sweep.scale import TICK_SIZE, Scale, fall, mark_axis, scale_of, tick_words
from varprobe.reporters.sweep.values import (
    COLOURS,
    DARK,
    FAILED,
    LIGHT,
    direction_of,
    factors_of,
    few_between,
    figures_of,
    has_rates,
    ink_on,
    reach_of,
    theory_of,
)
from varprobe.reporters.sweep.words import letter, letter_words, setting_words
from varprobe.sweeps.axes import numbers
from varprobe.sweeps.records import Sweep

# Ends of the colours, the same in all pictures, so that what is stable looks it: a depth scale, the ln of a rate, and
# that of a factor over the depth. What lies beyond is as extreme as can be.
_DEEPEST, _FARTHEST, _LARGEST = 1000.0, math.log(2), math.log(1000)
# Inches that a letter of the map of verdicts needs, across and up.
_LETTER = 0.15, 0.19
_EDGE, _REACHED = "theory: chi1 = 1, the edge of chaos", "theory: depth = 6 xi; deeper the signal is lost"


def draw_maps(sweep: Sweep) -> Figure:
    """The picture without its header."""
    x, y = scale_of(sweep.axes[0]), scale_of(sweep.axes[1])
    drawn = _sheet(x, y)
    (forward, backward), (verdict, depth) = drawn.subplots(2, 2)
    shape = len(x.places), len(y.places)
    reach, noun = (_FARTHEST, "factor per layer") if has_rates(sweep) else (_LARGEST, "factor over the depth")
    for axes, name, what in ((forward, "forward", "activations"), (backward, "backward", "gradient")):
        norm = LogNorm(math.exp(-reach), math.exp(reach))
        values = factors_of(sweep, name).reshape(shape)
        _map(axes, x, y, values, norm, colormaps["cividis"], f"{what}: {noun}")
    found = [[direction_of(p, name) for p in sweep.points] for name in ("forward", "backward")]
    scales = np.stack([figures_of(each, "depth_scale") for each in found])
    shortest = np.where(np.isnan(scales), np.inf, scales).min(axis=0)
    known = np.array([point.verdict is not None for point in sweep.points])
    shortest = np.where(known, np.minimum(shortest, _DEEPEST), math.nan)
    norm = LogNorm(max(0.1, float(np.nanmin(shortest, initial=1.0))), _DEEPEST)
    _map(depth, x, y, shortest.reshape(shape), norm, colormaps["viridis"], "depth scale: layers for a factor e")
    _labels(verdict, sweep, x, y)
    for axes in (forward, backward, verdict, depth):
        mark_axis(axes, x, "x", setting_words(sweep, sweep.axes[0]) if axes in (verdict, depth) else "")
        mark_axis(axes, y, "y", setting_words(sweep, sweep.axes[1]))
        axes.set_xlim(x.edges[0], x.edges[-1])
        axes.set_ylim(y.edges[0], y.edges[-1])
    _draw_theory(drawn, (forward, backward, verdict, depth), sweep, x, y)
    words = f"verdict: {letter_words(sweep)}"
    drawn.text(drawn.subplotpars.left, 0.14 / drawn.get_figheight(), words, fontsize=SMALL)
    return drawn


def _sheet(x: Scale, y: Scale) -> Figure:
    """The paper for four maps: as much larger as the axes' words need."""
    aside = max(0.0, max(width_of(word, TICK_SIZE) for word in tick_words(y)) - 0.35) if y.listed else 0.0
    below = fall(x, 4.4)
    width, height = WIDTH + 2 * aside, HEIGHT + 2 * below
    drawn = Figure(figsize=(width, height))
    drawn.subplots_adjust(
        left=(0.95 + aside) / width,
        right=(WIDTH - 0.1 + 2 * aside) / width,
        top=1 - 1.12 / height,
        bottom=(0.86 + below) / height,
        hspace=(0.62 + below) / 2.3,
        wspace=(0.72 + aside) / 5.5,
    )
    return drawn


def _map(axes: Axes, x: Scale, y: Scale, values: Values, norm: Normalize, colours: Any, heading: str) -> None:
    axes.set_facecolor("#bbbbbb")  # where there is nothing to show
    mesh = axes.pcolormesh(x.edges, y.edges, np.ma.masked_invalid(values.T), norm=norm, cmap=colours, rasterized=True)
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, aspect=28, extend="neither" if "scale" in heading else "both")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    bar.ax.yaxis.set_minor_formatter(FuncFormatter(few_between(bar.ax)))
    bar.ax.tick_params(labelsize=SMALL, which="both")
    axes.set_title(heading, fontsize=WORDS)


def _labels(axes: Axes, sweep: Sweep, x: Scale, y: Scale) -> None:
    shape = len(x.places), len(y.places)
    order = [*COLOURS, ""]
    places = {label: place for place, label in enumerate(order)}
    found = [places.get(p.verdict.overall, places[""]) if p.verdict else places[""] for p in sweep.points]
    codes = np.array(found, float).reshape(shape)
    colours = ListedColormap([*COLOURS.values(), FAILED])
    axes.pcolormesh(x.edges, y.edges, codes.T, norm=Normalize(-0.5, len(order) - 0.5), cmap=colours, rasterized=True)
    write_letters(axes, sweep, x, y, (4.9, 2.2))
    axes.set_title("verdict", fontsize=WORDS)


def write_letters(axes: Axes, sweep: Sweep, x: Scale, y: Scale, room: tuple[float, float]) -> None:
    """The letters of the labels in place of those that are there, as many as fit.

    Arguments:
        room: width and height of the axes, in inches.
    """
    for text in list(axes.texts):
        text.remove()
    shape = len(x.places), len(y.places)
    across, up = (
        max(1, math.ceil(need * amount / length)) for need, amount, length in zip(_LETTER, shape, room, strict=True)
    )
    for place, point in enumerate(sweep.points):
        column, row = divmod(place, shape[1])
        if column % across == across // 2 and row % up == up // 2:
            where = x.places[column], y.places[row]
            axes.text(*where, letter(point), ha="center", va="center_baseline", fontsize=SMALL, color=ink_on(point))


def _draw_theory(drawn: Figure, maps: tuple[Axes, ...], sweep: Sweep, x: Scale, y: Scale) -> None:
    """Theory's lines over all maps: where chi1 is 1, and before it, where the trainable depth is the network's own.

    In the chaotic phase 6 xi is how far two samples stay alike; no map shows that, and the line ends at the edge.
    """
    shape = len(x.places), len(y.places)
    if min(shape) < 2 or any(numbers(axis) is None for axis in sweep.axes):  # between names there is nothing
        return
    chi1 = theory_of(sweep, "chi1")
    depth = np.array([point.depth or math.nan for point in sweep.points])
    reach = np.array([reach_of(point) for point in sweep.points])
    # 1/xi goes to 0 at the edge nearly straight; beyond it the sign stays.
    short = np.where(chi1 >= 1, 0.0, depth / reach) - 1
    handles = []
    for words, values, style in ((_EDGE, np.log(chi1), "-"), (_REACHED, short, "--")):
        line = trace_zero(x.places, y.places, values.reshape(shape).T)
        if line is None:
            continue
        effects = [withStroke(linewidth=3.4, foreground=DARK)]
        look: dict[str, Any] = {"color": LIGHT, "linewidth": 1.7, "linestyle": style, "path_effects": effects}
        for axes in maps:
            axes.plot(*line, **look, label=words)
        handles.append(Line2D([], [], **look, label=words))
    if handles:
        drawn.legend(handles=handles, loc="upper right", frameon=False, fontsize=SMALL, bbox_to_anchor=(0.99, 0.995))


def trace_zero(x: Values, y: Values, values: Values) -> tuple[Values, Values] | None:
    """The line on which values are 0: in every row, or every column, of the table where it crosses 0 once.

    A line of rows has no detour between them, as a contour has that bends with the interpolation. None where fewer than
    two rows, and columns, are crossed, or one more than once.

    Arguments:
        x, y: places of the columns, and of the rows.
        values: (rows, columns), nan where not known.
    """
    by_rows, by_columns = _crossings(x, values), _crossings(y, values.T)
    kept = [found for found in (by_rows, by_columns) if found is not None and np.isfinite(found).sum() > 1]
    if not kept:
        return None
    best = max(kept, key=lambda found: int(np.isfinite(found).sum()))
    known = np.isfinite(best)
    return (best[known], y[known]) if best is by_rows else (x[known], best[known])


def _crossings(places: Values, values: Values) -> Values | None:
    """Where each row crosses 0; nan where it does not, None where one does more than once."""
    found = np.full(len(values), math.nan)
    for row, line in enumerate(values):
        known = np.flatnonzero(np.isfinite(line))
        at, here = places[known], line[known]
        signs = np.flatnonzero((here[:-1] < 0) != (here[1:] < 0))
        if len(signs) > 1:
            return None
        if len(signs) == 1:
            k = signs[0]
            found[row] = at[k] + (at[k + 1] - at[k]) * here[k] / (here[k] - here[k + 1])
    return found
