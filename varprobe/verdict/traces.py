"""What is judged, as natural logs: of every trial of a measurement, or of the typical draw by theory alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.spec import NetworkSpec
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import Prediction
from varprobe.theory.typical import typical_logs
from varprobe.verdict.judged import FEWEST, JudgedLayer

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Foreseen:
    """What theory alone says of the draws of one direction.

    Attributes:
        mean: ln of the change of the mean over draws, which infinite width describes.
        spread: sd over draws of ln of the change; None where it is not known.
        is_known: finite width is in the typical draw; else that is the mean.
        death: chance that the signal of one sample is exactly zero by the last layer.
    """

    mean: float
    spread: float | None = None
    is_known: bool = True
    death: float = 0.0


@dataclass(frozen=True)
class Traces:
    """What is judged, as natural logs: -inf for an exact zero, nan where it is not known.

    Attributes:
        forward, backward, signal: (trials, points).
        forward_input, backward_input, signal_input: (trials,) the same of the network's input.
        exact: theory, one row without an error, of the typical draw; else the rows are trials.
        foreseen: (forward, backward) what theory alone says of the draws; None where they are measured.
    """

    forward: Logs
    backward: Logs
    signal: Logs
    forward_input: Logs
    backward_input: Logs
    signal_input: Logs
    exact: bool
    foreseen: tuple[Foreseen | None, Foreseen | None] = (None, None)


def end_at_input(traces: Traces) -> Traces:
    """The same of one layer, with the input in place of what it hands on: nothing is gained or lost on the way."""
    nothing = np.zeros_like(traces.backward)
    return replace(
        traces,
        forward=traces.forward_input[:, None],
        backward=nothing,
        backward_input=nothing[:, 0],
        signal=traces.signal_input[:, None],
        foreseen=(Foreseen(0.0), Foreseen(0.0)) if traces.exact else (None, None),
    )


def trace_measurement(measurement: Measurement, points: Sequence[JudgedLayer]) -> Traces:
    """The traces of every trial."""
    s = measurement.statistics
    rows = [point.output for point in points]
    entries = np.log([measurement.layers[row].fan_out for row in rows])
    forward, sample = s.log_activation_second_moment[:, rows], s.log_activation_sample_variance[:, rows]
    return Traces(
        forward,
        s.log_activation_gradient_second_moment[:, rows] + entries,
        _ratio(sample, forward),
        s.log_input_second_moment[:, 0],
        s.log_input_gradient_second_moment[:, 0] + math.log(measurement.features),
        _ratio(s.log_input_sample_variance[:, 0], s.log_input_second_moment[:, 0]),
        exact=False,
    )


def trace_prediction(spec: NetworkSpec, prediction: Prediction, points: Sequence[JudgedLayer]) -> Traces:
    """What the same would be by theory, of a typical draw as far as its finite width is known.

    What finite width does to the gradient at the first judged layer stands for that at the input too.
    """
    typical, at = typical_logs(prediction), [point.output for point in points]
    outputs = [prediction.rows[row].output for row in at]
    source, entries = prediction.input, np.log([spec.rows[row].fan_out for row in at])
    mean_ahead = np.array([_log(None if out is None else out.second_moment) for out in outputs])
    mean_back = np.array([_or_nan(prediction.rows[row].log_output_gradient) for row in at]) + entries
    forward = np.array([_or_nan(typical.forward[row]) for row in at])
    backward = np.array([_or_nan(typical.backward[row]) for row in at]) + entries
    size, gradient = source.second_moment.log, _or_nan(prediction.log_input_gradient) + math.log(spec.input.features)
    with np.errstate(invalid="ignore"):
        drift = backward[0] - mean_back[0] if np.isfinite(backward[0]) else 0.0
        ways = (
            Foreseen(
                _change(mean_ahead, size),
                _spread(typical.forward_variance, at) if typical.is_walk else None,
                typical.is_known_forward,
                typical.death,
            ),
            Foreseen(
                -_change(mean_back, gradient),
                _spread(typical.backward_variance, at) if typical.is_walk else None,
                typical.is_known_backward,
                typical.death,
            ),
        )
    return Traces(
        forward[None],
        backward[None],
        _ratio(np.array([[_log(None if out is None else out.sample_variance) for out in outputs]]), mean_ahead[None]),
        np.array([size]),
        np.array([gradient + drift]),
        _ratio(np.array([_log(source.sample_variance)]), np.array([size])),
        exact=True,
        foreseen=ways,
    )


def _change(logs: Logs, at_input: float) -> float:
    """From the first judged layer to the last, of few layers from the input."""
    return float(logs[-1] - (at_input if len(logs) < FEWEST else logs[0]))


def _spread(variances: Sequence[float | None], at: Sequence[int]) -> float | None:
    """sd of the difference of the ends of a walk, whose steps are independent."""
    first, last = variances[at[0]], variances[at[-1]]
    return None if first is None or last is None else math.sqrt(abs(last - first))


def _ratio(sample: Logs, whole: Logs) -> Logs:
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(sample), -np.inf, sample - whole)


def _log(number: ExtendedFloat | None) -> float:
    return math.nan if number is None else number.log


def _or_nan(log: float | None) -> float:
    return math.nan if log is None else log
