"""Means over draws, held to a range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from varprobe.config.expectation import Range
from varprobe.formatting import count, number, power
from varprobe.frozen import dataclass
from varprobe.gate.claim import Answer, outcome_of, trials_needed
from varprobe.verdict.intervals import finite_exp, log_mean, reach
from varprobe.verdict.labels import Outcome
from varprobe.verdict.rule import LN10

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Means:
    """Means over trials with their intervals, one a row; natural logs where `is_log`, nan where it ended.

    Attributes:
        trials: that they are over.
    """

    mean: Table
    low: Table
    high: Table
    is_log: bool
    trials: int


def hold(means: Means, rows: Sequence[int | None], limits: Range) -> Answer:
    """Whether all means lie in a range, which is of the values themselves.

    Arguments:
        rows: of the report, from 1; None for what is not of one layer.
    """
    low, high = _scale(limits.low, -math.inf, means), _scale(limits.high, math.inf, means)
    ended = np.isnan(means.mean)
    outside = ended | (means.high < low) | (means.low > high)
    inside = ~ended & (means.low >= low) & (means.high <= high)
    outcome = outcome_of(inside=bool(inside.all()), outside=bool(outside.any()))
    at = int(np.argmax(outside)) if outcome == Outcome.FAILED else _furthest(means, low, high)
    needed = None
    if outcome == Outcome.UNDECIDED:
        half = (means.high[at] - means.low[at]) / 2
        distance = min(abs(means.mean[at] - limit) for limit in (low, high) if math.isfinite(limit))
        needed = trials_needed(means.trials, float(half), float(distance))
    more = int(outside.sum()) - 1 if outcome == Outcome.FAILED else 0
    return _tell(means, at, rows[at], outcome, needed, more)


def _tell(means: Means, at: int, row: int | None, outcome: Outcome, needed: int | None, more: int) -> Answer:
    place = "" if row is None else f" at layer {row}"
    if math.isnan(means.mean[at]):
        return Answer(outcome, f"the arithmetic ended{place}", layer=row)
    three = [float(one[at]) for one in (means.mean, means.low, means.high)]
    shown, low, high = (power(one / LN10) if means.is_log else number(one) for one in three)
    others = f", and {count(more, 'more layer')}" if more else ""
    value, least, most = (_plain(one, is_log=means.is_log) for one in three)
    words = f"{shown} ({low} to {high}){place}{others}"
    return Answer(outcome, words, layer=row, value=value, low=least, high=most, needed=needed)


def _plain(value: float, *, is_log: bool) -> float | None:
    """The statistic itself; None where it is no finite double."""
    if is_log:
        return finite_exp(value)
    return value if math.isfinite(value) else None


def average(table: Table, level: float, *, is_log: bool) -> Means:
    """By the delta method on the log scale, as the report has them, or on the plain one."""
    trials = len(table)
    with np.errstate(invalid="ignore"):
        if is_log:
            mean = np.asarray(log_mean(table))
            values = np.exp(table - np.where(np.isfinite(mean), mean, 0.0))
        else:
            mean, values = table.mean(axis=0), table
        if trials < 2:
            return Means(mean, np.full_like(mean, -math.inf), np.full_like(mean, math.inf), is_log, trials)
        error = values.std(axis=0, ddof=1) / math.sqrt(trials)
        half = np.array([reach(float(one), trials, level) for one in error])
        return Means(mean, mean - half, mean + half, is_log, trials)


def average_typically(logs: Table, level: float) -> Means:
    """What a typical draw has: the mean of the logs (trials,), which are finite."""
    return replace(average(logs[:, None], level, is_log=False), is_log=True)


def _scale(limit: float | None, otherwise: float, means: Means) -> float:
    if limit is None:
        return otherwise
    if not means.is_log:
        return limit
    return math.log(limit) if limit > 0 else -math.inf


def _furthest(means: Means, low: float, high: float) -> int:
    """The row that is nearest to leaving the range, or furthest beyond it."""
    with np.errstate(invalid="ignore"):  # an exact zero is as far from an open side as can be
        room = np.fmin(means.low - low, high - means.high)
    return int(np.argmin(np.where(np.isnan(room), math.inf, room)))
