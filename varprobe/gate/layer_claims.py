"""Claims about single layers: bounds of statistics, limits of shares, number formats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from varprobe.config.expectation import LayerBound, Range
from varprobe.engine.record import StackStatistics
from varprobe.formatting import count, percent, power
from varprobe.gate.claim import Answer, Claim, in_words, outcome_of
from varprobe.gate.means import Table, average, hold
from varprobe.network.number_formats import FORMATS, NumberFormat
from varprobe.network.spec import SATURATED_ABOVE
from varprobe.verdict.intervals import binomial_interval
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Outcome
from varprobe.verdict.rule import LN10

# The share of draws that may leave a number format that a network is safe in.
LEAVING_LIMIT = 0.01

# The engine's name of each statistic of the report, and whether it keeps its natural log.
_FIELDS = {
    "activation.saturated": ("saturated", False),
    "activation.saturated_as_asked": ("saturated_as_asked", False),
    "activation.dead": ("dead", False),
    "activation.max_abs": ("log_max_abs", True),
    "activation.effective_rank": ("effective_rank", False),
    "preactivation.mean": ("preactivation_mean", False),
    "activation.mean": ("activation_mean", False),
    **{
        f"{of}.{name}": (f"log_{of}_{name}", True)
        for of, names in {
            "preactivation": ("second_moment", "variance", "sample_variance"),
            "activation": ("second_moment", "variance", "sample_variance"),
            "gradient": ("second_moment", "variance"),
            "activation_gradient": ("second_moment", "variance"),
            "weight_gradient": ("second_moment", "variance"),
        }.items()
        for name in names
    },
}


def bound_claim(bound: LayerBound, line: int | None) -> Claim:
    """The mean over draws of a statistic lies in a range, at each of some layers."""
    wanted = in_words(bound.range)
    expectation = f"layers.{bound.key}.{bound.statistic}"
    return Claim(expectation, wanted, line, partial(_hold, bound.statistic, bound.rows, bound.range))


def limit_claim(
    name: str, limit: float, rows: tuple[int, ...], line: int | None, above: float = SATURATED_ABOVE
) -> Claim:
    """No layer's mean share is above a limit: of dead units, or of values saturated as `NetworkSpec` says of above."""
    is_asked = above != SATURATED_ABOVE
    answer = partial(_hold, f"activation.{name}{'_as_asked' if is_asked else ''}", rows, Range(None, limit))
    beyond = f" beyond {above:.6g} of the range" if is_asked else ""
    return Claim(name, f"at most {percent(limit)}{beyond} in every layer", line, answer)


def format_claim(name: str, line: int | None) -> Claim:
    """Draws stay in the range of a number format: at most a share of `LEAVING_LIMIT` of them leaves it anywhere."""
    form = next(form for form in FORMATS if form.name == name)
    wanted = f"safe in {name}: at most {percent(LEAVING_LIMIT)} of the draws leave it"
    return Claim(f"safe_in.{name}", wanted, line, partial(_in_format, form))


def _hold(statistic: str, rows: Sequence[int], limits: Range, diagnosis: Diagnosis, level: float) -> Answer:
    """The level is shared by the rows."""
    if not rows:
        return Answer(Outcome.MET, "no layer has it")
    name, is_log = _FIELDS[statistic]
    table: Table = getattr(diagnosis.case.measured.statistics, name)
    if name == "effective_rank":  # only what a layer, a block or the objective takes has one
        rows = [row for row in rows if not np.isnan(table[:, row - 1]).all()] or rows
    return hold(average(table[:, [row - 1 for row in rows]], level / len(rows), is_log=is_log), rows, limits)


def _in_format(form: NumberFormat, diagnosis: Diagnosis, level: float) -> Answer:
    """Failed by the share of draws that left; met by it, or by a tolerance bound of the margin that draws keep.

    A draw's margin is how far, in natural logs, its extremes stay inside the format. That at most the share of them is
    negative follows, for normal margins, from mean - k sd >= 0 with Natrella's k for one-sided tolerance limits.
    """
    margins, worst = _margins(diagnosis.case.measured.statistics, form)
    left, trials = int((margins < 0).sum()), len(margins)
    least, most = binomial_interval(left, trials, level)
    safe = most <= LEAVING_LIMIT or (left == 0 and trials > 1 and _bound_below(margins, level) >= 0)
    outcome = outcome_of(inside=safe, outside=least > LEAVING_LIMIT)
    found = f"{left:,} of {count(trials, 'draw')} left it"
    if not left:
        found += f"; the closest kept a factor {power(float(margins.min()) / LN10)}"
    remedy = "" if outcome == Outcome.MET else "Keep the signal stable, or compute this network in a wider format."
    return Answer(outcome, found, remedy, layer=None if outcome == Outcome.MET else worst + 1, value=left / trials,
                  low=least, high=most)  # fmt: skip


def _margins(s: StackStatistics, form: NumberFormat) -> tuple[Table, int]:
    """The least margin of each trial, over rows and both directions, and the row that has the least of all.

    Gradients are those of an objective whose gradient has second moment 1 at the output. An exact zero fits any format.
    """
    top, bottom = math.log(form.largest), math.log(form.smallest)
    with np.errstate(invalid="ignore"):
        above = (top - s.log_max_abs, top - s.log_gradient_max_abs)
        below = (s.log_activation_second_moment / 2 - bottom, s.log_gradient_second_moment / 2 - bottom)
        sizes = np.stack([*above, *(np.where(np.isneginf(one), math.inf, one) for one in below)])
    sizes = np.where(np.isnan(sizes), -math.inf, sizes)
    rows = sizes.min(axis=0)
    return rows.min(axis=1), int(np.argmin(rows.min(axis=0)))


def _bound_below(margins: Table, level: float) -> float:
    """The lower tolerance bound: below it lies at most `LEAVING_LIMIT` of the draws, with confidence 1 - level."""
    from statistics import NormalDist

    n, share = len(margins), NormalDist().inv_cdf(1 - LEAVING_LIMIT)
    sure = NormalDist().inv_cdf(1 - level)
    a, b = 1 - sure**2 / (2 * (n - 1)), share**2 - sure**2 / n
    if a <= 0:
        return -math.inf
    factor = (share + math.sqrt(max(0.0, share**2 - a * b))) / a
    return float(margins.mean() - factor * margins.std(ddof=1))
