"""Where the values of a sweep's axis stand in a picture, and what its ticks say."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from varprobe.formatting import number, printable
from varprobe.frozen import dataclass
from varprobe.reporters.picture import Values, width_of
from varprobe.sweeps.axes import numbers
from varprobe.sweeps.records import Axis

# Ticks of an axis that is a list, and letters of each.
_TICKS, _LONGEST = 16, 28
# Those words: points, and degrees where they do not fit beside each other.
TICK_SIZE, _TURN = 11, 30


@dataclass(frozen=True)
class Scale:
    """Where an axis' values stand: at their numbers where these are evenly spaced, else side by side.

    Attributes:
        places, edges: of the values, and between them and beyond.
        listed: side by side.
    """

    axis: Axis
    places: Values
    edges: Values
    log: bool
    listed: bool


def scale_of(axis: Axis) -> Scale:
    """The scale that fits the axis' values."""
    found = numbers(axis)
    values = np.array(found if found is not None else range(len(axis.values)), float)
    if found is not None and len(found) > 2:
        for log in (False, True):
            if log and min(found) <= 0:
                continue
            places = np.log(values) if log else values
            steps = np.diff(places)
            # Whole numbers of a range are rounded, so that their steps differ somewhat.
            if np.ptp(steps) <= 0.35 * abs(steps.mean()):
                half = steps / 2
                inner = places[:-1] + half
                edges = np.concatenate([[places[0] - half[0]], inner, [places[-1] + half[-1]]])
                ends = np.exp(edges) if log else edges
                return Scale(axis, values, ends, log, listed=False)
    places = np.arange(len(axis.values), dtype=float)
    sides = np.linspace(-0.5, len(places) - 0.5, len(places) + 1)
    return Scale(axis, places, sides, log=False, listed=True)


def mark_axis(axes: Axes, scale: Scale, which: str, words: str) -> None:
    """Ticks and label of the `x` or the `y` axis."""
    handle = axes.xaxis if which == "x" else axes.yaxis
    if scale.log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        handle.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        handle.set_minor_locator(NullLocator())
        handle.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    elif scale.listed:
        handle.set_ticks(scale.places[:: _step(scale)], tick_words(scale))
        if which == "x" and fall(scale, axes.bbox.width / axes.figure.dpi):
            axes.set_xticks(axes.get_xticks(), tick_words(scale), rotation=_TURN, ha="right", rotation_mode="anchor")
    else:
        handle.set_major_formatter(FuncFormatter(lambda value, _: number(round(value, 12))))
    handle.set_label_text(words)


def _step(scale: Scale) -> int:
    return -(-len(scale.places) // _TICKS)


def tick_words(scale: Scale) -> list[str]:
    """What a list's ticks say."""
    return [_short(printable(value)) for value in scale.axis.values[:: _step(scale)]]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3].rstrip() + "..."


def fall(scale: Scale, length: float) -> float:
    """How far a list's words reach down where they are turned to fit beside each other, in inches; 0 where they fit."""
    if not scale.listed:
        return 0.0
    widths = [width_of(word, TICK_SIZE) for word in tick_words(scale)]
    return 0.0 if max(widths) + 0.15 <= length / len(widths) else max(widths) * math.sin(math.radians(_TURN))
