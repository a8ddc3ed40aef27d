"""Measurement -> the rows of the report."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.moments import HISTOGRAM_EDGES
from varprobe.network.description import LayerDescription
from varprobe.probe.measurement import Measurement
from varprobe.report.estimates import positive_estimates, signed_estimates
from varprobe.report.records import (
    ActivationStatistics,
    Estimate,
    GradientStatistics,
    Histogram,
    LayerRow,
    Objective,
    SignalStatistics,
    Weights,
)
from varprobe.report.theory import theory_rows
from varprobe.verdict.agreement import Agreement

EDGES = tuple(HISTOGRAM_EDGES.tolist())


def objective_of(measurement: Measurement) -> Objective:
    """The objective and the scale of its gradient."""
    logs = measurement.statistics.log_output_gradient_second_moment
    return Objective(measurement.objective, positive_estimates(logs)[0])


def layer_rows(measurement: Measurement, agreement: Agreement) -> tuple[LayerRow, ...]:
    """One row per layer, in order from the input, with theory beside it."""
    s = measurement.statistics

    def logs(name: str) -> list[Estimate]:
        return positive_estimates(getattr(s, f"log_{name}"))

    def gradients(name: str) -> list[GradientStatistics]:
        pairs = zip(logs(f"{name}_second_moment"), logs(f"{name}_variance"), strict=True)
        return [GradientStatistics(*pair) for pair in pairs]

    samples = measurement.batch > 1
    preactivations = _signals(s.preactivation_mean, "preactivation", logs, samples=samples)
    outputs = _signals(s.activation_mean, "activation", logs, samples=samples)
    saturated, dead = _shares(s.saturated), _shares(s.dead)
    largest = logs("max_abs")
    gradient, activation_gradient = gradients("gradient"), gradients("activation_gradient")
    weight_gradient = gradients("weight_gradient")
    rows = []
    for i, (layer, bare) in enumerate(zip(measurement.layers, theory_rows(measurement.layers, agreement), strict=True)):
        out = outputs[i]
        has_limits = not np.isnan(s.saturated[:, i]).any()
        statistics = ActivationStatistics(
            out.mean,
            out.second_moment,
            out.variance,
            out.sample_variance,
            saturated[i] if has_limits else None,
            dead[i],
            largest[i],
        )
        rows.append(
            replace(
                bare,
                engine=layer.engine,
                weights=_weights(layer, s.weight_variance[:, i]),
                preactivation=preactivations[i],
                activation=statistics,
                gradient=gradient[i],
                activation_gradient=activation_gradient[i],
                weight_gradient=weight_gradient[i] if layer.kind == "dense" else None,
                histogram=Histogram(
                    EDGES, tuple(s.activation_histogram[i].tolist()), tuple(s.gradient_histogram[i].tolist())
                ),
            )
        )
    return tuple(rows)


def _signals(
    means: NDArray[np.float64], what: str, logs: Callable[[str], list[Estimate]], *, samples: bool
) -> list[SignalStatistics]:
    columns = zip(
        signed_estimates(means),
        logs(f"{what}_second_moment"),
        logs(f"{what}_variance"),
        logs(f"{what}_sample_variance") if samples else [None] * means.shape[1],
        strict=True,
    )
    return [SignalStatistics(*column) for column in columns]


def _shares(values: NDArray[np.float64]) -> list[Estimate]:
    with np.errstate(divide="ignore"):
        return positive_estimates(np.log(values))


def _weights(layer: LayerDescription, variances: NDArray[np.float64]) -> Weights | None:
    if layer.kind != "dense":
        return None
    variance = float(np.mean(variances))
    return Weights(layer.expected_std, math.sqrt(variance) if math.isfinite(variance) else None)
