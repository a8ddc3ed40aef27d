"""What theory says of a network that somebody might build in place of this one, judged by the rule and cheaply."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.description import describe_rows
from varprobe.network.spec import NetworkSpec, Objective, Settings, Step
from varprobe.theory.predict import recursions
from varprobe.verdict.judged import JudgedLayer, Logs, Stretch, pick_points, stretches, trace_prediction
from varprobe.verdict.records import DirectionVerdict
from varprobe.verdict.rule import BROKEN, LN10, ORDER, judge_direction, worse

# Stands for a change beyond any number.
_ENDLESS = 1e7


@dataclass(frozen=True)
class PredictedVerdict:
    """Both directions by theory.

    Attributes:
        jump: whether a single step is beyond a factor 100.
        worst: the judged point (from 0) behind a single step that makes most of the change; None where none does.
        reason: why theory ends, where it does.
    """

    forward: DirectionVerdict
    backward: DirectionVerdict
    jump: bool = False
    worst: int | None = None
    reason: str = ""

    @property
    def overall(self) -> str:
        return worse(self.forward.label, self.backward.label)

    @property
    def is_sound(self) -> bool:
        """Stable both ways, and no layer takes a factor 100 that another one gives back."""
        return self.overall == "stable" and not self.jump

    @property
    def total(self) -> float:
        """The larger change over the depth, abs(T) in natural logs."""
        return max(abs(_total(self.forward)), abs(_total(self.backward)))

    @property
    def lean(self) -> float:
        """T forward plus T backward: above 0 the weights are too large, below too small."""
        return _total(self.forward) + _total(self.backward)

    @property
    def rank(self) -> tuple[int, int, float]:
        """Smaller is better."""
        return -ORDER.index(self.overall), self.jump, self.total


@dataclass(frozen=True)
class Bench:
    """Judges variants of one network; `steps` of a variant differ in the laws' scales alone."""

    spec: NetworkSpec
    settings: Settings
    points: tuple[JudgedLayer, ...]
    cut: tuple[Stretch, ...]

    def outlook(self, steps: Iterable[Step]) -> PredictedVerdict:
        spec = replace(self.spec, steps=tuple(steps))
        prediction = recursions(spec, self.settings)
        traces = trace_prediction(spec, prediction, self.points)
        forward = judge_direction(traces.forward, traces.forward_input, self.cut, backward=False, exact=True)
        backward = judge_direction(traces.backward, traces.backward_input, self.cut, backward=True, exact=True)
        reasons = [row.reason for row in prediction.rows if row.reason]
        jump, worst = _single_steps([traces.forward, -traces.backward])
        return PredictedVerdict(forward.direction, backward.direction, jump, worst, reasons[0] if reasons else "")


def bench_for(spec: NetworkSpec, settings: Settings) -> Bench:
    """A bench that leaves out what only the signal needs: samples are one at a time, but for batch norm.

    The cross-entropy gradient, whose size only theory does not know, stands in as a random one.
    """
    if spec.objective.kind == "cross_entropy":
        spec = replace(spec, objective=Objective("random"))
    if not any(step.layer.variant == "batch" for step in spec.steps):
        settings = replace(settings, batch=1)
    points = pick_points(describe_rows(spec))
    return Bench(spec, settings, points, stretches(points))


def _total(direction: DirectionVerdict) -> float:
    if direction.total_log10 is not None:
        return direction.total_log10 * LN10
    return {"exploding": _ENDLESS, "stable": 0.0}.get(direction.label, -_ENDLESS)


def _single_steps(ways: list[Logs]) -> tuple[bool, int | None]:
    """Whether one is a jump, and the later point of one that makes most of the change, if one does."""
    jump, worst, size = False, None, 0.0
    for logs in ways:
        path = logs[0]
        if len(path) < 4 or not np.isfinite(path).all():
            continue
        steps = np.abs(np.diff(path))
        at = int(np.argmax(steps))
        jump |= bool(steps[at] > BROKEN)
        if steps[at] >= max(math.log(3), steps.sum() / 2) and steps[at] > size:
            worst, size = at + 1, steps[at]
    return jump, worst
