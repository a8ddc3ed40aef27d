"""NetworkSpec -> Prediction, row by row."""

from __future__ import annotations

from varprobe.spec.network import Dense, NetworkSpec, Open, Settings
from varprobe.theory.backward import Return, returns
from varprobe.theory.fixed_point import fixed_point
from varprobe.theory.forward import Passage, passages, weight_gain
from varprobe.theory.records import Prediction, RowPrediction, RowWidth
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
    first = forward[0]
    assert first.source is not None
    start = next((passage.inner.second_moment for passage in forward if passage.inner is not None), 1.0)
    start = min(start, _LARGEST_START)
    widths = finite_width(spec, forward, backward)
    rows = [
        _row(spec, index, forward, backward, widths[index])
        for index, step in enumerate(spec.steps)
        if not isinstance(step.layer, Open)
    ]
    log_input = None if at_input is None else at_input.log
    return Prediction(tuple(rows), first.source, log_input, fixed_point(spec, start))


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
