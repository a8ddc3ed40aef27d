"""Statistics of weight matrices and of their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.draws import Draw
from varprobe.engine.scaled import Scaled

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]


def entry_variance(weights: Draw) -> PerTrial:
    """Variance over the entries of each matrix, row blocks at a time so that no second matrix of doubles exists."""
    values = weights.values
    rows = max(1, 65536 // values.shape[2])
    total, squares = np.zeros(len(values)), np.zeros(len(values))
    shift = values[:, :1, :1].astype(np.float64)
    for start in range(0, values.shape[1], rows):
        block = values[:, start : start + rows] - shift
        total += block.sum(axis=(1, 2))
        squares += np.einsum("tij,tij->t", block, block)
    count = values.shape[1] * values.shape[2]
    return np.maximum(squares / count - np.square(total / count), 0.0) * weights.factor**2


def unit_variance(z: Scaled, weights: Draw, gain: float) -> tuple[Scaled, Draw]:
    """LSUV: each trial's weights divided by the standard deviation of its output, times gain."""
    variance = z.moments.variance
    usable = np.isfinite(variance) & (variance > 0)
    root = np.sqrt(np.where(usable, variance, 1.0))
    factor = (np.where(usable, gain / root, 1.0)).astype(z.values.dtype).reshape(-1, 1, 1)
    # The output's own exponent is part of its size, and so part of what is divided out.
    exponent = np.where(usable, -z.exponent, 0)
    scaled = Scaled(weights.values * factor, exponent).absolute()
    return Scaled(z.values * factor, z.exponent + exponent), Draw(scaled, weights.factor)


def weight_gradient_moments(delta: Array, source: Array) -> tuple[PerTrial, PerTrial]:
    """Second moment and mean of the entries of dW = delta^T source, per trial.

    ||dW||^2 = sum((A A^T) * (D D^T)): the matrix itself is formed only where that is cheaper.
    """
    batch, fan_out, fan_in = delta.shape[1], delta.shape[2], source.shape[2]
    count = fan_out * fan_in
    if batch * (fan_out + fan_in) < count:
        left, right = np.matmul(source, source.swapaxes(1, 2)), np.matmul(delta, delta.swapaxes(1, 2))
        squares = np.einsum("tij,tij->t", left.astype(np.float64), right.astype(np.float64))
    else:
        squares = np.zeros(len(delta))
        rows = max(1, 65536 // fan_in)
        for start in range(0, fan_out, rows):
            block = np.matmul(delta[:, :, start : start + rows].swapaxes(1, 2), source).astype(np.float64)
            squares += np.einsum("tij,tij->t", block, block)
    total = np.einsum("tb,tb->t", delta.sum(axis=2, dtype=np.float64), source.sum(axis=2, dtype=np.float64))
    return np.maximum(squares, 0.0) / count, total / count
