"""The moments of one tensor, in one pass over pieces that stay in the cache.

Sums run in float32 within a row of 4,096 weights and in float64 over rows, at a third of what float64 throughout would
cost: a rounding of float32 enters at most 4,096 times, so relative errors are below 4096 * 2^-24 and as a rule 1e-8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.audit.tensors import Tensor
from varprobe.frozen import dataclass

Array = NDArray[Any]
Sums = NDArray[np.float64]

# Weights of a row that is summed in float32, and rows that are worked on at once.
_ROW, _ROWS = 4096, 16
_PIECE = _ROW * _ROWS
# Fourth powers of what lies within these keep their digits in float32.
_SMALLEST, _LARGEST = 1e-6, 1e6
# Weights that the robust standard deviation looks at: it is known to 1.5 %, of a limit of 7.5.
_SAMPLE = 2**13
# The spread of the middle half of a normal law, in standard deviations.
_HALF_SPREAD = 1.3489795003921634
# From so many robust standard deviations on, a weight counts as far out: one in 10^13 of a normal law.
FAR = 7.5


@dataclass(frozen=True)
class Moments:
    """What a pass over the weights of one tensor yields.

    Attributes:
        count: finite weights.
        not_finite: nan and infinite ones, which nothing else counts.
        zeros: exact zeros.
        mean, std: over the finite weights.
        kurtosis: fourth central moment over the squared variance; nan where all weights are equal.
        low, high: the smallest and largest weight.
        far: weights more than `FAR` robust standard deviations from the mean.
        robust_std: from the spread of the middle half: the standard deviation without outliers, of a normal law.
        key: tensors of one shape with unlike keys are not identical.
    """

    count: int
    not_finite: int
    zeros: int
    mean: float
    std: float
    kurtosis: float
    low: float
    high: float
    far: int
    robust_std: float
    key: tuple[float, ...]

    @property
    def largest(self) -> float:
        """The largest distance from the mean, in standard deviations."""
        return max(self.high - self.mean, self.mean - self.low) / self.std if self.std else math.nan


class MomentTally:
    """Gathers the moments of a tensor, block by block."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sums: Sums = np.zeros(4)
        self.count = self.seen = self.zeros = 0
        self.low, self.high = math.inf, -math.inf
        self.unit: tuple[float, float] | None = None
        self.sample: list[Array] = []

    def see(self, block: Array) -> None:
        """Takes in the next weights."""
        flat = block.reshape(-1)
        self.sample.append(flat[:: max(self.size // _SAMPLE, 1)])
        self.seen += flat.size
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, _PIECE):
                self._see_piece(flat[start : start + _PIECE])

    def _see_piece(self, piece: Array) -> None:
        low, high = float(piece.min()), float(piece.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            piece = piece[np.isfinite(piece)]
            if not piece.size:
                return
            low, high = float(piece.min()), float(piece.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.count += piece.size
        if low <= 0 <= high:
            self.zeros += int(np.count_nonzero(piece == 0))
        if self.unit is None:
            self.unit = _unit_of(piece[:_ROW])
        self.sums += _power_sums(piece, *self.unit)

    def moments(self, tensor: Tensor) -> Moments:
        """The moments of the tensor, of which all blocks were seen; it is read again where weights are far out."""
        if not self.count or self.unit is None:
            nan = math.nan
            return Moments(0, self.seen, 0, nan, nan, nan, nan, nan, 0, nan, (float(self.seen),))
        scale, centre = self.unit
        first, second, third, fourth = (float(each) / self.count for each in self.sums)
        constant = self.low == self.high
        variance = 0.0 if constant else max(second - first**2, 0.0)
        central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
        mean = self.low if constant else (centre + first) * scale
        robust = _robust_std(self.sample)
        far = 0
        if robust > 0 and max(self.high - mean, mean - self.low) > FAR * robust:
            far = sum(_count_beyond(block, mean, FAR * robust) for block in tensor.blocks())
        return Moments(
            count=self.count,
            not_finite=self.seen - self.count,
            zeros=self.zeros,
            mean=mean,
            std=math.sqrt(variance) * scale,
            kurtosis=central / variance**2 if variance else math.nan,
            low=self.low,
            high=self.high,
            far=far,
            robust_std=robust,
            key=(self.low, self.high, *(float(each) for each in self.sums)),
        )


def pool(draws: list[Moments]) -> Moments:
    """The moments of several draws of one tensor taken together."""
    if len(draws) == 1:
        return draws[0]
    count = sum(one.count for one in draws)
    nan = math.nan
    used = [one for one in draws if one.count]
    if not used:
        return Moments(0, sum(one.not_finite for one in draws), 0, nan, nan, nan, nan, nan, 0, nan, ())
    mean = sum(one.mean * (one.count / count) for one in used)
    unit = max(max(one.std, abs(one.mean)) for one in used) or 1.0
    variance = fourth = 0.0
    for one in used:
        away, own, share = ((one.mean - mean) / unit) ** 2, (one.std / unit) ** 2, one.count / count
        variance += share * (own + away)
        # The third central moment is not kept: draws of one law have nearly one mean.
        fourth += share * ((0.0 if math.isnan(one.kurtosis) else one.kurtosis * own**2) + 6 * away * own + away**2)
    return Moments(
        count=count,
        not_finite=sum(one.not_finite for one in draws),
        zeros=sum(one.zeros for one in draws),
        mean=mean,
        std=math.sqrt(variance) * unit,
        kurtosis=fourth / variance**2 if variance**2 > 0 else nan,
        low=min(one.low for one in used),
        high=max(one.high for one in used),
        far=sum(one.far for one in used),
        robust_std=sum(one.robust_std / len(used) for one in used),
        key=tuple(number for one in draws for number in one.key),
    )


def _unit_of(piece: Array) -> tuple[float, float]:
    """A unit and a centre in which powers neither overflow nor cancel, from the first weights: 1 and 0 as a rule."""
    wide = piece.astype(np.float64)
    peak = float(np.abs(wide).max()) or 1.0
    mean, std = float((wide / peak).mean()), float((wide / peak).std())
    scale = 1.0 if std * peak > _SMALLEST and peak < _LARGEST else peak
    centred = abs(mean) <= 3 * std or std == 0.0
    return scale, 0.0 if centred else mean * peak / scale


def _power_sums(piece: Array, scale: float, centre: float) -> Sums:
    """Sums of the first four powers of weight/scale - centre."""
    work = piece
    if scale != 1.0 or centre:
        work = (piece.astype(np.float64) / scale - centre).astype(piece.dtype)
    whole = work.size // _ROW * _ROW
    sums = _row_sums(work[:whole].reshape(-1, _ROW)) if whole else np.zeros(4)
    return sums + _row_sums(work[whole:].reshape(1, -1)) if whole < work.size else sums


def _row_sums(rows: Array) -> Sums:
    squares = rows * rows
    ones = np.ones(rows.shape[1], rows.dtype)  # BLAS sums three times as fast as numpy does
    return np.array(
        [
            (rows @ ones).sum(dtype=np.float64),
            np.vecdot(rows, rows).sum(dtype=np.float64),
            np.vecdot(squares, rows).sum(dtype=np.float64),
            np.vecdot(squares, squares).sum(dtype=np.float64),
        ]
    )


def _count_beyond(block: Array, mean: float, reach: float) -> int:
    flat = block.reshape(-1)
    return sum(int(np.count_nonzero(np.abs(piece - mean) > reach)) for piece in _cut(flat))


def _cut(flat: Array) -> Iterator[Array]:
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, _PIECE):
            yield flat[start : start + _PIECE]


def _robust_std(sample: list[Array]) -> float:
    values = np.concatenate(sample)[: 2 * _SAMPLE].astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size < 4:
        return 0.0
    at = (values.size // 4, values.size - 1 - values.size // 4)
    parts = np.partition(values, at)
    return float(parts[at[1]] - parts[at[0]]) / _HALF_SPREAD
