"""NetworkSpec -> Prediction, row by row."""

from __future__ import annotations

from varprobe.spec.network import Dense, NetworkSpec, Open, Settings
from varprobe.theory.backward import Return, returns
from varprobe.theory.fixed_point import fixed_point
from varprobe.theory.forward import Passage, passages, weight_gain
from varprobe.theory.records import FixedPoint, Prediction, RowPrediction, RowWidth
from varprobe.theory.wide import Wide
from varprobe.theory.width import finite_width

# From here on every fixed point is below: the map is that of the function's far slopes.
_LARGEST_START = 1e30


def predict(spec: NetworkSpec, settings: Settings | None = None) -> Prediction:
    """What theory says of a network at large width, without drawing anything.

    >>> from varprobe.spec.loading import load
    >>> defaults = {"init": "he", "activation": "relu"}
    >>> spec = load({"input": {"features": 64}, "defaults": defaults, "layers": [{"dense": 64}]})
    >>> round(predict(spec).rows[0].source.second_moment, 12)
    2.0
    """
    settings = settings or spec.settings
    forward = passages(spec, settings)
    backward, at_input = returns(spec, settings, forward)
    start = next((passage.inner.second_moment for passage in forward if passage.inner is not None), 1.0)
    start = min(start, _LARGEST_START)
    widths = finite_width(spec, forward, backward)
    return _prediction(spec, forward, backward, at_input, widths, fixed_point(spec, start))


def recursions(spec: NetworkSpec, settings: Settings) -> Prediction:
    """The two recursions alone, without finite width and fixed point: what comparing many networks needs."""
    forward = passages(spec, settings)
    backward, at_input = returns(spec, settings, forward)
    return _prediction(spec, forward, backward, at_input, [RowWidth()] * len(forward), None)


def _prediction(
    spec: NetworkSpec,
    forward: list[Passage],
    backward: list[Return],
    at_input: Wide | None,
    widths: list[RowWidth],
    fixed: FixedPoint | None,
) -> Prediction:
    source = forward[0].source
    assert source is not None
    rows = [
        _row(spec, index, forward, backward, widths[index])
        for index, step in enumerate(spec.steps)
        if not isinstance(step.layer, Open)
    ]
    return Prediction(tuple(rows), source, None if at_input is None else at_input.log, fixed)


def _row(
    spec: NetworkSpec, index: int, forward: list[Passage], backward: list[Return], width: RowWidth
) -> RowPrediction:
    step, passage, back = spec.steps[index], forward[index], backward[index]
    layer, chi1 = step.layer, None
    if isinstance(layer, Dense) and passage.inner is not None:
        gain = weight_gain(layer.weights, step.fan_in, step.fan_out, step.fan_in)
        chi1 = float(gain if passage.response is None else gain * passage.response.derivative)
    return RowPrediction(
        source=passage.inner if isinstance(layer, Dense) else passage.source,
        output=passage.output,
        chi1=chi1,
        log_gradient=None if back.source is None else back.source.log,
        log_output_gradient=None if back.output is None else back.output.log,
        reason=passage.reason or back.reason,
        is_dense=isinstance(layer, Dense),
        width=width,
    )
