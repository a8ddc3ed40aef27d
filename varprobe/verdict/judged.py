"""What the rule looks at: the judged points of a network, cut into stretches of layers that are alike, and their logs.

Judged are forward the second moment of z, backward the width times the second moment of dObjective/dz (the squared
norm per sample), and of the signal the sample variance divided by the second moment. At the join of a residual block
they are those of its output.

From the stretches follow, per direction, the step ratios and their weights in the total T: T = sum of c_j ln(mean over
trials of ratio_j). A network whose layers are all alike is one stretch, and T = L lambda of its deep half.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription
from varprobe.network.spec import NetworkSpec
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import Prediction, RowPrediction

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedLayer:
    """A judged layer: a dense layer of the trunk, or the join of an outermost residual block.

    Attributes:
        row: its row in the report, from 0.
        between: what stands between the point before it and this one; part of what a step does.
    """

    row: int
    layer: LayerDescription
    between: tuple[Hashable, ...]

    @property
    def is_join(self) -> bool:
        return self.layer.kind == "residual"


@dataclass(frozen=True)
class Stretch:
    """Points start..stop-1 that are alike, or a repeated block of `period` points, compared place by place."""

    start: int
    stop: int
    period: int = 1

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Terms:
    """T as a sum: column j of `steps` (pairs of points) with weight c_j; `slope` gives each trial's own total.

    `slope` (points,) is linear in the logs: its product with a trial's logs is that trial's typical total.
    """

    pairs: tuple[tuple[int, int], ...]
    weights: NDArray[np.float64]
    slope: NDArray[np.float64]


def pick_points(layers: Sequence[LayerDescription]) -> tuple[JudgedLayer, ...]:
    """The points that forward, backward and signal are judged at, in order from the input."""
    points: list[JudgedLayer] = []
    between: list[Hashable] = []
    for row, layer in enumerate(layers):
        if layer.trunk and layer.kind in ("dense", "residual"):
            points.append(JudgedLayer(row, layer, tuple(between)))
            between = []
        else:
            between.append(layer.likeness)
    return tuple(points)


def stretches(points: Sequence[JudgedLayer]) -> tuple[Stretch, ...]:
    """The cut of the whole network, in order and without gaps."""
    found: list[Stretch] = []
    start = 0
    while start < len(points):
        found.append(_stretch(points, start))
        start = found[-1].stop
    return tuple(found)


def _stretch(points: Sequence[JudgedLayer], start: int) -> Stretch:
    first = points[start]
    if first.layer.group and not first.layer.given:
        group = first.layer.group[0]
        stop = start
        while stop < len(points) and points[stop].layer.group and _group(points[stop]) == group:
            stop += 1
        copies = len({_copy(point) for point in points[start:stop]})
        period, rest = divmod(stop - start, copies)
        block_given = any(point.layer.given for point in points[start:stop])
        if period > 1 and rest == 0 and not block_given:
            return Stretch(start, stop, period)
    stop = start + 1
    while stop < len(points) and _alike(points, start, stop):
        stop += 1
    return Stretch(start, stop)


def _group(point: JudgedLayer) -> str:
    return point.layer.group[0] if point.layer.group else ""


def _copy(point: JudgedLayer) -> int:
    return point.layer.group[1] if point.layer.group else 0


def _alike(points: Sequence[JudgedLayer], start: int, index: int) -> bool:
    first, here = points[start], points[index]
    if first.layer.given or here.layer.given or first.layer.likeness != here.layer.likeness:
        return False
    # The second point sets what a step of this stretch goes through; the later ones must follow it.
    return index == start + 1 or here.between == points[start + 1].between


def window(length: int) -> tuple[int, int]:
    """First index (from 0) of the deep half of `length` points, and the step k within it.

    >>> window(20), window(3), window(100)
    ((10, 2), (1, 1), (50, 12))
    """
    first = length // 2
    return first, min(max(1, length // 8), max(1, length - first - 1))


def terms(cut: Sequence[Stretch]) -> Terms:
    """The step ratios of a network cut like this, weighted so that they add up to T = L/(L-1) S."""
    count = cut[-1].stop
    pairs: list[tuple[int, int]] = []
    weights: list[float] = []
    slope = np.zeros(count)

    def change(a: int, b: int) -> None:
        pairs.append((a, b))
        weights.append(1.0)
        slope[b] += 1.0
        slope[a] -= 1.0

    for before, after in pairwise(cut):
        change(before.stop - 1, after.start)
    for stretch in cut:
        copies = stretch.length // stretch.period
        if copies < 4:
            if stretch.length > 1:
                change(stretch.start, stretch.stop - 1)
            continue
        first, step = window(copies)
        per_layer = (stretch.length - 1) / stretch.period
        for place in range(stretch.period):
            at = stretch.start + place + stretch.period * np.arange(first, copies)
            here = [(int(a), int(b)) for a, b in zip(at[:-step], at[step:], strict=True)]
            pairs += here
            weights += [per_layer / stretch.period / (step * len(here))] * len(here)
            centred = np.arange(len(at)) - (len(at) - 1) / 2
            slope[at] += per_layer / stretch.period * centred / np.square(centred).sum()
    scale = count / (count - 1)
    return Terms(tuple(pairs), np.array(weights) * scale, slope * scale)


@dataclass(frozen=True)
class Traces:
    """What is judged, as natural logs: -inf for an exact zero, nan where it is not known.

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


def trace_measurement(measurement: Measurement, points: Sequence[JudgedLayer]) -> Traces:
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


def trace_prediction(spec: NetworkSpec, prediction: Prediction, points: Sequence[JudgedLayer]) -> Traces:
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
            np.array([_or_nan(prediction.log_input_gradient) + narrowing]),
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
    return _or_nan(row.log_output_gradient if point.is_join else row.log_gradient)


def _log(number: ExtendedFloat | None) -> float:
    return math.nan if number is None else number.log


def _or_nan(log: float | None) -> float:
    return math.nan if log is None else log
