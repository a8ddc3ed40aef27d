"""Findings about the head."""

from __future__ import annotations

import math
from collections.abc import Iterator

from varprobe.formatting import number, power
from varprobe.verdict.case import Case
from varprobe.verdict.found import Found
from varprobe.verdict.head import is_zero_head
from varprobe.verdict.judged import find_head_row

# log10 of the head's output second moment over the body's: below is small, above large.
SMALL, LARGE = math.log10(1 / 20), 2.0
# The initial loss over that of zero outputs.
FAR_ABOVE_CHANCE = 2.0


def find_head(case: Case) -> Iterator[Found]:
    """A head that is zero, small or large: what it does to the first step."""
    if case.is_zero_model:
        message = (
            "The network is one layer that starts at zero, as linear and logistic regression may: every unit has a "
            "gradient of its own and learns. There is no body to judge."
        )
        yield Found("zero-head", message, 1, 0.0, 10**SMALL)
    row, head = find_head_row(case.layers), case.head
    if row is None or head is None:
        return
    scale, loss, chance = head.scale_log10, head.initial_loss, head.chance_loss
    prediction = case.agreement.prediction if case.agreement else None
    if is_zero_head(len(case.layers) - 1, case.points[-1].output, case.measurement, prediction):
        message = (
            "The head is zero: at the first step it learns alone. The body is judged with a gradient put at its output."
        )
        yield Found("zero-head", message, row + 1, 0.0, 10**SMALL)
    elif scale is not None and scale < SMALL:
        gradient = (
            "" if head.gradient_scale_log10 is None else f", the body's gradient x {power(head.gradient_scale_log10)}"
        )
        message = f"The head makes the output's second moment x {power(scale)} of the body's{gradient}."
        yield Found("small-head", message, row + 1, scale, SMALL)
    # The squared error of outputs of second moment 1 is twice that of chance, and nothing is wrong.
    classes = case.measurement is not None and case.measurement.objective != "mse"
    far = classes and loss is not None and chance is not None and loss > FAR_ABOVE_CHANCE * chance
    if scale is not None and (scale > LARGE or far):
        told = f" The initial loss is {number(loss)}, chance is {number(chance)}." if far else ""
        message = f"The head makes the output's second moment x {power(scale)} of the body's.{told}"
        measured, limit = (scale, LARGE) if scale > LARGE else (loss, FAR_ABOVE_CHANCE * (chance or 0.0))
        yield Found("large-head", message, row + 1, measured, limit)
