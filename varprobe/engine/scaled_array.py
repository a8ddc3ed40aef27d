"""Signals with an exponent per trial, so that depth 5000 neither overflows nor underflows.

The true signal of trial t is `values[t] * 2**exponent[t]`. Powers of two change no digit: where the exponents
stay zero, which is always so at ordinary scales, the arithmetic is the plain one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import Block, mix, over_blocks
from varprobe.engine.moments import BatchMoments, Tally, batch_moments
from varprobe.frozen import dataclass

Array = NDArray[np.floating[Any]]
Exponent = NDArray[np.int64]
Logs = NDArray[np.float64]

LN2 = float(np.log(2.0))
# Exponents beyond this are no longer told apart from the end of the arithmetic.
EXPONENT_END = 2**52


@dataclass(frozen=True)
class ScaledArray:
    """values (trials, batch, units) times 2**exponent (trials,); `known`: the statistics of the values, if at hand."""

    values: Array
    exponent: Exponent
    known: BatchMoments | None = None

    @classmethod
    def plain(cls, values: Array) -> ScaledArray:
        return cls(values, np.zeros(len(values), np.int64))

    @cached_property
    def moments(self) -> BatchMoments:
        """Statistics of `values` alone, computed once."""
        return self.known or batch_moments(self.values)

    @property
    def log_second_moment(self) -> Logs:
        """Natural log of the true second moment: -inf for an exact zero, nan where not finite."""
        return log_square(self.moments.second_moment, self.exponent)

    @property
    def is_plain(self) -> bool:
        return not self.exponent.any()

    def absolute(self) -> Array:
        """The true values in the working precision; what does not fit becomes inf or 0."""
        return self.values if self.is_plain else _shift(self.values, self.exponent)

    def settle(self) -> ScaledArray:
        """The same signal, its exponents chosen anew where the values have left the comfortable range."""
        limit = comfortable(self.values.dtype)
        second = self.moments.second_moment
        with np.errstate(divide="ignore", invalid="ignore"):
            bits = np.log2(second) / 2
        far = np.isfinite(bits) & ((np.abs(bits) > limit) | (self.exponent != 0) & (np.abs(bits) > limit / 2))
        if not far.any():
            return self
        shift = np.where(far, np.round(np.where(far, bits, 0.0)), 0).astype(np.int64)
        return ScaledArray(_shift(self.values, -shift), self.exponent + shift)

    def times(self, factor: float) -> ScaledArray:
        """The signal times a number, whose size goes into the exponent where it is out of the ordinary."""
        if factor == 1.0:
            return self
        near, exponent = split(factor)
        number = self.values.dtype.type(near)
        return compute(lambda values: values * number, self.exponent + exponent, self.values)

    def plus(self, other: ScaledArray) -> ScaledArray:
        """The sum, at the larger exponent of the two in each trial."""
        if self.is_plain and other.is_plain:
            return compute(np.add, self.exponent, self.values, np.broadcast_to(other.values, self.values.shape))
        mine, theirs = _top(self), _top(other)
        exponent = np.where(mine >= theirs, self.exponent, other.exponent)
        exponent = np.where(np.isfinite(np.maximum(mine, theirs)), exponent, np.maximum(self.exponent, other.exponent))
        return ScaledArray(
            _shift(self.values, self.exponent - exponent) + _shift(other.values, other.exponent - exponent),
            exponent,
        )


def compute(function: Callable[..., Array], exponent: Exponent, first: Array, *others: Array) -> ScaledArray:
    """An elementwise function of arrays of one shape, times 2**exponent, and its statistics in the same pass."""
    out = np.empty_like(first)
    tally = Tally(out.shape, out.dtype)

    def work(block: Block) -> None:
        part = function(first[block], *(other[block] for other in others))
        out[block] = part
        tally.see(block, part)

    over_blocks(work, out.shape)
    return ScaledArray(out, exponent, tally.moments())


def combine(*terms: tuple[Array, Array], exponent: Exponent, scale: float = 1.0) -> ScaledArray:
    """The sum of matrices times rows, as in `mix`, times scale 2**exponent, and its statistics in the same pass."""
    tally = Tally((*terms[0][0].shape[:2], terms[0][1].shape[2]), terms[0][1].dtype)
    number = terms[0][1].dtype.type(scale)

    def see(block: Block, part: Array) -> None:
        part *= number
        tally.see(block, part)

    values = mix(*terms, see=tally.see if scale == 1.0 else see)
    return ScaledArray(values, exponent, tally.moments())


def split(factor: float) -> tuple[float, int]:
    """A number as m and e with factor = m 2^e: e is 0 unless the size is out of the ordinary."""
    mantissa, exponent = math.frexp(factor)
    if not math.isfinite(factor) or abs(exponent) <= 30:
        return factor, 0
    return mantissa, exponent


def comfortable(dtype: np.dtype[Any]) -> int:
    """Bits by which a root mean square may be away from 1 before a signal is rescaled."""
    return 40 if dtype == np.float32 else 80


def log_square(second: NDArray[np.float64], exponent: Exponent) -> Logs:
    """ln(second * 4**exponent) without forming it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(second) + 2 * LN2 * exponent
    ended = ~np.isfinite(second) | (np.abs(exponent) > EXPONENT_END)
    return np.where(ended, np.nan, logs)


def _shift(values: Array, exponent: Exponent) -> Array:
    bounded = np.clip(exponent, -4000, 4000).astype(np.int32)
    return np.ldexp(values, bounded.reshape(-1, 1, 1))


def _top(signal: ScaledArray) -> NDArray[np.float64]:
    """The largest bit that each trial uses; -inf for zeros."""
    with np.errstate(divide="ignore"):
        return np.log2(signal.moments.max_abs) + signal.exponent
