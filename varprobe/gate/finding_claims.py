"""Claims that look at everything at once: no error-level finding, agreement with theory, no drift from a baseline."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from varprobe.advice.remedies import plain_remedy
from varprobe.comparison import Change, compared
from varprobe.formatting import count, power
from varprobe.gate.evidence import Answer, Claim, Evidence, outcome_of, trials_needed
from varprobe.report.records import Report
from varprobe.verdict.agreement import Band, compare
from varprobe.verdict.findings import all_findings
from varprobe.verdict.intervals import jackknife_error, leave_one_out_log_means, log_mean, reach
from varprobe.verdict.rule import LN10, LN100, Judged

# What the labels say is left to the claims about labels; a jump is decided by its interval.
LABEL_CODES = tuple(
    f"{side}-{label}" for side in ("forward", "backward") for label in ("vanishing", "exploding", "degenerate")
)


def findings_claim(allow: tuple[str, ...], line: int | None) -> Claim:
    """No error-level finding but those that are allowed, and those that the labels are about."""
    wanted = f"no errors but {', '.join(allow)}" if allow else "no errors"
    return Claim("findings", wanted, line, partial(_findings, allow))


def theory_claim(line: int | None) -> Claim:
    """No dense layer lies outside the band that theory foresees."""
    return Claim("theory", "agrees with the measurement", line, _theory, at_once=True)


def baseline_claim(baseline: Report) -> Claim:
    """No statistic of any layer has changed beyond noise since a stored report."""
    return Claim("baseline", "no drift beyond noise", None, partial(_drift, baseline), at_once=True)


def _findings(allow: tuple[str, ...], evidence: Evidence, level: float) -> Answer:
    for finding in all_findings(evidence.case):
        if finding.severity == "error" and finding.code not in (*LABEL_CODES, "jump", *allow):
            remedy = plain_remedy(evidence.case, finding)
            return Answer("failed", f"{finding.code}: {finding.message}", remedy, finding.layer)
    if "jump" in allow:
        return Answer("met", "none")
    answers = [_jumps(evidence, judged, way, level / 2) for way, _, judged in evidence.case.directions]
    order = ("failed", "undecided", "met")
    return min(answers, key=lambda answer: order.index(answer.outcome))


def _jumps(evidence: Evidence, judged: Judged, way: str, level: float) -> Answer:
    """Whether a single step is beyond a factor 100; the level is shared by the steps."""
    logs = judged.logs
    if len(logs) < 2 or logs.shape[1] < 2:
        return Answer("met", "none") if logs.shape[1] < 2 else Answer("undecided", "too few trials", needed=2)
    steps = np.diff(logs)
    changes = np.abs(log_mean(steps))
    level /= steps.shape[1]
    half = reach(1.0, len(logs), level) * jackknife_error(leave_one_out_log_means(steps))
    inside, outside = changes + half <= LN100, changes - half > LN100
    outcome = outcome_of(inside=bool(inside.all()), outside=bool(outside.any()))
    if outcome == "met":
        return Answer("met", "none")
    at = int(np.argmax(outside)) if outcome == "failed" else int(np.argmax(changes + half))
    words = [power(log / LN10) for log in (changes[at], changes[at] - half[at], changes[at] + half[at])]
    needed = trials_needed(len(logs), float(half[at]), abs(float(changes[at]) - LN100))
    return Answer(
        outcome,
        f"jump: a factor {words[0]} ({words[1]} to {words[2]}) at this one layer ({way}), the limit is 100",
        "Look for a forgotten factor in this layer's scheme.",
        layer=evidence.case.row(at + 1),
        needed=needed if outcome == "undecided" else None,
    )


def _theory(evidence: Evidence, level: float) -> Answer:
    agreement = compare(evidence.measurement, evidence.prediction, level)
    if not agreement.tested:
        remedy = "Remove theory: agree; theory has no bands for this network."
        return Answer("undecided", "no layer can be tested", remedy)
    left: list[tuple[int, str, Band]] = [
        (row, way, band)
        for row, each in enumerate(agreement.rows)
        for way, band in (("forward", each.source), ("backward", each.gradient))
        if band.is_left and evidence.measurement.layers[row].kind == "dense"
    ]
    if not left:
        return Answer("met", f"agrees in {count(agreement.tested, 'second moment')}")
    row, way, band = left[0]
    times = power((band.measured or 0.0) / LN10)
    return Answer(
        "failed",
        f"layer {row + 1} ({way}) is {times} times what theory says, {abs(band.deviation or 0.0):.1f} standard errors "
        f"away; {len(left)} of {count(agreement.tested, 'second moment')} are",
        "Measure it with more trials and another seed; if it stays, theory is wrong for this network.",
        layer=row + 1,
    )


def _drift(baseline: Report, evidence: Evidence, level: float) -> Answer:
    found = compared(("baseline", "now"), (baseline, evidence.report), level)
    if found.reason:
        remedy = "Write the baseline anew by --update-baseline, if the change is meant."
        outcome = "undecided" if evidence.trials < 2 else "failed"
        return Answer(outcome, f"cannot be compared: {found.reason}", remedy)
    if not found.changes:
        return Answer("met", f"none in {count(found.tested, 'statistic')}")
    first = min(found.changes, key=lambda change: (change.layer, -abs(change.deviation)))
    worst = max(found.changes, key=lambda change: abs(change.deviation))
    more = f"; {_moved(worst)}" if worst is not first else ""
    layers = len({change.layer for change in found.changes})
    return Answer(
        "failed",
        f"{_moved(first)}{more}; {count(len(found.changes), 'statistic')} of {count(layers, 'layer')} drifted",
        "If the change is meant, write the baseline anew by --update-baseline.",
        layer=first.layer,
    )


def _moved(change: Change) -> str:
    deviation = "exactly" if math.isinf(change.deviation) else f"{abs(change.deviation):.1f} standard errors"
    return (
        f"{change.statistic} of layer {change.layer} ({change.name}) went from {power(change.before)} to "
        f"{power(change.after)}, {deviation}"
    )
