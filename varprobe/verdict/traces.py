"""What is judged, as logarithms at the judged points: from a measurement, or from theory alone.

Judged are forward the second moment of z, backward the width times the second moment of dObjective/dz (the squared
norm per sample), and of the signal the sample variance divided by the second moment. At the join of a residual
block they are those of its output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.spec import NetworkSpec
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import Prediction, RowPrediction
from varprobe.verdict.judged import JudgedLayer

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Traces:
    """Natural logs: -inf for an exact zero, nan where it is not known.

    Attributes:
        forward, backward, signal: (trials, points).
        forward_total, backward_total: (trials,) the change over the whole network, from its input on.
        at_input: (trials,) the signal's of the batch itself.
        exact: theory, one row without an error; else the rows are trials.
    """

    forward: Logs
    backward: Logs
    signal: Logs
    forward_total: Logs
    backward_total: Logs
    at_input: Logs
    exact: bool


def measured_traces(measurement: Measurement, points: Sequence[JudgedLayer]) -> Traces:
    """The traces of every trial."""
    s = measurement.statistics
    rows = [point.row for point in points]
    join = np.array([point.is_join for point in points])
    widths = np.log([point.layer.fan_out for point in points])
    forward = np.where(join, s.log_activation_second_moment[:, rows], s.log_preactivation_second_moment[:, rows])
    sample = np.where(join, s.log_activation_sample_variance[:, rows], s.log_preactivation_sample_variance[:, rows])
    backward = np.where(join, s.log_activation_gradient_second_moment[:, rows], s.log_gradient_second_moment[:, rows])
    with np.errstate(invalid="ignore"):
        share = np.where(np.isneginf(sample), -np.inf, sample - forward)
        forward_total = forward[:, -1] - s.log_input_second_moment[:, 0]
        at_input = s.log_input_sample_variance[:, 0] - s.log_input_second_moment[:, 0]
        narrowing = math.log(measurement.features / measurement.layers[-1].fan_out)
        backward_total = s.log_input_gradient_second_moment[:, 0] + narrowing
    return Traces(forward, backward + widths, share, forward_total, backward_total, at_input, exact=False)


def predicted_traces(spec: NetworkSpec, prediction: Prediction, points: Sequence[JudgedLayer]) -> Traces:
    """What the same would be by theory."""
    rows = [(prediction.rows[point.row], point) for point in points]
    forward = np.array([[_forward(row, point) for row, point in rows]])
    sample = np.array([[_sample_variance(row, point) for row, point in rows]])
    backward = np.array([[_backward(row, point) + math.log(point.layer.fan_out) for row, point in rows]])
    source = prediction.input
    at_input = _log(source.sample_variance)
    narrowing = math.log(spec.input.features / spec.width)
    with np.errstate(invalid="ignore"):
        return Traces(
            forward,
            backward,
            np.where(np.isneginf(sample), -np.inf, sample - forward),
            forward[:, -1] - source.second_moment.log,
            np.array([_known(prediction.log_input_gradient) + narrowing]),
            np.array([at_input]) - source.second_moment.log,
            exact=True,
        )


def _forward(row: RowPrediction, point: JudgedLayer) -> float:
    signal = row.output if point.is_join else row.source
    return math.nan if signal is None else signal.second_moment.log


def _sample_variance(row: RowPrediction, point: JudgedLayer) -> float:
    signal = row.output if point.is_join else row.source
    return math.nan if signal is None else _log(signal.sample_variance)


def _backward(row: RowPrediction, point: JudgedLayer) -> float:
    return _known(row.log_output_gradient if point.is_join else row.log_gradient)


def _log(number: ExtendedFloat | None) -> float:
    return math.nan if number is None else number.log


def _known(log: float | None) -> float:
    return math.nan if log is None else log
