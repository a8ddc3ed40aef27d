"""Several reports side by side; and of two reports of one network, what changed beyond noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from varprobe.frozen import dataclass
from varprobe.presentable import Presentable
from varprobe.report.records import Estimate, LayerRow, Report
from varprobe.verdict.intervals import student_quantile

# Chance that anything is called changed in two reports of one law, over all layers and statistics together.
FAMILY_ERROR = 0.01
COMPARISON_VERSION = 2


@dataclass(frozen=True)
class Change:
    """A statistic of a layer that differs between two reports by more than their draws can explain.

    Attributes:
        layer, name: of the row, from 1.
        statistic: the report's own key.
        log10: of the typical value of the second report over that of the first.
        deviation: the same in standard errors of both together; infinite where neither has any.
        before, after: log10 of the typical values.
    """

    layer: int
    name: str
    statistic: str
    log10: float
    deviation: float
    before: float = math.nan
    after: float = math.nan


@dataclass(frozen=True, repr=False)
class Comparison(Presentable):
    """Reports under the names they are shown by.

    Attributes:
        tested: how many statistics were held against each other; 0 where that makes no sense, for the `reason`.
    """

    names: tuple[str, ...]
    reports: tuple[Report, ...]
    changes: tuple[Change, ...] = ()
    tested: int = 0
    reason: str = ""


STATISTICS: dict[str, Callable[[LayerRow], Estimate | None]] = {
    "preactivation.second_moment": lambda row: row.preactivation.second_moment if row.preactivation else None,
    "preactivation.sample_variance": lambda row: row.preactivation.sample_variance if row.preactivation else None,
    "activation.variance": lambda row: row.activation.variance if row.activation else None,
    "gradient.second_moment": lambda row: row.gradient.second_moment if row.gradient else None,
    "weight_gradient.variance": lambda row: row.weight_gradient.variance if row.weight_gradient else None,
}


def compare_reports(names: Sequence[str], reports: Sequence[Report], family_error: float = FAMILY_ERROR) -> Comparison:
    """The comparison of reports; two of them are tested for changes where their layers are alike."""
    found = Comparison((), ())
    if len(reports) == 2:
        found = compare_layers(reports[0].layers, reports[1].layers, family_error)
    return replace(found, names=tuple(names), reports=tuple(reports))


def compare_layers(before: Sequence[LayerRow], after: Sequence[LayerRow], family_error: float) -> Comparison:
    """What changed in the layers of a network.

    Each statistic by Welch's t-test on the logs over the trials, all together at `family_error` by Bonferroni. Trials
    that share their seeds are tested as if they did not, which finds less, never more.
    """
    reason = _why_not(before, after)
    if reason:
        return Comparison((), (), reason=reason)
    pairs = [
        (row, statistic, _finite(get(row)), _finite(get(other)))
        for row, other in zip(before, after, strict=True)
        for statistic, get in STATISTICS.items()
    ]
    usable = [pair for pair in pairs if len(pair[2]) > 1 and len(pair[3]) > 1]
    found = []
    for row, statistic, old, new in usable:
        change, deviation, freedom = _welch(old, new)
        if abs(deviation) > student_quantile(1 - family_error / 2 / len(usable), freedom):
            start = float(np.mean(old))
            found.append(Change(row.index, row.name, statistic, change, deviation, start, start + change))
    return Comparison((), (), tuple(found), len(usable))


def _why_not(before: Sequence[LayerRow], after: Sequence[LayerRow]) -> str:
    shapes = [[(row.kind, row.fan_in, row.fan_out) for row in rows] for rows in (before, after)]
    if shapes[0] != shapes[1]:
        return "their layers differ"
    measured = [row.activation for row in (*before, *after) if row.activation is not None]
    if len(measured) < len(before) + len(after):
        return "theory alone has no noise"
    if min(len(one.mean.trials) for one in measured) < 2:
        return "one trial says nothing about noise"
    return ""


def _finite(estimate: Estimate | None) -> list[float]:
    """log10 of the trials that are not zero."""
    return [] if estimate is None else [value for value in estimate.trials if value is not None]


def _welch(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, int]:
    """The difference of means, in standard errors, and the degrees of freedom, rounded down."""
    a, b = np.array(before), np.array(after)
    change = float(b.mean() - a.mean())
    errors = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    square = float(sum(errors))
    rounding = 1e-9 * (1 + abs(float(a.mean())))
    if square <= rounding**2:  # constants, such as a gradient at the output
        return change, 0.0 if abs(change) <= rounding else math.copysign(math.inf, change), min(len(a), len(b)) - 1
    freedom = square**2 / float(errors[0] ** 2 / (len(a) - 1) + errors[1] ** 2 / (len(b) - 1))
    return change, change / math.sqrt(square), max(1, math.floor(freedom))
