"""Per-trial numbers -> Estimates, for all rows at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.report.records import Estimate
from varprobe.verdict.intervals import finite_exp, log_mean, student_quantile
from varprobe.verdict.rule import LN10

Table = NDArray[np.float64]


def positive_estimates(logs: Table) -> list[Estimate]:
    """One estimate per column of a (trials, rows) table of natural logs: -inf for a zero, nan where it ended.

    The interval is ln(mean) +- t sd(x) / (mean(x) sqrt(trials)), the delta method on the log scale.
    """
    trials = len(logs)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = log_mean(logs)
        relative = np.exp(logs - np.where(np.isfinite(mean), mean, 0.0))
        half = _half_widths(relative, trials)
        typical = logs.mean(axis=0)
    per_trial = _plain(logs / LN10)
    columns = zip(mean.tolist(), typical.tolist(), half.tolist(), per_trial, strict=True)
    return [_positive(*column) for column in columns]


def _positive(mean: float, typical: float, half: float, trials: list[float | None]) -> Estimate:
    if math.isnan(mean):
        return Estimate(None, None, None, None, None, None, tuple(trials))
    known = not math.isnan(half)
    if mean == -math.inf:
        return Estimate(0.0, 0.0, 0.0 if known else None, 0.0 if known else None, None, None, tuple(trials))
    low = finite_exp(mean - half) if known else None
    high = finite_exp(mean + half) if known else None
    log_typical = typical / LN10 if math.isfinite(typical) else None
    return Estimate(finite_exp(mean), finite_exp(typical), low, high, mean / LN10, log_typical, tuple(trials))


def signed_estimates(values: Table) -> list[Estimate]:
    """One estimate per column of a (trials, rows) table of values that can be negative."""
    trials = len(values)
    with np.errstate(invalid="ignore", over="ignore"):
        mean, half = values.mean(axis=0), _half_widths(values, trials)
        low, high = mean - half, mean + half
    numbers = (_plain(column) for column in (mean, low, high))
    return [
        Estimate(m, None, lo, hi, None, None, tuple(column))
        for m, lo, hi, column in zip(*numbers, _plain(values), strict=True)
    ]


def typical_log10(estimate: Estimate | None) -> float | None:
    """log10 of the geometric mean over the draws that live; None where none does."""
    if estimate is None:
        return None
    if estimate.log10_typical is not None:
        return estimate.log10_typical
    living = [trial for trial in estimate.trials if trial is not None]
    return sum(living) / len(living) if living else None


def _half_widths(values: Table, trials: int) -> Table:
    if trials < 2:
        return np.full(values.shape[1], np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        return student_quantile(0.975, trials - 1) * values.std(axis=0, ddof=1) / math.sqrt(trials)


def _plain(table: Table) -> list[Any]:
    """Python numbers by column, None for what is not finite."""
    finite = np.isfinite(table)
    cleaned = table.astype(object)
    cleaned[~finite] = None
    plain: list[Any] = cleaned.T.tolist()
    return plain
