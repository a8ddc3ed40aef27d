"""Findings about single layers: saturation, dead units, widths, number formats, the bands of theory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from varprobe.formatting import count, number, percent, power
from varprobe.frozen import dataclass
from varprobe.verdict.agreement import FAMILY_ERROR
from varprobe.verdict.case import FEWEST_ROWS, Case
from varprobe.verdict.found import Found
from varprobe.verdict.healthy import healthy_dead_share
from varprobe.verdict.records import FormatRange
from varprobe.verdict.rule import LN10

SATURATED_LIMIT = 0.5
DEAD_MARGIN = 0.1
# Second moment of a norm's output from which on its eps does not count.
SIGN_SIZE = 0.9
_RECTIFIERS = ("relu", "relu_squared")


def find_saturation(case: Case) -> Iterator[Found]:
    """Layers with most values at the activation's limits."""
    mean = case.measured.statistics.saturated.mean(axis=0)
    rows = np.flatnonzero(mean > SATURATED_LIMIT)
    if rows.size:
        worst = int(rows[np.argmax(mean[rows])])
        message = (
            f"{percent(float(mean[worst]))} of the values are at the limits of "
            f"{case.layers[worst].activation or 'the activation'}; more than half are in {count(len(rows), 'layer')}."
        )
        yield Found("saturated", message, int(rows[0]) + 1, float(mean[worst]), SATURATED_LIMIT)


def find_dead_units(case: Case) -> Iterator[Found]:
    """Rectifiers only: the first layer whose dead share is above that of a healthy network by the margin."""
    dead = case.measured.statistics.dead
    share = dead.mean(axis=0)
    error = dead.std(axis=0, ddof=1) / math.sqrt(len(dead)) if len(dead) > 1 else np.zeros(len(share))
    least = share - 2 * error
    depth = 0
    for row, layer in enumerate(case.layers):
        depth += layer.has_weights
        if not least[row] > DEAD_MARGIN or (layer.activation or "").split("(")[0] not in _RECTIFIERS:
            continue
        limit = healthy_dead_share(depth, case.measured.batch) + DEAD_MARGIN
        if least[row] > limit:
            message = (
                f"{percent(float(share[row]))} of the units are zero for the whole batch; a healthy network of this "
                f"depth and batch shows {percent(limit - DEAD_MARGIN)}."
            )
            yield Found("dead-units", message, row + 1, float(share[row]), limit)
            return


@dataclass(frozen=True)
class Exit:
    """How a network leaves a number format: from which layer on, in what share of the draws, by which end."""

    layer: int
    chance: float | None
    verb: str
    end: float
    backward: bool


def first_exit(form: FormatRange, depth: int) -> Exit | None:
    """How a network of so many layers leaves a format: measured where it was, else by theory; forward comes first."""
    left = form.predicted if form.measured is None else form.measured
    for layer, chance, verb, end, backward in (
        (left.overflow_layer, left.overflow_probability, "overflow", form.largest, False),
        (left.underflow_layer, left.underflow_probability, "underflow", form.smallest, False),
        (left.gradient_underflow_layer, left.gradient_underflow_probability, "underflows", form.smallest, True),
        (left.gradient_overflow_layer, left.gradient_overflow_probability, "overflows", form.largest, True),
    ):
        if layer is not None and layer <= depth:
            return Exit(layer, chance, verb, end, backward)
    return None


def find_end_of_range(name: str, case: Case) -> Iterator[Found]:
    """Whether the network leaves a format, by its name."""
    depth = len(case.layers)
    for form in case.formats:
        out = first_exit(form, depth) if form.name == name else None
        if out is None:
            continue
        if out.backward:
            message = (
                f"From layer {out.layer} on, towards the input, the gradient {out.verb} {name}, which ends at "
                f"{number(out.end)}, if it has second moment 1 at the output."
            )
        else:
            message = (
                f"From layer {out.layer} of {depth:,} on the activations {out.verb} {name}, which ends at "
                f"{number(out.end)}: in {percent(out.chance or 0.0)} of the draws at the worst layer."
            )
        yield Found(f"{name}-range", message, out.layer, out.chance, 0.5)


def find_small_batch(case: Case) -> Iterator[Found]:
    """Batch norm of two rows: it hands on +1 and -1, whatever comes in, unless its eps is what it divides by."""
    if case.batch != 2:
        return
    norms = [row for row, layer in enumerate(case.layers) if layer.variant == "batch" and _size(case, row) > SIGN_SIZE]
    if norms:
        message = (
            f"Batch norm of 2 rows makes +1 and -1 of every unit: {count(len(norms), 'norm')} hand on nothing but the "
            "sign of a difference, and its gradient is what eps leaves."
        )
        yield Found("small-batch", message, norms[0] + 1, 2.0, float(FEWEST_ROWS))


def _size(case: Case, row: int) -> float:
    """The second moment of what a row hands on, of a typical draw or by theory."""
    if case.measurement is not None:
        return math.exp(min(float(np.median(case.measured.statistics.log_activation_second_moment[:, row])), 700.0))
    output = case.agreement.prediction.rows[row].output if case.agreement else None
    return 0.0 if output is None else float(output.second_moment)


def find_width_ratio(case: Case) -> Iterator[Found]:
    """Widths that change the gradient per entry."""
    widths = [point.layer.fan_out for point in case.points]
    ratio = max(widths, default=1) / min(widths, default=1)
    if ratio >= 2:
        message = f"Widths change {number(ratio)}-fold, and the gradient per entry with them; judged is width times it."
        yield Found("width-ratio", message, case.row(int(np.argmin(widths))), ratio, 2.0)


def find_end_of_theory(case: Case) -> Iterator[Found]:
    """A verdict by theory alone that lacks a direction."""
    if case.agreement is None or case.measurement is not None:
        return
    rows = case.agreement.prediction.rows
    for way, _, judged in case.directions:
        if judged.direction.label != "inconclusive":
            continue
        if way == "forward":
            unknown = [row for row, each in enumerate(rows) if each.output is None][:1]
        else:
            unknown = [row for row, each in enumerate(rows) if each.log_output_gradient is None][-1:]
        reason = "".join(f": {rows[row].reason}" for row in unknown)
        if not unknown and case.batch < FEWEST_ROWS:
            reason = f": behind batch norm of {case.batch} rows rare units make the mean over draws"
        message = f"Theory does not reach all of this network ({way}){reason}."
        yield Found("theory-ends", message, unknown[0] + 1 if unknown else None)


def find_mismatch(case: Case) -> Iterator[Found]:
    """Dense layers whose output's mean over the trials lies outside theory's band, a finding a direction."""
    if case.agreement is None:
        return
    for way, what, _ in case.directions:
        bands = [row.output if way == "forward" else row.output_gradient for row in case.agreement.rows]
        left = [row for row, band in enumerate(bands) if case.layers[row].has_weights and band.is_left]
        if not left:
            continue
        row = left[0] if way == "forward" else left[-1]
        band = bands[row]
        message = (
            f"The second moment of the {what} is {power((band.measured or 0.0) / LN10)} times what theory says, "
            f"{abs(band.deviation or 0.0):.1f} standard errors away, first here of {count(len(left), 'layer')} "
            f"({way}). A network that follows its config shows this in fewer than {percent(FAMILY_ERROR)} of the runs."
        )
        yield Found("theory-mismatch", message, row + 1, band.deviation)
