"""The gradient of the probe's objective with respect to the network's output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.draws import given
from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.streams import Streams
from varprobe.network.spec import Objective

Array = NDArray[np.floating[Any]]


def objective_gradient(objective: Objective, output: ScaledArray, streams: Streams) -> ScaledArray:
    """dObjective/d(output), each trial's from its own stream.

    random: N(0, 1) entries. mse: of the mean over batch and units of (y - t)^2, targets t of N(0, 1).
    cross_entropy: of the mean over the batch, labels uniform. file: the given cotangent in every trial.
    """
    shape, dtype = output.values.shape, output.values.dtype
    if objective.cotangent is not None:
        return given_signal(objective.cotangent, len(output.values), dtype)
    if objective.kind == "cross_entropy":
        return ScaledArray.plain(_softmax_gradient(output, streams, dtype)).settled()
    normal = streams.normal(np.empty(shape, dtype))
    if objective.kind == "random":
        return ScaledArray.plain(normal)
    difference = output.plus(ScaledArray.plain(normal).times(-1.0))
    return difference.times(2.0 / (shape[1] * shape[2])).settled()


def given_signal(values: Array, trials: int, dtype: np.dtype[Any]) -> ScaledArray:
    """The same given (batch, units) array in every trial."""
    drawn = given(values, values.shape, dtype)
    return ScaledArray.plain(np.repeat(drawn.values, trials, axis=0)).times(drawn.factor).settled()


def _softmax_gradient(output: ScaledArray, streams: Streams, dtype: np.dtype[Any]) -> Array:
    """(softmax(y) - one-hot(label)) / batch, of the mean cross-entropy with uniform random labels."""
    trials, batch, width = output.values.shape
    shifted = output.values - output.values.max(axis=2, keepdims=True)
    shifted = ScaledArray(shifted, output.exponent).absolute()
    share = np.exp(shifted)
    share /= share.sum(axis=2, keepdims=True)
    for trial, stream in zip(range(trials), streams.generators(), strict=True):
        share[trial, np.arange(batch), stream.integers(width, size=batch)] -= 1
    return (share / batch).astype(dtype)
