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

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.verdict.intervals import jackknife_error, leave_one_out_log_means, log_mean, student_quantile
from varprobe.verdict.judged import Point, Stretch, stretches, terms
from varprobe.verdict.records import Direction

LN10, LN100 = math.log(10), math.log(100)
ORDER = ("degenerate", "exploding", "vanishing", "inconclusive", "borderline", "stable")
SIGNAL_LABELS = ("preserved", "fading", "collapsing", "inconclusive", "undefined")

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
    """

    direction: Direction
    logs: Logs
    dead: int
    ended: int
    spread: float
    typical_label: str
    needed: int | None


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
        return Judged(Direction("inconclusive"), logs[:0], 0, 0, math.nan, "inconclusive", None)
    zero, ended = np.isneginf(logs).any(axis=1), np.isnan(logs).any(axis=1)
    if logs.shape[1] < 4:
        zero |= np.isinf(total)
        ended |= np.isnan(total) & ~zero
    alive = ~(zero | ended)
    dead_count, ended_count = int((zero & ~ended).sum()), int(ended.sum())
    if 2 * alive.sum() <= len(logs):
        label = "exploding" if overflow and ended_count >= dead_count else "degenerate"
        return Judged(Direction(label), logs[alive], dead_count, ended_count, math.nan, label, None)
    oriented = -logs[alive] if backward else logs[alive]
    direction, typical, needed = _estimate(oriented, cut, total[alive], exact=exact)
    change = oriented[:, -1] - oriented[:, 0]
    spread = float(change.std(ddof=1)) if len(change) > 1 else math.nan
    return Judged(direction, oriented, dead_count, ended_count, spread, typical, needed)


def _estimate(logs: Logs, cut: Sequence[Stretch], total: Logs, *, exact: bool) -> tuple[Direction, str, int | None]:
    """T with its errors over living trials; the label; the typical total's label; the trials needed."""
    trials, count = logs.shape
    if count < 4:
        steps, weights, typical = total[:, None], np.ones(1), total
    else:
        parts = terms(cut)
        earlier, later = np.array(parts.pairs).T
        steps, weights, typical = logs[:, later] - logs[:, earlier], parts.weights, logs @ parts.slope
    value = float(log_mean(steps) @ weights)
    half = 0.0 if exact else half_width(steps, weights)
    seen = float(log_mean(logs[:, -1] - logs[:, 0])) if count > 1 else None
    typical_half = half
    if trials > 1:
        typical_half = student_quantile(0.975, trials - 1) * float(typical.std(ddof=1)) / math.sqrt(trials)
    label = direction_label(value, half)
    direction = Direction(
        label=label,
        total_log10=value / LN10,
        error_log10=None if half is None else half / LN10,
        typical_log10=float(typical.mean()) / LN10,
        measured_log10=None if seen is None else seen / LN10,
        **_rates(value, half, count),
    )
    return direction, direction_label(float(typical.mean()), typical_half), _needed(half, trials)


def half_width(steps: Logs, weights: NDArray[np.float64]) -> float | None:
    """Half the 95 % interval of T, by jackknife over trials; None with one trial."""
    trials = len(steps)
    if trials < 2:
        return None
    error = float(jackknife_error(leave_one_out_log_means(steps) @ weights))
    return student_quantile(0.975, trials - 1) * error


def _rates(total: float, half: float | None, count: int) -> dict[str, float | None]:
    if count < 4:
        return {}
    log_rate = total / count
    rates: dict[str, float | None] = {"rate": _exp(log_rate)}
    if half is not None:
        rates["rate_low"], rates["rate_high"] = _exp((total - half) / count), _exp((total + half) / count)
        if abs(total) > half:
            rates["depth_scale"] = 1 / abs(log_rate)
    return rates


def _exp(value: float) -> float | None:
    return math.exp(value) if value < 700 else None


def _needed(half: float | None, trials: int) -> int | None:
    """Trials after which h would be ln 10, for errors that fall as one over their root; with a tenth to spare."""
    if half is None:
        return 20
    if half <= LN10:
        return None
    return max(trials + 1, math.ceil(1.1 * trials * (half / LN10) ** 2))


def direction_label(total: float, half: float | None) -> str:
    """The label of T +- h; without an interval nothing is decided."""
    if half is None:
        return "inconclusive"
    if total - half > LN100:
        return "exploding"
    if total + half < -LN100:
        return "vanishing"
    if half > LN10:
        return "inconclusive"
    if abs(total) <= LN10:
        return "stable"
    if abs(total) > LN100:
        return "exploding" if total > 0 else "vanishing"
    return "borderline"


def signal_label(total: float, half: float | None) -> str:
    """preserved down to a tenth, fading to a hundredth, collapsing below; growth counts as preserved."""
    if half is None:
        return "inconclusive"
    if total + half < -LN100:
        return "collapsing"
    if half > LN10 and total - half < -LN10:
        return "inconclusive"
    if total >= -LN10:
        return "preserved"
    return "collapsing" if total < -LN100 else "fading"


def judge_signal(
    logs: Logs, points: Sequence[Point], at_input: Logs, *, batch: int, eps: float, exact: bool = False
) -> tuple[Direction, int | None, int | None]:
    """The signal's direction, the point (from 0) where it fell below the rounding floor, and the trials needed.

    Arguments:
        at_input: (trials,) ln of sample variance over second moment of the batch itself.
    """
    if batch == 1 or np.isneginf(at_input).any() or np.isnan(at_input).any():
        return Direction("undefined"), None, None
    usable = ~np.isnan(logs).any(axis=1)
    if not usable.any():
        return Direction("undefined"), None, None
    logs, at_input = logs[usable], at_input[usable]
    below = log_mean(logs) < math.log(100 * eps**2)
    lost = int(np.argmax(below)) if below.any() else None
    kept = logs if lost is None else logs[:, :lost]
    kept_at_input = at_input[~np.isneginf(kept).any(axis=1)]
    kept = kept[~np.isneginf(kept).any(axis=1)]
    if kept.shape[1] == 0 or 2 * len(kept) <= len(logs):
        return Direction("collapsing"), lost, None
    total = kept[:, -1] - kept_at_input
    direction, _, needed = _estimate(kept, stretches(points[: kept.shape[1]]), total, exact=exact)
    assert direction.total_log10 is not None
    half = None if direction.error_log10 is None else direction.error_log10 * LN10
    label = "collapsing" if lost is not None else signal_label(direction.total_log10 * LN10, half)
    return Direction(**{**vars(direction), "label": label}), lost, needed


def worse(forward: str, backward: str) -> str:
    """The worse of two labels.

    >>> worse("stable", "vanishing")
    'vanishing'
    """
    return min(forward, backward, key=ORDER.index)
