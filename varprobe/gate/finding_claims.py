"""Claims that look at everything at once: no error-level finding, and agreement with theory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from varprobe.advice.remedies import plain_remedy
from varprobe.formatting import count, percent, power
from varprobe.gate.claim import Answer, Claim, outcome_of, trials_needed
from varprobe.verdict.agreement import compare
from varprobe.verdict.case import Case
from varprobe.verdict.depth_checks import seam_changes
from varprobe.verdict.draw_checks import scattered_share
from varprobe.verdict.findings import LABEL_CODES
from varprobe.verdict.intervals import reach
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Direction, Label, Outcome, Severity
from varprobe.verdict.possible import possible
from varprobe.verdict.rule import BROKEN, LN10, MOST_ADVISED, Judged


def findings_claim(allow: tuple[str, ...], line: int | None) -> Claim:
    """No error-level finding but those that are allowed, and those that the labels are about."""
    wanted = f"no errors but {', '.join(allow)}" if allow else "no errors"
    return Claim("findings", wanted, line, partial(_findings, allow))


def theory_claim(line: int | None) -> Claim:
    """No dense layer lies outside the band that theory foresees."""
    return Claim("theory", "agrees with the measurement", line, _theory, at_once=True)


def _findings(allow: tuple[str, ...], diagnosis: Diagnosis, level: float) -> Answer:
    elsewhere = (*LABEL_CODES.values(), *_WITH_ERROR, *allow)
    case = diagnosis.case
    for finding in diagnosis.verdict.findings:
        if finding.severity == Severity.ERROR and finding.code not in elsewhere:
            return Answer(
                Outcome.FAILED, f"{finding.code}: {finding.message}", plain_remedy(case, finding), finding.layer
            )
    asked = [answer for code, answer in _WITH_ERROR.items() if code not in allow]
    answers = [
        answer(case, judged, way, level / 2 / len(asked)) for answer in asked for way, _, judged in case.directions
    ]
    return min(answers, key=lambda answer: list(Outcome).index(answer.outcome), default=Answer(Outcome.MET, "none"))


def _jumps(case: Case, judged: Judged, way: Direction, level: float) -> Answer:
    """Whether a step between layers that are not alike is beyond a factor 1000; the level is shared by the steps."""
    if len(judged.logs) == 1 and len(case.cut) > 1:
        return _TOO_FEW
    steps = [
        (case.row(later), change, half)
        for later, change, half in seam_changes(case, judged, level / max(len(case.cut) - 1, 1))
    ]
    if not steps:
        return Answer(Outcome.MET, "none")
    at, change, half = max(steps, key=lambda step: abs(step[1]) - step[2])
    if abs(change) - half <= BROKEN:
        at, change, half = max(steps, key=lambda step: abs(step[1]) + step[2])
    return _answer_size("jump", "at this one layer", way, at, change, half, len(judged.logs))


def _excursions(case: Case, judged: Judged, way: Direction, level: float) -> Answer:
    """Whether the typical path leaves a factor 1000 between any two judged layers, though the direction is stable.

    The level is shared by the layers: with the path from the first layer known to h at each of them at once, two of
    them are apart by at most the distance between the ends of their intervals.
    """
    logs = judged.logs
    if logs.shape[1] < 2 or not len(logs):
        return Answer(Outcome.MET, "none")
    if len(logs) == 1:
        return _TOO_FEW
    path = logs - logs[:, :1]
    mean = path.mean(axis=0)
    reached = reach(1.0, len(logs), level / (logs.shape[1] - 1))
    assert reached is not None
    half = reached * path.std(axis=0, ddof=1) / math.sqrt(len(logs))
    top, bottom = int(np.argmax(mean + half)), int(np.argmin(mean - half))
    first, last = sorted((top, bottom))
    at = case.row(first if way == Direction.BACKWARD else last)
    change = float(mean[last] - mean[first])
    found = _answer_size("excursion", "on the way", way, at, change, float(half[top] + half[bottom]), len(logs))
    return _if_stable(case, way, level, found)


def _answer_size(code: str, where: str, way: Direction, layer: int, change: float, half: float, trials: int) -> Answer:
    size = abs(change)
    outcome = outcome_of(inside=size + half <= BROKEN, outside=size - half > BROKEN)
    if outcome == Outcome.MET:
        return Answer(outcome, "none")
    words = [power(log / LN10) for log in (size, size - half, size + half)]
    return Answer(
        outcome,
        f"{code}: a factor {words[0]} ({words[1]} to {words[2]}) {where} ({way}), the limit is 1000",
        "Look for a forgotten factor in this layer's scheme.",
        layer=layer,
        needed=trials_needed(trials, half, abs(size - BROKEN)) if outcome == Outcome.UNDECIDED else None,
    )


def _scatter(case: Case, judged: Judged, way: Direction, level: float) -> Answer:
    """Whether half of the draws or more change beyond what is stable, though the label is stable."""
    share = scattered_share(judged, level)
    outcome = outcome_of(inside=share.high < 0.5, outside=share.low >= 0.5)
    if outcome == Outcome.MET:
        return Answer(outcome, "none")
    words = f"scattered: {percent(share.share)} of the draws ({percent(share.low)} to {percent(share.high)})"
    found = Answer(
        outcome,
        f"{words} change beyond 100-fold ({way}), the limit is half of them",
        "Widen the layers or use fewer: depth/width sets the spread.",
        needed=_twice(case) if outcome == Outcome.UNDECIDED else None,
    )
    return _if_stable(case, way, level, found)


def _if_stable(case: Case, way: Direction, level: float, found: Answer) -> Answer:
    """What is an error of a stable direction alone, with half of the level for the label.

    The other half is what the answer itself spends: its interval has the whole, but only one side of it can be wrong.
    """
    labels = possible(case, way, level / 2).labels
    if found.outcome == Outcome.MET or Label.STABLE not in labels:
        return Answer(Outcome.MET, "none")
    if found.outcome == Outcome.FAILED and len(labels) > 1:
        return replace(found, outcome=Outcome.UNDECIDED, needed=_twice(case))
    return found


def _twice(case: Case) -> int | None:
    """As many trials again, where so many may be advised."""
    return 2 * case.trials if 2 * case.trials <= MOST_ADVISED else None


_TOO_FEW = Answer(Outcome.UNDECIDED, "too few trials", needed=2)
# The findings that draws decide only at a level of chance.
_WITH_ERROR: dict[str, Callable[[Case, Judged, Direction, float], Answer]] = {
    "jump": _jumps,
    "excursion": _excursions,
    "scattered": _scatter,
}


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
        if band.is_left and case.layers[row].has_weights
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
