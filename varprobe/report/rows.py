"""What was judged -> the rows of the report, with theory beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.network.description import LayerDescription
from varprobe.report.estimates import positive_estimates, signed_estimates
from varprobe.report.records import (
    ActivationStatistics,
    Estimate,
    GradientStatistics,
    Histogram,
    LayerRow,
    NetworkPrediction,
    ObjectiveUsed,
    Predicted,
    SignalStatistics,
    WeightStatistics,
)
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import FixedPoint, Prediction, RowWidth, SignalMoments
from varprobe.verdict.agreement import LARGEST, Agreement
from varprobe.verdict.intervals import finite_exp
from varprobe.verdict.rule import LN10

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement

_ROUNDING = 1e-14
_NOWHERE = FixedPoint(None, None, None, None, None, None, None)


def objective_of(measurement: Measurement) -> ObjectiveUsed:
    """The objective and the scale of its gradient."""
    logs = measurement.statistics.log_output_gradient_second_moment
    return ObjectiveUsed(measurement.objective, positive_estimates(logs)[0])


def layer_rows(measurement: Measurement, agreement: Agreement) -> tuple[LayerRow, ...]:
    """One row per layer, in order from the input, with theory beside it."""
    from varprobe.engine.moments import HISTOGRAM_EDGES  # theory alone needs no engine

    s, edges = measurement.statistics, tuple(HISTOGRAM_EDGES.tolist())

    def logs(name: str) -> list[Estimate]:
        return positive_estimates(getattr(s, f"log_{name}"))

    def gradients(name: str) -> list[GradientStatistics]:
        pairs = zip(logs(f"{name}_second_moment"), logs(f"{name}_variance"), strict=True)
        return [GradientStatistics(*pair) for pair in pairs]

    samples = measurement.batch > 1
    preactivations = _signals(s.preactivation_mean, "preactivation", logs, samples=samples)
    outputs = _signals(s.activation_mean, "activation", logs, samples=samples)
    saturated, dead = _shares(s.saturated), _shares(s.dead)
    largest, ranks = logs("max_abs"), _ranks(s.effective_rank)
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
            ranks[i],
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
                weight_gradient=weight_gradient[i] if layer.has_weights else None,
                histogram=_histogram(edges, s.activation_histogram[i].tolist(), s.gradient_histogram[i].tolist()),
            )
        )
    return tuple(rows)


def _histogram(edges: tuple[float, ...], activation: list[int], gradient: list[int]) -> Histogram:
    """Of an engine's counts, whose last are of exact zeros."""
    return Histogram(edges, tuple(activation[:-1]), tuple(gradient[:-1]), activation[-1], gradient[-1])


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


def _ranks(values: NDArray[np.float64]) -> list[Estimate | None]:
    """None in rows where no trial has one."""
    with np.errstate(divide="ignore"):
        estimates = positive_estimates(np.log(values))
    return [one if any(value is not None for value in one.trials) else None for one in estimates]


def _weights(layer: LayerDescription, variances: NDArray[np.float64]) -> WeightStatistics | None:
    if not layer.has_weights:
        return None
    variance = float(np.mean(variances))
    return WeightStatistics(layer.expected_std, math.sqrt(variance) if math.isfinite(variance) else None)


def network_prediction(prediction: Prediction) -> NetworkPrediction:
    """The fixed point, with None for what is infinite."""
    point = prediction.fixed_point or _NOWHERE
    return NetworkPrediction(
        regime=point.regime,
        fixed_point=_finite(point.second_moment),
        chi1=_finite(point.chi1),
        xi_q=_finite(point.xi_q),
        xi_c=_finite(point.xi_c),
        xi_gradient=_finite(point.xi_gradient),
        trainable_depth=_finite(point.trainable_depth),
        input_second_moment=_scaled(prediction.input.second_moment.log),
        input_gradient_second_moment=_scaled(prediction.log_input_gradient),
    )


def theory_rows(layers: Sequence[LayerDescription], agreement: Agreement) -> tuple[LayerRow, ...]:
    """The rows of a report of theory alone: nothing in them is measured."""
    return tuple(
        LayerRow(
            index=i + 1,
            name=layer.name,
            kind=layer.kind,
            path=layer.path,
            line=layer.line,
            repeat_index=layer.repeat_index,
            fan_in=layer.fan_in,
            fan_out=layer.fan_out,
            activation_function=layer.activation,
            init=layer.init,
            engine=None,
            weights=WeightStatistics(layer.expected_std, None) if layer.has_weights else None,
            preactivation=None,
            activation=None,
            gradient=None,
            activation_gradient=None,
            weight_gradient=None,
            predicted=_row_of_theory(agreement, i),
            histogram=None,
        )
        for i, layer in enumerate(layers)
    )


def _row_of_theory(agreement: Agreement, index: int) -> Predicted:
    """One row of theory (from 0), as the report keeps it."""
    row, bands = agreement.prediction.rows[index], agreement.rows[index]
    z, a = row.source, row.output
    variance = a.variance if a else None
    forward, backward, output, behind = bands.source, bands.gradient, bands.output, bands.output_gradient
    return Predicted(
        second_moment=_float(z.second_moment if z else None),
        second_moment_low=_scaled(forward.low),
        second_moment_high=_scaled(forward.high),
        draw_low=_scaled(forward.draw_low),
        draw_high=_scaled(forward.draw_high),
        mean=_mean(z),
        variance=_float(z.variance if z else None),
        sample_variance=_float(z.sample_variance if z else None),
        activation_second_moment=_float(a.second_moment if a else None),
        activation_mean=_mean(a),
        activation_variance=_float(variance),
        activation_sample_variance=_float(a.sample_variance if a else None),
        gradient_second_moment=_scaled(row.log_gradient),
        activation_gradient_second_moment=_scaled(row.log_output_gradient),
        gradient_low=_scaled(backward.low),
        gradient_high=_scaled(backward.high),
        gradient_draw_low=_scaled(backward.draw_low),
        gradient_draw_high=_scaled(backward.draw_high),
        chi1=_finite(row.chi1),
        log10_second_moment=_log10(z.second_moment.log if z else None),
        log10_activation_variance=_log10(None if variance is None else variance.log),
        log10_gradient_second_moment=_log10(row.log_gradient),
        log10_activation_gradient_second_moment=_log10(row.log_output_gradient),
        deviation=forward.deviation,
        gradient_deviation=backward.deviation,
        activation_deviation=output.deviation,
        activation_low=_scaled(output.low),
        activation_high=_scaled(output.high),
        activation_draw_low=_scaled(output.draw_low),
        activation_draw_high=_scaled(output.draw_high),
        activation_gradient_low=_scaled(behind.low),
        activation_gradient_high=_scaled(behind.high),
        activation_gradient_draw_low=_scaled(behind.draw_low),
        activation_gradient_draw_high=_scaled(behind.draw_high),
        activation_gradient_deviation=behind.deviation,
        reason=row.reason or _why_untested(row.width),
    )


def _why_untested(width: RowWidth) -> str:
    """Why a band of a row's output, or of the gradient there, is missing."""
    known = [each for each in (width.output, width.output_gradient) if each is not None]
    spread = max((each.variance for each in known), default=0.0)
    if spread > LARGEST:
        return f"not tested: ln of a second moment has variance {spread:.2g} over draws, and the bands end at {LARGEST}"
    if any(each.unknown > LARGEST for each in known):
        return "not tested: what it hangs on varies too much over draws"
    if len(known) == 2:
        return ""
    return f"not tested: {width.reason or 'its fluctuation over draws is not known'}"


def _mean(signal: SignalMoments | None) -> float | None:
    """Means of odd functions are zero but for rounding."""
    if signal is None:
        return None
    is_zero = not signal.mean or abs(signal.mean) <= _ROUNDING * signal.second_moment.sqrt()
    return 0.0 if is_zero else _float(signal.mean)


def _scaled(log: float | None) -> float | None:
    return None if log is None else finite_exp(log)


def _log10(log: float | None) -> float | None:
    return None if log is None else _finite(log / LN10)


def _float(number: ExtendedFloat | None) -> float | None:
    return None if number is None else _finite(float(number))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
