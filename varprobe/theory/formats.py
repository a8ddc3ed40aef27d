"""Where a network leaves a number format, and how likely a draw is to do so.

A row overflows if any of its batch * width values does. Given the second moment of z, values are Gaussian; samples of
one unit have correlation c, units are independent. From draw to draw ln of the second moment is taken as Gaussian,
with the variance of the finite-width expansion and the mean that goes with it. Values beyond the largest number of a
format are far out, where an activation is as good as its slopes there.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import Activation
from varprobe.network.layers import Dropout
from varprobe.network.number_formats import NumberFormat
from varprobe.network.spec import NetworkSpec, Step
from varprobe.network.special import normal_cdf
from varprobe.theory.records import Fluctuation, Prediction, RowPrediction, SignalMoments

Vector = NDArray[np.float64]

# Nodes over ln of the second moment, and over what the samples of a unit share; both in standard deviations.
_DRAWS = np.linspace(-5.0, 5.0, 41)
_SHARED = np.linspace(-8.0, 8.0, 129)
# A threshold this many standard deviations out is reached by none, and one this near by some, of any batch.
_FAR, _NEAR = 14.0, 0.1
# Rows whose chances are computed by quadrature.
_MOST = 100
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


@dataclass(frozen=True)
class RowTable:
    """What the chances hang on, per row; nan where theory ends. Logs are natural, of second moments.

    Attributes:
        signal, signal_variance: of z, or of the output of rows without an activation; and of its ln over draws.
        output, output_variance: of the row's output.
        gradient, gradient_variance: of dObjective/d(source).
        share: the gradient is that of so large a share of the units, the others having next to none.
        mean: of z, in root mean squares.
        common: correlation of two samples at z, apart from the mean.
        low, high: ln of the slope far below and far above zero, -inf where it is flat there.
        degree: a value of size x comes out as slope x^degree.
        widths: units.
    """

    signal: Vector
    signal_variance: Vector
    output: Vector
    output_variance: Vector
    gradient: Vector
    gradient_variance: Vector
    share: Vector
    mean: Vector
    common: Vector
    low: Vector
    high: Vector
    degree: Vector
    widths: Vector


def tabulate_rows(spec: NetworkSpec, prediction: Prediction) -> RowTable:
    """The table of a network."""
    return RowTable(*np.array([_cells(*pair) for pair in zip(spec.rows, prediction.rows, strict=True)]).T)


def _cells(step: Step, row: RowPrediction) -> tuple[float, ...]:
    layer = step.layer
    activation = layer.activation
    signal, width = (row.source, row.width.source) if activation else (row.output, row.width.output)
    units, slopes = float(step.fan_out), _slopes(activation)
    if isinstance(layer, Dropout) and layer.dropped_share:  # fewer units, and larger ones
        larger = math.log(layer.kept_factor)
        signal, width = row.source, row.width.source
        units, slopes = units * (1 - layer.dropped_share), (larger, larger, 1.0)
    return (
        _log(signal),
        _variance(width),
        _log(row.output),
        _variance(row.width.output),
        math.nan if row.log_gradient is None else row.log_gradient,
        _variance(row.width.gradient),
        _share(activation, row.source),
        _mean(signal),
        _common(signal),
        *slopes,
        units,
    )


def _log(signal: SignalMoments | None) -> float:
    return math.nan if signal is None else signal.second_moment.log


def _variance(width: Fluctuation | None) -> float:
    return 0.0 if width is None else width.variance


def _share(activation: Activation | None, signal: SignalMoments | None) -> float:
    """E[phi'^2]^2 / E[phi'^4]: of relu a half, of a saturated function little."""
    mean, variance = signal.scaled(0) if signal else (0.0, 0.0)
    if activation is None or not 1e-100 < variance < 1e100:
        return 1.0
    known = expectations(activation, mean, variance)
    fourth = known.derivative_fourth_moment
    return known.derivative_second_moment**2 / fourth if fourth > 0 else 1.0


def _mean(signal: SignalMoments | None) -> float:
    if signal is None or not signal.mean or not signal.second_moment:
        return 0.0
    return float(signal.mean / signal.second_moment.sqrt())


def _common(signal: SignalMoments | None) -> float:
    if signal is None or signal.sample_variance is None or not signal.variance:
        return 0.0
    return 1 - math.exp(min(signal.sample_variance.log - signal.variance.log, 0.0))


@lru_cache(maxsize=256)
def _slopes(activation: Activation | None) -> tuple[float, float, float]:
    """ln of the slopes far below and above zero, and the degree."""
    if activation is None:
        return 0.0, 0.0, 1.0
    slopes = activation.far or (0.0, 0.0)
    if activation.degree is not None:
        left, right = activation.value(np.array([-1.0, 1.0])).tolist()
        slopes = (left, right)
    low, high = (math.log(abs(slope)) if slope else -math.inf for slope in slopes)
    return low, high, float(activation.degree or 1)


def predict_chances(table: RowTable, batch: int, number: NumberFormat, *, is_chain: bool) -> Chances:
    """By theory alone, for one format; `is_chain`: the last layer could be repeated."""
    top, bottom = math.log(number.largest), 2 * math.log(number.smallest)
    overflow = _overflow(table, batch, top)
    tops = np.full_like(table.gradient, top)
    none = np.zeros_like(tops)
    # The units that have a gradient have the more of it.
    tops += np.log(table.share) / 2
    back = _any_beyond(
        table.gradient, table.gradient_variance, none, none, table.widths * table.share, batch, tops, tops
    )
    return Chances(
        overflow,
        _below(table.output, table.output_variance, bottom),
        back,
        _below(table.gradient, table.gradient_variance, bottom),
        table.gradient / 2 / math.log(2),
        _next_overflow(table, batch, top) if is_chain else None,
    )


def _overflow(table: RowTable, batch: int, top: float) -> Vector:
    """P(some value of a row's output is beyond exp(top)), per row."""
    cells = table.signal, table.signal_variance, table.mean, table.common, table.widths
    return _any_beyond(*cells, batch, (top - table.low) / table.degree, (top - table.high) / table.degree)


def _any_beyond(
    log_second: Vector,
    variance: Vector,
    mean: Vector,
    common: Vector,
    widths: Vector,
    batch: int,
    low: Vector,
    high: Vector,
) -> Vector:
    """P(some of width * batch values is below -exp(low) or above exp(high)), per row; nan where the size is."""
    std = np.sqrt(variance)
    with np.errstate(invalid="ignore"):  # inf - inf where neither side ever leaves
        nearest = np.minimum(low, high) - (log_second - variance / 2) / 2
        safe = nearest - 2.5 * std > math.log(_FAR)
        lost = (nearest + 2.5 * std < math.log(_NEAR)) & (widths * batch >= 8)
    chances = np.where(lost, 1.0, np.where(np.isnan(nearest), np.nan, 0.0))
    doubtful = np.flatnonzero(~safe & ~lost & np.isfinite(nearest))
    # Along the depth of a network chances are smooth: of many rows in doubt some are computed, the rest in between.
    picked = doubtful if doubtful.size <= _MOST else doubtful[np.linspace(0, doubtful.size - 1, _MOST).astype(int)]
    found = np.empty(picked.size)
    for place, row in enumerate(picked):
        cells = (log_second, variance, mean, common, widths, low, high)
        found[place] = _chance(batch, *(float(each[row]) for each in cells))
    if doubtful.size:
        chances[doubtful] = np.interp(doubtful, picked, found)
    return chances


def _chance(
    batch: int, log_second: float, variance: float, mean: float, common: float, width: float, low: float, high: float
) -> float:
    """The same of one row in doubt, by quadrature over draws and over what the samples of a unit share."""
    std = (log_second - variance / 2) / 2 + math.sqrt(variance) / 2 * _DRAWS
    below, above = (np.exp(np.minimum(edge - std, 100.0))[:, None] for edge in (low, high))
    apart = math.sqrt(max(1 - mean * mean, 1e-12))
    own = apart * math.sqrt(max(1 - common, 1e-12))
    shift = mean + apart * math.sqrt(common) * _SHARED
    tails = normal_cdf((shift - above) / own) + normal_cdf((-below - shift) / own)
    with np.errstate(divide="ignore"):
        kept = _weights(_SHARED) @ np.exp(batch * np.log1p(-np.minimum(tails, 1.0))).T
        none = np.exp(width * np.log(np.minimum(kept, 1.0)))
    return float(1 - _weights(_DRAWS) @ none)


def _weights(nodes: Vector) -> Vector:
    """Of N(0, 1) on a fine grid."""
    density = np.exp(-nodes * nodes / 2)
    return np.asarray(density / density.sum())


def _below(log_second: Vector, variance: Vector, limit: float) -> Vector:
    """P(a second moment is below exp(limit)), per row."""
    distance = limit - (log_second - variance / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(variance > 0, distance / np.sqrt(variance), np.copysign(np.inf, distance))
    chances = normal_cdf(np.clip(score, -40.0, 40.0))
    return np.where(np.isnan(log_second), np.nan, chances)


def _next_overflow(table: RowTable, batch: int, top: float) -> int | None:
    """Of the last layer of a chain, repeated: second moment and its variance go on as at the last step."""
    if not np.isfinite(table.signal[-2:]).all() or not table.signal[-1] > table.signal[-2]:
        return None
    growth = table.signal[-1] - table.signal[-2]
    widening = table.signal_variance[-1] - table.signal_variance[-2]

    last = RowTable(*(getattr(table, each.name)[-1:] for each in fields(RowTable)))

    def chance(ahead: int) -> float:
        variance = np.maximum(last.signal_variance + widening * ahead, 0.0)
        return float(
            _overflow(replace(last, signal=last.signal + growth * ahead, signal_variance=variance), batch, top)[0]
        )

    if not chance(LONGEST) >= 0.5:
        return None
    near, far = 0, LONGEST
    while far - near > 1:
        middle = (near + far) // 2
        near, far = (near, middle) if chance(middle) >= 0.5 else (middle, far)
    return len(table.signal) + far


def ends_in_a_chain(spec: NetworkSpec) -> bool:
    """Whether the last two rows are the same dense layer, so that it can be thought of as repeated further."""
    if len(spec.rows) < 2:
        return False
    earlier, last = spec.rows[-2:]
    return last.layer.weights is not None and last.layer is earlier.layer
