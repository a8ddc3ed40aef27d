"""The head beside the body: what it makes of the signal, of the gradient, and of the loss at the start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.network.description import LayerDescription
from varprobe.verdict.judged import JudgedLayer, find_head_row
from varprobe.verdict.records import HeadVerdict
from varprobe.verdict.rule import LN10
from varprobe.verdict.traces import Traces

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement
    from varprobe.theory.records import Prediction

# Activations that a linear model may end with, as logistic regression does.
_STEEP_AT_ZERO = ("linear", "sigmoid", "tanh")


def is_zero_model(layers: Sequence[LayerDescription], traces: Traces) -> bool:
    """Whether the network is one layer of weights that start at zero, as linear and logistic regression may.

    It learns from there: each unit has a gradient of its own. Behind an activation that is flat at 0 it would not.
    """
    if len(layers) != 1 or not layers[0].has_weights or layers[0].expected_std != 0 or layers[0].given:
        return False
    passes = (layers[0].activation or "").split("(")[0] in _STEEP_AT_ZERO
    return passes and bool(np.isneginf(traces.backward_input).all())


def judge_head(
    layers: Sequence[LayerDescription],
    points: Sequence[JudgedLayer],
    measurement: Measurement | None,
    prediction: Prediction | None,
) -> HeadVerdict | None:
    """The head's scales, measured where it was, else by theory; None where the network has no head."""
    if find_head_row(layers) is None or not points:
        return None
    row = len(layers) - 1  # what it hands on
    body, narrowing = points[-1].output, math.log(layers[points[-1].output].fan_out / layers[row].fan_out)
    if measurement is None:
        return None if prediction is None else _foresee(prediction, row, body, narrowing)
    s = measurement.statistics
    with np.errstate(invalid="ignore"):
        gradient = s.log_activation_gradient_second_moment[:, body] - s.log_activation_gradient_second_moment[:, row]
    scale, loss = trace_head(measurement, points), s.initial_loss[:, 0]
    is_zero = is_zero_head(row, body, measurement, prediction)
    return HeadVerdict(
        None if is_zero else _typical(scale),
        None if is_zero else _typical(gradient + narrowing),
        None if np.isnan(loss).all() else _finite(float(np.nanmean(loss))),
        chance_loss(measurement.objective, layers[-1].fan_out, measurement.target_square),
    )


def trace_head(measurement: Measurement, points: Sequence[JudgedLayer]) -> NDArray[np.float64]:
    """ln of the second moment of the network's output over that of the body's, (trials,).

    -inf where the network's is zero, nan where the body's is, or the arithmetic ended.
    """
    logs = measurement.statistics.log_activation_second_moment
    body = logs[:, points[-1].output]
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float64] = np.where(np.isfinite(body), logs[:, -1] - body, np.nan)
    return found


def is_zero_head(row: int, body: int, measurement: Measurement | None, prediction: Prediction | None) -> bool:
    """Whether the head makes exactly zero of a body's output that is not."""
    if measurement is not None:
        logs = measurement.statistics.log_activation_second_moment
        return bool((np.isneginf(logs[:, row]) & np.isfinite(logs[:, body])).any())
    here, before = (prediction.rows[each].output if prediction else None for each in (row, body))
    return here is not None and before is not None and not here.second_moment and bool(before.second_moment)


def _foresee(prediction: Prediction, row: int, body: int, narrowing: float) -> HeadVerdict:
    here, before = prediction.rows[row], prediction.rows[body]
    scale = gradient = None
    if here.output is not None and before.output is not None and here.output.second_moment:
        scale = (here.output.second_moment.log - before.output.second_moment.log) / LN10
        if here.log_output_gradient is not None and before.log_output_gradient is not None:
            gradient = (before.log_output_gradient - here.log_output_gradient + narrowing) / LN10
    return HeadVerdict(scale, gradient)


def _typical(logs: NDArray[np.float64]) -> float | None:
    known = logs[np.isfinite(logs)]
    return float(known.mean()) / LN10 if known.size else None


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None


def chance_loss(objective: str, outputs: int, target_square: float | None = None) -> float | None:
    """The loss per sample of outputs that are all zero; None of an objective that has no loss.

    >>> chance_loss("cross_entropy", 10)
    2.302585092994046

    Arguments:
        target_square: mean square of the targets of mse; None of N(0, 1).
    """
    square = 1.0 if target_square is None else target_square
    return {"cross_entropy": math.log(outputs), "bce": math.log(2), "mse": square}.get(objective)
