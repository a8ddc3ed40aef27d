"""The rule that turns trials into labels: what does a typical draw do to the signal from its first layer to its last?

Judged are the outputs of the body's layers (`varprobe.verdict.judged`). For every draw that lives, d is the natural log
of the change from the first judged layer to the last in the direction of travel; of fewer than `FEWEST` layers, from
the input on. D is the mean of d over draws, the log of their geometric mean, and h half its 95 % interval by
Student's t.

    D - h > ln 1000    exploding          abs(D) <= ln 100   stable
    D + h < -ln 1000   vanishing          abs(D) > ln 1000   exploding or vanishing, by sign
    h > ln 10          inconclusive       otherwise          borderline

The limits were set against training, as reports/trainability_study.md has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.verdict.intervals import binomial_interval, finite_exp, log_mean, reach
from varprobe.verdict.judged import FEWEST, Stretch, cut_off, find_deep_half
from varprobe.verdict.labels import Label, SignalLabel
from varprobe.verdict.records import DirectionVerdict, Share
from varprobe.verdict.traces import Foreseen

LN10 = math.log(10)
# Within the first a direction is stable; beyond the second it vanishes or explodes.
STABLE, BROKEN = math.log(100), math.log(1000)
# What the signal may lose: preserved to the first, fading to the second.
PRESERVED, FADING = math.log(10), math.log(100)
# Trials above which no advice goes to decide what is inconclusive.
MOST_ADVISED = 400
ORDER = tuple(Label)

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """One direction, oriented so that a step is a difference of later and earlier points.

    Attributes:
        direction: what the verdict says.
        logs: (living trials, points): ln of the judged quantity; backward with the sign turned.
        changes: (living trials,) d.
        slopes: (living trials,) slope per layer in the deep half; None below four layers that are alike.
        dead: trials in which it was exactly zero somewhere.
        ended: trials in which the arithmetic ended somewhere.
        needed: trials that would do, where the label is inconclusive; None where they are too many.
        bad_label: the label where half of the trials or more are dead or ended.
    """

    direction: DirectionVerdict
    logs: Logs
    changes: Logs
    slopes: Logs | None = None
    dead: int = 0
    ended: int = 0
    needed: int | None = None
    bad_label: Label = Label.DEGENERATE


@dataclass(frozen=True)
class JudgedSignal:
    """The signal.

    Attributes:
        changes: (living trials,) ln of the change from the input on.
        slopes: as in `Judged`.
        lost: the point (from 0) where it fell below the rounding floor; None where it did not.
        needed: trials that would do, where the label is inconclusive.
    """

    direction: DirectionVerdict
    changes: Logs
    slopes: Logs | None = None
    lost: int | None = None
    needed: int | None = None


def judge_direction(
    logs: Logs,
    at_input: Logs,
    cut: Sequence[Stretch],
    *,
    backward: bool,
    overflow: bool = False,
    exact: bool = False,
    foreseen: Foreseen | None = None,
) -> Judged:
    """Forward or backward.

    Arguments:
        logs: (trials, points) as in `Traces`.
        at_input: (trials,) the same of the input, used below four points.
        overflow: where the arithmetic ended, it had left the range of numbers.
        exact: one row that theory gives without an error.
        foreseen: what theory says of the draws; where half of them or more are dead, they are what is judged.
    """
    path = np.concatenate([at_input[:, None], logs], axis=1) if logs.shape[1] < FEWEST else logs
    if exact and np.isnan(path).any():
        return Judged(DirectionVerdict(Label.INCONCLUSIVE), logs[:0], logs[:0, 0])
    zero, ended = np.isneginf(path).any(axis=1), np.isnan(path).any(axis=1)
    alive = ~(zero | ended)
    dead_count, ended_count = int((zero & ~ended).sum()), int(ended.sum())
    bad = Label.EXPLODING if overflow and ended_count >= max(dead_count, 1) else Label.DEGENERATE
    sign = -1.0 if backward else 1.0
    oriented, path = sign * logs[alive], path[alive]
    # A step is from an earlier point to a later one, the change in the direction of travel: backward the signs cancel.
    changes = path[:, 0] - path[:, -1] if backward else path[:, -1] - path[:, 0]
    if 2 * alive.sum() <= len(logs):
        lost, grown = _shares(changes, dead_count) if dead_count and not exact else (None, None)
        return Judged(
            DirectionVerdict(bad, lost=lost, grown=grown), oriented, changes, None, dead_count, ended_count, None, bad
        )
    direction, slopes = _estimate(changes, oriented, cut, exact=exact)
    if foreseen is not None:
        spread = None if foreseen.spread is None else foreseen.spread / LN10
        direction = replace(direction, spread_log10=spread, mean_log10=foreseen.mean / LN10)
        if foreseen.death >= 0.5:
            return Judged(DirectionVerdict(bad), oriented, changes, slopes, bad_label=bad)
    elif not exact:
        lost, grown = _shares(changes, dead_count)
        direction = replace(direction, lost=lost, grown=grown)
    label = direction_label(_total(direction), _half(direction))
    needed = _count_needed(_half(direction), len(logs)) if label is Label.INCONCLUSIVE else None
    return Judged(replace(direction, label=label), oriented, changes, slopes, dead_count, ended_count, needed, bad)


def _estimate(changes: Logs, oriented: Logs, cut: Sequence[Stretch], *, exact: bool) -> tuple[DirectionVerdict, Any]:
    """D with its error and the rate, without a label; and the slopes of the deep half."""
    spread = float(changes.std(ddof=1)) if len(changes) > 1 else None
    half = 0.0 if exact else _reach(changes)
    deep = find_deep_half(cut)
    slopes = None if deep is None else oriented @ deep
    direction = DirectionVerdict(
        label="",
        total_log10=float(changes.mean()) / LN10,
        error_log10=None if half is None else half / LN10,
        spread_log10=None if spread is None else spread / LN10,
        mean_log10=float(log_mean(changes)) / LN10,
    )
    return direction if slopes is None else _add_rate(direction, slopes, oriented.shape[1] - 1, exact=exact), slopes


def _reach(values: Logs) -> float | None:
    """Half the 95 % interval of a mean over trials."""
    return None if len(values) < 2 else reach(standard_error(values), len(values))


def standard_error(values: Logs) -> float:
    """Of a mean over trials; nan with fewer than two."""
    return math.nan if len(values) < 2 else float(values.std(ddof=1)) / math.sqrt(len(values))


def _shares(changes: Logs, dead: int) -> tuple[Share, Share]:
    """The draws that lose, and that gain, more than what is stable."""
    cases = len(changes) + dead

    def share(hits: int) -> Share:
        return Share(hits / cases, *binomial_interval(hits, cases, 0.05))

    return share(int((changes < -STABLE).sum()) + dead), share(int((changes > STABLE).sum()))


def _add_rate(direction: DirectionVerdict, slopes: Logs, steps: int, *, exact: bool) -> DirectionVerdict:
    log_rate, half = float(slopes.mean()), 0.0 if exact else _reach(slopes)
    return replace(
        direction,
        rate=finite_exp(log_rate),
        rate_low=None if half is None else finite_exp(log_rate - half),
        rate_high=None if half is None else finite_exp(log_rate + half),
        depth_scale=1 / abs(log_rate) if half is not None and abs(log_rate) > half else None,
        deep_half_log10=steps * log_rate / LN10,
    )


def _total(direction: DirectionVerdict) -> float:
    assert direction.total_log10 is not None
    return direction.total_log10 * LN10


def _half(direction: DirectionVerdict) -> float | None:
    return None if direction.error_log10 is None else direction.error_log10 * LN10


def _count_needed(half: float | None, trials: int) -> int | None:
    """Trials after which h would be ln 10, for errors that fall as one over their root, with a tenth to spare.

    The share of them that lives is taken to stay as it is.
    """
    if half is None:
        return 20
    needed = max(trials + 1, math.ceil(1.1 * trials * (half / LN10) ** 2))
    return needed if needed <= MOST_ADVISED else None


def direction_label(total: float, half: float | None) -> Label:
    """The label of D +- h; without an interval nothing is decided."""
    if half is None:
        return Label.INCONCLUSIVE
    if total - half > BROKEN:
        return Label.EXPLODING
    if total + half < -BROKEN:
        return Label.VANISHING
    return Label.INCONCLUSIVE if half > LN10 else region_of(total)


def region_of(total: float) -> Label:
    """The label of a change that is known.

    >>> str(region_of(-5.0))
    'borderline'
    """
    if abs(total) <= STABLE:
        return Label.STABLE
    if abs(total) <= BROKEN:
        return Label.BORDERLINE
    return Label.EXPLODING if total > 0 else Label.VANISHING


def signal_label(total: float, half: float | None) -> SignalLabel:
    """preserved down to a tenth, fading to a hundredth, collapsing below; growth counts as preserved."""
    if half is None:
        return SignalLabel.INCONCLUSIVE
    if total + half < -FADING:
        return SignalLabel.COLLAPSING
    if half > LN10 and total - half < -PRESERVED:
        return SignalLabel.INCONCLUSIVE
    if total >= -PRESERVED:
        return SignalLabel.PRESERVED
    return SignalLabel.COLLAPSING if total < -FADING else SignalLabel.FADING


def judge_signal(
    logs: Logs, at_input: Logs, cut: Sequence[Stretch], *, batch: int, eps: float, exact: bool = False
) -> JudgedSignal:
    """Whether samples stay distinct, from the input to the last judged layer.

    Arguments:
        logs: (trials, points) ln of sample variance over second moment.
        at_input: (trials,) the same of the batch itself.
    """
    none = at_input[:0]
    if batch == 1 or not logs.shape[1] or np.isneginf(at_input).any() or np.isnan(at_input).any():
        return JudgedSignal(DirectionVerdict(SignalLabel.UNDEFINED), none)
    usable, trials = ~np.isnan(logs).any(axis=1), len(logs)
    if 2 * usable.sum() <= trials:
        return JudgedSignal(DirectionVerdict(SignalLabel.UNDEFINED), none)
    logs, at_input = logs[usable], at_input[usable]
    below = log_mean(logs) < math.log(100 * eps**2)
    lost = int(np.argmax(below)) if below.any() else None
    kept = logs if lost is None else logs[:, :lost]
    alive = ~np.isneginf(kept).any(axis=1)
    kept = kept[alive]
    if lost == 0 or 2 * len(kept) <= len(logs):
        return JudgedSignal(DirectionVerdict(SignalLabel.COLLAPSING), none, lost=lost)
    changes = kept[:, -1] - at_input[alive]
    direction, slopes = _estimate(changes, kept, cut if lost is None else cut_off(cut, lost), exact=exact)
    label = signal_label(_total(direction), _half(direction)) if lost is None else SignalLabel.COLLAPSING
    if lost is not None and _total(direction) > -FADING:  # what the layers before it lost is not the loss
        direction = DirectionVerdict("", rate=direction.rate)
    needed = _count_needed(_half(direction), trials) if label is SignalLabel.INCONCLUSIVE else None
    return JudgedSignal(replace(direction, label=label), changes, slopes, lost, needed)


def worse(forward: str, backward: str) -> Label:
    """The worse of two labels.

    >>> str(worse("stable", "vanishing"))
    'vanishing'
    """
    return min(Label(forward), Label(backward), key=ORDER.index)
