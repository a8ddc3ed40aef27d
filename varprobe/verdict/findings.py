"""The table of findings: code, severity, what it means, and the check that raises it.

A new finding is an entry in `FINDINGS`, its check, and an entry of the same code in `varprobe.advice.remedies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from varprobe.frozen import dataclass
from varprobe.verdict.case import Case
from varprobe.verdict.depth_checks import (
    find_chaos,
    find_collapse,
    find_dead_trials,
    find_early_change,
    find_end_of_arithmetic,
    find_jumps,
    find_labels,
    find_spread,
    find_too_few_trials,
)
from varprobe.verdict.found import Found
from varprobe.verdict.layer_checks import (
    find_dead_units,
    find_end_of_range,
    find_end_of_theory,
    find_mismatch,
    find_saturation,
    find_width_ratio,
    find_zero_branches,
)
from varprobe.verdict.records import Finding

Severity = Literal["error", "warning", "info"]
_SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class FindingKind:
    """An entry of the table.

    Attributes:
        check: yields the findings of this code, and perhaps those of others that name the same check.
        needs_trials: only a measurement is checked, and theory alone is not.
    """

    severity: Severity
    meaning: str
    check: Callable[[Case], Iterator[Found]]
    needs_trials: bool = False


_of_trials = partial(FindingKind, needs_trials=True)
FINDINGS: dict[str, FindingKind] = {
    "forward-vanishing": FindingKind(
        "error", "the activations lose more than a factor 100 over the depth", find_labels
    ),
    "forward-exploding": FindingKind(
        "error", "the activations grow by more than a factor 100 over the depth", find_labels
    ),
    "forward-degenerate": FindingKind(
        "error", "in half of the trials or more the activations are exactly zero", find_labels
    ),
    "forward-borderline": FindingKind(
        "warning", "the activations change by a factor of 10 to 100 over the depth", find_labels
    ),
    "backward-vanishing": FindingKind("error", "the gradient loses more than a factor 100 over the depth", find_labels),
    "backward-exploding": FindingKind(
        "error", "the gradient grows by more than a factor 100 over the depth", find_labels
    ),
    "backward-degenerate": FindingKind(
        "error", "in half of the trials or more the gradient is exactly zero", find_labels
    ),
    "backward-borderline": FindingKind(
        "warning", "the gradient changes by a factor of 10 to 100 over the depth", find_labels
    ),
    "inconclusive": _of_trials("warning", "the trials differ too much, or are too few, to decide", find_too_few_trials),
    "jump": FindingKind("error", "a single layer changes the signal by more than a factor 100", find_jumps),
    "non-finite": _of_trials(
        "error", "the arithmetic ended: values overflowed, or given arrays hold nan or inf", find_end_of_arithmetic
    ),
    "chaotic": FindingKind("warning", "stable activations with exploding gradients: the chaotic phase", find_chaos),
    "collapsed-signal": FindingKind(
        "warning", "all samples end at the same point: the output forgets its input", find_collapse
    ),
    "total-change": FindingKind(
        "warning", "more than a factor 100 is lost or gained, though the deep half is stable", find_early_change
    ),
    "dead-trials": _of_trials("warning", "some draws of the weights give exact zeros", find_dead_trials),
    "finite-width": _of_trials("warning", "single draws differ much: the width is small for the depth", find_spread),
    "saturated": _of_trials(
        "warning", "more than half of a layer's values are at the activation's limits", find_saturation
    ),
    "dead-units": _of_trials(
        "warning", "more units are zero for the whole batch than in a healthy network", find_dead_units
    ),
    "float32-range": FindingKind("warning", "values leave the range of float32", partial(find_end_of_range, "float32")),
    "bfloat16-range": FindingKind("info", "values leave the range of bfloat16", partial(find_end_of_range, "bfloat16")),
    "float16-range": FindingKind("info", "values leave the range of float16", partial(find_end_of_range, "float16")),
    "theory-mismatch": _of_trials(
        "warning", "a layer lies outside the band that theory foresees for it", find_mismatch
    ),
    "theory-ends": FindingKind("warning", "theory alone does not reach all of the network", find_end_of_theory),
    "width-ratio": FindingKind(
        "info", "changing widths alone change the gradient per entry; it is not judged", find_width_ratio
    ),
    "zero-branch": _of_trials(
        "info", "a residual branch is exactly zero, as Fixup, ReZero and scale 0 want it", find_zero_branches
    ),
}


def finding(
    code: str,
    message: str,
    remedy: str = "",
    *,
    layer: int | None = None,
    measured: float | None = None,
    limit: float | None = None,
) -> Finding:
    """A finding with the severity of its code."""
    return Finding(code, FINDINGS[code].severity, layer, message, remedy, measured, limit)


def all_findings(case: Case) -> tuple[Finding, ...]:
    """Every finding, without remedies: the gravest first, among those what the trials alone show last.

    What ended the arithmetic explains all else, and comes before it.
    """
    measured = case.measurement is not None
    checks = dict.fromkeys(kind.check for kind in FINDINGS.values() if measured or not kind.needs_trials)
    found = [finding(**vars(each)) for check in checks for each in check(case)]
    return tuple(sorted(found, key=_precedence))


def _precedence(found: Finding) -> tuple[int, bool, bool]:
    late = FINDINGS[found.code].needs_trials
    return _SEVERITIES.index(found.severity), found.code != "non-finite", late
