"""NetworkSpec -> Prediction, row by row."""

from __future__ import annotations

from varprobe.network.laws import Identity
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec, Settings, Step
from varprobe.theory.backward import BackwardStep, returns
from varprobe.theory.extended_float import ExtendedFloat, wide
from varprobe.theory.fixed_point import fixed_point
from varprobe.theory.forward import ForwardStep, passages, weight_gain
from varprobe.theory.records import FixedPoint, Prediction, RowPrediction, RowWidth
from varprobe.theory.shared_mean import weight_mean
from varprobe.theory.width import finite_width

# From here on every fixed point is below: the map is that of the function's far slopes.
_LARGEST_START = 1e30


def predict(spec: NetworkSpec, settings: Settings | None = None) -> Prediction:
    """What theory says of a network at large width, without drawing anything.

    >>> from varprobe.config.loading import load
    >>> defaults = {"init": "he", "activation": "relu"}
    >>> spec = load({"input": {"features": 64}, "defaults": defaults, "layers": [{"dense": 64}]}).network
    >>> round(predict(spec).rows[0].source.second_moment, 12)
    2.0
    """
    settings = settings or spec.settings
    forward = passages(spec, settings)
    backward, at_input = returns(spec, settings, forward)
    start = next((passage.inner.second_moment for passage in forward if passage.inner is not None), 1.0)
    start = min(start, _LARGEST_START)
    widths = finite_width(spec, forward, backward)
    point = fixed_point(spec, start) if all(map(_is_plain, spec.steps)) else None
    return _prediction(spec, forward, backward, at_input, widths, point)


def recursions(spec: NetworkSpec, settings: Settings) -> Prediction:
    """The two recursions alone, without finite width and fixed point: what comparing many networks needs."""
    forward = passages(spec, settings)
    backward, at_input = returns(spec, settings, forward)
    return _prediction(spec, forward, backward, at_input, [RowWidth()] * len(forward), None)


def _prediction(
    spec: NetworkSpec,
    forward: list[ForwardStep],
    backward: list[BackwardStep],
    at_input: ExtendedFloat | None,
    widths: list[RowWidth],
    fixed: FixedPoint | None,
) -> Prediction:
    source = forward[0].source
    assert source is not None
    rows = [
        _row(spec, index, forward, backward, widths[index])
        for index, step in enumerate(spec.steps)
        if step.layer.is_row
    ]
    return Prediction(tuple(rows), source, None if at_input is None else at_input.log, fixed)


def _is_plain(step: Step) -> bool:
    """Whether a step is no dense layer, or one whose second moment alone says what comes next."""
    weights = step.layer.weights
    if weights is None:
        return True
    return not isinstance(weights, Identity) and not weight_mean(weights, step.fan_in, step.fan_out)


def _row(
    spec: NetworkSpec, index: int, forward: list[ForwardStep], backward: list[BackwardStep], width: RowWidth
) -> RowPrediction:
    step, passage, back = spec.steps[index], forward[index], backward[index]
    layer = step.layer
    steep = _steepness(layer, passage) if isinstance(layer, Dense) else None
    chi1 = None
    if isinstance(layer, Dense) and steep is not None:
        chi1 = float(weight_gain(layer.weights, step.fan_in, step.fan_out, step.fan_in) * steep)
    return RowPrediction(
        source=passage.source if layer.weights is None else passage.inner,
        output=passage.output,
        chi1=chi1,
        log_gradient=None if back.source is None else back.source.log,
        log_output_gradient=None if back.output is None else back.output.log,
        reason=passage.reason or back.reason,
        is_dense=layer.weights is not None,
        width=width,
    )


def _steepness(layer: Dense, passage: ForwardStep) -> ExtendedFloat | None:
    """E[phi'^2] at z; None where theory ends before it."""
    if passage.inner is None:
        return None
    if layer.activation.name == "linear":
        return ExtendedFloat(1.0)
    if not passage.parts:
        return None if passage.response is None else passage.response.derivative
    total = ExtendedFloat(0.0)
    for (weight, _), part in zip(passage.inner.parts, passage.parts, strict=True):
        if part.response is None:
            return None
        total += wide(weight) * part.response.derivative
    return total
