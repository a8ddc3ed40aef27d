"""Claims about the change over depth: labels, rates and totals, forward, backward and of the signal."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import partial

from varprobe.config.expectation import Range, SideRange
from varprobe.errors import ConfigError, Place
from varprobe.formatting import number, power
from varprobe.gate.claim import Answer, Claim, in_words, outcome_of, trials_needed
from varprobe.network.spec import NetworkSpec
from varprobe.verdict.case import Case
from varprobe.verdict.intervals import finite_exp, reach
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Direction, Outcome
from varprobe.verdict.possible import (
    DIRECTION_REGIONS,
    OVERALL,
    SIGNAL_REGIONS,
    LabelSet,
    decide,
    edges,
    possible,
    share_level,
)
from varprobe.verdict.rule import LN10, MOST_ADVISED, standard_error

_TOO_NEAR = (
    f"{MOST_ADVISED} trials would not tell: expect every label that is possible, or move the change from its limit."
)


def label_claim(what: str, allowed: tuple[str, ...], line: int | None) -> Claim:
    """A direction, or the worse of both ways, has one of the labels."""
    direction = None if what == OVERALL else Direction(what)
    return Claim(what, " or ".join(allowed), line, partial(_label, what, allowed), direction, allowed)


def range_claim(what: str, bound: SideRange, line: int | None, spec: NetworkSpec, *, has_rate: bool) -> Claim:
    """A rate, or the log10 of a total, lies in a range.

    Arguments:
        what: rate or total_log10.
        has_rate: whether enough layers are alike.

    Raises:
        ConfigError: for a rate of a network that is too shallow to have one.
    """
    expectation = f"{what}.{bound.side}"
    if what == "rate" and not has_rate:
        source = spec.place.source if spec.place else "config"
        raise ConfigError(
            "a rate takes four judged layers that are alike, this network has fewer",
            hint="use total_log10, which is of the whole network",
            place=Place(source, line),
            field=f"expect.{expectation}",
        )
    return Claim(expectation, in_words(bound.range), line, partial(_range, what, bound), Direction(bound.side))


def _label(what: str, allowed: tuple[str, ...], diagnosis: Diagnosis, level: float) -> Answer:
    found = possible(diagnosis.case, what, level)
    outcome = decide(found, allowed)
    needed = _count_for_labels(diagnosis.case, what, allowed, level) if outcome == Outcome.UNDECIDED else None
    is_open = outcome == Outcome.UNDECIDED and (needed is None or needed > MOST_ADVISED)
    return Answer(
        outcome,
        label_words(found),
        remedy=_TOO_NEAR if is_open else "",
        value=_log10(found.value),
        low=_log10(found.low),
        high=_log10(found.high),
        needed=None if is_open else needed,
    )


def _count_for_labels(case: Case, what: str, allowed: tuple[str, ...], level: float) -> int | None:
    """Trials that would tell the labels that are allowed from the others."""
    borders = edges(SIGNAL_REGIONS if what == Direction.SIGNAL else DIRECTION_REGIONS, allowed)
    if what != OVERALL:
        return _count_needed(possible(case, what, level), borders, level)
    each = [_count_needed(possible(case, way, level / 2), borders, level) for way, _, _ in case.directions]
    return max((trials for trials in each if trials), default=None)


def _range(what: str, bound: SideRange, diagnosis: Diagnosis, level: float) -> Answer:
    found = possible(diagnosis.case, bound.side, level)
    if what == "rate" and not math.isnan(found.value):
        found = _of_rate(diagnosis.case, bound.side, found, level)
    if math.isnan(found.value):
        known = len(found.labels) == 1
        needed = None if known else _count_needed(found, [], level)
        return Answer(Outcome.FAILED if known else Outcome.UNDECIDED, label_words(found), needed=needed)
    scale = 1.0 if what == "rate" else LN10
    low, high = _limits(what, bound.range)
    value, least, most = (total / scale for total in (found.value, found.low, found.high))
    inside, outside = low <= least and most <= high and found.spared, most < low or least > high
    needed = None
    if not inside and not outside:
        needed = _count_needed(found, [limit * scale for limit in (low, high) if math.isfinite(limit)], level)
    numbers = [finite_exp(log) for log in (value, least, most)] if what == "rate" else [value, least, most]
    shown, lower, upper = (number(one) if what == "rate" else f"{one:.4g}" for one in numbers)
    words = f"{shown} a layer ({lower} to {upper})" if what == "rate" else f"{shown} ({lower} to {upper})"
    return Answer(
        outcome_of(inside=inside, outside=outside),
        words,
        value=numbers[0],
        low=numbers[1],
        high=numbers[2],
        needed=needed,
    )


def _of_rate(case: Case, side: str, found: LabelSet, level: float) -> LabelSet:
    """The same with ln of the rate and its interval in place of D."""
    judged = case.signal if side == Direction.SIGNAL else case.forward if side == Direction.FORWARD else case.backward
    slopes = judged.slopes
    half = None if slopes is None else reach(standard_error(slopes), len(slopes), level)
    if slopes is None or half is None:
        return replace(found, value=math.nan)
    rate = float(slopes.mean())
    return replace(found, value=rate, low=rate - half, high=rate + half)


def _limits(what: str, limits: Range) -> tuple[float, float]:
    """The range, of rates as natural logs."""
    low = -math.inf if limits.low is None else limits.low
    high = math.inf if limits.high is None else limits.high
    if what != "rate":
        return low, high
    return math.log(low) if low > 0 else -math.inf, math.log(high) if high > 0 else -math.inf


def label_words(found: LabelSet) -> str:
    """The labels that are possible, and the change with its interval."""
    labels = " or ".join(found.labels)
    if math.isnan(found.value):
        return labels
    total, low, high = (power(one / LN10) for one in (found.value, found.low, found.high))
    return f"{labels}: x {total} over the depth ({low} to {high})"


def _log10(log: float) -> float | None:
    return None if math.isnan(log) else log / LN10


def _count_needed(found: LabelSet, borders: list[float], level: float) -> int | None:
    """Trials that would tell D from the nearest border, and the share of dead draws from one half."""
    for_share = 0 if found.spared else _draws_to_spare(level)
    if math.isnan(found.value):
        return for_share or None
    crossed = [border for border in borders if found.low <= border <= found.high]
    if not crossed:
        return for_share if for_share > found.trials else None
    distance = min(abs(found.value - border) for border in crossed)
    needed = trials_needed(found.trials, (found.high - found.low) / 2, distance)
    return None if needed is None else max(needed, for_share)


def _draws_to_spare(level: float) -> int:
    """Draws that, with none of them dead, leave no share of one half possible.

    >>> _draws_to_spare(0.001)
    12
    """
    return next(trials for trials in itertools.count(1) if 2.0**-trials < share_level(trials, level) / 2)
