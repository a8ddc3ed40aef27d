"""What the checks look at, measured or by theory alone, and where in it trouble begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription, describe_rows
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.verdict.agreement import Agreement
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.judged import (
    JudgedLayer,
    Traces,
    pick_points,
    stretches,
    trace_measurement,
    trace_prediction,
)
from varprobe.verdict.labels import Direction
from varprobe.verdict.records import FormatRange
from varprobe.verdict.rule import LN100, Judged, JudgedSignal, judge_direction, judge_signal

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement


@dataclass(frozen=True)
class Case:
    """What a check of the change over depth may look at, measured or predicted."""

    layers: tuple[LayerDescription, ...]
    points: tuple[JudgedLayer, ...]
    traces: Traces
    dtype: str
    forward: Judged
    backward: Judged
    signal: JudgedSignal
    agreement: Agreement | None = None
    measurement: Measurement | None = None
    formats: tuple[FormatRange, ...] = ()

    @property
    def measured(self) -> Measurement:
        """What was measured; only for the checks of measurements."""
        assert self.measurement is not None
        return self.measurement

    @property
    def trials(self) -> int:
        """Rows of the traces."""
        return len(self.traces.forward)

    def row(self, point: int) -> int:
        """The report's row, from 1, of a judged point."""
        return self.points[point].row + 1

    @property
    def directions(self) -> tuple[tuple[Direction, str, Judged], ...]:
        """Name, subject of sentences, and judgement of both directions."""
        return (Direction.FORWARD, "activations", self.forward), (Direction.BACKWARD, "gradient", self.backward)


def build_case(
    measurement: Measurement, agreement: Agreement | None = None, formats: tuple[FormatRange, ...] = ()
) -> Case:
    """What a measurement comes to by the rule, before its findings are looked for."""
    points, layers = pick_points(measurement.layers), measurement.layers
    # Finite weights that lead to no finite values have overflowed; given ones may hold nan themselves.
    given = [row for row, layer in enumerate(layers) if layer.given]
    overflow = bool(np.isfinite(measurement.statistics.weight_variance[:, given]).all())
    parts = trace_measurement(measurement, points), agreement, formats, measurement.batch, measurement.dtype
    return _case(layers, points, *parts, measurement, overflow=overflow)


def foresee_case(
    spec: NetworkSpec, settings: Settings, agreement: Agreement, formats: tuple[FormatRange, ...] = ()
) -> Case:
    """What theory alone comes to by the same rule: the totals have no error."""
    layers = describe_rows(spec)
    points = pick_points(layers)
    traces = trace_prediction(spec, agreement.prediction, points)
    return _case(layers, points, traces, agreement, formats, settings.batch, settings.dtype)


def _case(
    layers: tuple[LayerDescription, ...],
    points: tuple[JudgedLayer, ...],
    traces: Traces,
    agreement: Agreement | None,
    formats: tuple[FormatRange, ...],
    batch: int,
    dtype: str,
    measurement: Measurement | None = None,
    *,
    overflow: bool = False,
) -> Case:
    cut, exact, eps = stretches(points), traces.exact, float(np.finfo(dtype).eps)
    return Case(
        layers=layers,
        points=points,
        traces=traces,
        dtype=dtype,
        forward=judge_direction(
            traces.forward, cut, traces.forward_total, backward=False, overflow=overflow, exact=exact
        ),
        backward=judge_direction(traces.backward, cut, traces.backward_total, backward=True, exact=exact),
        signal=judge_signal(traces.signal, points, traces.at_input, batch=batch, eps=eps, exact=exact),
        agreement=agreement,
        measurement=measurement,
        formats=formats,
    )


def first_beyond(case: Case, judged: Judged) -> int | None:
    """The first row, walking in the direction of the signal, by which a factor 100 is gone or gained."""
    if not judged.logs.size:
        return None
    path = log_mean(judged.logs - judged.logs[:, :1])
    backward = judged is case.backward
    change = path[-1] - path if backward else path
    beyond = np.flatnonzero(np.abs(change) > LN100)
    if not beyond.size:
        return None
    return case.row(int(beyond[-1] if backward else beyond[0]))


def first_zero(case: Case, way: Direction) -> int | None:
    """The first row, in the direction of the signal, where what is judged is zero or has ended in some trial."""
    forward = way == Direction.FORWARD
    bad = np.flatnonzero(~np.isfinite(case.traces.forward if forward else case.traces.backward).all(axis=0))
    return case.row(int(bad[0] if forward else bad[-1])) if bad.size else None
