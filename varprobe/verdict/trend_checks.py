"""Findings about the change over depth: labels, jumps, phases."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from varprobe.formatting import count, number, percent, power, times
from varprobe.verdict import advice
from varprobe.verdict.case import Case, first_beyond, first_zero
from varprobe.verdict.findings import finding
from varprobe.verdict.intervals import log_mean, reach
from varprobe.verdict.labels import Direction
from varprobe.verdict.records import DirectionVerdict, Finding
from varprobe.verdict.rule import LN10, LN100, Judged, standard_error

# How many jumps are spelled out in each direction.
MOST_JUMPS = 3
_SIGNAL_REMEDY = (
    "Use a zero-centred activation, larger weights or smaller biases: what all samples share drowns what differs."
)


def labels(case: Case) -> Iterator[Finding]:
    """vanishing, exploding, degenerate and borderline, with the change and the scale that would undo it."""
    for way, what, judged in case.directions:
        direction = judged.direction
        if direction.label in ("vanishing", "exploding", "borderline"):
            yield finding(
                f"{way}-{direction.label}",
                _change(case, way, direction),
                _remedy(case, way, judged),
                layer=first_beyond(case, judged),
                measured=direction.total_log10,
                limit=math.copysign(1.0 if direction.label == "borderline" else 2.0, direction.total_log10 or 1.0),
            )
        elif direction.label == "degenerate":
            yield _degenerate(case, way, what, judged)


def _change(case: Case, way: str, direction: DirectionVerdict) -> str:
    what = "The activations" if way == "forward" else "On its way to the input the gradient"
    if direction.total_log10 is None:
        return f"{what} left the range of numbers."
    if direction.rate is None or direction.measured_log10 is None:
        return f"{what} {times(direction.total_log10)} over the whole network (second moment)."
    judged = "layer" if len(case.points) == len(case.layers) else "judged layer"
    return (
        f"{what} {times(direction.measured_log10)} between the first layer and the last (second moment). The deep "
        f"half's rate of {number(direction.rate)} a layer makes x {power(direction.total_log10)} over "
        f"{count(len(case.points), judged)}."
    )


def _remedy(case: Case, way: str, judged: Judged) -> str:
    direction, layers = judged.direction, case.layers
    worst = _worst_step(judged)
    if worst is not None:
        point, change = worst
        return advice.single_remedy(case.row(point), case.points[point].layer, change, way)
    is_chaotic = way == "backward" and direction.label == "exploding" and case.forward.direction.label == "stable"
    if is_chaotic and not any(layer.kind in ("norm", "residual") for layer in layers):
        return advice.chaotic_remedy(direction.rate)
    return advice.scale_remedy(case.points, layers, direction.total_log10)


def _worst_step(judged: Judged) -> tuple[int, float] | None:
    """The later point and the log10 change of a single step that makes most of the whole change, if one does."""
    logs = judged.logs
    if len(logs) == 0 or logs.shape[1] < 4:
        return None
    steps = np.array([change for _, change in _steps(logs)])
    worst = int(np.argmax(np.abs(steps)))
    if abs(steps[worst]) < max(math.log(3), abs(steps.sum()) / 2):
        return None
    return worst + 1, float(steps[worst]) / LN10


def _degenerate(case: Case, way: Direction, what: str, judged: Judged) -> Finding:
    row = first_zero(case, way)
    share = (judged.dead + judged.ended) / case.trials
    if judged.ended > judged.dead:
        message = f"The {what} cannot be judged: the arithmetic ended in {percent(share)} of the trials."
        remedy = "See the finding non-finite."
    else:
        message = f"In {percent(share)} of the trials the {what} became exactly zero, first here."
        remedy = "Look for weights or inputs that are zero, a layer that is too narrow, or an activation that is flat."
    return finding(f"{way}-degenerate", message, remedy, layer=row, measured=share, limit=0.5)


def jumps(case: Case) -> Iterator[Finding]:
    """Single steps beyond a factor 100 that are beyond it with their 95 % interval too."""
    for way, what, judged in case.directions:
        logs = judged.logs
        if not logs.size:
            continue
        jumped = [(later, change) for later, change in _steps(logs) if _is_jump(logs, later, change)]
        for later, change in jumped[:MOST_JUMPS]:
            here = case.points[later].layer
            shape = f"std {number(here.expected_std)}, fan_in {here.fan_in:,}" if here.expected_std else "given weights"
            more = f" So do {len(jumped) - 1:,} more." if len(jumped) > MOST_JUMPS and later == jumped[0][0] else ""
            yield finding(
                "jump",
                f"The {what} {times(change / LN10)} at this one layer ({way}; {shape}).{more}",
                f"Multiply this layer's weights by about {power(-change / LN10 / 2)}, or look for a forgotten factor "
                "in its scheme.",
                layer=case.row(later),
                measured=change / LN10,
                limit=math.copysign(2.0, change),
            )


def _steps(logs: NDArray[np.float64]) -> Iterator[tuple[int, float]]:
    """Every later point with ln of the mean change to it."""
    if logs.shape[1] > 1:
        yield from enumerate(log_mean(np.diff(logs)).tolist(), start=1)


def _is_jump(logs: NDArray[np.float64], later: int, change: float) -> bool:
    """Beyond a factor 100 with its 95 % interval too."""
    if abs(change) <= LN100:
        return False
    step = (logs[:, later] - logs[:, later - 1])[:, None]
    return abs(change) - (reach(standard_error(step, np.ones(1)), len(step)) or 0.0) > LN100


def chaotic(case: Case) -> Iterator[Finding]:
    """Stable activations, exploding gradient."""
    if case.forward.direction.label == "stable" and case.backward.direction.label == "exploding":
        rate = case.backward.direction.rate
        yield finding(
            "chaotic",
            "The activations are stable and the gradient explodes: small differences between inputs grow with depth, "
            f"{number(rate)}-fold a layer."
            if rate
            else "The activations are stable and the gradient explodes.",
            "The remedy is that of backward-exploding.",
            measured=rate,
            limit=1.0,
        )


def collapsed_signal(case: Case) -> Iterator[Finding]:
    """Samples that can no longer be told apart, or nearly so."""
    if case.signal.direction.label != "collapsing":
        return
    eps = float(np.finfo(case.dtype).eps)
    if case.signal.lost is not None:
        message = f"From here on the samples cannot be told apart in {case.dtype}."
        yield finding(
            "collapsed-signal",
            message,
            _SIGNAL_REMEDY,
            layer=case.row(case.signal.lost),
            limit=math.log10(100 * eps**2),
        )
        return
    change = case.signal.direction.total_log10
    message = f"The part of the signal that depends on the input {times(change or 0.0)} over the depth."
    yield finding("collapsed-signal", message, _SIGNAL_REMEDY, measured=change, limit=-2.0)


def total_change(case: Case) -> Iterator[Finding]:
    """A large change in the first half before a steady second half."""
    for way, what, judged in case.directions:
        direction = judged.direction
        seen = direction.measured_log10
        if direction.label == "stable" and seen is not None and abs(seen) > 2:
            yield finding(
                "total-change",
                f"From the first judged layer to the last the {what} {times(seen)} ({way}); the deep half is steady.",
                "The loss is in the first layers; check their scale, or accept a slow, not exponential, decay.",
                layer=first_beyond(case, judged),
                measured=seen,
                limit=math.copysign(2.0, seen),
            )
