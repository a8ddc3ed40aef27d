"""Prediction -> what the report says of theory, per row and for the network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from varprobe.network.description import LayerDescription
from varprobe.report.estimates import LN10, finite_exp
from varprobe.report.records import LayerRow, NetworkPrediction, Predicted, Weights
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import FixedPoint, Fluctuation, Prediction, SignalMoments
from varprobe.verdict.agreement import LARGEST, Agreement

_ROUNDING = 1e-14
_NOWHERE = FixedPoint(None, None, None, None, None, None, None)


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
            weights=Weights(layer.expected_std, None) if layer.kind == "dense" else None,
            preactivation=None,
            activation=None,
            gradient=None,
            activation_gradient=None,
            weight_gradient=None,
            predicted=predicted(agreement, i),
            histogram=None,
        )
        for i, layer in enumerate(layers)
    )


def predicted(agreement: Agreement, index: int) -> Predicted:
    """One row of theory (from 0), as the report keeps it."""
    row, bands = agreement.prediction.rows[index], agreement.rows[index]
    z, a = row.source, row.output
    variance = a.variance if a else None
    forward, backward = bands.source, bands.gradient
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
        deviation=forward.deviation,
        gradient_deviation=backward.deviation,
        activation_deviation=bands.output_deviation,
        reason=row.reason or _untested(row.width.source, row.width.gradient),
    )


def _untested(*widths: Fluctuation | None) -> str:
    """Why a row's bands are missing."""
    spread = max((width.variance for width in widths if width is not None), default=0.0)
    if spread > LARGEST:
        return f"not tested: ln of a second moment has variance {spread:.2g} over draws, and the bands end at {LARGEST}"
    return "" if all(widths) else "not tested: its fluctuation over draws is not known"


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
