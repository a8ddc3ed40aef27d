"""Statistics of dObjective/dW = delta^T X, formed only where that is cheaper than doing without."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import BLOCK, each, gram_and_sums, row_sums
from varprobe.frozen import dataclass

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Of the rows of an array (trials, batch, units), in double precision.

    Attributes:
        gram: their products with each other (trials, batch, batch).
        total: over the units (trials, batch).
    """

    gram: NDArray[np.float64]
    total: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Array, dtype: np.dtype[Any]) -> Sums:
        """The products in `dtype`."""
        return cls(*gram_and_sums(rows, dtype))


def weight_gradient_moments(delta: Array, source: Array, known: tuple[Sums, Sums] | None) -> tuple[PerTrial, PerTrial]:
    """Second moment and mean of the entries of dW, per trial.

    ||dW||^2 = sum((X X^T) * (delta delta^T)), and sum(dW) = sum over the batch of sum(delta) sum(X).

    Arguments:
        known: the sums of delta and of X, where they are at hand.
    """
    batch, fan_out, fan_in = delta.shape[1], delta.shape[2], source.shape[2]
    count = fan_out * fan_in
    if known is None and batch * (fan_out + fan_in) <= 2 * count:
        known = Sums.of(delta, delta.dtype), Sums.of(source, source.dtype)
    if known is None:
        squares, total = _squares_formed(delta, source), np.einsum("tb,tb->t", row_sums(delta), row_sums(source))
    else:
        squares = np.einsum("tij,tij->t", known[0].gram, known[1].gram)
        total = np.einsum("tb,tb->t", known[0].total, known[1].total)
    return np.maximum(squares, 0.0) / count, total / count


def _squares_formed(delta: Array, source: Array) -> PerTrial:
    trials, _, fan_out = delta.shape
    rows = max(1, BLOCK // (trials * source.shape[2]))
    starts = range(0, fan_out, rows)

    def work(number: int) -> PerTrial:
        place = slice(starts[number], starts[number] + rows)
        part = np.matmul(delta[:, :, place].swapaxes(1, 2), source).astype(np.float64)
        found: PerTrial = np.einsum("tij,tij->t", part, part)
        return found

    found: PerTrial = np.sum(each(work, len(starts)), axis=0)
    return found
