"""The two ends of a pass: the batch at the input, and the gradient of the objective at the output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.draws import given
from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.streams import Streams
from varprobe.network.spec import InputLaw, Objective

Array = NDArray[np.floating[Any]]


def draw_batch(law: InputLaw, batch: int, streams: Streams, dtype: np.dtype[Any]) -> ScaledArray:
    """The batch of every trial, (trials, batch, features)."""
    if law.rows is not None:
        return _repeat(law.rows, len(streams.trials), dtype)
    shape = (len(streams.trials), batch, law.features)
    mean = ScaledArray.plain(np.broadcast_to(dtype.type(np.sign(law.mean)), shape))
    if law.distribution == "constant":
        return mean.times(abs(law.mean)).settled()
    values = np.empty(shape, dtype)
    if law.distribution == "normal":
        streams.normal(values)
    else:
        streams.uniform(values)
        values -= 0.5
        values *= np.sqrt(12.0)
    signal = ScaledArray.plain(values).times(law.std)
    return (signal.plus(mean.times(abs(law.mean))) if law.mean else signal).settled()


def draw_cotangent(objective: Objective, output: ScaledArray, streams: Streams) -> ScaledArray:
    """dObjective/d(output), each trial's from its own stream.

    random: N(0, 1) entries. mse: of the mean over batch and units of (y - t)^2, targets t of N(0, 1).
    cross_entropy: of the mean over the batch, labels uniform. file: the given cotangent in every trial.
    """
    shape, dtype = output.values.shape, output.values.dtype
    if objective.cotangent is not None:
        return _repeat(objective.cotangent, len(output.values), dtype)
    if objective.kind == "cross_entropy":
        return ScaledArray.plain(_softmax_gradient(output, streams, dtype)).settled()
    normal = streams.normal(np.empty(shape, dtype))
    if objective.kind == "random":
        return ScaledArray.plain(normal)
    difference = output.plus(ScaledArray.plain(normal).times(-1.0))
    return difference.times(2.0 / (shape[1] * shape[2])).settled()


def _repeat(values: Array, trials: int, dtype: np.dtype[Any]) -> ScaledArray:
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
