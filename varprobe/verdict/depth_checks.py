"""Findings about the change over depth, and about the trials that show it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from varprobe.formatting import count, number, percent, power, times
from varprobe.verdict.case import Case, first_beyond, first_zero
from varprobe.verdict.found import Found
from varprobe.verdict.intervals import log_mean, reach
from varprobe.verdict.labels import Direction
from varprobe.verdict.records import DirectionVerdict
from varprobe.verdict.rule import LN10, LN100, Judged, standard_error

# How many jumps are spelled out in each direction.
MOST_JUMPS = 3


def find_labels(case: Case) -> Iterator[Found]:
    """vanishing, exploding, degenerate and borderline, with the change over the depth."""
    for way, what, judged in case.directions:
        label, total = judged.direction.label, judged.direction.total_log10
        code = f"{way}-{label}"
        if label in ("vanishing", "exploding", "borderline"):
            limit = math.copysign(1.0 if label == "borderline" else 2.0, total or 1.0)
            yield Found(code, _change(case, way, judged.direction), first_beyond(case, judged), total, limit)
        elif label == "degenerate":
            share = percent((judged.dead + judged.ended) / case.trials)
            if judged.ended > judged.dead:
                message = f"The {what} cannot be judged: the arithmetic ended in {share} of the trials."
            else:
                message = f"In {share} of the trials the {what} became exactly zero, first here."
            yield Found(code, message, first_zero(case, way), (judged.dead + judged.ended) / case.trials, 0.5)


def _change(case: Case, way: Direction, direction: DirectionVerdict) -> str:
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


def step_changes(judged: Judged) -> NDArray[np.float64]:
    """Of every point but the first, ln of the mean change to it; empty where nothing is left to judge."""
    logs = judged.logs
    return np.asarray(log_mean(np.diff(logs))) if logs.size and logs.shape[1] > 1 else np.empty(0)


def find_jumps(case: Case) -> Iterator[Found]:
    """Single steps beyond a factor 100 that are beyond it with their 95 % interval too."""
    for way, what, judged in case.directions:
        steps = list(enumerate(step_changes(judged).tolist(), start=1))
        jumped = [(later, change) for later, change in steps if _is_jump(judged, later, change)]
        more = f" So do {len(jumped) - 1:,} more." if len(jumped) > MOST_JUMPS else ""
        for later, change in jumped[:MOST_JUMPS]:
            here = case.points[later].layer
            shape = f"std {number(here.expected_std)}, fan_in {here.fan_in:,}" if here.expected_std else "given weights"
            message = f"The {what} {times(change / LN10)} at this one layer ({way}; {shape}).{more}"
            yield Found("jump", message, case.row(later), change / LN10, math.copysign(2.0, change))
            more = ""


def _is_jump(judged: Judged, later: int, change: float) -> bool:
    """Beyond a factor 100 with its 95 % interval too."""
    if abs(change) <= LN100:
        return False
    step = np.diff(judged.logs[:, later - 1 : later + 1])
    return abs(change) - (reach(standard_error(step, np.ones(1)), len(step)) or 0.0) > LN100


def find_chaos(case: Case) -> Iterator[Found]:
    """Stable activations, exploding gradient."""
    if case.forward.direction.label == "stable" and case.backward.direction.label == "exploding":
        rate = case.backward.direction.rate
        grow = f": small differences between inputs grow with depth, {number(rate)}-fold a layer" if rate else ""
        message = f"The activations are stable and the gradient explodes{grow}."
        yield Found("chaotic", message, measured=rate, limit=1.0)


def find_collapse(case: Case) -> Iterator[Found]:
    """Samples that can no longer be told apart, or nearly so."""
    if case.signal.direction.label != "collapsing":
        return
    lost, change = case.signal.lost, case.signal.direction.total_log10
    if lost is None:
        message = f"The part of the signal that depends on the input {times(change or 0.0)} over the depth."
        yield Found("collapsed-signal", message, measured=change, limit=-2.0)
    else:
        message = f"From here on the samples cannot be told apart in {case.dtype}."
        floor = math.log10(100 * float(np.finfo(case.dtype).eps) ** 2)
        yield Found("collapsed-signal", message, case.row(lost), limit=floor)


def find_early_change(case: Case) -> Iterator[Found]:
    """A large change in the first half before a steady second half."""
    for way, what, judged in case.directions:
        seen = judged.direction.measured_log10
        if judged.direction.label == "stable" and seen is not None and abs(seen) > 2:
            message = (
                f"From the first judged layer to the last the {what} {times(seen)} ({way}); the deep half is steady."
            )
            yield Found("total-change", message, first_beyond(case, judged), seen, math.copysign(2.0, seen))


def find_end_of_arithmetic(case: Case) -> Iterator[Found]:
    """The first row at which the arithmetic ended, forward before backward."""
    s = case.measured.statistics
    for what, table, order in (
        ("activations", s.log_activation_second_moment, 1),
        ("gradient", s.log_activation_gradient_second_moment, -1),
    ):
        ended = np.isnan(table)
        if ended.any():
            row = int(np.flatnonzero(ended.any(axis=0))[::order][0])
            share = float(ended.any(axis=1).mean())
            message = f"From here on the {what} left the range of {case.dtype}, in {percent(share)} of the trials."
            yield Found("non-finite", message, row + 1, share, 0.0)
            return


def find_too_few_trials(case: Case) -> Iterator[Found]:
    """Directions, and a signal, that more trials would decide."""
    for way, judged in (("forward", case.forward), ("backward", case.backward), ("signal", case.signal)):
        if judged.needed is None or judged.direction.label != "inconclusive":
            continue
        error = judged.direction.error_log10
        known = "has no error" if error is None else f"knows the change over the depth to a factor {power(error)} only"
        message = f"{way.capitalize()}: a mean over {count(case.trials, 'trial')} {known}."
        yield Found("inconclusive", message, measured=error, limit=1.0)


def find_dead_trials(case: Case) -> Iterator[Found]:
    """Trials left out because something judged was exactly zero."""
    for way, what, judged in case.directions:
        bad = judged.dead + judged.ended
        if bad and judged.direction.label != "degenerate":
            message = (
                f"In {count(bad, 'trial')} of {case.trials:,} the {what} became exactly zero ({way}); the rest is "
                "judged."
            )
            yield Found("dead-trials", message, first_zero(case, way), bad / case.trials, 0.5)


def find_spread(case: Case) -> Iterator[Found]:
    """Single draws far from the mean over draws."""
    for way, what, judged in case.directions:
        direction = judged.direction
        if direction.typical_log10 is None or direction.total_log10 is None:
            continue
        # With few trials the typical total is not known well enough to have another label.
        if judged.spread > 1 or judged.typical_label not in (direction.label, "inconclusive"):
            message = (
                f"Draws differ ({way}): the change of the {what} is x {power(direction.total_log10)} on the mean, "
                f"x {power(direction.typical_log10)} in a typical draw; its ln has sd {judged.spread:.2g} over draws."
            )
            yield Found("finite-width", message, measured=judged.spread, limit=1.0)
