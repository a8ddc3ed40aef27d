"""How many directions a batch still has, and whether the units of a layer are one and the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import Block, sum_blocks
from varprobe.engine.scaled_array import ScaledArray

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]
Squares = NDArray[np.float64]

# Samples that the effective rank is taken of: the first of the batch.
RANK_SAMPLES = 128
# Below this share of the whole, the centred part of a Gram matrix has lost more than three of float32's seven digits.
_CANCELLED = 2.0**-10
# Units are one and the same where they differ by no more than so many roundings of the largest value: a product's
# columns are not all summed in one order.
_ROUNDINGS = 64


def measure_effective_rank(signal: ScaledArray, gram: Squares | None = None) -> PerTrial:
    """The participation ratio (tr C)^2 / tr C^2 of each trial's first `RANK_SAMPLES` samples, (trials,).

    C is their covariance, of units or of samples: both have the same eigenvalues but for zeros. nan for one sample,
    and where the samples differ by no more than rounding: tr C below 100 squared roundings of the sum of squares.

    Arguments:
        signal: values (trials, batch, units).
        gram: its uncentred Gram matrices (trials, batch, batch), where they are at hand; used where centring them
            leaves a relative error below 1e-3 (float32; 2e-9 in float64), else the values are.
    """
    trials, batch, _ = signal.values.shape
    ranks = np.full(trials, np.nan)
    if batch == 1:
        return ranks
    again = np.ones(trials, np.bool_)
    values = signal.values[:, :RANK_SAMPLES]
    if gram is not None:
        ranks, again = _from_gram(gram[:, :RANK_SAMPLES, :RANK_SAMPLES])
    elif values.shape[2] < values.shape[1]:
        ranks, again = _from_products(values)
    again &= np.isfinite(signal.moments.max_abs) & (signal.moments.max_abs > 0)
    if again.any():
        chosen = slice(None) if again.all() else again
        ranks[again] = _from_values(values[chosen], signal.moments.max_abs[chosen])
    return ranks


def _from_gram(gram: Squares) -> tuple[PerTrial, NDArray[np.bool_]]:
    """The ratio, and in which trials it has to come from the values."""
    samples = gram.shape[1]
    rows = gram.sum(axis=2)
    return _ratio(gram, rows.sum(axis=1) / samples, np.einsum("ti,ti->t", rows, rows) / samples)


def _from_products(values: Array) -> tuple[PerTrial, NDArray[np.bool_]]:
    """As `_from_gram`, from the products of the units with each other."""
    samples = values.shape[1]
    products = np.matmul(values.swapaxes(1, 2), values).astype(np.float64)
    sums = np.matmul(np.ones(samples, values.dtype), values).astype(np.float64)
    along = np.einsum("ti,ti->t", sums, np.matmul(products, sums[:, :, None])[:, :, 0])
    return _ratio(products, np.einsum("ti,ti->t", sums, sums) / samples, along / samples)


def _ratio(products: Squares, mean: PerTrial, along: PerTrial) -> tuple[PerTrial, NDArray[np.bool_]]:
    """Of the matrix less the part of the mean, whose trace is `mean` and whose product with the matrix has `along`."""
    whole = np.einsum("tii->t", products)
    trace = whole - mean
    squares = np.einsum("tij,tij->t", products, products) - 2 * along + mean**2
    lost = ~(trace > _CANCELLED * whole)
    return np.where(lost, np.nan, trace**2 / np.where(lost, np.nan, squares)), lost


def _from_values(values: Array, largest: PerTrial) -> PerTrial:
    """Centred first: differences to the first sample are exact where the samples are alike."""
    samples, units = values.shape[1:]
    # A power of two, so that no square leaves the range of the working precision.
    unit = np.ldexp(1.0, -np.clip(np.frexp(largest)[1], -120, 120)).astype(values.dtype).reshape(-1, 1, 1)
    first = values[:, :1]

    def centre(block: Block) -> Array:
        which, _, place = block
        part = (values[block] - first[which, :, place]) * unit[which]
        part -= part.mean(axis=1, keepdims=True)
        return part

    if units < samples:
        whole = centre((slice(None),) * 3)
        squares: Squares = np.matmul(whole.swapaxes(1, 2), whole).astype(np.float64)
    else:
        squares = sum_blocks(values.shape, (samples, samples), lambda block: _square(centre(block)))
    trace = np.einsum("tii->t", squares)
    total = np.einsum("tbn,tbn->t", values, values) * np.square(unit[:, 0, 0].astype(np.float64))
    exact = trace > 100 * float(np.finfo(values.dtype).eps) ** 2 * total
    return np.where(exact, trace**2 / np.where(exact, np.einsum("tij,tij->t", squares, squares), 1.0), np.nan)


def _square(rows: Array) -> Array:
    return np.matmul(rows, rows.swapaxes(1, 2))


def find_identical_units(signal: ScaledArray) -> PerTrial:
    """1.0 for the trials whose units are all the same in every sample, to rounding; else 0.0; nan for one unit."""
    trials, _, units = signal.values.shape
    if units == 1:
        return np.full(trials, np.nan)
    tolerance = _ROUNDINGS * float(np.finfo(signal.values.dtype).eps) * signal.moments.max_abs
    found = np.zeros(trials)
    # Few get past the first two units of the first sample, and then its others.
    maybe = np.flatnonzero(np.abs(signal.values[:, 0, 1] - signal.values[:, 0, 0]) <= tolerance)
    if maybe.size:
        maybe = maybe[np.ptp(signal.values[maybe, 0], axis=1) <= tolerance[maybe]]
    for trial in maybe:
        found[trial] = np.ptp(signal.values[trial], axis=1).max() <= tolerance[trial]
    return found


def measure_column_share(signal: ScaledArray) -> PerTrial:
    """The share of the sum of squares that the largest tenth of the columns carries, at least one; nan for zeros."""
    values = signal.values.astype(np.float64, copy=False)
    columns = np.sort(np.einsum("tbn,tbn->tn", values, values), axis=1)
    largest = columns[:, -max(1, columns.shape[1] // 10) :].sum(axis=1)
    total = columns.sum(axis=1)
    return np.where(total > 0, largest / np.where(total > 0, total, 1.0), np.nan)


def measure_mean_share(signal: ScaledArray) -> PerTrial:
    """The squared mean over the second moment of the entries; nan for zeros."""
    second = signal.moments.second_moment
    return np.where(second > 0, signal.moments.mean**2 / np.where(second > 0, second, 1.0), np.nan)
