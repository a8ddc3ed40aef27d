"""NetworkSpec -> Prediction, row by row."""

from __future__ import annotations

from varprobe.spec.gaussian import expectations
from varprobe.spec.network import Dense, Join, NetworkSpec, Open, Settings
from varprobe.theory.backward import Return, returns
from varprobe.theory.fixed_point import fixed_point
from varprobe.theory.forward import Passage, passages
from varprobe.theory.records import Prediction, RowPrediction


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
    rows = [
        _row(spec, index, forward, backward)
        for index, step in enumerate(spec.steps)
        if not isinstance(step.layer, Open)
    ]
    return Prediction(tuple(rows), first.source, at_input, fixed_point(spec, start))


def _row(spec: NetworkSpec, index: int, forward: list[Passage], backward: list[Return]) -> RowPrediction:
    step, passage, back = spec.steps[index], forward[index], backward[index]
    layer, chi1 = step.layer, None
    if isinstance(layer, Dense) and passage.inner is not None:
        variance = layer.weights.variance(step.fan_in, step.fan_out) or 0.0
        z = passage.inner
        chi1 = step.fan_in * variance * expectations(layer.activation, z.mean, z.variance).derivative_second_moment
    return RowPrediction(
        source=passage.inner if isinstance(layer, Dense) else passage.source,
        output=passage.output,
        chi1=chi1,
        # The gradient at a join's input is that at its block's: through the skip and the branch.
        gradient=backward[_opening(spec, index)].source if isinstance(layer, Join) else back.source,
        output_gradient=back.output,
        reason=passage.reason or back.reason,
    )


def _opening(spec: NetworkSpec, join: int) -> int:
    """The step that opens the block which `join` closes."""
    depth = 0
    for index in range(join, -1, -1):
        depth += isinstance(spec.steps[index].layer, Join) - isinstance(spec.steps[index].layer, Open)
        if depth == 0:
            return index
    raise IndexError(join)
