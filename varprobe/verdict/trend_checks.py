"""Findings about the change over depth: labels, jumps, phases."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from varprobe.verdict import advice
from varprobe.verdict.case import Case, first_beyond, first_zero
from varprobe.verdict.findings import finding
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.records import Direction, Finding
from varprobe.verdict.rule import LN10, LN100, Judged, half_width
from varprobe.wording import count, number, percent, power, times

_SIGNAL_REMEDY = (
    "Use a zero-centred activation (tanh in place of sigmoid), larger weights or smaller biases: the mean of the "
    "activations drowns what differs between samples."
)


def labels(case: Case) -> Iterator[Finding]:
    """vanishing, exploding, degenerate and borderline, with the change and the scale that would undo it."""
    for way, what, judged in case.directions:
        direction = judged.direction
        if direction.label in ("vanishing", "exploding", "borderline"):
            yield finding(
                f"{way}-{direction.label}",
                _change(way, direction, len(case.points)),
                _remedy(case, way, direction),
                layer=first_beyond(case, judged),
                measured=direction.total_log10,
                limit=math.copysign(1.0 if direction.label == "borderline" else 2.0, direction.total_log10 or 1.0),
            )
        elif direction.label == "degenerate":
            yield _degenerate(case, way, what, judged)


def _change(way: str, direction: Direction, layers: int) -> str:
    what = "The activations" if way == "forward" else "On its way to the input the gradient"
    if direction.total_log10 is None:
        return f"{what} left the range of numbers."
    each = f", {number(direction.rate)}-fold a layer" if direction.rate is not None else ""
    return f"{what} {times(direction.total_log10)} over {count(layers, 'layer')}{each} (second moment)."


def _remedy(case: Case, way: str, direction: Direction) -> str:
    layers = case.measurement.layers
    is_chaotic = way == "backward" and direction.label == "exploding" and case.forward.direction.label == "stable"
    if is_chaotic and not any(layer.kind in ("norm", "residual") for layer in layers):
        return advice.chaotic_remedy(direction.rate)
    return advice.scale_remedy(case.points, layers, direction.total_log10)


def _degenerate(case: Case, way: str, what: str, judged: Judged) -> Finding:
    row = first_zero(case, way)
    share = (judged.dead + judged.ended) / case.measurement.trials
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
        for earlier, later in pairwise(range(logs.shape[1])):
            step = (logs[:, later] - logs[:, earlier])[:, None]
            change = float(log_mean(step)[0])
            if abs(change) <= LN100 or abs(change) - (half_width(step, np.ones(1)) or 0.0) <= LN100:
                continue
            here = case.points[later].layer
            shape = f"std {number(here.expected_std)}, fan_in {here.fan_in:,}" if here.expected_std else "given weights"
            factor = power(-change / LN10 / 2)
            yield finding(
                "jump",
                f"The {what} {times(change / LN10)} at this one layer ({way}; {shape}).",
                f"Multiply this layer's weights by about {factor}, or look for a forgotten factor in its scheme.",
                layer=case.row(later),
                measured=change / LN10,
                limit=math.copysign(2.0, change),
            )


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
    if case.signal.label != "collapsing":
        return
    eps = float(np.finfo(case.measurement.dtype).eps)
    if case.lost is not None:
        message = f"From here on the samples cannot be told apart in {case.measurement.dtype}."
        yield finding(
            "collapsed-signal", message, _SIGNAL_REMEDY, layer=case.row(case.lost), limit=math.log10(100 * eps**2)
        )
        return
    change = case.signal.total_log10
    message = f"The part of the signal that depends on the input {times(change or 0.0)} over the depth."
    yield finding("collapsed-signal", message, _SIGNAL_REMEDY, measured=change, limit=-2.0)


def total_change(case: Case) -> Iterator[Finding]:
    """A large change in the first half before a steady second half."""
    for way, what, judged in case.directions:
        direction = judged.direction
        seen = direction.measured_log10
        if direction.label in ("stable", "borderline") and seen is not None and abs(seen) > 2:
            yield finding(
                "total-change",
                f"From the first judged layer to the last the {what} {times(seen)} ({way}); the deep half is steady.",
                "The loss is in the first layers; check their scale, or accept a slow, not exponential, decay.",
                layer=first_beyond(case, judged),
                measured=seen,
                limit=math.copysign(2.0, seen),
            )
