"""NetworkSpec -> Prediction, row by row."""

from __future__ import annotations

from varprobe.network.laws import Identity
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec, Settings, Step
from varprobe.theory.backward import BackwardStep, step_backward
from varprobe.theory.drift import chance_of_death, is_walk, with_drifts
from varprobe.theory.extended_float import ONE, ExtendedFloat
from varprobe.theory.fixed_point import find_fixed_point
from varprobe.theory.forward import ForwardStep, step_forward
from varprobe.theory.gradient_width import follow_gradient_fluctuations
from varprobe.theory.layer_maps import input_moments, weight_gain
from varprobe.theory.records import FixedPoint, Prediction, RowPrediction, RowWidth
from varprobe.theory.shared_mean import average, weight_mean
from varprobe.theory.signal_width import follow_fluctuations

# From here on every fixed point is below: the map is that of the function's far slopes.
_LARGEST_START = 1e30


def predict(spec: NetworkSpec, settings: Settings | None = None) -> Prediction:
    """What theory says of a network at large width, without drawing anything.

    >>> from varprobe.config.loading import load
    >>> defaults = {"init": "he", "activation": "relu"}
    >>> spec = load({"input": {"features": 64}, "defaults": defaults, "layers": [{"dense": 64}]}).network
    >>> round(float(predict(spec).rows[0].source.second_moment), 12)
    2.0
    """
    settings = settings or spec.settings
    forward = step_forward(spec, settings)
    backward, at_input = step_backward(spec, settings, forward)
    start = next((float(step.inner.second_moment) for step in forward if step.inner is not None), 1.0)
    start = min(start, _LARGEST_START)
    widths = _finite_width(spec, settings.batch, forward, backward)
    point = find_fixed_point(spec, start) if all(map(_is_plain, spec.steps)) else None
    return _prediction(spec, forward, backward, at_input, widths, point)


def recursions(spec: NetworkSpec, settings: Settings) -> Prediction:
    """The two recursions alone, without finite width and fixed point: what comparing many networks needs."""
    forward = step_forward(spec, settings)
    backward, at_input = step_backward(spec, settings, forward)
    return _prediction(spec, forward, backward, at_input, [RowWidth()] * len(forward), None)


def _finite_width(
    spec: NetworkSpec, batch: int, forward: list[ForwardStep], backward: list[BackwardStep]
) -> list[RowWidth]:
    """One per step; None where the expansion is not known."""
    try:
        sources, outputs, reasons = follow_fluctuations(spec, forward)
        gradients = follow_gradient_fluctuations(spec, batch, (forward, backward), (sources, outputs))
    except OverflowError:  # an expansion whose terms doubles cannot hold says nothing
        return [RowWidth()] * len(spec.steps)
    signals = [[flow and flow.fluctuation(batch) for flow in side] for side in (sources, outputs)]
    widths = [RowWidth(*each) for each in zip(*signals, *gradients, reasons, strict=True)]
    return with_drifts(spec, batch, widths)


def _prediction(
    spec: NetworkSpec,
    forward: list[ForwardStep],
    backward: list[BackwardStep],
    at_input: ExtendedFloat | None,
    widths: list[RowWidth],
    fixed: FixedPoint | None,
) -> Prediction:
    source = forward[0].source or input_moments(spec.input)
    rows = [
        _row(spec, index, forward, backward, widths[index])
        for index, step in enumerate(spec.steps)
        if step.layer.is_row
    ]
    return Prediction(
        tuple(rows), source, None if at_input is None else at_input.log, fixed, is_walk(spec), chance_of_death(spec)
    )


def _is_plain(step: Step) -> bool:
    """Whether a step is no dense layer, or one whose second moment alone says what comes next."""
    weights = step.layer.weights
    if weights is None:
        return True
    return not isinstance(weights, Identity) and not weight_mean(weights, step.fan_in, step.fan_out)


def _row(
    spec: NetworkSpec, index: int, forward: list[ForwardStep], backward: list[BackwardStep], width: RowWidth
) -> RowPrediction:
    step, ahead, back = spec.steps[index], forward[index], backward[index]
    layer = step.layer
    steep = _steepness(layer, ahead) if isinstance(layer, Dense) else None
    chi1 = None
    if isinstance(layer, Dense) and steep is not None:
        chi1 = float(weight_gain(layer.weights, step.fan_in, step.fan_out, step.fan_in) * steep)
    return RowPrediction(
        source=ahead.source if layer.weights is None else ahead.inner,
        output=ahead.output,
        chi1=chi1,
        log_gradient=None if back.source is None else back.source.log,
        log_output_gradient=None if back.output is None else back.output.log,
        reason=ahead.reason or back.reason,
        is_dense=layer.weights is not None,
        width=width,
    )


def _steepness(layer: Dense, ahead: ForwardStep) -> ExtendedFloat | None:
    """E[phi'^2] at z; None where theory ends before it."""
    if ahead.inner is None:
        return None
    if layer.activation.is_linear:
        return ONE
    if not ahead.parts:
        return None if ahead.response is None else ahead.response.derivative
    steep = [_steepness(layer, part) for part in ahead.parts]
    weights = [weight for weight, _ in ahead.inner.parts]
    return average(weights, [each for each in steep if each is not None])
