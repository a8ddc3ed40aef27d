"""The remedy of every finding; nothing else makes one.

`REMEDIES` has an entry for each code of `varprobe.verdict.findings.FINDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from varprobe.advice.rates import undo_change
from varprobe.config.loading import Experiment
from varprobe.formatting import power
from varprobe.network.spec import Settings
from varprobe.verdict.case import Case
from varprobe.verdict.labels import Severity
from varprobe.verdict.layer_checks import first_exit
from varprobe.verdict.records import Finding, Verdict
from varprobe.verdict.rule import MOST_ADVISED


def _revive(way: str, case: Case, _: Finding) -> str:
    judged = case.forward if way == "forward" else case.backward
    if judged.ended > judged.dead:
        return "See the finding non-finite."
    width = min(point.layer.fan_out for point in case.points)
    if width <= _NARROW and judged.dead < case.trials:
        return f"Widen the layers, of {width} at the least now, or use an activation that passes negative values."
    return "Look for weights or inputs that are zero, a layer that is too narrow, or an activation that is flat."


def _draw_more(case: Case, finding: Finding) -> str:
    """The trials that would decide the direction whose error the finding has."""
    judged = (each for each in (case.forward, case.backward, case.signal) if each.direction.label == "inconclusive")
    needed = next((each.needed for each in judged if each.direction.error_log10 == finding.measured), None)
    if needed is None:
        return f"{MOST_ADVISED} draws would not decide it. Widen the layers or use fewer: depth/width sets the spread."
    return f"Run with --trials {needed}."


def _mend_jump(case: Case, finding: Finding) -> str:
    factor = power(-(finding.measured or 0.0) / 2)
    if finding.layer and case.layers[finding.layer - 1].kind == "residual":
        return f"Multiply the branch of this block by about {factor}, or look for a forgotten factor in its scheme."
    is_last = finding.layer == max((row for row, layer in enumerate(case.layers, 1) if layer.init), default=None)
    head = " If it is meant as the head, say so: `role: head` beside its `dense`." if is_last else ""
    return f"Multiply this layer's weights by about {factor}, or look for a forgotten factor in its scheme.{head}"


def _widen_format(name: str, case: Case, _: Finding) -> str:
    form = next(form for form in case.formats if form.name == name)
    out = first_exit(form, len(case.layers))
    if out is None or not out.backward:
        return "Keep the signal stable, or compute this network in a wider format."
    scale = (form.predicted if form.measured is None else form.measured).loss_scale_log2
    if scale is None:
        return "No loss scale holds the gradients of all layers: keep the gradient stable, or use a wider format."
    return f"Multiply such a loss by 2^{scale}."


def _accept(_: Case, finding: Finding) -> str:
    if finding.measured is not None and (finding.limit or 0.0) > 0:
        return "Accept it: it grows in the first layers alone."
    return "Accept a decay that is not exponential, or let biases hold the signal up."


def _centre(case: Case, _: Finding) -> str:
    if np.isneginf(case.traces.signal_input).all():
        return "All samples are the same: give it inputs that differ."
    return "Standardise the input: subtract each column's mean."


def _standardise(case: Case, finding: Finding) -> str:
    if finding.severity == Severity.INFO:
        factor = power(-(finding.measured or 0.0) / 2)
        return (
            f"{_NOTHING} where this is meant, as with one-hot. If the first layer is to hand on what a standardised "
            f"input would make of it, multiply its weights alone by about {factor}."
        )
    return "Standardise the input: mean 0 and standard deviation 1 for each column."


_NOTHING = "Nothing to do"
# Of a finding whose remedy another one of the same code has.
AS_ABOVE = "As above."
# Units of a layer that all are zero at once in many a draw.
_NARROW = 8
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
    "fan-mode": "Give this layer a scheme by fan_in.",
    "branch-count": "If it is a transformer without its attention, give the scheme `branches`.",
    "collapsed-signal": "Use a zero-centred activation, larger weights or smaller biases: what all samples share "
    "drowns what differs.",
    "scattered": "Widen the layers or use fewer: depth/width sets the spread.",
    "excursion": "Look for a layer whose scale another one takes back, and give both the scheme of the rest.",
    "symmetric-units": "Draw the weights at random: units that start as one stay one.",
    "frozen-branch": "Start one map of the branch at zero, the last one, and draw the others.",
    "small-batch": "Take a larger batch, 16 rows or more, in training and here, or layer norm, which takes each row "
    "alone.",
    "rank-collapse": "Use an activation nearer to linear, norms or residual blocks: they keep samples apart.",
    "large-head": "Lower the head's weights until the output's second moment is about 1.",
    "input-scale": _standardise,
    "input-offset": _centre,
    "input-columns": "Standardise the input: divide each column by its standard deviation.",
    "levelling-off": _accept,
    "small-head": "Nothing to do where this is meant.",
    "zero-head": "Nothing to do where this is meant.",
    "dead-trials": "Widen the narrowest layer, or use an activation that passes negative values.",
    "finite-width": "Widen the layers or use fewer: depth/width sets the spread.",
    "saturated": "Lower what drives it there, the input, the biases or the weights: at its limits an activation passes "
    "no gradient.",
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


def advise(experiment: Experiment, settings: Settings, case: Case, verdict: Verdict, *, search: bool = True) -> Verdict:
    """The verdict with the remedy of each finding: a cause is told once, and its consequences point to it.

    What a change may cure is searched once. A network with nothing to cure is not searched.

    Arguments:
        case: what the verdict judges.
        search: without it findings that a search might be for have an empty remedy, never another one than it would
            give: the points of a sweep and a check that has passed are read for what they show, and cost no search.
    """
    if not verdict.findings:
        return verdict
    from varprobe.advice.cure import ALONE, SEARCHED, find_cures  # a healthy network needs none

    needs_search = any(finding.code in SEARCHED for finding in verdict.findings)
    cures = find_cures(experiment, settings, case, verdict) if search and needs_search else ()
    told: dict[str, str] = {}

    def remedy(finding: Finding) -> Finding:
        if needs_search and not search:
            return replace(finding, remedy=plain_remedy(case, finding) if finding.code in ALONE else "")
        cause = next((cure for cure in cures if finding.code in cure.mends | cure.follows), None)
        if cause is not None:
            return replace(finding, remedy=cause.point_back(finding.code), cause=cause.code)
        own = next((cure for cure in cures if cure.code == finding.code), None)
        text = (own.text if own else "") or plain_remedy(case, finding)
        if text in told and not text.startswith(_NOTHING):
            again = f"As for {told[text]}." if told[text] != finding.code else AS_ABOVE
            return replace(finding, remedy=again, cause=told[text])
        told.setdefault(text, finding.code)
        return replace(finding, remedy=text, changes=own.changes if own else ())

    return replace(verdict, findings=tuple(map(remedy, verdict.findings)))


def plain_remedy(case: Case, finding: Finding) -> str:
    """The remedy that takes no search."""
    text = REMEDIES[finding.code]
    return text if isinstance(text, str) else text(case, finding)
