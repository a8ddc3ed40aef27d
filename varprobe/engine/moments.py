"""Per-trial statistics of (trials, batch, units) arrays: two-pass, float64 accumulators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]

HISTOGRAM_REACH = 5.0
HISTOGRAM_BINS = 80
HISTOGRAM_EDGES = np.linspace(-HISTOGRAM_REACH, HISTOGRAM_REACH, HISTOGRAM_BINS + 1)


@dataclass(frozen=True)
class BatchMoments:
    """One number per trial each.

    Attributes:
        mean: over batch and units.
        second_moment: mean of squares over batch and units.
        variance: second moment minus squared mean.
        sample_variance: across the batch at each unit (ddof 1), averaged over units; nan at batch 1.
        dead: share of units that are exactly zero for the whole batch.
    """

    mean: PerTrial
    second_moment: PerTrial
    variance: PerTrial
    sample_variance: PerTrial
    dead: PerTrial


def batch_moments(values: Array) -> BatchMoments:
    """The statistics of every trial of a (trials, batch, units) array."""
    batch, units = values.shape[1:]
    centred = values.astype(np.float64)
    unit_mean = centred.mean(axis=1)
    centred -= unit_mean[:, None]
    unit_squares = np.einsum("tbn,tbn->tn", centred, centred)
    mean = unit_mean.mean(axis=1)
    spread = unit_mean - mean[:, None]
    within = unit_squares.sum(axis=1) / (batch * units)
    return BatchMoments(
        mean=mean,
        second_moment=within + np.einsum("tn,tn->t", unit_mean, unit_mean) / units,
        variance=within + np.einsum("tn,tn->t", spread, spread) / units,
        sample_variance=within * (batch / (batch - 1)) if batch > 1 else np.full(len(values), np.nan),
        dead=((unit_squares == 0) & (unit_mean == 0)).mean(axis=1),
    )


def max_abs(values: Array) -> PerTrial:
    """The largest absolute value of every trial."""
    return np.maximum(values.max(axis=(1, 2)), -values.min(axis=(1, 2))).astype(np.float64)


def saturated_share(values: Array, limits: tuple[float | None, float | None] | None) -> PerTrial:
    """The share of values within half a per cent of a bounded function's range from one of its limits.

    For tanh these are the values beyond 0.99. nan where the function has no limits.
    """
    if limits is None:
        return np.full(len(values), np.nan)
    low, high = limits
    margin = 0.005 * ((high or 0.0) - (low or 0.0))
    outside = np.zeros(values.shape, bool)
    if low is not None:
        outside |= values < low + margin
    if high is not None:
        outside |= values > high - margin
    return outside.mean(axis=(1, 2))


def histogram(values: Array, second_moment: PerTrial) -> NDArray[np.int64]:
    """Counts over all trials, each in units of its own root mean square; the end bins hold what lies beyond."""
    usable = np.isfinite(second_moment)
    with np.errstate(divide="ignore", over="ignore"):
        scale = np.where(second_moment > 0, 1 / np.sqrt(second_moment), 0.0)
    usable &= scale < 1e36
    if not usable.all():
        values, scale = values[usable], scale[usable]
    if not values.size:
        return np.zeros(HISTOGRAM_BINS, np.int64)
    step = HISTOGRAM_BINS / (2 * HISTOGRAM_REACH)
    position = values * (scale * step).astype(values.dtype).reshape(-1, 1, 1)
    position += HISTOGRAM_BINS / 2
    np.clip(position, 0, HISTOGRAM_BINS - 0.5, out=position)
    return np.bincount(position.astype(np.intp).ravel(), minlength=HISTOGRAM_BINS)
