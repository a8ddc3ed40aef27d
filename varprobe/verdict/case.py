"""What the checks look at, measured or by theory alone, and where in it trouble begins."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription, describe_rows
from varprobe.network.spec import InputLaw, NetworkSpec, Settings
from varprobe.verdict.agreement import Agreement
from varprobe.verdict.head import is_zero_model, judge_head
from varprobe.verdict.judged import JudgedLayer, Stretch, pick_points, stretches
from varprobe.verdict.labels import Direction
from varprobe.verdict.records import FormatRange, HeadVerdict
from varprobe.verdict.rule import STABLE, Judged, JudgedSignal, judge_direction, judge_signal
from varprobe.verdict.traces import Traces, end_at_input, trace_measurement, trace_prediction

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement
    from varprobe.theory.records import Prediction


# Rows below which the mean over draws of a variance's inverse, of a batch of Gaussians, is infinite but for eps.
FEWEST_ROWS = 4


@dataclass(frozen=True)
class InputFacts:
    """The batch, before any layer.

    Attributes:
        second_moment_log: natural log.
        mean_share: squared mean over second moment.
        column_share: of the sum of squares, what the largest tenth of the columns carries; None where it is not known.
        features: how many columns.
        code_density: share of entries that are not zero, of an input that is a code, as one-hot; None of any other.
    """

    second_moment_log: float
    mean_share: float
    column_share: float | None
    features: int
    code_density: float | None = None


@dataclass(frozen=True)
class Case:
    """What a check of the change over depth may look at, measured or predicted.

    Attributes:
        is_zero_model: it is one layer that starts at zero, and its traces end at the input.
    """

    layers: tuple[LayerDescription, ...]
    points: tuple[JudgedLayer, ...]
    cut: tuple[Stretch, ...]
    traces: Traces
    dtype: str
    forward: Judged
    backward: Judged
    signal: JudgedSignal
    input: InputFacts
    head: HeadVerdict | None = None
    agreement: Agreement | None = None
    measurement: Measurement | None = None
    formats: tuple[FormatRange, ...] = ()
    is_zero_model: bool = False
    batch: int = 0

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
    traces = trace_measurement(measurement, points)
    parts = agreement, formats, measurement.batch, measurement.dtype
    return _case(layers, points, traces, _input_of(measurement), *parts, measurement, overflow=overflow)


def foresee_case(
    spec: NetworkSpec, settings: Settings, agreement: Agreement, formats: tuple[FormatRange, ...] = ()
) -> Case:
    """What theory alone comes to by the same rule: the totals have no error."""
    layers = describe_rows(spec)
    points = pick_points(layers)
    traces = trace_prediction(spec, agreement.prediction, points)
    if settings.batch < FEWEST_ROWS and any(layer.variant == "batch" for layer in layers):
        # The mean over draws, which theory has, is made by rare units there, and tells nothing of a draw.
        traces = replace(traces, backward=np.full_like(traces.backward, np.nan))
    source = _foresee_input(agreement.prediction, spec.input)
    return _case(layers, points, traces, source, agreement, formats, settings.batch, settings.dtype)


def _case(
    layers: tuple[LayerDescription, ...],
    points: tuple[JudgedLayer, ...],
    traces: Traces,
    source: InputFacts,
    agreement: Agreement | None,
    formats: tuple[FormatRange, ...],
    batch: int,
    dtype: str,
    measurement: Measurement | None = None,
    *,
    overflow: bool = False,
) -> Case:
    is_model = is_zero_model(layers, traces)
    if is_model:
        traces = end_at_input(traces)
    cut, exact, eps = stretches(points), traces.exact, float(np.finfo(dtype).eps)
    for_forward, for_backward = traces.foreseen
    judge = partial(judge_direction, cut=cut, overflow=overflow, exact=exact)
    return Case(
        layers=layers,
        points=points,
        cut=cut,
        traces=traces,
        dtype=dtype,
        forward=judge(traces.forward, traces.forward_input, backward=False, foreseen=for_forward),
        backward=judge(traces.backward, traces.backward_input, backward=True, foreseen=for_backward),
        signal=judge_signal(traces.signal, traces.signal_input, cut, batch=batch, eps=eps, exact=exact),
        input=source,
        head=judge_head(layers, points, measurement, agreement.prediction if agreement else None),
        agreement=agreement,
        measurement=measurement,
        formats=formats,
        is_zero_model=is_model,
        batch=batch,
    )


def _input_of(measurement: Measurement) -> InputFacts:
    s = measurement.statistics
    size, offset, columns = s.log_input_second_moment, s.input_mean_squared_share, s.input_column_share
    shares = float(offset.mean()), float(columns.mean())
    return InputFacts(float(size.mean()), *shares, measurement.features, measurement.code_density)


def _foresee_input(prediction: Prediction, law: InputLaw) -> InputFacts:
    source = prediction.input
    size = source.second_moment
    share = float(source.mean**2 / size) if size else math.nan
    return InputFacts(size.log, share, None, law.features, law.code_density)


def first_beyond(case: Case, judged: Judged) -> int | None:
    """The first row, walking in the direction of the signal, by which a typical draw is no longer stable."""
    if not judged.logs.size:
        return None
    path = judged.logs.mean(axis=0) - judged.logs[:, -1].mean()
    backward = judged is case.backward
    # Forward d ends at the last layer, and begins at the first, or of few layers at the input.
    change = -path if backward else path + judged.changes.mean()
    beyond = np.flatnonzero(np.abs(change) > STABLE)
    if not beyond.size:
        return None
    return case.row(int(beyond[-1] if backward else beyond[0]))


def first_zero(case: Case, way: Direction) -> int | None:
    """The first row, in the direction of the signal, where what is judged is zero or has ended in some trial."""
    forward = way == Direction.FORWARD
    bad = np.flatnonzero(~np.isfinite(case.traces.forward if forward else case.traces.backward).all(axis=0))
    return case.row(int(bad[0] if forward else bad[-1])) if bad.size else None
