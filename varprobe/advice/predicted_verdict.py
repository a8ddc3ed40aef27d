"""What theory says of a network that somebody might build in place of this one, judged by the rule and cheaply."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.description import describe_rows
from varprobe.network.laws import Constant, Normal
from varprobe.network.spec import NetworkSpec, Objective, Settings
from varprobe.theory.predict import recursions
from varprobe.verdict.judged import FEWEST, JudgedLayer, Logs, Stretch, pick_points, stretches
from varprobe.verdict.records import DirectionVerdict
from varprobe.verdict.rule import BROKEN, LN10, ORDER, Judged, judge_direction, worse
from varprobe.verdict.traces import trace_prediction

# Stands for a change beyond any number.
_ENDLESS = 1e7


@dataclass(frozen=True)
class PredictedVerdict:
    """Both directions, by theory or of few draws.

    Attributes:
        jump: whether two layers are apart by more than a factor 1000.
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
        """Stable both ways, and no layer takes a factor 1000 that another one gives back."""
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


class Bench(Protocol):
    """Judges variants of one network: their steps are the same, but for what laws, norms and joins say."""

    @property
    def spec(self) -> NetworkSpec:
        """The network."""

    @property
    def settings(self) -> Settings:
        """How it is judged."""

    @property
    def points(self) -> tuple[JudgedLayer, ...]:
        """What is judged of it."""

    def outlook(self, variant: NetworkSpec) -> PredictedVerdict:
        """What is to be expected of a variant."""


@dataclass(frozen=True)
class TheoryBench:
    """A bench by theory, at large width."""

    spec: NetworkSpec
    settings: Settings
    points: tuple[JudgedLayer, ...]
    cut: tuple[Stretch, ...]

    def outlook(self, variant: NetworkSpec) -> PredictedVerdict:
        """Both directions by the two recursions; the signal is left out."""
        variant = without_zero_head(replace(variant, objective=self.spec.objective))
        prediction = recursions(variant, self.settings)
        traces = trace_prediction(variant, prediction, self.points)
        forward = judge_direction(traces.forward, traces.forward_input, self.cut, backward=False, exact=True)
        backward = judge_direction(traces.backward, traces.backward_input, self.cut, backward=True, exact=True)
        reasons = [row.reason for row in prediction.rows if row.reason]
        return outlook_of(forward, backward, reasons[0] if reasons else "")


def outlook_of(forward: Judged, backward: Judged, reason: str = "") -> PredictedVerdict:
    """Both directions as they were judged, and their single steps; `reason` says why theory ends."""
    jump, worst = _single_steps([judged.logs for judged in (forward, backward)])
    return PredictedVerdict(forward.direction, backward.direction, jump, worst, reason)


def bench_for(spec: NetworkSpec, settings: Settings) -> TheoryBench:
    """A bench that leaves out what only the signal needs: samples are one at a time, but for batch norm.

    The gradient of a loss, whose size only theory may not know, stands in as a random one.
    """
    if not any(step.layer.variant == "batch" for step in spec.steps):
        settings = replace(settings, batch=1)
    points = pick_points(describe_rows(spec))
    return TheoryBench(with_random_gradient(spec), settings, points, stretches(points))


def without_zero_head(spec: NetworkSpec) -> NetworkSpec:
    """The network up to a head that is zero, whose body is judged with a gradient put at its output."""
    head = spec.head
    if head is None or head.layer.weights not in (Constant(0.0), Normal(0.0)):
        return spec
    return replace(spec, steps=spec.steps[: spec.steps.index(head)])


def with_random_gradient(spec: NetworkSpec) -> NetworkSpec:
    """The network with a gradient whose size theory knows in place of that of a loss."""
    is_loss = spec.objective.kind in ("cross_entropy", "bce")
    return replace(spec, objective=Objective("random")) if is_loss else spec


def _total(direction: DirectionVerdict) -> float:
    if direction.total_log10 is not None:
        return direction.total_log10 * LN10
    return {"exploding": _ENDLESS, "stable": 0.0}.get(direction.label, -_ENDLESS)


def _single_steps(ways: list[Logs]) -> tuple[bool, int | None]:
    """Whether a typical path takes a factor that it gives back; the later point of a step that makes most of it."""
    jump, worst, size = False, None, 0.0
    for logs in ways:
        path = logs.mean(axis=0) if logs.size else logs[:0].ravel()
        if len(path) < FEWEST or not np.isfinite(path).all():
            continue
        jump |= bool(np.ptp(path) > BROKEN)
        steps = np.abs(np.diff(path))
        at = int(np.argmax(steps))
        if steps[at] >= max(math.log(3), steps.sum() / 2) and steps[at] > size:
            worst, size = at + 1, steps[at]
    return jump, worst
