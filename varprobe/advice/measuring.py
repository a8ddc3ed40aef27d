"""Variants of a network judged by drawing a few, where theory at large width has no answer.

Only of small networks: `_ALL` multiplications of weights with activations on the way forward of the whole search, so
that it takes about a second, whatever the machine.
"""

from __future__ import annotations

from dataclasses import replace

from varprobe.advice.changes import WIDE
from varprobe.advice.predicted_verdict import PredictedVerdict, outlook_of, with_random_gradient
from varprobe.advice.search import SpentError
from varprobe.network.description import describe_rows
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.predict import predict
from varprobe.theory.typical import typical_logs
from varprobe.verdict.judged import JudgedLayer, pick_points, stretches
from varprobe.verdict.rule import judge_direction
from varprobe.verdict.traces import trace_measurement

# Draws of a variant; multiplications of one variant's way forward, and of all.
_DRAWS, _MOST, _ALL = 8, 3e8, 2.4e9
# Multiplications, on the way forward of all draws, of a run that is made once more to see what one change makes of it.
_AGAIN = 5e9
# Rows of all variants together, and variants that are drawn at most; one that is drawn in full counts for several.
_ROWS, _VARIANTS, _IN_FULL = 800, 24, 4
# Variance of ln of a second moment over draws above which the mean tells little of a draw.
_SPREAD = 1.0


class MeasuringBench:
    """A bench by a few draws of each variant, those of the run's own seed."""

    def __init__(self, spec: NetworkSpec, settings: Settings) -> None:
        self.spec = spec
        self.settings = replace(settings, trials=_DRAWS, threads=1)
        self.points: tuple[JudgedLayer, ...] = pick_points(describe_rows(spec))
        self._cut = stretches(self.points)
        self._left = min(_VARIANTS, _ROWS // len(spec.rows), int(_ALL / max(_cost(spec, settings), 1.0)))

    def outlook(self, variant: NetworkSpec) -> PredictedVerdict:
        """Both directions of the mean path of the draws.

        Raises:
            SpentError: where as many variants as are allowed have been drawn.
        """
        from varprobe.probe.measure import measure  # theory alone needs no engine

        self._spend(1)
        traces = trace_measurement(measure(variant, self.settings), self.points)
        forward = judge_direction(traces.forward, traces.forward_input, self._cut, backward=False, exact=True)
        backward = judge_direction(traces.backward, traces.backward_input, self._cut, backward=True, exact=True)
        return outlook_of(forward, backward)

    def spend(self) -> None:
        """Accounts for a variant that is drawn in full.

        Raises:
            SpentError: as in `outlook`.
        """
        self._spend(_IN_FULL)

    def _spend(self, amount: int) -> None:
        if self._left < amount:
            raise SpentError
        self._left -= amount


def is_small(spec: NetworkSpec, settings: Settings) -> bool:
    """Whether a few draws of the network cost next to nothing."""
    return _cost(spec, settings) <= _MOST and _ROWS // len(spec.rows) > _IN_FULL


def may_run_again(spec: NetworkSpec, settings: Settings) -> bool:
    """Whether one variant may be drawn as often as the run draws the network."""
    return _cost(spec, settings, settings.trials) <= _AGAIN


def _cost(spec: NetworkSpec, settings: Settings, draws: int = _DRAWS) -> float:
    """Multiplications of the way forward of one variant."""
    products = sum(step.fan_in * step.fan_out for step in spec.steps if step.layer.weights is not None)
    return float(draws * settings.batch * products)


def describes_a_draw(spec: NetworkSpec, settings: Settings) -> bool:
    """Whether theory at large width reaches the network, and a typical draw is near what it says.

    Where finite width is not known, layers over width stand for it.
    """
    prediction = predict(with_random_gradient(spec), settings)
    if any(row.output is None or row.log_output_gradient is None for row in prediction.rows):
        return False
    typical, head = typical_logs(prediction), spec.head
    body = [at for at, step in enumerate(spec.rows) if step is not head]
    variances = [(typical.forward_variance[at], typical.backward_variance[at]) for at in body]
    narrow = sum(1 / spec.rows[at].fan_out for at in body if spec.rows[at].layer.weights is not None) > WIDE
    if narrow and any(None in each for each in variances):
        return False
    # What the head adds to the gradient's it adds for all of the body.
    ahead, back = ([each or 0.0 for each in side] for side in zip(*variances, strict=True))
    return max(ahead) <= _SPREAD and max(back) - min(back) <= _SPREAD
