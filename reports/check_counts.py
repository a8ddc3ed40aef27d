"""What `check_study.py` counts: the truth of a long run, and what is said of groups of draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.gate.check import Reached
from varprobe.probe.measurement import Measurement
from varprobe.verdict.case import Case
from varprobe.verdict.intervals import binomial_interval, log_mean, reach
from varprobe.verdict.labels import Label
from varprobe.verdict.rule import BROKEN, FEWEST, LN10, STABLE, Judged, region_of, standard_error

Logs = NDArray[np.float64]

TRIALS, SIZES = 20, (20, 100)
# A truth is known where this many standard errors about D touch no limit.
SURE = 3.0
# What is true where they do, or where half of the draws may be dead.
OPEN = "open"


@dataclass(frozen=True)
class Truth:
    """What the long run says of one direction.

    Attributes:
        label: of D beyond doubt, or `open`.
        total, error, spread, skewness: D in natural logs, its standard error; standard deviation and skewness of d.
        dead: share of draws that are zero somewhere, or whose arithmetic ended.
        mean: ln of the mean over draws of exp(d).
    """

    label: str
    total: float
    error: float
    spread: float
    skewness: float
    dead: float
    mean: float


@dataclass(frozen=True)
class Groups:
    """Groups of so many draws, each judged alone.

    Attributes:
        labels: how often each was said.
        mean_labels: how often each was that of the mean over the group's draws, which has no interval.
        intervals: groups with a 95 % interval of D.
        below, above: of those, the intervals that lie wholly below or above the true D; its error is counted in.
        half: mean half-width, in natural logs.
    """

    draws: int
    labels: dict[str, int]
    mean_labels: dict[str, int]
    intervals: int
    below: int
    above: int
    half: float


@dataclass(frozen=True)
class Side:
    """One direction of a network; `one` counts the labels of single draws."""

    truth: Truth
    groups: tuple[Groups, ...]
    one: dict[str, int]


@dataclass(frozen=True)
class Checks:
    """Checks of one network.

    Attributes:
        passed, failed, undecided: how they ended.
        mean_draws, most_draws: what they spent.
        unmet: expectations that were not met, and how they ended.
    """

    checks: int
    passed: int
    failed: int
    undecided: int
    mean_draws: float
    most_draws: int
    unmet: dict[str, int]


def groups_of(draws: int, size: int) -> NDArray[np.int64]:
    """The draws of each group, (groups, size), no draw in two."""
    return np.arange(draws // size * size).reshape(-1, size)


def changes_of(case: Case, *, backward: bool) -> Logs:
    """d of every draw, (trials,): -inf where it is zero somewhere, nan where the arithmetic ended."""
    traces = case.traces
    logs, start = (traces.backward, traces.backward_input) if backward else (traces.forward, traces.forward_input)
    path = np.concatenate([start[:, None], logs], axis=1) if logs.shape[1] < FEWEST else logs
    with np.errstate(invalid="ignore"):
        change = path[:, 0] - path[:, -1] if backward else path[:, -1] - path[:, 0]
    ended = np.isnan(path).any(axis=1)
    return np.where(ended, np.nan, np.where(np.isneginf(path).any(axis=1), -np.inf, change))


def truth_of(case: Case, *, backward: bool) -> Truth:
    """What a long run says of one direction."""
    judged = case.backward if backward else case.forward
    changes, bad = judged.changes, judged.dead + judged.ended
    if not len(changes):
        return Truth(judged.direction.label, math.nan, math.nan, math.nan, math.nan, bad / case.trials, math.nan)
    total, error, spread = float(changes.mean()), standard_error(changes), float(changes.std(ddof=1))
    every = changes_of(case, backward=backward)
    return Truth(
        label=sure_label(judged, case.trials, total, error),
        total=total,
        error=error,
        spread=spread,
        skewness=float((((changes - total) / spread) ** 3).mean()) if spread else 0.0,
        dead=bad / case.trials,
        mean=float(log_mean(every[~np.isnan(every)])),
    )


def sure_label(judged: Judged, trials: int, total: float, error: float) -> str:
    """The label beyond doubt, or `open`."""
    low, high = binomial_interval(judged.dead + judged.ended, trials, math.erfc(SURE / math.sqrt(2)))
    if low >= 0.5:
        return judged.bad_label
    if high >= 0.5 or any(abs(abs(total) - limit) <= SURE * error for limit in (STABLE, BROKEN)):
        return OPEN
    return region_of(total)


def side_of(truth: Truth, cases: list[list[Case]], changes: Logs, *, backward: bool) -> Side:
    """What is said of one direction: by groups, by the mean of each, and by single draws."""
    groups = tuple(
        count_groups(truth, size, some, changes, backward=backward) for size, some in zip(SIZES, cases, strict=True)
    )
    return Side(truth, groups, count_labels(label_of(change) for change in changes))


def count_groups(truth: Truth, size: int, cases: list[Case], changes: Logs, *, backward: bool) -> Groups:
    """What is said of groups of one size."""
    judged = [case.backward if backward else case.forward for case in cases]
    means = (label_of(group_mean(changes[group])) for group in groups_of(len(changes), size))
    halves, below, above = [], 0, 0
    for one in judged:
        living = len(one.changes)
        if one.direction.error_log10 is None or one.direction.total_log10 is None or math.isnan(truth.error):
            continue
        half = reach(math.hypot(standard_error(one.changes), truth.error), living)
        assert half is not None
        below += one.direction.total_log10 * LN10 + half < truth.total
        above += one.direction.total_log10 * LN10 - half > truth.total
        halves.append(one.direction.error_log10 * LN10)
    return Groups(
        draws=size,
        labels=count_labels(one.direction.label for one in judged),
        mean_labels=count_labels(means),
        intervals=len(halves),
        below=below,
        above=above,
        half=float(np.mean(halves)) if halves else math.nan,
    )


def group_mean(changes: Logs) -> float:
    """ln of the mean of exp(d) over draws whose arithmetic did not end; nan where none is left."""
    known = changes[~np.isnan(changes)]
    return float(log_mean(known)) if known.size else math.nan


def label_of(change: float) -> str:
    """The label of a change that is taken for known; one that is zero or has ended is degenerate."""
    return region_of(change) if math.isfinite(change) else Label.DEGENERATE


def count_labels(labels: Iterable[str]) -> dict[str, int]:
    """How often each occurs."""
    return dict(sorted(Counter(map(str, labels)).items()))


def count_checks(checks: Iterable[Reached]) -> Checks:
    """How they ended."""
    ends: Counter[str] = Counter()
    unmet: Counter[str] = Counter()
    draws: list[int] = []
    for check in checks:
        ends[check.outcome] += 1
        unmet.update(f"{one.expectation} {one.outcome}" for one in check.decisions if one.outcome != "met")
        draws.append(check.diagnosis.case.trials)
    return Checks(
        checks=len(draws),
        passed=ends["passed"],
        failed=ends["failed"],
        undecided=ends["undecided"],
        mean_draws=float(np.mean(draws)),
        most_draws=max(draws),
        unmet=dict(sorted(unmet.items())),
    )


def usual_rules(bank: Measurement, changes: list[Logs], cases: list[Case]) -> dict[str, float]:
    """The share of cases that each rule calls healthy; the keys are those of `check_pages.RULES`."""
    groups = groups_of(bank.trials, TRIALS)
    spread = bank.statistics.log_activation_variance[:, -1] / 2

    def both(hits: Iterable[NDArray[np.bool_]]) -> float:
        return float(np.logical_and.reduce(list(hits)).mean())

    means = [np.array([group_mean(one[group]) for group in groups]) for one in changes]
    labels = [np.array([label == Label.STABLE for label in side]) for side in zip(*map(_labels, cases), strict=True)]
    with np.errstate(invalid="ignore"):
        return {
            "within_10": both(np.abs(one) <= LN10 for one in changes),
            "within_100": both(np.abs(one) <= STABLE for one in changes),
            "output": both([(spread >= math.log(0.5)) & (spread <= math.log(2.0))]),
            "mean": both(np.abs(one) <= STABLE for one in means),
            "label": both(labels),
        }


def _labels(case: Case) -> tuple[str, str]:
    return case.forward.direction.label, case.backward.direction.label
