"""What is propagated backward: the gradient of a loss at the output, and the loss itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.draws import repeat_given
from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.streams import Streams
from varprobe.frozen import dataclass
from varprobe.network.spec import Objective

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]


@dataclass(frozen=True)
class Pull:
    """Of every trial.

    Attributes:
        cotangent: dObjective/d(output).
        loss: the objective's value, the mean over the batch (trials,); nan where it has none. Infinite beyond doubles.
    """

    cotangent: ScaledArray
    loss: PerTrial


def draw_pull(objective: Objective, output: ScaledArray, streams: Streams) -> Pull:
    """The objective at an output, each trial's targets from its own stream, or given ones the same in every trial.

    random: no loss, a cotangent with N(0, 1) entries. file: the given cotangent in every trial.
    mse: the mean over batch and units of (y - t)^2, targets t of N(0, 1).
    cross_entropy: the mean over the batch of ln sum exp(y) - y[label], labels uniform.
    bce: the mean over batch and units of ln(1 + exp(y)) - t y, labels t of 0 and 1 with equal chance.
    """
    shape, dtype = output.values.shape, output.values.dtype
    nothing = np.full(shape[0], np.nan)
    if objective.cotangent is not None:
        return Pull(repeat_given(objective.cotangent, shape[0], dtype), nothing)
    match objective.kind:
        case "cross_entropy":
            return _softmax_pull(output, streams, objective.targets)
        case "bce":
            return _binary_pull(output, streams, objective.targets)
    if objective.kind == "mse" and objective.targets is not None:
        normal = repeat_given(objective.targets, shape[0], dtype)
    else:
        normal = ScaledArray.plain(streams.normal(np.empty(shape, dtype)))
    if objective.kind == "random":
        return Pull(normal, nothing)
    difference = output.plus(normal.times(-1.0))
    loss = np.exp(difference.log_second_moment)
    return Pull(difference.times(2.0 / (shape[1] * shape[2])).settle(), loss)


def _softmax_pull(output: ScaledArray, streams: Streams, given: NDArray[Any] | None) -> Pull:
    """(softmax(y) - one-hot(label)) / batch."""
    trials, batch, width = output.values.shape
    shifted = output.values - output.values.max(axis=2, keepdims=True)
    share = np.exp(ScaledArray(shifted, output.exponent).absolute())
    total = share.sum(axis=2, keepdims=True)
    share /= total
    samples, loss = np.arange(batch), np.empty(trials)
    for trial, stream in zip(range(trials), streams.generators(), strict=True):
        labels = stream.integers(width, size=batch) if given is None else given
        share[trial, samples, labels] -= 1
        chosen = _doubles(shifted[trial, samples, labels], output.exponent[trial])
        loss[trial] = np.mean(np.log(total[trial, :, 0].astype(np.float64)) - chosen)
    return Pull(ScaledArray.plain((share / batch).astype(output.values.dtype)).settle(), loss)


def _binary_pull(output: ScaledArray, streams: Streams, given: NDArray[Any] | None) -> Pull:
    """(sigmoid(y) - t) / (batch units), from m = y for t = 0 and -y for t = 1: sigmoid(m) with the sign of m."""
    trials, batch, width = output.values.shape
    gradient, loss = np.empty_like(output.values), np.empty(trials)
    for trial, stream in zip(range(trials), streams.generators(), strict=True):
        side = 1.0 - 2.0 * (stream.integers(2, size=(batch, width)) if given is None else given)
        wrong = side * _doubles(output.values[trial], output.exponent[trial])
        loss[trial] = np.mean(np.logaddexp(0.0, wrong))
        gradient[trial] = side * np.exp(-np.logaddexp(0.0, -wrong)) / (batch * width)
    return Pull(ScaledArray.plain(gradient).settle(), loss)


def _doubles(values: Array, exponent: np.int64) -> PerTrial:
    """The true values of one trial; infinite beyond doubles."""
    return np.ldexp(values.astype(np.float64), int(np.clip(exponent, -4000, 4000)))
