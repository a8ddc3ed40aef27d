"""What pictures of a sweep show of its points: figures as arrays, colours, letters' ink."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from varprobe.formatting import number
from varprobe.reporters.picture import Values
from varprobe.sweeps.records import Sweep, SweepPoint
from varprobe.verdict.records import DirectionVerdict

# By lightness too: healthy is light, what is broken dark; the letter says which.
COLOURS = {
    "stable": "#CFE8F5",
    "borderline": "#F0E442",
    "inconclusive": "#DDDDDD",
    "vanishing": "#0072B2",
    "exploding": "#D55E00",
    "degenerate": "#111111",
}
FAILED = "#FFFFFF"
# On colours, whatever the page behind them is.
LIGHT, DARK = "#FEFEFE", "#010101"


def few_between(axes: Axes) -> Callable[[float, int], str]:
    """Labels between powers of ten, where the axis holds less than two of them."""

    def shown(value: float, _: int) -> str:
        low, high = axes.get_ylim()
        few = low > 0 and math.log10(high / low) < 1.5
        return number(value) if few and f"{value:e}"[0] in "1235" else ""

    return shown


def colour_of(point: SweepPoint) -> str:
    """Of the verdict."""
    return FAILED if point.verdict is None else COLOURS.get(point.verdict.overall, FAILED)


def ink_on(point: SweepPoint) -> str:
    """Of a letter on that colour."""
    return LIGHT if point.verdict and point.verdict.overall in ("vanishing", "exploding", "degenerate") else DARK


def direction_of(point: SweepPoint, name: str) -> DirectionVerdict | None:
    """The verdict of a direction; None where the point failed."""
    return None if point.verdict is None else getattr(point.verdict, name)


def figures_of(found: Sequence[DirectionVerdict | None], key: str) -> Values:
    """A figure of each point; nan where there is none, and for 0, which has no place on a log axis."""
    values = [getattr(direction, key, None) for direction in found]
    return np.array([value if value else math.nan for value in values])


def has_rates(sweep: Sweep) -> bool:
    """Whether networks are deep enough for a rate; else the factor over the depth takes its place."""
    return any(point.verdict and (point.verdict.forward.rate or point.verdict.backward.rate) for point in sweep.points)


def factors_of(sweep: Sweep, name: str) -> Values:
    """The rate of each point, or where no point has one, the factor over the depth."""
    found = [direction_of(point, name) for point in sweep.points]
    if has_rates(sweep):
        return figures_of(found, "rate")
    totals = [direction.total_log10 if direction else None for direction in found]
    return np.array([math.nan if total is None else 10 ** min(max(total, -300), 300) for total in totals])


def theory_of(sweep: Sweep, key: str) -> Values:
    """A figure of each point's prediction; nan where there is none."""
    values = [getattr(point.prediction, key, None) for point in sweep.points]
    return np.array([value if value else math.nan for value in values])


def reach_of(point: SweepPoint) -> float:
    """The trainable depth; a large number where it has no limit."""
    if point.prediction is None or point.prediction.regime is None:
        return math.nan
    return point.prediction.trainable_depth or (1e6 if point.prediction.trainable_depth is None else 1e-3)
