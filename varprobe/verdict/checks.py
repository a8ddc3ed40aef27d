"""The findings, one function each: measurement and judgement in, findings out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from varprobe.probe.measurement import Measurement
from varprobe.verdict import advice
from varprobe.verdict.findings import finding
from varprobe.verdict.healthy import healthy_dead_share
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.judged import Point
from varprobe.verdict.records import Direction, Finding
from varprobe.verdict.rule import LN10, LN100, Judged, half_width
from varprobe.wording import count, number, percent, power, times

SATURATED_LIMIT = 0.5
DEAD_MARGIN = 0.1
# Largest finite number and smallest positive one, as log10; and the name that people use.
FORMATS = {
    "float32": (math.log10(3.4028235e38), math.log10(1.4e-45)),
    "bfloat16": (math.log10(3.3895314e38), math.log10(9.2e-41)),
    "float16": (math.log10(65504.0), math.log10(6.0e-8)),
}
_RECTIFIERS = ("relu", "relu_squared")


@dataclass(frozen=True)
class Case:
    """All that a check may look at."""

    measurement: Measurement
    points: tuple[Point, ...]
    forward: Judged
    backward: Judged
    signal: Direction
    lost: int | None

    def row(self, point: int) -> int:
        """The report's row, from 1, of a judged point."""
        return self.points[point].row + 1


def all_findings(case: Case) -> tuple[Finding, ...]:
    """Every finding, the gravest first, then in the order of the checks."""
    checks = (
        non_finite,
        labels,
        jumps,
        chaotic,
        collapsed_signal,
        total_change,
        inconclusive,
        dead_trials,
        finite_width,
        saturated,
        dead_units,
        number_ranges,
        width_ratio,
        zero_branches,
    )
    found = [item for check in checks for item in check(case)]
    return tuple(sorted(found, key=lambda item: ("error", "warning", "info").index(item.severity)))


def _directions(case: Case) -> tuple[tuple[str, str, Judged], ...]:
    return ("forward", "activations", case.forward), ("backward", "gradient", case.backward)


def labels(case: Case) -> Iterator[Finding]:
    """vanishing, exploding, degenerate and borderline, with the change and the scale that would undo it."""
    for way, what, judged in _directions(case):
        direction = judged.direction
        if direction.label in ("vanishing", "exploding", "borderline"):
            yield finding(
                f"{way}-{direction.label}",
                _change(way, direction, len(case.points)),
                _remedy(case, way, direction),
                layer=_trouble(case, judged),
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
    stable_forward = case.forward.direction.label == "stable"
    if way == "backward" and direction.label == "exploding" and stable_forward:
        if not any(layer.kind in ("norm", "residual") for layer in layers):
            return advice.chaotic_remedy(case.points, direction.rate)
    return advice.scale_remedy(case.points, layers, direction.total_log10)


def _trouble(case: Case, judged: Judged) -> int | None:
    """The first row, walking in the direction of the signal, by which a factor 100 is gone or gained."""
    if not judged.logs.size:
        return None
    path = log_mean(judged.logs - judged.logs[:, :1])
    backward = judged is case.backward
    change = path[-1] - path if backward else path
    beyond = np.flatnonzero(np.abs(change) > LN100)
    if not beyond.size:
        return None
    return case.row(int(beyond[-1] if backward else beyond[0]))


def _degenerate(case: Case, way: str, what: str, judged: Judged) -> Finding:
    row = _first_bad_row(case, way)
    share = (judged.dead + judged.ended) / case.measurement.trials
    if judged.ended > judged.dead:
        message = f"The {what} cannot be judged: the arithmetic ended in {percent(share)} of the trials."
        remedy = "See the finding non-finite."
    else:
        message = f"The {what} are exactly zero in {percent(share)} of the trials, first here."
        message = message.replace("gradient are", "gradient is")
        remedy = "Look for weights or inputs that are zero, a layer that is too narrow, or an activation that is flat."
    return finding(f"{way}-degenerate", message, remedy, layer=row, measured=share, limit=0.5)


def _first_bad_row(case: Case, way: str) -> int | None:
    logs = _judged_table(case, way)
    bad = ~np.isfinite(logs).all(axis=0)
    if not bad.any():
        return None
    places = np.flatnonzero(bad)
    return case.row(int(places[0] if way == "forward" else places[-1]))


def _judged_table(case: Case, way: str) -> NDArray[np.float64]:
    s = case.measurement.statistics
    table = s.log_preactivation_second_moment if way == "forward" else s.log_gradient_second_moment
    return table[:, [point.row for point in case.points]]


def non_finite(case: Case) -> Iterator[Finding]:
    s = case.measurement.statistics
    for what, table, order in (
        ("activations", s.log_activation_second_moment, 1),
        ("gradient", s.log_activation_gradient_second_moment, -1),
    ):
        ended = np.isnan(table)
        if ended.any():
            rows = np.flatnonzero(ended.any(axis=0))[::order]
            share = float(ended.any(axis=1).mean())
            yield finding(
                "non-finite",
                f"The {what} are no finite {case.measurement.dtype} numbers from here on, "
                f"in {percent(share)} of the trials.".replace("gradient are", "gradient is"),
                "Lower the weights' scale, or look for nan and inf in given arrays; float64 reaches further.",
                layer=int(rows[0]) + 1,
                measured=share,
                limit=0.0,
            )
            return


def jumps(case: Case) -> Iterator[Finding]:
    """Single steps beyond a factor 100 that are beyond it with their 95 % interval too."""
    for way, what, judged in _directions(case):
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
    if case.forward.direction.label == "stable" and case.backward.direction.label == "exploding":
        rate = case.backward.direction.rate
        yield finding(
            "chaotic",
            "The activations are stable and the gradient explodes: small differences between inputs grow with depth, "
            f"{number(rate)}-fold a layer." if rate else "The activations are stable and the gradient explodes.",
            "The remedy is that of backward-exploding.",
            measured=rate,
            limit=1.0,
        )


def collapsed_signal(case: Case) -> Iterator[Finding]:
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


_SIGNAL_REMEDY = (
    "Use a zero-centred activation (tanh in place of sigmoid), larger weights or smaller biases: the mean of the "
    "activations drowns what differs between samples."
)


def total_change(case: Case) -> Iterator[Finding]:
    for way, what, judged in _directions(case):
        direction = judged.direction
        seen = direction.measured_log10
        if direction.label in ("stable", "borderline") and seen is not None and abs(seen) > 2:
            yield finding(
                "total-change",
                f"From the first judged layer to the last the {what} {times(seen)} ({way}); the deep half is steady.",
                "The loss is in the first layers; check their scale, or accept a slow, not exponential, decay.",
                layer=_trouble(case, judged),
                measured=seen,
                limit=math.copysign(2.0, seen),
            )


def inconclusive(case: Case) -> Iterator[Finding]:
    trials = case.measurement.trials
    for way, _, judged in _directions(case):
        if judged.needed is None or judged.direction.label != "inconclusive":
            continue
        error = judged.direction.error_log10
        known = "one trial has no error" if error is None else f"the total is known to 10^+-{error:.2g} only"
        yield finding(
            "inconclusive",
            f"{way.capitalize()}: {known} with {count(trials, 'trial')}.",
            f"Run with --trials {judged.needed}.",
            measured=error,
            limit=1.0,
        )


def dead_trials(case: Case) -> Iterator[Finding]:
    trials = case.measurement.trials
    for way, what, judged in _directions(case):
        bad = judged.dead + judged.ended
        if bad and judged.direction.label != "degenerate":
            yield finding(
                "dead-trials",
                f"In {count(bad, 'trial')} of {trials:,} the {what} reach an exact zero ({way}); the rest is judged.",
                "Widen the narrowest layer, or use an activation that passes negative values.",
                layer=_first_bad_row(case, way),
                measured=bad / trials,
                limit=0.5,
            )


def finite_width(case: Case) -> Iterator[Finding]:
    for way, what, judged in _directions(case):
        direction = judged.direction
        if direction.typical_log10 is None or direction.total_log10 is None:
            continue
        if judged.spread > 1 or (judged.typical_label != direction.label and len(judged.logs) > 1):
            yield finding(
                "finite-width",
                f"Draws differ ({way}): ln of the change has sd {judged.spread:.2g}; on the mean the {what} "
                f"{times(direction.total_log10)}, in a typical draw it is 10^{direction.typical_log10:+.2f}.",
                "Widen the layers or use fewer: depth/width sets the spread.",
                measured=judged.spread,
                limit=1.0,
            )


def saturated(case: Case) -> Iterator[Finding]:
    shares = case.measurement.statistics.saturated
    mean = shares.mean(axis=0)
    rows = np.flatnonzero(mean > SATURATED_LIMIT)
    if rows.size:
        worst = int(rows[np.argmax(mean[rows])])
        yield finding(
            "saturated",
            f"{percent(float(mean[worst]))} of the values are at the limits of {_name(case, worst)}; "
            f"more than half are in {count(len(rows), 'layer')}.",
            "Lower the weights' standard deviation: at its limits an activation passes no gradient.",
            layer=int(rows[0]) + 1,
            measured=float(mean[worst]),
            limit=SATURATED_LIMIT,
        )


def _name(case: Case, row: int) -> str:
    return case.measurement.layers[row].activation or "the activation"


def dead_units(case: Case) -> Iterator[Finding]:
    """Rectifiers only: the first layer whose dead share is above that of a healthy network by the margin."""
    layers, dead = case.measurement.layers, case.measurement.statistics.dead
    depth = 0
    for row, layer in enumerate(layers):
        depth += layer.kind == "dense"
        if (layer.activation or "").split("(")[0] not in _RECTIFIERS:
            continue
        share = dead[:, row]
        error = float(share.std(ddof=1)) / math.sqrt(len(share)) if len(share) > 1 else 0.0
        limit = healthy_dead_share(depth, case.measurement.batch) + DEAD_MARGIN
        if float(share.mean()) - 2 * error > limit:
            yield finding(
                "dead-units",
                f"{percent(float(share.mean()))} of the units are zero for the whole batch; "
                f"a healthy network of this depth and batch shows {percent(limit - DEAD_MARGIN)}.",
                "Look for negative biases or weights with a negative mean, or use leaky_relu.",
                layer=row + 1,
                measured=float(share.mean()),
                limit=limit,
            )
            return


def number_ranges(case: Case) -> Iterator[Finding]:
    """The first row that leaves each number format, in the activations or, beyond any loss scale, the gradient."""
    s = case.measurement.statistics
    with np.errstate(invalid="ignore"):
        largest = log_mean(s.log_max_abs) / LN10
        typical = log_mean(s.log_activation_second_moment) / (2 * LN10)
        gradient = log_mean(s.log_gradient_second_moment) / (2 * LN10)
    for name, (top, bottom) in FORMATS.items():
        high, low = largest > top, (typical < bottom) & np.isfinite(typical)
        if high.any() or low.any():
            row = int(np.argmax(high if high.any() else low))
            figure, limit = (largest[row], top) if high.any() else (typical[row], bottom)
            word = "reach" if high.any() else "shrink to"
            yield finding(
                f"{name}-range",
                f"The activations {word} {power(float(figure))}; {name} ends at {power(limit)}.",
                "Keep the signal stable, or compute this network in a wider format.",
                layer=row + 1,
                measured=float(figure),
                limit=limit,
            )
            continue
        finite = gradient[np.isfinite(gradient)]
        if finite.size and finite.max() - finite.min() > top - bottom:
            row = int(np.nanargmin(np.where(np.isfinite(gradient), gradient, np.nan)))
            yield finding(
                f"{name}-range",
                f"The gradients of the layers differ {power(float(finite.max() - finite.min()))}-fold; "
                f"{name} spans {power(top - bottom)}, so no loss scale holds them all.",
                "Keep the gradient stable, or compute this network in a wider format.",
                layer=row + 1,
                measured=float(finite.max() - finite.min()),
                limit=top - bottom,
            )


def width_ratio(case: Case) -> Iterator[Finding]:
    widths = [point.layer.fan_out for point in case.points]
    ratio = max(widths) / min(widths)
    if ratio >= 2:
        yield finding(
            "width-ratio",
            f"Widths change {number(ratio)}-fold, and the gradient per entry with them; judged is width times it.",
            "Nothing to do.",
            layer=case.row(int(np.argmin(widths))),
            measured=ratio,
            limit=2.0,
        )


def zero_branches(case: Case) -> Iterator[Finding]:
    zero = case.measurement.statistics.zero_branch
    rows = [row for row in range(zero.shape[1]) if bool((zero[:, row] == 1).all())]
    if rows:
        yield finding(
            "zero-branch",
            f"{count(len(rows), 'residual block')}: the branch adds exactly zero, the block starts as the identity.",
            "Nothing to do where this is meant.",
            layer=rows[0] + 1,
            measured=float(len(rows)),
            limit=0.0,
        )

