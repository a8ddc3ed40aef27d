"""Claims that look at everything at once: no error-level finding, and agreement with theory."""

from __future__ import annotations

from functools import partial

import numpy as np

from varprobe.advice.remedies import plain_remedy
from varprobe.formatting import count, power
from varprobe.gate.claim import Answer, Claim, outcome_of, trials_needed
from varprobe.verdict.agreement import compare
from varprobe.verdict.case import Case
from varprobe.verdict.findings import JUMP, LABEL_CODES
from varprobe.verdict.intervals import jackknife_error, leave_one_out_log_means, log_mean, reach
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Direction, Outcome, Severity
from varprobe.verdict.rule import LN10, LN100, Judged


def findings_claim(allow: tuple[str, ...], line: int | None) -> Claim:
    """No error-level finding but those that are allowed, and those that the labels are about."""
    wanted = f"no errors but {', '.join(allow)}" if allow else "no errors"
    return Claim("findings", wanted, line, partial(_findings, allow))


def theory_claim(line: int | None) -> Claim:
    """No dense layer lies outside the band that theory foresees."""
    return Claim("theory", "agrees with the measurement", line, _theory, at_once=True)


def _findings(allow: tuple[str, ...], diagnosis: Diagnosis, level: float) -> Answer:
    elsewhere = (*LABEL_CODES.values(), JUMP, *allow)
    for finding in diagnosis.verdict.findings:
        if finding.severity == Severity.ERROR and finding.code not in elsewhere:
            remedy = plain_remedy(diagnosis.case, finding)
            return Answer(Outcome.FAILED, f"{finding.code}: {finding.message}", remedy, finding.layer)
    if JUMP in allow:
        return Answer(Outcome.MET, "none")
    answers = [_jumps(diagnosis.case, judged, way, level / 2) for way, _, judged in diagnosis.case.directions]
    return min(answers, key=lambda answer: list(Outcome).index(answer.outcome))


def _jumps(case: Case, judged: Judged, way: Direction, level: float) -> Answer:
    """Whether a single step is beyond a factor 100; the level is shared by the steps."""
    logs = judged.logs
    if len(logs) < 2 or logs.shape[1] < 2:
        few = logs.shape[1] > 1
        return Answer(Outcome.UNDECIDED, "too few trials", needed=2) if few else Answer(Outcome.MET, "none")
    steps = np.diff(logs)
    changes = np.abs(log_mean(steps))
    level /= steps.shape[1]
    half = reach(1.0, len(logs), level) * jackknife_error(leave_one_out_log_means(steps))
    inside, outside = changes + half <= LN100, changes - half > LN100
    outcome = outcome_of(inside=bool(inside.all()), outside=bool(outside.any()))
    if outcome == Outcome.MET:
        return Answer(outcome, "none")
    at = int(np.argmax(outside)) if outcome == Outcome.FAILED else int(np.argmax(changes + half))
    words = [power(log / LN10) for log in (changes[at], changes[at] - half[at], changes[at] + half[at])]
    needed = trials_needed(len(logs), float(half[at]), abs(float(changes[at]) - LN100))
    return Answer(
        outcome,
        f"jump: a factor {words[0]} ({words[1]} to {words[2]}) at this one layer ({way}), the limit is 100",
        "Look for a forgotten factor in this layer's scheme.",
        layer=case.row(at + 1),
        needed=needed if outcome == Outcome.UNDECIDED else None,
    )


def _theory(diagnosis: Diagnosis, level: float) -> Answer:
    prediction, case = diagnosis.prediction, diagnosis.case
    assert prediction is not None
    agreement = compare(case.measured, prediction, level)
    if not agreement.tested:
        remedy = "Remove theory: agree; theory has no bands for this network."
        return Answer(Outcome.UNDECIDED, "no layer can be tested", remedy)
    left = [
        (row, way, band)
        for row, each in enumerate(agreement.rows)
        for way, band in ((Direction.FORWARD, each.output), (Direction.BACKWARD, each.output_gradient))
        if band.is_left and case.layers[row].kind == "dense"
    ]
    if not left:
        return Answer(Outcome.MET, f"agrees in {count(agreement.tested, 'second moment')}")
    row, way, band = left[0]
    times = power((band.measured or 0.0) / LN10)
    return Answer(
        Outcome.FAILED,
        f"layer {row + 1} ({way}) is {times} times what theory says, {abs(band.deviation or 0.0):.1f} standard errors "
        f"away; {len(left)} of {count(agreement.tested, 'second moment')} are",
        "Measure it with more trials and another seed; if it stays, theory is wrong for this network.",
        layer=row + 1,
    )
