"""The remedy of every finding; nothing else makes one.

`REMEDIES` has an entry for each code of `varprobe.verdict.findings.FINDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from varprobe.advice.rates import undo_change
from varprobe.config.loading import Experiment
from varprobe.formatting import power
from varprobe.network.spec import Settings
from varprobe.verdict.case import Case
from varprobe.verdict.layer_checks import first_exit
from varprobe.verdict.records import Finding, Verdict


def _revive(way: str, case: Case, _: Finding) -> str:
    judged = case.forward if way == "forward" else case.backward
    if judged.ended > judged.dead:
        return "See the finding non-finite."
    return "Look for weights or inputs that are zero, a layer that is too narrow, or an activation that is flat."


def _draw_more(case: Case, finding: Finding) -> str:
    """The trials that would decide the direction whose error the finding has."""
    judged = (each for each in (case.forward, case.backward, case.signal) if each.direction.label == "inconclusive")
    needed = next(each.needed for each in judged if each.needed and each.direction.error_log10 == finding.measured)
    return f"Run with --trials {needed}."


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


# A sentence, or what makes one.
REMEDIES: dict[str, str | Callable[[Case, Finding], str]] = {
    "forward-vanishing": partial(undo_change, "forward"),
    "forward-exploding": partial(undo_change, "forward"),
    "forward-degenerate": partial(_revive, "forward"),
    "forward-borderline": partial(undo_change, "forward"),
    "backward-vanishing": partial(undo_change, "backward"),
    "backward-exploding": partial(undo_change, "backward"),
    "backward-degenerate": partial(_revive, "backward"),
    "backward-borderline": partial(undo_change, "backward"),
    "inconclusive": _draw_more,
    "jump": _mend_jump,
    "non-finite": "Lower the weights' scale, or look for nan and inf in given arrays; float64 reaches further.",
    "chaotic": "The remedy is that of backward-exploding.",
    "collapsed-signal": "Use a zero-centred activation, larger weights or smaller biases: what all samples share "
    "drowns what differs.",
    "scattered": "Widen the layers or use fewer: depth/width sets the spread.",
    "excursion": "Look for a layer whose scale another one takes back, and give both the scheme of the rest.",
    "symmetric-units": "Draw the weights at random: units that start as one stay one.",
    "frozen-branch": "Start one map of the branch at zero, the last one, and draw the others.",
    "rank-collapse": "Use an activation nearer to linear, norms or residual blocks: they keep samples apart.",
    "large-head": "Lower the head's weights until the output's second moment is about 1.",
    "input-scale": "Standardise the input: mean 0 and standard deviation 1 for each column.",
    "input-offset": "Standardise the input: subtract each column's mean.",
    "input-columns": "Standardise the input: divide each column by its standard deviation.",
    "levelling-off": "Accept a decay that is not exponential, or let biases hold the signal up.",
    "small-head": "Nothing to do where this is meant.",
    "zero-head": "Nothing to do where this is meant.",
    "dead-trials": "Widen the narrowest layer, or use an activation that passes negative values.",
    "finite-width": "Widen the layers or use fewer: depth/width sets the spread.",
    "saturated": "Lower the weights' standard deviation: at its limits an activation passes no gradient.",
    "dead-units": "Look for negative biases or weights with a negative mean, or use leaky_relu.",
    "float32-range": partial(_widen_format, "float32"),
    "bfloat16-range": partial(_widen_format, "bfloat16"),
    "float16-range": partial(_widen_format, "float16"),
    "theory-mismatch": "Run it with another --seed and more --trials; if it stays, varprobe's theory is wrong for "
    "this network.",
    "theory-ends": "Measure it: `varprobe run` needs no theory.",
    "width-ratio": "Nothing to do.",
    "zero-branch": "Nothing to do where this is meant.",
}
# A change over the depth, and one in the first layers alone: a search by theory may cure them, else the table does.
_LABELS = ("vanishing", "exploding", "borderline")
_DEPTH = {"jump", "excursion", "chaotic", *(f"{way}-{label}" for way in ("forward", "backward") for label in _LABELS)}
_START = {"levelling-off"}


def advise(experiment: Experiment, settings: Settings, case: Case, verdict: Verdict, *, search: bool = True) -> Verdict:
    """The verdict with the remedy of each finding.

    What a change of scale may cure is searched once, by theory: its remedy stands at the first such finding, and the
    others point to it. A network without such a finding is not searched.

    Arguments:
        case: what the verdict judges.
        search: without it those findings have an empty remedy, never another one than a search would give: the points
            of a sweep and a check that has passed are read for what they show, and cost no search.
    """
    codes = {finding.code for finding in verdict.findings}
    curable, cure = codes & (_DEPTH | _START), None
    if search and curable:
        from varprobe.advice.cure import find_cure  # most networks need none

        cure = find_cure(experiment, settings, is_steady=curable <= _START)
        curable = set() if cure is None else curable if cure.is_early else curable - _START
    first = next((finding for finding in verdict.findings if finding.code in curable), None)

    def remedy(finding: Finding) -> str:
        if finding.code not in curable or first is None:
            return plain_remedy(case, finding)
        if cure is None:
            return ""
        return cure.text if finding is first else cure.point_back(first, finding)

    return replace(verdict, findings=tuple(replace(each, remedy=remedy(each)) for each in verdict.findings))


def plain_remedy(case: Case, finding: Finding) -> str:
    """The remedy that takes no search."""
    text = REMEDIES[finding.code]
    return text if isinstance(text, str) else text(case, finding)
