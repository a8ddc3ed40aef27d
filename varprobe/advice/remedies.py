"""The remedy of every finding; nothing else makes one.

`REMEDIES` has an entry for each code of `varprobe.verdict.findings.FINDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial

from varprobe.advice.cure import find_cure
from varprobe.advice.rates import undo_change
from varprobe.config.experiment import Experiment
from varprobe.formatting import power
from varprobe.frozen import dataclass
from varprobe.network.spec import Settings
from varprobe.verdict.case import Case
from varprobe.verdict.layer_checks import first_exit
from varprobe.verdict.records import Finding, Verdict


class Searched(StrEnum):
    """What a search may cure."""

    DEPTH = "depth"  # the change over the depth, or at a layer
    START = "start"  # that in the first layers alone


@dataclass(frozen=True)
class RemedyKind:
    """An entry of the table.

    Attributes:
        text: a sentence, or what makes one.
        searched: theory may find a better one; `text` is for where it does not.
    """

    text: str | Callable[[Case, Finding], str]
    searched: Searched | None = None


def _undo(way: str, case: Case, _: Finding) -> str:
    return undo_change(case, way)


def _revive(way: str, case: Case, _: Finding) -> str:
    judged = case.forward if way == "forward" else case.backward
    if judged.ended > judged.dead:
        return "See the finding non-finite."
    return "Look for weights or inputs that are zero, a layer that is too narrow, or an activation that is flat."


def _draw_more(case: Case, finding: Finding) -> str:
    """The trials that would decide the direction whose error the finding has."""
    needed = (
        judged.needed
        for judged in (case.forward, case.backward, case.signal)
        if judged.direction.label == "inconclusive" and judged.direction.error_log10 == finding.measured
    )
    return f"Run with --trials {next(filter(None, needed))}."


def _mend_jump(_: Case, finding: Finding) -> str:
    factor = power(-(finding.measured or 0.0) / 2)
    return f"Multiply this layer's weights by about {factor}, or look for a forgotten factor in its scheme."


def _widen_format(name: str, case: Case, _: Finding) -> str:
    form = next(form for form in case.formats if form.name == name)
    out = first_exit(form, len(case.layers))
    if out is None or not out.backward:
        return "Keep the signal stable, or compute this network in a wider format."
    scale = (form.predicted if form.measured is None else form.measured).loss_scale_log2
    if scale is None:
        return "No loss scale holds the gradients of all layers: keep the gradient stable, or use a wider format."
    return f"Multiply such a loss by 2^{scale}."


_UNDO_FORWARD = RemedyKind(partial(_undo, "forward"), Searched.DEPTH)
_UNDO_BACKWARD = RemedyKind(partial(_undo, "backward"), Searched.DEPTH)
REMEDIES: dict[str, RemedyKind] = {
    "forward-vanishing": _UNDO_FORWARD,
    "forward-exploding": _UNDO_FORWARD,
    "forward-degenerate": RemedyKind(partial(_revive, "forward")),
    "forward-borderline": _UNDO_FORWARD,
    "backward-vanishing": _UNDO_BACKWARD,
    "backward-exploding": _UNDO_BACKWARD,
    "backward-degenerate": RemedyKind(partial(_revive, "backward")),
    "backward-borderline": _UNDO_BACKWARD,
    "inconclusive": RemedyKind(_draw_more),
    "jump": RemedyKind(_mend_jump, Searched.DEPTH),
    "non-finite": RemedyKind(
        "Lower the weights' scale, or look for nan and inf in given arrays; float64 reaches further."
    ),
    "chaotic": RemedyKind("The remedy is that of backward-exploding.", Searched.DEPTH),
    "collapsed-signal": RemedyKind(
        "Use a zero-centred activation, larger weights or smaller biases: what all samples share drowns what differs."
    ),
    "total-change": RemedyKind(
        "The loss is in the first layers; check their scale, or accept a slow, not exponential, decay.", Searched.START
    ),
    "dead-trials": RemedyKind("Widen the narrowest layer, or use an activation that passes negative values."),
    "finite-width": RemedyKind("Widen the layers or use fewer: depth/width sets the spread."),
    "saturated": RemedyKind("Lower the weights' standard deviation: at its limits an activation passes no gradient."),
    "dead-units": RemedyKind("Look for negative biases or weights with a negative mean, or use leaky_relu."),
    "float32-range": RemedyKind(partial(_widen_format, "float32")),
    "bfloat16-range": RemedyKind(partial(_widen_format, "bfloat16")),
    "float16-range": RemedyKind(partial(_widen_format, "float16")),
    "theory-mismatch": RemedyKind(
        "Run it with another --seed and more --trials; if it stays, varprobe's theory is wrong for this network."
    ),
    "theory-ends": RemedyKind("Measure it: `varprobe run` needs no theory."),
    "width-ratio": RemedyKind("Nothing to do."),
    "zero-branch": RemedyKind("Nothing to do where this is meant."),
}


def advise(experiment: Experiment, settings: Settings, case: Case, verdict: Verdict, *, search: bool = True) -> Verdict:
    """The verdict with the remedy of each finding.

    What a change of scale may cure is searched once, by theory: its remedy stands at the first such finding, and the
    others point to it. A network without such a finding is not searched.

    Arguments:
        case: what the verdict judges.
        search: without it those findings have an empty remedy, never another one than a search would give: the points
            of a sweep and a check that has passed are read for what they show, and cost no search.
    """
    searched = {finding.code: REMEDIES[finding.code].searched for finding in verdict.findings}
    kinds = {kind for kind in searched.values() if kind}
    cure = find_cure(experiment, settings, is_steady=Searched.DEPTH not in kinds) if search and kinds else None
    if cure is not None:
        kinds &= {Searched.DEPTH, Searched.START} if cure.is_early else {Searched.DEPTH}
    first = next((finding for finding in verdict.findings if searched[finding.code] in kinds), None)

    def remedy(finding: Finding) -> str:
        if searched[finding.code] not in kinds or (search and cure is None):
            return plain_remedy(case, finding)
        if cure is None or first is None:
            return ""
        return cure.text if finding is first else cure.point_back(first, finding)

    return replace(verdict, findings=tuple(replace(each, remedy=remedy(each)) for each in verdict.findings))


def plain_remedy(case: Case, finding: Finding) -> str:
    """The remedy that takes no search."""
    text = REMEDIES[finding.code].text
    return text if isinstance(text, str) else text(case, finding)
