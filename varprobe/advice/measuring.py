"""Variants of a network judged by drawing a few, where theory at large width has no answer.

Only of small networks: of a few draws of the whole search, `_MOST` multiplications of weights with activations each,
so that it takes a fraction of a second, whatever the machine.
"""

from __future__ import annotations

from dataclasses import replace

from varprobe.advice.predicted_verdict import PredictedVerdict, outlook_of
from varprobe.advice.search import SpentError
from varprobe.network.description import describe_rows
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.records import Prediction
from varprobe.verdict.judged import JudgedLayer, pick_points, stretches, trace_measurement
from varprobe.verdict.rule import judge_direction

# Draws of a variant, variants that are drawn, and multiplications of one variant's way forward.
_DRAWS, _VARIANTS, _MOST = 8, 24, 1e8
# Variance of ln of a second moment over draws, or layers over width, above which the mean tells little of a draw.
_SPREAD, _DEPTH_OVER_WIDTH = 1.0, 0.5


class MeasuringBench:
    """A bench by a few draws of each variant, those of the run's own seed."""

    def __init__(self, spec: NetworkSpec, settings: Settings) -> None:
        self.spec = spec
        self.settings = replace(settings, trials=_DRAWS, threads=1)
        self.points: tuple[JudgedLayer, ...] = pick_points(describe_rows(spec))
        self._cut = stretches(self.points)
        self._left = _VARIANTS

    def outlook(self, variant: NetworkSpec) -> PredictedVerdict:
        """Both directions of the mean path of the draws.

        Raises:
            SpentError: where as many variants as are allowed have been drawn.
        """
        from varprobe.probe.measure import measure  # theory alone needs no engine

        if not self._left:
            raise SpentError
        self._left -= 1
        traces = trace_measurement(measure(variant, self.settings), self.points)
        forward = judge_direction(traces.forward, traces.forward_input, self._cut, backward=False, exact=True)
        backward = judge_direction(traces.backward, traces.backward_input, self._cut, backward=True, exact=True)
        return outlook_of(forward, backward)


def is_small(spec: NetworkSpec, settings: Settings) -> bool:
    """Whether a few draws of the network cost next to nothing."""
    products = sum(step.fan_in * step.fan_out for step in spec.steps if step.layer.weights is not None)
    return _DRAWS * settings.batch * products <= _MOST


def describes_a_draw(spec: NetworkSpec, prediction: Prediction) -> bool:
    """Whether theory at large width reaches the network, and a typical draw is near what it says."""
    rows = prediction.rows
    if any(row.output is None or row.log_output_gradient is None for row in rows):
        return False
    widths = [known for row in rows for known in (row.width.source, row.width.output, row.width.gradient) if known]
    if widths and max(width.variance for width in widths) > _SPREAD:
        return False
    narrow = sum(1 / max(step.fan_out, 1) for step in spec.rows if step.layer.weights is not None)
    return narrow <= _DEPTH_OVER_WIDTH
