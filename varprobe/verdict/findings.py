"""The table of findings: code, severity, what it means, and the check that raises it.

A new finding is an entry in `FINDINGS`, its check, and an entry of the same code in `varprobe.advice.remedies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from varprobe.frozen import dataclass
from varprobe.verdict.branch_checks import find_frozen_branches, find_zero_branches
from varprobe.verdict.case import Case
from varprobe.verdict.depth_checks import (
    find_chaos,
    find_collapse,
    find_end_of_arithmetic,
    find_excursions,
    find_jumps,
    find_labels,
    find_levelling,
)
from varprobe.verdict.draw_checks import find_dead_trials, find_scatter, find_spread, find_too_few_trials
from varprobe.verdict.found import Found
from varprobe.verdict.head_checks import find_head
from varprobe.verdict.labels import Direction, Label, Severity, SignalLabel
from varprobe.verdict.layer_checks import (
    find_dead_units,
    find_end_of_range,
    find_end_of_theory,
    find_mismatch,
    find_saturation,
    find_small_batch,
    find_width_ratio,
)
from varprobe.verdict.records import Finding
from varprobe.verdict.scheme_checks import find_branch_count, find_fan_mode
from varprobe.verdict.signal_checks import find_input, find_rank_collapse, find_symmetric_units


@dataclass(frozen=True)
class FindingKind:
    """An entry of the table.

    Attributes:
        severity: of its findings, unless one says another.
        check: yields the findings of this code, and perhaps those of others that name the same check.
        needs_trials: only a measurement is checked, and theory alone is not.
    """

    severity: Severity
    meaning: str
    check: Callable[[Case], Iterator[Found]]
    needs_trials: bool = False


_error, _warning, _info = (partial(FindingKind, severity) for severity in Severity)
_TRIALS = True
FINDINGS: dict[str, FindingKind] = {
    "forward-vanishing": _error("the activations of a typical draw lose more than a factor 1000", find_labels),
    "forward-exploding": _error("the activations of a typical draw grow by more than a factor 1000", find_labels),
    "forward-degenerate": _error("in half of the draws or more the activations are exactly zero", find_labels),
    "forward-borderline": _warning("the activations of a typical draw change by a factor 100 to 1000", find_labels),
    "backward-vanishing": _error("the gradient of a typical draw loses more than a factor 1000", find_labels),
    "backward-exploding": _error("the gradient of a typical draw grows by more than a factor 1000", find_labels),
    "backward-degenerate": _error("in half of the draws or more the gradient is exactly zero", find_labels),
    "backward-borderline": _warning("the gradient of a typical draw changes by a factor 100 to 1000", find_labels),
    "inconclusive": _warning("the draws differ too much, or are too few, to decide", find_too_few_trials, _TRIALS),
    "scattered": _error(
        "stable in the middle, but half of the draws or more change beyond 100-fold", find_scatter, _TRIALS
    ),
    "excursion": _error("the signal leaves a factor 1000 on the way, and comes back", find_excursions),
    "jump": _error("a single layer unlike its neighbour changes the signal by more than a factor 1000", find_jumps),
    "non-finite": _error(
        "the arithmetic ended: values overflowed, or given arrays hold nan or inf", find_end_of_arithmetic, _TRIALS
    ),
    "symmetric-units": _error("the units of a layer are all the same unit", find_symmetric_units, _TRIALS),
    "frozen-branch": _error("a residual branch is zero, and its weights have no gradient", find_frozen_branches),
    "small-batch": _warning("batch norm of two rows hands on signs alone", find_small_batch),
    "chaotic": _warning("stable activations with exploding gradients: the chaotic phase", find_chaos),
    "collapsed-signal": _warning("all samples end at the same point: the output forgets its input", find_collapse),
    "rank-collapse": _warning("the samples end on one line: their effective rank is 1", find_rank_collapse, _TRIALS),
    "dead-trials": _warning("some draws of the weights give exact zeros", find_dead_trials),
    "finite-width": _warning("a typical draw is not what the mean over draws is: the width is small", find_spread),
    "large-head": _warning("the head makes the output, or the initial loss, far too large", find_head),
    "input-scale": _warning("the input's second moment is beyond a factor 100 from 1", find_input),
    "input-offset": _warning("most of the input's second moment is its mean", find_input),
    "input-columns": _warning("a tenth of the input's columns carries nearly all of it", find_input, _TRIALS),
    "saturated": _warning(
        "more than half of a layer's values are at the activation's limits", find_saturation, _TRIALS
    ),
    "dead-units": _warning(
        "more units are zero for the whole batch than in a healthy network", find_dead_units, _TRIALS
    ),
    "float32-range": _warning("values leave the range of float32", partial(find_end_of_range, "float32")),
    "bfloat16-range": _info("values leave the range of bfloat16", partial(find_end_of_range, "bfloat16")),
    "float16-range": _info("values leave the range of float16", partial(find_end_of_range, "float16")),
    "theory-mismatch": _warning("a layer lies outside the band that theory foresees for it", find_mismatch, _TRIALS),
    "theory-ends": _warning("theory alone does not reach all of the network", find_end_of_theory),
    "levelling-off": _info("the change levels off with depth: more layers add little to it", find_levelling),
    "small-head": _info("the head makes the output small, as policy and value heads want it", find_head),
    "zero-head": _info("the head is zero: at the first step it alone learns", find_head),
    "fan-mode": _warning("a layer's variance goes by fan_out where fan_in is ten times as large", find_fan_mode),
    "branch-count": _info("gpt2 counts half of the branches that a transformer of these blocks has", find_branch_count),
    "width-ratio": _info("changing widths alone change the gradient per entry; it is not judged", find_width_ratio),
    "zero-branch": _info("a residual branch is exactly zero, as Fixup, ReZero and scale 0 want it", find_zero_branches),
}


# The finding that says a label.
LABEL_CODES: dict[tuple[Direction, Label | SignalLabel], str] = {
    **{
        (direction, label): f"{direction}-{label}"
        for direction in (Direction.FORWARD, Direction.BACKWARD)
        for label in (Label.VANISHING, Label.EXPLODING, Label.DEGENERATE, Label.BORDERLINE)
    },
    (Direction.SIGNAL, SignalLabel.COLLAPSING): "collapsed-signal",
}


def all_findings(case: Case) -> tuple[Finding, ...]:
    """Every finding, without remedies: the gravest first, among those what the trials alone show last.

    What ended the arithmetic explains all else, and comes before it.
    """
    measured = case.measurement is not None
    checks = dict.fromkeys(kind.check for kind in FINDINGS.values() if measured or not kind.needs_trials)
    found = [each for check in checks for each in check(case)]
    return tuple(
        Finding(each.code, _severity(each), each.layer, each.message, "", each.measured, each.limit)
        for each in sorted(found, key=_precedence)
    )


def _severity(found: Found) -> Severity:
    return found.severity or FINDINGS[found.code].severity


def _precedence(found: Found) -> tuple[int, bool, bool]:
    return list(Severity).index(_severity(found)), found.code != "non-finite", FINDINGS[found.code].needs_trials
