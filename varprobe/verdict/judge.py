"""Measurement, or Prediction -> Verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from varprobe.network.description import LayerDescription, describe
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.verdict.agreement import Agreement
from varprobe.verdict.case import Case
from varprobe.verdict.findings import all_findings
from varprobe.verdict.judged import judged_points, stretches
from varprobe.verdict.records import FormatRange, Verdict
from varprobe.verdict.rule import judge_direction, judge_signal, worse
from varprobe.verdict.traces import Traces, measured_traces, predicted_traces

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement


def judge(
    measurement: Measurement, agreement: Agreement | None = None, formats: tuple[FormatRange, ...] = ()
) -> Verdict:
    """Labels, rates and findings of a measurement, by the rule of `varprobe.verdict.rule`, and theory beside it."""
    return verdict_of(measured_case(measurement, agreement, formats))


def measured_case(
    measurement: Measurement, agreement: Agreement | None = None, formats: tuple[FormatRange, ...] = ()
) -> Case:
    """What a measurement comes to, before its findings are looked for."""
    traces = measured_traces(measurement, judged_points(measurement.layers))
    # Finite weights that lead to no finite values have overflowed; given ones may hold nan themselves.
    given = [row for row, layer in enumerate(measurement.layers) if layer.given]
    overflow = bool(np.isfinite(measurement.statistics.weight_variance[:, given]).all())
    return _case(
        measurement.layers,
        traces,
        agreement,
        formats,
        measurement.batch,
        measurement.dtype,
        measurement,
        overflow=overflow,
    )


def judge_prediction(
    spec: NetworkSpec,
    settings: Settings,
    agreement: Agreement,
    formats: tuple[FormatRange, ...] = (),
    layers: Sequence[LayerDescription] = (),
) -> Verdict:
    """The verdict that theory alone gives, by the same rule: the totals have no error."""
    return verdict_of(predicted_case(spec, settings, agreement, formats, layers))


def predicted_case(
    spec: NetworkSpec,
    settings: Settings,
    agreement: Agreement,
    formats: tuple[FormatRange, ...] = (),
    layers: Sequence[LayerDescription] = (),
) -> Case:
    """What a prediction comes to, before its findings are looked for.

    Arguments:
        layers: the rows of `spec`, where they have been described already.
    """
    layers = layers or tuple(describe(step) for step in spec.rows)
    traces = predicted_traces(spec, agreement.prediction, judged_points(layers))
    return _case(layers, traces, agreement, formats, settings.batch, settings.dtype)


def verdict_of(case: Case) -> Verdict:
    """The labels of a case, and its findings."""
    forward, backward = case.forward.direction, case.backward.direction
    return Verdict(worse(forward.label, backward.label), forward, backward, case.signal.direction, all_findings(case))


def _case(
    layers: Sequence[LayerDescription],
    traces: Traces,
    agreement: Agreement | None,
    formats: tuple[FormatRange, ...],
    batch: int,
    dtype: str,
    measurement: Measurement | None = None,
    *,
    overflow: bool = False,
) -> Case:
    points = judged_points(layers)
    cut, exact = stretches(points), traces.exact
    forward = judge_direction(traces.forward, cut, traces.forward_total, backward=False, overflow=overflow, exact=exact)
    backward = judge_direction(traces.backward, cut, traces.backward_total, backward=True, exact=exact)
    eps = float(np.finfo(dtype).eps)
    return Case(
        layers=tuple(layers),
        points=points,
        traces=traces,
        dtype=dtype,
        forward=forward,
        backward=backward,
        signal=judge_signal(traces.signal, points, traces.at_input, batch=batch, eps=eps, exact=exact),
        agreement=agreement,
        measurement=measurement,
        formats=formats,
    )
