"""Where axes end and what stands behind curves, for every picture and page: one rule, so that figures can be compared.

Stable looks flat and vanishing falls: variances are drawn over at least a factor 1000 each way of 1. A band shows what
the verdict calls stable, and histograms of all layers stand on one axis. All values are log10, of any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.report.estimates import typical_log10
from varprobe.report.records import LayerRow, Report
from varprobe.verdict.judged import FEWEST
from varprobe.verdict.labels import Direction
from varprobe.verdict.rule import LN10, STABLE

# Decades that a variance's axis has each way of 1 at least, and those within which the verdict says stable.
DECADES, STABLE_DECADES = 3, STABLE / LN10
# Decades between the widest and the narrowest histogram above which their axis is logarithmic.
_LINEAR_DECADES = 3.0
# Ends of a linear axis, at least, in units of the input's root mean square; and of the widest histogram in its own.
_LEAST, _REACH = 3.0, 5.0
# Ticks on either side of 0, on a linear axis; decades that may lie between two on a logarithmic one.
_SIDE, _STEPS = 3, (1, 2, 3, 4, 5, 8)

Log = float | None
Values = NDArray[np.float64]


def find_y_range(logs: Iterable[Log]) -> tuple[int, int]:
    """Whole decades, as log10, that an axis of variances has: a factor 1000 each way of 1, and more for what is beyond.

    >>> find_y_range([0.1, -2.0, None]), find_y_range([-31.5])
    ((-3, 3), (-32, 3))
    """
    known = [log for log in logs if log is not None and math.isfinite(log)]
    return min(-DECADES, math.floor(min(known, default=0))), max(DECADES, math.ceil(max(known, default=0)))


def activation_typical(row: LayerRow) -> Log:
    """log10 of the variance of a row's output in a typical draw; by theory where nothing was measured."""
    if row.activation is None:
        return row.predicted.log10_activation_variance
    return typical_log10(row.activation.variance)


def gradient_typical(row: LayerRow) -> Log:
    """log10 of the variance of the gradient with respect to the same output, likewise."""
    if row.activation_gradient is None:
        return row.predicted.log10_activation_gradient_second_moment
    return typical_log10(row.activation_gradient.variance)


def judged_rows(report: Report) -> list[LayerRow]:
    """The rows whose outputs the verdict is about, as `varprobe.verdict.judged` picks them, in order from the input."""
    trunk = [row for row in report.layers if ".residual." not in row.path]
    own = [place for place, row in enumerate(trunk) if row.kind in ("dense", "residual")]
    ends = [*(place - 1 for place in own[1:]), len(trunk) - 1]
    # What stands before a block, as its own norm, lies within it; what follows a layer belongs to it.
    found = [trunk[end] for end in ends] if own else []
    return found[:-1] if report.verdict.head is not None else found


@dataclass(frozen=True)
class StableBand:
    """What the verdict calls stable: the curve is within where a typical draw changed by less than a factor 100.

    Flat, but where the judged quantity is another than what is drawn: the second moment differs from the variance where
    the mean does from 0, and the gradient is judged by its sum over a layer's units.

    Attributes:
        layers: indices of the judged rows.
        low, high: log10 of the variance.
    """

    layers: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def find_stable_band(report: Report, way: Direction) -> StableBand | None:
    """The band of a direction; None where its start is not known."""
    rows = judged_rows(report)
    forward = way == Direction.FORWARD
    judged = [_judged_forward(row) if forward else _judged_backward(row) for row in rows]
    shown = [activation_typical(row) if forward else gradient_typical(row) for row in rows]
    offsets = [None if one is None or other is None else one - other for one, other in zip(shown, judged, strict=True)]
    start = judged[0 if forward else -1] if judged else None
    if forward and len(rows) < FEWEST and report.prediction is not None:
        start = _log10(report.prediction.input_second_moment) or start
    if start is None or all(offset is None for offset in offsets):
        return None
    centres = start + _fill(offsets)
    low, high = (tuple((centres + side * STABLE_DECADES).tolist()) for side in (-1, 1))
    return StableBand(tuple(row.index for row in rows), low, high)


def _judged_forward(row: LayerRow) -> Log:
    if row.activation is not None:
        return typical_log10(row.activation.second_moment)
    found = _log10(row.predicted.activation_second_moment)
    return row.predicted.log10_activation_variance if found is None else found


def _judged_backward(row: LayerRow) -> Log:
    gradient = row.activation_gradient
    found = gradient_typical(row) if gradient is None else typical_log10(gradient.second_moment)
    return None if found is None else found + math.log10(row.fan_out)


def _fill(values: Sequence[Log]) -> Values:
    """Gaps filled from their neighbours."""
    numbers = np.array([math.nan if value is None else value for value in values])
    known = np.flatnonzero(np.isfinite(numbers))
    return np.interp(np.arange(len(numbers)), known, numbers[known])


def _log10(value: float | None) -> Log:
    return math.log10(value) if value is not None and 0 < value < math.inf else None


@dataclass(frozen=True)
class HistogramAxis:
    """One axis of values for the histograms of many layers, in units of the input's (the output gradient's) size.

    Attributes:
        threshold: log10 of the value below which it is linear, where it is logarithmic beyond; None where all of it is
            linear.
        end: where it ends, in either direction, as a place on it.
    """

    threshold: float | None
    end: float

    def place(self, values: Values, size_log10: float) -> Values:
        """Where values stand that are in units of a layer's root mean square, which is 10**size_log10 of the axis'."""
        if self.threshold is None:
            return values * 10**size_log10
        with np.errstate(divide="ignore"):
            logs = np.log10(np.abs(values)) + size_log10 - self.threshold
        # Linear up to the threshold, which stands at 1, then a decade a unit.
        sides = np.where(logs > 0, 1 + logs, 10 ** np.minimum(logs, 0))
        return np.sign(values) * sides

    def ticks(self) -> tuple[tuple[float, str], ...]:
        """Places and what they say."""
        if self.threshold is None:
            step = next(s for s in (m * 10.0**e for e in range(-9, 300) for m in (1, 2, 5)) if _SIDE * s > self.end)
            numbers = np.arange(-_SIDE, _SIDE + 1) * step
            return tuple((float(n), f"{n:g}") for n in numbers if abs(n) <= self.end)
        # Two or three powers, of which the input's own size is one where it has room beside the 0; each has a mirrored
        # place, and the last one its words there too.
        decades, low = round(self.end) - 1, round(self.threshold)
        step = next(s for s in (m * 10**e for e in range(300) for m in _STEPS) if 2.5 * s >= decades)
        first = math.ceil((low + 0.2 * decades) / step) * step
        powers = [(1.0 + power - low, power) for power in range(first, low + decades + 1, step)]
        right = [(place, _power(power)) for place, power in powers]
        left = [(-place, f"-{words}" if place == right[-1][0] else "") for place, words in right]
        return (*left[::-1], (0.0, "0"), *right)


def _power(exponent: int) -> str:
    return "1" if exponent == 0 else f"1e{exponent:+d}"


def find_histogram_axis(sizes: Iterable[Log]) -> HistogramAxis:
    """The axis on which all layers' histograms have their place; a logarithmic one beyond three decades.

    Arguments:
        sizes: log10 of the layers' root mean squares, in units of the input's, or of the output gradient's.
    """
    known = [0.0, *(size for size in sizes if size is not None and math.isfinite(size))]
    low, high = min(known), max(known)
    if high - low <= _LINEAR_DECADES:
        return HistogramAxis(None, max(_LEAST, _REACH * 10**high))
    threshold = math.floor(low)
    return HistogramAxis(float(threshold), 1.0 + math.ceil(high + math.log10(_REACH)) - threshold)


def size_unit_log10(report: Report) -> float:
    """log10 of the input's root mean square, in which activations are drawn; 0 where it is not known.

    The output gradient's, for gradients, is 1 by their definition.
    """
    known = None if report.prediction is None else _log10(report.prediction.input_second_moment)
    return 0.0 if known is None else known / 2
