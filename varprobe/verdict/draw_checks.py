"""Findings about the draws: too few, dead ones, and such as differ from their mean and from each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from varprobe.formatting import count, number, percent, power
from varprobe.verdict.case import Case, first_zero
from varprobe.verdict.crowding import measure_crowding
from varprobe.verdict.found import Found
from varprobe.verdict.intervals import binomial_interval
from varprobe.verdict.labels import Direction, Label
from varprobe.verdict.records import DirectionVerdict, Share
from varprobe.verdict.rule import LN10, STABLE, Judged, region_of

# Sum of 1/width over the dense layers from which ln of the change has an sd of 1 over draws, of relu (5 a layer).
CROWDED = 0.2


def find_too_few_trials(case: Case) -> Iterator[Found]:
    """Directions, and a signal, that these trials do not decide."""
    ways = ((Direction.FORWARD, case.forward), (Direction.BACKWARD, case.backward), (Direction.SIGNAL, case.signal))
    for way, judged in ways:
        direction = judged.direction
        if direction.label != Label.INCONCLUSIVE or case.traces.exact:
            continue
        if direction.error_log10 is None:
            known = f"one draw tells no law: in it the change is x {power(direction.total_log10)}"
        else:
            known = f"the change of a typical draw is x {power(direction.total_log10)}, known to a factor "
            known += f"{power(direction.error_log10)} only, over {count(case.trials, 'draw')}"
        message = f"{way.capitalize()}: {known}.{_tell_shares(direction)}"
        yield Found("inconclusive", message, measured=direction.error_log10, limit=1.0)


def find_dead_trials(case: Case) -> Iterator[Found]:
    """Draws left out because something judged was exactly zero, or had ended."""
    death = foresee_death(case)
    if 0.01 <= death < 0.5:
        message = f"By theory the signal of a sample becomes exactly zero in {percent(death)} of the draws."
        yield Found("dead-trials", message, None, death, 0.5)
    for way, what, judged in case.directions:
        bad = judged.dead + judged.ended
        if bad and judged.direction.label != judged.bad_label:
            draws = f"In {count(bad, 'draw')} of {case.trials:,}"
            fate = " or ".join(
                ["became exactly zero"] * bool(judged.dead) + ["left the range of numbers"] * bool(judged.ended)
            )
            message = f"{draws} the {what} {fate} ({way}); the rest is judged."
            yield Found("dead-trials", message, first_zero(case, way), bad / case.trials, 0.5)


def foresee_death(case: Case) -> float:
    """The chance that theory alone gives; 0 where draws were measured."""
    return max((one.death for one in case.traces.foreseen if one is not None), default=0.0)


def find_unknown_draws(case: Case) -> Iterator[Found]:
    """By theory alone: a network so narrow for its depth that draws must differ, and theory does not know how."""
    for (way, what, judged), foreseen in zip(case.directions, case.traces.foreseen, strict=True):
        if foreseen is None or foreseen.is_known or judged.direction.total_log10 is None:
            continue
        crowding = measure_crowding(case, way)
        if crowding > CROWDED:
            message = (
                f"Draws must differ ({way}): depth over width is {number(crowding)}, and what that makes of the {what} "
                "of a typical draw theory does not know; its change is that of the mean over draws."
            )
            yield Found("finite-width", message, measured=crowding, limit=CROWDED)


def find_spread(case: Case) -> Iterator[Found]:
    """A typical draw that is not what the mean over draws is."""
    yield from find_unknown_draws(case)
    for way, what, judged in case.directions:
        direction = judged.direction
        total, mean, spread = direction.total_log10, direction.mean_log10, direction.spread_log10
        if total is None or mean is None or judged.direction.label == judged.bad_label:
            continue
        elsewhere = region_of(mean * LN10) != region_of(total * LN10) and mean - total > (direction.error_log10 or 0.0)
        if not elsewhere and (spread is None or spread * LN10 <= 1):
            continue
        message = (
            f"Draws differ ({way}): the {what} of a typical draw change{'s' if way == Direction.BACKWARD else ''} "
            f"x {power(total)}, those of the mean over draws, which infinite width describes, x {power(mean)}."
            f"{_tell_shares(direction)}"
        )
        yield Found("finite-width", message, measured=None if spread is None else spread * LN10, limit=1.0)


def _tell_shares(direction: DirectionVerdict) -> str:
    """How many draws lose and gain; empty where neither is seen, or nothing was drawn."""

    def tell(share: Share | None, verb: str) -> str:
        if share is None or share.share == 0:
            return ""
        return f"{percent(share.share)} ({percent(share.low)} to {percent(share.high)}) {verb}"

    parts = [part for part in (tell(direction.lost, "lose"), tell(direction.grown, "gain")) if part]
    return f" Of the draws {' and '.join(parts)} more than 100-fold." if parts else ""


def find_scatter(case: Case) -> Iterator[Found]:
    """Stable in the middle, yet half of the draws or more are not."""
    for way, what, judged in case.directions:
        if judged.direction.label != Label.STABLE or case.traces.exact:
            continue
        share = scattered_share(judged)
        if share.low >= 0.5:
            message = (
                f"Draws scatter ({way}): the {what} change{'s' if way == Direction.BACKWARD else ''} beyond 100-fold "
                f"in {percent(share.share)} of the draws, up in some and down in others."
            )
            yield Found("scattered", message, measured=share.share, limit=0.5)


def scattered_share(judged: Judged, level: float = 0.05) -> Share:
    """Of the draws, those that change beyond what is stable; after Clopper and Pearson."""
    hits = int((np.abs(judged.changes) > STABLE).sum()) + judged.dead
    cases = max(len(judged.changes) + judged.dead, 1)
    return Share(hits / cases, *binomial_interval(hits, cases, level))
