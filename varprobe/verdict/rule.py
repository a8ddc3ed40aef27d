"""The rule that turns trials into labels.

Judged are forward the second moment of z, backward the width times the second moment of dObjective/dz (the
squared norm per sample), and of the signal the sample variance divided by the second moment. T is the natural
log of the change over the whole depth, extrapolated from the deep half; h half its 95 % interval.

    T - h > ln 100     exploding          abs(T) <= ln 10   stable
    T + h < -ln 100    vanishing          abs(T) > ln 100   exploding or vanishing, by sign
    h > ln 10          inconclusive       otherwise         borderline
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.verdict.intervals import finite_exp, jackknife_error, leave_one_out_log_means, log_mean, reach
from varprobe.verdict.judged import JudgedLayer, Stretch, stretches, terms
from varprobe.verdict.labels import Label, SignalLabel
from varprobe.verdict.records import DirectionVerdict

LN10, LN100 = math.log(10), math.log(100)
ORDER = tuple(Label)

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """One direction, oriented so that a step is a difference of later and earlier points.

    Attributes:
        direction: what the verdict says.
        logs: (living trials, points): ln of the judged quantity; backward with the sign turned.
        dead: trials in which it was exactly zero somewhere.
        ended: trials in which the arithmetic ended somewhere.
        spread: sd over trials of ln(v_L/v_1); nan with fewer than two trials.
        typical_label: the label that the typical total has.
        needed: trials that would do, where the label is inconclusive.
        error: standard error of T, in natural logs; nan where there is none.
        bad_label: the label where half of the trials or more are dead or ended.
    """

    direction: DirectionVerdict
    logs: Logs
    dead: int = 0
    ended: int = 0
    spread: float = math.nan
    typical_label: Label = Label.INCONCLUSIVE
    needed: int | None = None
    error: float = math.nan
    bad_label: Label = Label.DEGENERATE


@dataclass(frozen=True)
class JudgedSignal:
    """The signal.

    Attributes:
        lost: the point (from 0) where it fell below the rounding floor; None where it did not.
        needed: trials that would do, where the label is inconclusive.
        error: standard error of T, in natural logs, over `trials`; nan where there is none.
    """

    direction: DirectionVerdict
    lost: int | None = None
    needed: int | None = None
    error: float = math.nan
    trials: int = 0


def judge_direction(
    logs: Logs, cut: Sequence[Stretch], total: Logs, *, backward: bool, overflow: bool = False, exact: bool = False
) -> Judged:
    """Forward or backward.

    Arguments:
        logs: (trials, points) as in `Traces`.
        total: (trials,) ln of the change over the whole network, used below four points.
        overflow: the arithmetic ended because the forward signal left the range of numbers.
        exact: one row that theory gives without an error.
    """
    if exact and np.isnan(logs).any():
        return Judged(DirectionVerdict(Label.INCONCLUSIVE), logs[:0])
    zero, ended = np.isneginf(logs).any(axis=1), np.isnan(logs).any(axis=1)
    if logs.shape[1] < 4:
        zero |= np.isinf(total)
        ended |= np.isnan(total) & ~zero
    alive = ~(zero | ended)
    dead_count, ended_count = int((zero & ~ended).sum()), int(ended.sum())
    bad = Label.EXPLODING if overflow and ended_count >= max(dead_count, 1) else Label.DEGENERATE
    if 2 * alive.sum() <= len(logs):
        return Judged(DirectionVerdict(bad), logs[alive], dead_count, ended_count, bad_label=bad)
    oriented = -logs[alive] if backward else logs[alive]
    found = _estimate(oriented, cut, total[alive], exact=exact)
    return replace(found, dead=dead_count, ended=ended_count, bad_label=bad)


def _estimate(logs: Logs, cut: Sequence[Stretch], total: Logs, *, exact: bool) -> Judged:
    """T with its errors over living trials, whose logs are oriented."""
    trials, count = logs.shape
    if count < 4:
        steps, weights, typical = total[:, None], np.ones(1), total
    else:
        parts = terms(cut)
        earlier, later = np.array(parts.pairs).T
        steps, weights, typical = logs[:, later] - logs[:, earlier], parts.weights, logs @ parts.slope
    value = float(log_mean(steps) @ weights)
    error = 0.0 if exact else standard_error(steps, weights)
    half = 0.0 if exact else reach(error, trials)
    change = logs[:, -1] - logs[:, 0]
    typical_half = half if trials < 2 else reach(float(typical.std(ddof=1)) / math.sqrt(trials), trials)
    direction = DirectionVerdict(
        label=direction_label(value, half),
        total_log10=value / LN10,
        error_log10=None if half is None else half / LN10,
        typical_log10=float(typical.mean()) / LN10,
        measured_log10=float(log_mean(change)) / LN10 if count > 1 else None,
        **_rates(value, half, count),
    )
    return Judged(
        direction,
        logs,
        spread=float(change.std(ddof=1)) if trials > 1 else math.nan,
        typical_label=direction_label(float(typical.mean()), typical_half),
        needed=_count_needed(half, trials),
        error=error,
    )


def standard_error(steps: Logs, weights: NDArray[np.float64]) -> float:
    """Of the weighted sum of ln(mean over trials of a step ratio), by jackknife over trials; nan with one trial."""
    if len(steps) < 2:
        return math.nan
    return float(jackknife_error(leave_one_out_log_means(steps) @ weights))


def _rates(total: float, half: float | None, count: int) -> dict[str, float | None]:
    if count < 4:
        return {}
    log_rate = total / count
    rates: dict[str, float | None] = {"rate": finite_exp(log_rate)}
    if half is not None:
        rates["rate_low"], rates["rate_high"] = finite_exp((total - half) / count), finite_exp((total + half) / count)
        if abs(total) > half:
            rates["depth_scale"] = 1 / abs(log_rate)
    return rates


def _count_needed(half: float | None, trials: int) -> int | None:
    """Trials after which h would be ln 10, for errors that fall as one over their root; with a tenth to spare."""
    if half is None:
        return 20
    if half <= LN10:
        return None
    return max(trials + 1, math.ceil(1.1 * trials * (half / LN10) ** 2))


def direction_label(total: float, half: float | None) -> Label:
    """The label of T +- h; without an interval nothing is decided."""
    if half is None:
        return Label.INCONCLUSIVE
    if total - half > LN100:
        return Label.EXPLODING
    if total + half < -LN100:
        return Label.VANISHING
    if half > LN10:
        return Label.INCONCLUSIVE
    if abs(total) <= LN10:
        return Label.STABLE
    if abs(total) > LN100:
        return Label.EXPLODING if total > 0 else Label.VANISHING
    return Label.BORDERLINE


def signal_label(total: float, half: float | None) -> SignalLabel:
    """preserved down to a tenth, fading to a hundredth, collapsing below; growth counts as preserved."""
    if half is None:
        return SignalLabel.INCONCLUSIVE
    if total + half < -LN100:
        return SignalLabel.COLLAPSING
    if half > LN10 and total - half < -LN10:
        return SignalLabel.INCONCLUSIVE
    if total >= -LN10:
        return SignalLabel.PRESERVED
    return SignalLabel.COLLAPSING if total < -LN100 else SignalLabel.FADING


def judge_signal(
    logs: Logs, points: Sequence[JudgedLayer], at_input: Logs, *, batch: int, eps: float, exact: bool = False
) -> JudgedSignal:
    """Whether samples stay distinct.

    Arguments:
        at_input: (trials,) ln of sample variance over second moment of the batch itself.
    """
    if batch == 1 or np.isneginf(at_input).any() or np.isnan(at_input).any():
        return JudgedSignal(DirectionVerdict(SignalLabel.UNDEFINED))
    usable = ~np.isnan(logs).any(axis=1)
    if not usable.any():
        return JudgedSignal(DirectionVerdict(SignalLabel.UNDEFINED))
    logs, at_input = logs[usable], at_input[usable]
    below = log_mean(logs) < math.log(100 * eps**2)
    lost = int(np.argmax(below)) if below.any() else None
    kept = logs if lost is None else logs[:, :lost]
    kept_at_input = at_input[~np.isneginf(kept).any(axis=1)]
    kept = kept[~np.isneginf(kept).any(axis=1)]
    if kept.shape[1] == 0 or 2 * len(kept) <= len(logs):
        return JudgedSignal(DirectionVerdict(SignalLabel.COLLAPSING), lost)
    total = kept[:, -1] - kept_at_input
    found = _estimate(kept, stretches(points[: kept.shape[1]]), total, exact=exact)
    direction = found.direction
    assert direction.total_log10 is not None
    half = None if direction.error_log10 is None else direction.error_log10 * LN10
    label = SignalLabel.COLLAPSING if lost is not None else signal_label(direction.total_log10 * LN10, half)
    return JudgedSignal(replace(direction, label=label), lost, found.needed, found.error, len(kept))


def worse(forward: str, backward: str) -> Label:
    """The worse of two labels.

    >>> str(worse("stable", "vanishing"))
    'vanishing'
    """
    return min(Label(forward), Label(backward), key=ORDER.index)
