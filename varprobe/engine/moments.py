"""Per-trial statistics of (trials, batch, units) arrays: centred first, float64 accumulators, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import BLOCK, Block, blocks, each, gram_and_sums, lanes, over_blocks, row_sums
from varprobe.frozen import dataclass

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]
Limits = tuple[PerTrial | None, PerTrial | None]

HISTOGRAM_REACH = 5.0
HISTOGRAM_BINS = 80
HISTOGRAM_EDGES = np.linspace(-HISTOGRAM_REACH, HISTOGRAM_REACH, HISTOGRAM_BINS + 1)

# Samples that are summed in the working precision: their relative error is below this times 2^-24.
_SAMPLES = 64
# The squares of what is of this size, and of its inverse, keep their digits in float32.
_SMALL = 2.0**-30


@dataclass(frozen=True)
class BatchMoments:
    """One number per trial each.

    Attributes:
        mean: over batch and units.
        second_moment: mean of squares over batch and units.
        variance: second moment minus squared mean.
        sample_variance: across the batch at each unit (ddof 1), averaged over units; nan at batch 1.
        dead: share of units that are exactly zero for the whole batch.
        max_abs: the largest absolute value.
    """

    mean: PerTrial
    second_moment: PerTrial
    variance: PerTrial
    sample_variance: PerTrial
    dead: PerTrial
    max_abs: PerTrial


class Tally:
    """Gathers the statistics of an array (trials, batch, units) block by block, as the blocks are made."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        trials, self.batch, units = shape
        self.mean = np.empty((trials, units))
        self.squares = np.empty((trials, units))
        self.peak = np.empty((trials, units), dtype)

    def see(self, block: Block, values: Array) -> None:
        """Takes in the values of one block, each block once, from any thread."""
        which, _, units = block
        peak = np.maximum(values.max(axis=1), -values.min(axis=1))
        first, shift, squares = _column_sums(values, peak)
        self.peak[which, units] = peak
        self.squares[which, units] = np.maximum(squares - shift * shift / self.batch, 0.0)
        self.mean[which, units] = first + shift / self.batch

    def moments(self) -> BatchMoments:
        """When every block has been seen."""
        trials, units = self.mean.shape
        mean = self.mean.mean(axis=1)
        spread = self.mean - mean[:, None]
        within = self.squares.sum(axis=1) / (self.batch * units)
        alone = self.batch == 1
        return BatchMoments(
            mean=mean,
            second_moment=within + np.einsum("tn,tn->t", self.mean, self.mean) / units,
            variance=within + np.einsum("tn,tn->t", spread, spread) / units,
            sample_variance=np.full(trials, np.nan) if alone else within * (self.batch / (self.batch - 1)),
            dead=(self.peak == 0).mean(axis=1),
            max_abs=self.peak.max(axis=1).astype(np.float64),
        )


def _column_sums(values: Array, peak: Array) -> tuple[Array, PerTrial, PerTrial]:
    """The first sample, and the sums over the batch of the others' differences to it and of their squares.

    The first sample as the origin is exact where the samples are alike. float32 is summed over a few samples as it
    is, where no square can leave its range, and over those in double precision.
    """
    first = values[:, 0]
    largest = peak.max(axis=1)
    centred = values - first[:, None]
    if values.dtype == np.float64 or not (largest.min() > _SMALL and largest.max() < 1 / _SMALL):
        centred = centred.astype(np.float64, copy=False)
    trials, batch, units = values.shape
    groups = batch // _SAMPLES
    shift, squares = np.zeros(first.shape), np.zeros(first.shape)
    if groups:
        grouped = centred[:, : groups * _SAMPLES].reshape(trials, groups, _SAMPLES, units)
        shift += grouped.sum(axis=2).sum(axis=1, dtype=np.float64)
        squares += np.einsum("tgbn,tgbn->tgn", grouped, grouped).sum(axis=1, dtype=np.float64)
    rest = centred[:, groups * _SAMPLES :]
    shift += rest.sum(axis=1)
    squares += np.einsum("tbn,tbn->tn", rest, rest)
    return first, shift, squares


def batch_moments(values: Array) -> BatchMoments:
    """The statistics of every trial of a (trials, batch, units) array."""
    tally = Tally(values.shape, values.dtype)
    over_blocks(lambda block: tally.see(block, values[block]), values.shape)
    return tally.moments()


def histogram(values: Array, second_moment: PerTrial) -> NDArray[np.int64]:
    """Counts over all trials, each in units of its own root mean square; the end bins hold what lies beyond.

    Behind the bins stands the count of exact zeros, which are in their bin too.
    """
    return histogram_and_saturation(values, second_moment, None)[0]


def histogram_and_saturation(
    values: Array, second_moment: PerTrial, limits: Limits | None
) -> tuple[NDArray[np.int64], PerTrial]:
    """As `histogram`; and the share of each trial's values beyond its limits (low, high), each (trials,) or None."""
    with np.errstate(divide="ignore", over="ignore"):
        scale = np.where(second_moment > 0, 1 / np.sqrt(second_moment), 0.0)
    usable = np.isfinite(second_moment) & (scale < 1e36)
    step = HISTOGRAM_BINS / (2 * HISTOGRAM_REACH)
    factor = _across(np.where(usable, scale * step, 0.0), values.dtype)
    low, high = (None if limit is None else _across(limit, values.dtype) for limit in limits or (None, None))
    cut = lanes(blocks(values.shape))
    beyond = np.zeros((len(cut), len(values)))

    def count(lane: int) -> NDArray[np.intp]:
        found = np.zeros(HISTOGRAM_BINS + 1, np.intp)
        for block in cut[lane]:
            part, which = values[block], block[0]
            if low is not None:
                beyond[lane, which] += np.count_nonzero(part < low[which], axis=(1, 2))
            if high is not None:
                beyond[lane, which] += np.count_nonzero(part > high[which], axis=(1, 2))
            position = part * factor[which]
            position += HISTOGRAM_BINS / 2
            if not usable[which].all():
                part, position = part[usable[which]], position[usable[which]]
            np.clip(position, 0, HISTOGRAM_BINS - 0.5, out=position)
            found[:-1] += np.bincount(position.astype(np.uint8).ravel(), minlength=HISTOGRAM_BINS)
            found[-1] += np.count_nonzero(part == 0)
        return found

    total: NDArray[np.int64] = np.sum(each(count, len(cut)), axis=0, dtype=np.int64)
    return total, beyond.sum(axis=0) / (values.shape[1] * values.shape[2])


def _across(numbers: PerTrial, dtype: np.dtype[Any]) -> Array:
    return numbers.astype(dtype).reshape(-1, 1, 1)


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


def sums_of_both(delta: Array, source: Array) -> tuple[Sums, Sums] | None:
    """The sums of both in their own precision, where they are a quicker way to the moments of dW; else None."""
    batch, fan_out, fan_in = delta.shape[1], delta.shape[2], source.shape[2]
    if batch * (fan_out + fan_in) > 2 * fan_out * fan_in:
        return None
    return Sums.of(delta, delta.dtype), Sums.of(source, source.dtype)


def weight_gradient_moments(delta: Array, source: Array, known: tuple[Sums, Sums] | None) -> tuple[PerTrial, PerTrial]:
    """Second moment and mean of the entries of dW, per trial.

    ||dW||^2 = sum((X X^T) * (delta delta^T)), and sum(dW) = sum over the batch of sum(delta) sum(X).

    Arguments:
        known: the sums of delta and of X; None to form dW.
    """
    count = delta.shape[2] * source.shape[2]
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
