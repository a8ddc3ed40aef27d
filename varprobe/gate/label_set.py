"""Which labels are still possible: what an interval at a stated level leaves open.

A direction's label is decided by two things that share the level: the share of draws that are dead, by the exact
interval of Clopper and Pearson against one half, and T, by Student's t on its jackknife error. The more trials, the
less of the level the dead draws need: half of it up to `DEAD_TRIALS`, then as one over their number. The regions of T
are those of `varprobe.verdict.rule`.
"""

from __future__ import annotations

import math
from itertools import pairwise

from varprobe.frozen import dataclass
from varprobe.verdict.case import Case
from varprobe.verdict.intervals import binomial_interval, reach
from varprobe.verdict.rule import LN10, LN100, ORDER, SIGNAL_LABELS, Judged, JudgedSignal, worse

# From the smallest T to the largest; each region begins where the one before it ends.
DIRECTION_REGIONS = (
    ("vanishing", -math.inf),
    ("borderline", -LN100),
    ("stable", -LN10),
    ("borderline", LN10),
    ("exploding", LN100),
)
SIGNAL_REGIONS = (("collapsing", -math.inf), ("fading", -LN100), ("preserved", -LN10))
SIDES = ("forward", "backward", "signal")
# Up to so many trials the share of dead draws has half of a direction's level.
DEAD_TRIALS = 20

Regions = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LabelSet:
    """What may be true of a direction.

    Attributes:
        labels: that are possible, in the order of the regions, dead draws last.
        value, low, high: T in natural logs and its interval; nan where it is not known.
        layers: that T is over.
        trials: that T is from.
        spared: whether the share of dead draws is below one half for certain.
    """

    labels: tuple[str, ...]
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    layers: int = 0
    trials: int = 0
    spared: bool = True


def possible(case: Case, side: str, level: float) -> LabelSet:
    """What is possible of forward, backward or signal, with a chance of at most `level` that the truth is not in it."""
    if side == "signal":
        return _signal(case.signal, len(case.points), level)
    return _direction(case.forward if side == "forward" else case.backward, case.trials, len(case.points), level)


def possible_overall(case: Case, level: float) -> tuple[str, ...]:
    """The overall labels that are possible."""
    forward, backward = (possible(case, side, level / 2).labels for side in ("forward", "backward"))
    found = {worse(one, other) for one in forward for other in backward}
    return tuple(label for label in ORDER if label in found)


def _direction(judged: Judged, trials: int, layers: int, level: float) -> LabelSet:
    for_share = share_level(trials, level)
    dead, most = binomial_interval(judged.dead + judged.ended, trials, for_share)
    bad = (judged.bad_label,) if most >= 0.5 else ()
    if dead >= 0.5:
        return LabelSet(bad, spared=False)
    total, living = judged.direction.total_log10, len(judged.logs)
    half = reach(judged.error, living, level - for_share)
    if total is None or half is None or math.isnan(half):
        known = tuple(label for label in ORDER if label not in ("inconclusive", *bad))
        return LabelSet((*known, *bad), layers=layers, trials=living, spared=not bad)
    value = total * LN10
    low, high = value - half, value + half
    labels = tuple(dict.fromkeys((*labels_between(DIRECTION_REGIONS, low, high), *bad)))
    return LabelSet(labels, value, low, high, layers, living, spared=not bad)


def share_level(trials: int, level: float) -> float:
    """What the share of dead draws has of a direction's level; the number of trials alone decides it.

    >>> share_level(10, 1.0), share_level(20, 1.0), share_level(400, 1.0)
    (0.5, 0.5, 0.025)
    """
    return level / 2 * min(1.0, DEAD_TRIALS / trials)


def _signal(judged: JudgedSignal, layers: int, level: float) -> LabelSet:
    direction = judged.direction
    half = reach(judged.error, judged.trials, level)
    if direction.label == "undefined" or (direction.total_log10 is None and direction.label == "collapsing"):
        return LabelSet((direction.label,))
    if direction.total_log10 is None or half is None or math.isnan(half):
        return LabelSet(tuple(label for label in SIGNAL_LABELS if label not in ("inconclusive", "undefined")))
    value = direction.total_log10 * LN10
    low, high = value - half, value + half
    if judged.lost is not None:  # below the rounding floor, whatever the layers before it do
        return LabelSet(("collapsing",), value, low, high, judged.lost, judged.trials)
    return LabelSet(labels_between(SIGNAL_REGIONS, low, high), value, low, high, layers, judged.trials)


def labels_between(regions: Regions, low: float, high: float) -> tuple[str, ...]:
    """The labels of the regions that the interval touches.

    >>> labels_between(SIGNAL_REGIONS, -3.0, 1.0)
    ('fading', 'preserved')
    """
    ends = [start for _, start in regions[1:]] + [math.inf]
    touched = [label for (label, start), end in zip(regions, ends, strict=True) if low <= end and high >= start]
    return tuple(dict.fromkeys(touched))


def edges(regions: Regions, allowed: tuple[str, ...]) -> list[float]:
    """Where T passes from what is allowed to what is not."""
    return [start for (before, _), (after, start) in pairwise(regions) if (before in allowed) != (after in allowed)]
