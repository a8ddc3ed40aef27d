"""Claims about the head, the loss that it begins with, and how many directions reach it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from varprobe.config.expectation import Range
from varprobe.formatting import number
from varprobe.gate.claim import Answer, Claim, in_words
from varprobe.gate.means import Means, average, average_typically, hold
from varprobe.verdict.head import chance_loss, trace_head
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.judged import find_head_row
from varprobe.verdict.labels import Direction, Outcome

_RANK_REMEDY = (
    "Fewer or wider layers, residual blocks, or an activation nearer to a straight line keep more directions apart."
)


def scale_claim(limits: Range, line: int | None) -> Claim:
    """The second moment of the head's output over that of the body's lies in a range, in a typical draw."""
    wanted = f"{in_words(limits)} times the second moment of the body's output"
    return Claim("head.scale", wanted, line, partial(_hold_scale, limits))


def loss_claim(limits: Range, line: int | None) -> Claim:
    """The mean over draws of the objective's value per sample lies in a range."""
    return Claim("initial_loss", in_words(limits), line, partial(_hold_loss, limits))


def rank_claim(limits: Range, rows: Sequence[int], line: int | None) -> Claim:
    """The mean over draws of the effective rank lies in a range, at each of the judged layers."""
    answer = partial(_hold_rank, limits, rows)
    return Claim("effective_rank", f"{in_words(limits)} in every judged layer", line, answer, Direction.SIGNAL)


def _hold_scale(limits: Range, diagnosis: Diagnosis, level: float) -> Answer:
    """Draws that end before the head say nothing of it; zeros among others are dead outputs, and say nothing either."""
    case = diagnosis.case
    head = find_head_row(case.layers)
    assert head is not None
    logs, row = trace_head(case.measured, case.points), head + 1
    known = logs[np.isfinite(logs)]
    if known.size:
        means = average_typically(known, level)
    elif np.isneginf(logs).any():
        zero = np.array([-math.inf])
        means = Means(zero, zero, zero, True, len(logs))
    else:
        return Answer(Outcome.FAILED, "no draw reaches the head", layer=row)
    answer = hold(means, [row], limits)
    return answer if answer.outcome != Outcome.FAILED else replace(answer, remedy=_rescale(means, limits))


def _rescale(means: Means, limits: Range) -> str:
    """To the nearer end of the range; second moments go as squares of standard deviations."""
    log = float(means.mean[0])
    if not math.isfinite(log):
        return "The head's weights are zero: draw them."
    edge = limits.low if limits.low is not None and log < _log(limits.low) else limits.high
    if not edge:
        return "Set the head's weights to zero."
    factor = number(math.exp((math.log(edge) - log) / 2))
    return f"Multiply the standard deviation of the head's weights and biases by about {factor}."


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _hold_loss(limits: Range, diagnosis: Diagnosis, level: float) -> Answer:
    measured = diagnosis.case.measured
    losses = measured.statistics.initial_loss
    means = average(losses, level, is_log=False)
    if np.isposinf(losses).any() and not np.isnan(losses).any():
        outcome = Outcome.MET if limits.high is None else Outcome.FAILED
        answer = Answer(outcome, f"beyond doubles in {int(np.isposinf(losses).sum()):,} of {len(losses):,} draws")
    else:
        answer = hold(means, [None], limits)
    if answer.outcome != Outcome.FAILED:
        return answer
    if limits.high is None or means.mean[0] <= limits.high:
        return replace(answer, remedy="Lower the range, or raise the scale of the head's output.")
    guess = chance_loss(measured.objective, measured.layers[-1].fan_out, measured.target_square)
    assert guess is not None
    if limits.high < guess:
        return replace(answer, remedy=f"Raise the range: a head that says nothing has {number(guess)}.")
    return replace(answer, remedy=f"Lower the scale of the head's output: one that says nothing has {number(guess)}.")


def _hold_rank(limits: Range, rows: Sequence[int], diagnosis: Diagnosis, level: float) -> Answer:
    """Over the draws whose samples differ in every one of the rows; the level is shared by the rows."""
    table = diagnosis.case.measured.statistics.effective_rank[:, [row - 1 for row in rows]]
    table = table[~np.isnan(table).any(axis=1)]
    if not len(table):
        return Answer(Outcome.FAILED, "in no draw do the samples differ in every layer", _RANK_REMEDY)
    answer = hold(average(table, level / len(rows), is_log=False), rows, limits)
    return answer if answer.outcome != Outcome.FAILED else replace(answer, remedy=_RANK_REMEDY)
