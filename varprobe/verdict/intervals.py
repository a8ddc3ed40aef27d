"""Small statistics over trials: means on the log scale, jackknife errors, Student's t, shares."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Logs = NDArray[np.float64]
_LARGEST, _SMALLEST = math.log(np.finfo(np.float64).max), math.log(5e-324)


def finite_exp(log: float) -> float | None:
    """exp(log); None above the largest double, 0.0 below the smallest."""
    if log > _LARGEST:
        return None
    return math.exp(log) if log > _SMALLEST else 0.0


def log_mean(logs: Logs, axis: int = 0) -> Any:
    """ln of the mean of exp(logs), without overflow; -inf where everything is zero, nan where one is nan."""
    top = np.fmax.reduce(logs, axis=axis, keepdims=True)
    anchor = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.mean(np.exp(logs - anchor), axis=axis)) + np.squeeze(anchor, axis)


def leave_one_out_log_means(logs: Logs) -> Logs:
    """`log_mean` over the trials (first axis) without each trial in turn; shape as `logs`.

    By sums from both ends, so that a trial that dominates the mean cancels nothing.
    """
    trials = len(logs)
    before = np.full_like(logs, -np.inf)
    after = np.full_like(logs, -np.inf)
    before[1:] = np.logaddexp.accumulate(logs[:-1])
    after[:-1] = np.logaddexp.accumulate(logs[:0:-1])[::-1]
    return np.logaddexp(before, after) - math.log(trials - 1)


def jackknife_error(leave_one_out: Logs) -> Any:
    """Standard error from the estimates that each leave one trial out (first axis)."""
    trials = len(leave_one_out)
    spread = leave_one_out - leave_one_out.mean(axis=0)
    return np.sqrt((trials - 1) / trials * np.square(spread).sum(axis=0))


def student_cdf(t: float, freedom: int) -> float:
    """P(T <= t) for Student's t with whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4).

    >>> round(student_cdf(2.093024, 19), 6)
    0.975
    """
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, term, total = math.cos(angle), 1.0, 0.0
    if freedom % 2 == 0:
        for k in range(freedom // 2):
            term = term * cosine**2 * (2 * k - 1) / (2 * k) if k else 1.0
            total += term
        return 0.5 + math.sin(angle) * total / 2
    for k in range((freedom - 1) // 2):
        term = term * cosine**2 * (2 * k) / (2 * k + 1) if k else cosine
        total += term
    return 0.5 + (angle + math.sin(angle) * total) / math.pi


@cache
def student_quantile(probability: float, freedom: int) -> float:
    """The t below which a share `probability` (over 1/2) of Student's t lies; by bisection of the exact sums.

    >>> round(student_quantile(0.975, 19), 6)
    2.093024
    """
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < probability:
        high *= 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def reach(error: float, trials: int, level: float = 0.05) -> float | None:
    """Half the interval of a mean over trials that misses the truth with probability `level`; None with one trial."""
    return None if trials < 2 else student_quantile(1 - level / 2, trials - 1) * error


@cache
def binomial_interval(hits: int, cases: int, level: float) -> tuple[float, float]:
    """The share behind `hits` of `cases`, exact after Clopper and Pearson: each side misses with half of `level`.

    >>> [round(bound, 4) for bound in binomial_interval(0, 20, 0.05)]
    [0.0, 0.1684]
    """
    low = 0.0 if hits == 0 else 1 - _upper_share(cases - hits, cases, level / 2)
    return low, 1.0 if hits == cases else _upper_share(hits, cases, level / 2)


@cache
def _upper_share(hits: int, cases: int, chance: float) -> float:
    """The share at which `hits` or fewer have that chance, by bisection of the binomial sum."""
    counts = np.arange(hits + 1)
    ways = np.array([math.lgamma(cases + 1) - math.lgamma(k + 1) - math.lgamma(cases - k + 1) for k in counts])
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        share = (low + high) / 2
        logs = ways + counts * math.log(share) + (cases - counts) * math.log1p(-share)
        low, high = (share, high) if np.logaddexp.reduce(logs) > math.log(chance) else (low, share)
    return (low + high) / 2
