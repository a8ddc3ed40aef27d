"""Which labels are still possible at a level of chance, and whether what is expected of them is met.

A direction's label is decided by two things that share the level: the share of draws that are dead, by the exact
interval of Clopper and Pearson against one half, and D, by Student's t over draws. The more trials, the
less of the level the dead draws need: half of it up to `DEAD_TRIALS`, then as one over their number. The regions of D
are those of `varprobe.verdict.rule`. Theory alone has no error: of it only its label is possible.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import pairwise

from varprobe.frozen import dataclass
from varprobe.verdict.case import Case
from varprobe.verdict.intervals import binomial_interval, reach
from varprobe.verdict.labels import Direction, Label, Outcome, SignalLabel
from varprobe.verdict.rule import (
    BROKEN,
    FADING,
    LN10,
    ORDER,
    PRESERVED,
    STABLE,
    Judged,
    JudgedSignal,
    standard_error,
    worse,
)

Regions = tuple[tuple[str, float], ...]

# From the smallest D to the largest; each region begins where the one before it ends.
DIRECTION_REGIONS: Regions = (
    (Label.VANISHING, -math.inf),
    (Label.BORDERLINE, -BROKEN),
    (Label.STABLE, -STABLE),
    (Label.BORDERLINE, STABLE),
    (Label.EXPLODING, BROKEN),
)
SIGNAL_REGIONS: Regions = (
    (SignalLabel.COLLAPSING, -math.inf),
    (SignalLabel.FADING, -FADING),
    (SignalLabel.PRESERVED, -PRESERVED),
)
# The worse of forward and backward.
OVERALL = "overall"
# Up to so many trials the share of dead draws has half of a direction's level.
DEAD_TRIALS = 20


@dataclass(frozen=True)
class LabelSet:
    """What may be true of a direction, or of both together.

    Attributes:
        label: that the verdict has.
        labels: that are possible, in the order of the regions, dead draws last.
        value, low, high: D in natural logs and its interval; nan where it is not known.
        trials: that D is from.
        spared: whether the share of dead draws is below one half for certain.
    """

    label: str
    labels: tuple[str, ...]
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    trials: int = 0
    spared: bool = True


def possible(case: Case, what: str, level: float) -> LabelSet:
    """What is possible of a direction or overall, with a chance of at most `level` that the truth is not in it."""
    if what == OVERALL:
        return _overall(case, level)
    if what == Direction.SIGNAL:
        return _signal(case, case.signal, level)
    return _direction(case, case.forward if what == Direction.FORWARD else case.backward, level)


def _overall(case: Case, level: float) -> LabelSet:
    forward, backward = (possible(case, way, level / 2) for way, _, _ in case.directions)
    found = {worse(one, other) for one in forward.labels for other in backward.labels}
    return LabelSet(worse(forward.label, backward.label), tuple(label for label in ORDER if label in found))


def decide(found: LabelSet, allowed: Collection[str]) -> Outcome:
    """Whether labels are as expected: `inconclusive` stands for a verdict that is so, whatever may be true."""
    if set(found.labels) <= set(allowed):
        return Outcome.MET
    open_ = set(found.labels) & set(allowed) or (found.label == Label.INCONCLUSIVE and found.label in allowed)
    return Outcome.UNDECIDED if open_ else Outcome.FAILED


def settle(outcome: Outcome, allowed: Collection[str]) -> Outcome:
    """What it comes to when no more is drawn: labels that cannot be decided are expected where `inconclusive` is."""
    return Outcome.MET if outcome == Outcome.UNDECIDED and Label.INCONCLUSIVE in allowed else outcome


def _direction(case: Case, judged: Judged, level: float) -> LabelSet:
    label, trials = judged.direction.label, case.trials
    if case.traces.exact:
        return LabelSet(label, (label,))
    for_share = share_level(trials, level)
    dead, most = binomial_interval(judged.dead + judged.ended, trials, for_share)
    bad = (judged.bad_label,) if most >= 0.5 else ()
    if dead >= 0.5:
        return LabelSet(label, bad, spared=False)
    total, living = judged.direction.total_log10, len(judged.changes)
    half = reach(standard_error(judged.changes), living, level - for_share)
    if total is None or half is None or math.isnan(half):
        known = tuple(one for one in ORDER if one not in (Label.INCONCLUSIVE, *bad))
        return LabelSet(label, (*known, *bad), trials=living, spared=not bad)
    value = total * LN10
    low, high = value - half, value + half
    labels = tuple(dict.fromkeys((*labels_between(DIRECTION_REGIONS, low, high), *bad)))
    return LabelSet(label, labels, value, low, high, living, spared=not bad)


def share_level(trials: int, level: float) -> float:
    """What the share of dead draws has of a direction's level; the number of trials alone decides it.

    >>> share_level(10, 1.0), share_level(20, 1.0), share_level(400, 1.0)
    (0.5, 0.5, 0.025)
    """
    return level / 2 * min(1.0, DEAD_TRIALS / trials)


def _signal(case: Case, judged: JudgedSignal, level: float) -> LabelSet:
    label, total = judged.direction.label, judged.direction.total_log10
    nothing_left = total is None and label == SignalLabel.COLLAPSING
    if case.traces.exact or label == SignalLabel.UNDEFINED or nothing_left:
        return LabelSet(label, (label,), trials=len(judged.changes))
    trials = len(judged.changes)
    half = reach(standard_error(judged.changes), trials, level)
    if total is None or half is None or math.isnan(half):
        return LabelSet(label, tuple(one for one, _ in reversed(SIGNAL_REGIONS)))
    value = total * LN10
    low, high = value - half, value + half
    if judged.lost is not None:  # below the rounding floor, whatever the layers before it do
        return LabelSet(label, (SignalLabel.COLLAPSING,), value, low, high, trials)
    labels = labels_between(SIGNAL_REGIONS, low, high)
    return LabelSet(label, labels, value, low, high, trials)


def labels_between(regions: Regions, low: float, high: float) -> tuple[str, ...]:
    """The labels of the regions that the interval touches.

    >>> list(map(str, labels_between(SIGNAL_REGIONS, -3.0, 1.0)))
    ['fading', 'preserved']
    """
    ends = [start for _, start in regions[1:]] + [math.inf]
    touched = [label for (label, start), end in zip(regions, ends, strict=True) if low <= end and high >= start]
    return tuple(dict.fromkeys(touched))


def edges(regions: Regions, allowed: Collection[str]) -> list[float]:
    """Where D passes from what is allowed to what is not."""
    return [start for (before, _), (after, start) in pairwise(regions) if (before in allowed) != (after in allowed)]
