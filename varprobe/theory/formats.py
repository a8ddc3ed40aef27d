"""Where a network leaves a number format, and how likely a draw is to do so.

A row overflows if any of its batch * width values does. Given the second moment of z, values are Gaussian; samples of
one unit have correlation c, units are independent. From draw to draw ln of the second moment is taken as Gaussian,
with the variance of the finite-width expansion and the mean that goes with it. Values beyond the largest number of a
format are far out, where an activation is as good as its slopes there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.spec.activations import Activation
from varprobe.spec.network import Dense, NetworkSpec, Pointwise, Step
from varprobe.spec.number_formats import NumberFormat
from varprobe.spec.special import normal_cdf
from varprobe.theory.records import Fluctuation, Level, Prediction, RowPrediction

Vector = NDArray[np.float64]

# Nodes over ln of the second moment, and over what the samples of a unit share; both in standard deviations.
_DRAWS = np.linspace(-5.0, 5.0, 41)
_SHARED = np.linspace(-8.0, 8.0, 129)
# A threshold this many standard deviations out is reached by none, and one this near by some, of any batch.
_FAR, _NEAR = 14.0, 0.1
# Layers beyond the built ones that are looked at.
LONGEST = 10_000


@dataclass(frozen=True)
class Chances:
    """Probabilities over draws, per row; nan where they are not known.

    Attributes:
        overflow: some value of the row's output is beyond the largest number.
        underflow: the root mean square of the row's output is below the smallest number.
        gradient_overflow, gradient_underflow: the same of dObjective/d(source), with second moment 1 at the output.
        gradient_rms: log2 of the root mean square, in the mean over draws.
        next_overflow: the row, from 1, by which overflow is likelier than not, were the last layer repeated for ever.
    """

    overflow: Vector
    underflow: Vector
    gradient_overflow: Vector
    gradient_underflow: Vector
    gradient_rms: Vector
    next_overflow: int | None = None


def predicted_chances(spec: NetworkSpec, prediction: Prediction, batch: int, number: NumberFormat) -> Chances:
    """By theory alone, for one format."""
    top, bottom = math.log(number.largest), 2 * math.log(number.smallest)
    over, small, back, under, size = (np.full(len(spec.rows), math.nan) for _ in range(5))
    for i, (step, row) in enumerate(zip(spec.rows, prediction.rows, strict=True)):
        over[i] = _row_overflow(step, row, batch, top)
        if row.output is not None:
            small[i] = _below(row.output.log_second_moment, _variance(row.width.output), bottom)
        log, width = row.log_gradient, row.width.gradient
        if log is not None:
            back[i] = _any_beyond(log, _variance(width), 0.0, step.fan_out, batch, top, top)
            under[i] = _below(log, _variance(width), bottom)
            size[i] = log / 2 / math.log(2)
    return Chances(over, small, back, under, size, _next_overflow(spec, prediction, batch, top))


def _variance(width: Fluctuation | None) -> float:
    return 0.0 if width is None else width.variance


def _row_overflow(step: Step, row: RowPrediction, batch: int, top: float) -> float:
    activation = step.layer.activation if isinstance(step.layer, (Dense, Pointwise)) else None
    level = row.source if activation else row.output
    if level is None:
        return math.nan
    width = row.width.source if activation else row.width.output
    return _overflow(activation, level, _variance(width), step.fan_out, batch, top)


def _overflow(
    activation: Activation | None, level: Level, variance: float, width: int, batch: int, top: float
) -> float:
    low, high = _thresholds(activation, top)
    common = (
        0.0 if level.spread is None else 1 - math.exp(min((level.log_spread or 0.0) - level.log_second_moment, 0.0))
    )
    return _any_beyond(level.log_second_moment, variance, common, width, batch, low, high)


def _thresholds(activation: Activation | None, top: float) -> tuple[float, float]:
    """ln of how far below and above zero z must be for phi(z) to be beyond exp(top)."""
    if activation is None:
        return top, top
    degree = activation.degree or 1
    slopes = activation.far
    if activation.degree is not None:
        slopes = tuple(float(abs(value)) for value in activation.value(np.array([-1.0, 1.0])))  # type: ignore[assignment]
    if slopes is None:
        return math.inf, math.inf
    low, high = ((top - math.log(abs(slope))) / degree if slope else math.inf for slope in slopes)
    return low, high


def _any_beyond(
    log_second: float, variance: float, common: float, width: int, batch: int, low: float, high: float
) -> float:
    """P(some of width * batch values is below -exp(low) or above exp(high))."""
    if log_second == -math.inf or min(low, high) == math.inf:
        return 0.0
    spread = math.sqrt(variance)
    middle = (log_second - variance / 2) / 2
    nearest = min(low, high) - middle
    if nearest - 2.5 * spread > math.log(_FAR):
        return 0.0
    if nearest + 2.5 * spread < math.log(_NEAR) and width * batch >= 8:
        return 1.0
    std = middle + spread / 2 * _DRAWS
    below, above = (np.exp(np.minimum(edge - std, 700.0))[:, None] for edge in (low, high))
    own = math.sqrt(max(1 - common, 1e-12))
    shift = math.sqrt(common) * _SHARED
    tails = normal_cdf((shift - above) / own) + normal_cdf((-below - shift) / own)
    with np.errstate(divide="ignore"):
        kept = _weights(_SHARED) @ np.exp(batch * np.log1p(-np.minimum(tails, 1.0))).T
        none = np.exp(width * np.log(np.minimum(kept, 1.0)))
    return float(1 - _weights(_DRAWS) @ none)


def _weights(nodes: Vector) -> Vector:
    """Of N(0, 1) on a fine grid."""
    density = np.exp(-nodes * nodes / 2)
    return np.asarray(density / density.sum())


def _below(log_second: float, variance: float, limit: float) -> float:
    """P(a second moment is below exp(limit))."""
    distance = limit - (log_second - variance / 2)
    if variance == 0 or not math.isfinite(distance):
        return float(distance > 0)
    return float(normal_cdf(np.array([distance / math.sqrt(variance)]))[0])


def _next_overflow(spec: NetworkSpec, prediction: Prediction, batch: int, top: float) -> int | None:
    """Of the last dense layer of a chain, repeated: second moment and its variance go on as at the last step."""
    if len(spec.rows) < 2:
        return None
    (earlier, last), (before, row) = spec.rows[-2:], prediction.rows[-2:]
    same = isinstance(last.layer, Dense) and last.layer is earlier.layer
    if not same or before.source is None or row.source is None:
        return None
    growth = row.source.log_second_moment - before.source.log_second_moment
    if not growth > 0:
        return None
    widening = _variance(row.width.source) - _variance(before.width.source)
    assert isinstance(last.layer, Dense)
    low, high = _thresholds(last.layer.activation, top)
    spread = row.source.log_spread
    common = 0.0 if spread is None else 1 - math.exp(min(spread - row.source.log_second_moment, 0.0))

    def chance(ahead: int) -> float:
        log = row.source.log_second_moment + growth * ahead if row.source else 0.0
        variance = max(_variance(row.width.source) + widening * ahead, 0.0)
        return _any_beyond(log, variance, common, last.fan_out, batch, low, high)

    if chance(LONGEST) < 0.5:
        return None
    near, far = 0, LONGEST
    while far - near > 1:
        middle = (near + far) // 2
        near, far = (near, middle) if chance(middle) >= 0.5 else (middle, far)
    return len(spec.rows) + far
