"""Findings about the change over depth."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from varprobe.formatting import number, percent, power, times
from varprobe.verdict.case import Case, first_beyond, first_zero
from varprobe.verdict.draw_checks import foresee_death
from varprobe.verdict.found import Found
from varprobe.verdict.intervals import reach
from varprobe.verdict.judged import FEWEST, find_longest, find_seams
from varprobe.verdict.labels import Direction, Label, Severity, SignalLabel
from varprobe.verdict.records import DirectionVerdict
from varprobe.verdict.rule import BROKEN, LN10, STABLE, Judged, standard_error

# How many jumps are spelled out in each direction.
MOST_JUMPS = 3
_CHANGED = (Label.VANISHING, Label.EXPLODING, Label.BORDERLINE)


def find_labels(case: Case) -> Iterator[Found]:
    """vanishing, exploding, degenerate and borderline, with the change over the depth."""
    for way, what, judged in case.directions:
        label, total = judged.direction.label, judged.direction.total_log10
        code = f"{way}-{label}"
        if label in _CHANGED:
            limit = (STABLE if label == Label.BORDERLINE else BROKEN) / LN10
            message = _tell_change(case, way, judged.direction)
            yield Found(code, message, first_beyond(case, judged), total, math.copysign(limit, total or 1.0))
        elif label == Label.DEGENERATE and foresee_death(case) >= 0.5:
            death = foresee_death(case)
            message = f"By theory the signal of a sample is zero at the last layer in {percent(death)} of the draws."
            yield Found(code, message, None, death, 0.5)
        elif label == Label.DEGENERATE:
            share = percent((judged.dead + judged.ended) / case.trials)
            if case.traces.exact:
                message = (
                    f"By theory the {what} become{'s' if way == Direction.BACKWARD else ''} exactly zero, first here."
                )
            elif judged.ended > judged.dead:
                message = f"The {what} cannot be judged: the arithmetic ended in {share} of the draws."
            else:
                message = f"In {share} of the draws the {what} became exactly zero, first here."
            yield Found(code, message, first_zero(case, way), (judged.dead + judged.ended) / case.trials, 0.5)


def _tell_change(case: Case, way: Direction, direction: DirectionVerdict) -> str:
    what = "The activations" if way == Direction.FORWARD else "On its way to the input the gradient"
    if direction.total_log10 is None:
        return f"{what} left the range of numbers."
    few = len(case.points) < FEWEST
    if way == Direction.FORWARD:
        where = "from the input to the last layer" if few else "from the first layer to the last"
    else:
        where = "from the last layer to the input" if few else "from the last layer to the first"
    whose = "by theory" if case.traces.exact else "in a typical draw"
    return f"{what} {times(direction.total_log10)} {where} {whose} (second moment)."


def find_jumps(case: Case) -> Iterator[Found]:
    """Single steps between layers that are not alike, beyond a factor 1000 with their 95 % interval too."""
    for way, what, judged in case.directions:
        jumped = [(later, change) for later, change, half in seam_changes(case, judged) if abs(change) - half > BROKEN]
        more = f" So do {len(jumped) - 1:,} more." if len(jumped) > MOST_JUMPS else ""
        for later, change in jumped[:MOST_JUMPS]:
            here = case.points[later].layer
            shape = f"std {number(here.expected_std)}, fan_in {here.fan_in:,}" if here.expected_std else "given weights"
            place = f"; {shape}" if here.has_weights else ""
            message = f"The {what} {times(change / LN10)} at this one layer ({way}{place}).{more}"
            yield Found("jump", message, case.row(later), change / LN10, math.copysign(BROKEN / LN10, change))
            more = ""


def seam_changes(case: Case, judged: Judged, level: float = 0.05) -> Iterator[tuple[int, float, float]]:
    """Of every step between layers that are not alike: the later point, ln of its typical change, half its interval."""
    if not judged.logs.size:
        return
    for later in find_seams(case.cut).tolist():
        steps = judged.logs[:, later] - judged.logs[:, later - 1]
        yield later, float(steps.mean()), _reach(case, steps, level)


def _reach(case: Case, changes: NDArray[np.float64], level: float = 0.05) -> float:
    """Half the interval of a mean over draws: 0 by theory, endless with one draw."""
    if case.traces.exact:
        return 0.0
    half = reach(standard_error(changes), len(changes), level)
    return math.inf if half is None else half


def step_changes(judged: Judged) -> NDArray[np.float64]:
    """Of every point but the first, ln of the typical change to it; empty where nothing is left to judge."""
    logs = judged.logs
    return np.diff(logs).mean(axis=0) if logs.size and logs.shape[1] > 1 else np.empty(0)


def find_excursions(case: Case) -> Iterator[Found]:
    """A typical path that leaves 1000-fold between two layers on the way, and comes back at least tenfold.

    Of a stable direction it always does. A borderline one has its own finding, and this one warns.
    """
    for way, what, judged in case.directions:
        label = judged.direction.label
        if label not in (Label.STABLE, Label.BORDERLINE) or judged.logs.shape[1] < 2:
            continue
        path = (judged.logs - judged.logs[:, :1]).mean(axis=0)
        low, high = sorted((int(path.argmin()), int(path.argmax())))
        between = judged.logs[:, high] - judged.logs[:, low]
        change = float(between.mean())
        back = abs(change) - abs(float(judged.changes.mean()))
        if abs(change) - _reach(case, between) > BROKEN and back > LN10:
            first, last = (high, low) if way == Direction.BACKWARD else (low, high)
            message = (
                f"On the way the {what} {times(change / LN10)} between layer {case.row(first)} and layer "
                f"{case.row(last)} ({way}); over the whole depth that comes back."
            )
            severity = None if label == Label.STABLE else Severity.WARNING
            limit = math.copysign(BROKEN / LN10, change)
            yield Found("excursion", message, case.row(last), change / LN10, limit, severity)


def find_levelling(case: Case) -> Iterator[Found]:
    """A change that is slower than exponential: the deep half of the layers that make it hardly adds to it."""
    for way, what, judged in case.directions:
        total, deep = judged.direction.total_log10, judged.direction.deep_half_log10
        if total is None or deep is None or not abs(deep) < 1 < abs(total):
            continue
        longest = find_longest(case.cut)
        assert longest is not None
        if abs((judged.logs[:, longest.stop - 1] - judged.logs[:, longest.start]).mean()) > LN10:
            message = (
                f"The {what} {times(total)} over the depth, most of it near the input: at the deep half's rate it "
                f"would be x {power(deep)} ({way}). The change levels off: more layers add little to it."
            )
            yield Found("levelling-off", message, measured=deep, limit=math.copysign(1.0, total))


def find_chaos(case: Case) -> Iterator[Found]:
    """Stable activations, exploding gradient."""
    if case.forward.direction.label == Label.STABLE and case.backward.direction.label == Label.EXPLODING:
        rate, least = case.backward.direction.rate, case.backward.direction.rate_low
        grows = rate and least is not None and least > 1
        grow = f": small differences between inputs grow with depth, {number(rate)}-fold a layer" if grows else ""
        message = f"The activations are stable and the gradient explodes{grow}."
        yield Found("chaotic", message, measured=rate, limit=1.0)


def find_collapse(case: Case) -> Iterator[Found]:
    """Samples that can no longer be told apart, or nearly so."""
    if case.signal.direction.label != SignalLabel.COLLAPSING:
        return
    lost, change = case.signal.lost, case.signal.direction.total_log10
    if lost is None and change is None:  # zero from the first judged layer on, of which the direction tells
        return
    if lost is None and change is not None:
        message = f"The part of the signal that depends on the input {times(change)} over the depth."
        yield Found("collapsed-signal", message, measured=change, limit=-2.0)
    elif lost is not None:
        message = f"From here on the samples cannot be told apart in {case.dtype}."
        floor = math.log10(100 * float(np.finfo(case.dtype).eps) ** 2)
        yield Found("collapsed-signal", message, case.row(lost), limit=floor)


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
