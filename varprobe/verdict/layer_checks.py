"""Findings about single layers: saturation, dead units, number formats, widths, branches."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from varprobe.formatting import count, percent
from varprobe.formatting import number as number_of
from varprobe.verdict.case import Case
from varprobe.verdict.findings import FINDINGS, finding
from varprobe.verdict.healthy import healthy_dead_share
from varprobe.verdict.records import Finding, FormatRange, Leaving

SATURATED_LIMIT = 0.5
DEAD_MARGIN = 0.1
_RECTIFIERS = ("relu", "relu_squared")


def saturated(case: Case) -> Iterator[Finding]:
    """Layers with most values at the activation's limits."""
    shares = case.measured.statistics.saturated
    mean = shares.mean(axis=0)
    rows = np.flatnonzero(mean > SATURATED_LIMIT)
    if rows.size:
        worst = int(rows[np.argmax(mean[rows])])
        yield finding(
            "saturated",
            f"{percent(float(mean[worst]))} of the values are at the limits of {_name(case, worst)}; "
            f"more than half are in {count(len(rows), 'layer')}.",
            "Lower the weights' standard deviation: at its limits an activation passes no gradient.",
            layer=int(rows[0]) + 1,
            measured=float(mean[worst]),
            limit=SATURATED_LIMIT,
        )


def _name(case: Case, row: int) -> str:
    return case.layers[row].activation or "the activation"


def dead_units(case: Case) -> Iterator[Finding]:
    """Rectifiers only: the first layer whose dead share is above that of a healthy network by the margin."""
    dead = case.measured.statistics.dead
    share = dead.mean(axis=0)
    error = dead.std(axis=0, ddof=1) / math.sqrt(len(dead)) if len(dead) > 1 else np.zeros(len(share))
    least = share - 2 * error
    depth = 0
    for row, layer in enumerate(case.layers):
        depth += layer.kind == "dense"
        if not least[row] > DEAD_MARGIN or (layer.activation or "").split("(")[0] not in _RECTIFIERS:
            continue
        limit = healthy_dead_share(depth, case.measured.batch) + DEAD_MARGIN
        if least[row] > limit:
            yield finding(
                "dead-units",
                f"{percent(float(share[row]))} of the units are zero for the whole batch; "
                f"a healthy network of this depth and batch shows {percent(limit - DEAD_MARGIN)}.",
                "Look for negative biases or weights with a negative mean, or use leaky_relu.",
                layer=row + 1,
                measured=float(share[row]),
                limit=limit,
            )
            return


def number_ranges(case: Case) -> Iterator[Finding]:
    """Formats that the network leaves: measured where it was, else by theory. Activations count before gradients."""
    for number in case.formats:
        if f"{number.name}-range" in FINDINGS:
            leaving = number.predicted if number.measured is None else number.measured
            yield from _activation_range(case, number, leaving) or _gradient_range(number, leaving)


def _activation_range(case: Case, number: FormatRange, leaving: Leaving) -> list[Finding]:
    layer, chance, word, limit = leaving.overflow_layer, leaving.overflow_probability, "overflow", number.largest
    if layer is None or layer > len(case.layers):
        layer, chance, word, limit = (
            leaving.underflow_layer, leaving.underflow_probability, "underflow", number.smallest
        )  # fmt: skip
    if layer is None:
        return []
    message = (
        f"From layer {layer} of {len(case.layers):,} on the activations {word} {number.name}, which ends at "
        f"{number_of(limit)}: in {percent(chance or 0.0)} of the draws at the worst layer."
    )
    remedy = "Keep the signal stable, or compute this network in a wider format."
    return [finding(f"{number.name}-range", message, remedy, layer=layer, measured=chance, limit=0.5)]


def _gradient_range(number: FormatRange, leaving: Leaving) -> list[Finding]:
    layer, chance, word, limit = (
        leaving.gradient_underflow_layer, leaving.gradient_underflow_probability, "underflows", number.smallest
    )  # fmt: skip
    if layer is None:
        layer, chance, word, limit = (
            leaving.gradient_overflow_layer, leaving.gradient_overflow_probability, "overflows", number.largest
        )  # fmt: skip
    if layer is None:
        return []
    message = (
        f"From layer {layer} on, towards the input, the gradient {word} {number.name}, which ends at "
        f"{number_of(limit)}, if it has second moment 1 at the output."
    )
    scale = leaving.loss_scale_log2
    remedy = (
        "No loss scale holds the gradients of all layers: keep the gradient stable, or use a wider format."
        if scale is None
        else f"Multiply such a loss by 2^{scale}."
    )
    return [finding(f"{number.name}-range", message, remedy, layer=layer, measured=chance, limit=0.5)]


def width_ratio(case: Case) -> Iterator[Finding]:
    """Widths that change the gradient per entry."""
    widths = [point.layer.fan_out for point in case.points]
    ratio = max(widths) / min(widths)
    if ratio >= 2:
        yield finding(
            "width-ratio",
            f"Widths change {number_of(ratio)}-fold, and the gradient per entry with them; judged is width times it.",
            "Nothing to do.",
            layer=case.row(int(np.argmin(widths))),
            measured=ratio,
            limit=2.0,
        )


def zero_branches(case: Case) -> Iterator[Finding]:
    """Residual branches that add nothing."""
    zero = case.measured.statistics.zero_branch
    rows = np.flatnonzero((zero == 1).all(axis=0)).tolist()
    if rows:
        yield finding(
            "zero-branch",
            f"{count(len(rows), 'residual block')}: the branch adds exactly zero, the block starts as the identity.",
            "Nothing to do where this is meant.",
            layer=rows[0] + 1,
            measured=float(len(rows)),
            limit=0.0,
        )
