"""Findings about single layers: saturation, dead units, number formats, widths, branches."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from varprobe.verdict.case import Case
from varprobe.verdict.findings import finding
from varprobe.verdict.healthy import healthy_dead_share
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.records import Finding
from varprobe.verdict.rule import LN10
from varprobe.wording import count, number, percent, power

SATURATED_LIMIT = 0.5
DEAD_MARGIN = 0.1
# Largest finite number and smallest positive one, as log10; and the name that people use.
FORMATS = {
    "float32": (math.log10(3.4028235e38), math.log10(1.4e-45)),
    "bfloat16": (math.log10(3.3895314e38), math.log10(9.2e-41)),
    "float16": (math.log10(65504.0), math.log10(6.0e-8)),
}
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
    layers, dead = case.layers, case.measured.statistics.dead
    depth = 0
    for row, layer in enumerate(layers):
        depth += layer.kind == "dense"
        if (layer.activation or "").split("(")[0] not in _RECTIFIERS:
            continue
        share = dead[:, row]
        error = float(share.std(ddof=1)) / math.sqrt(len(share)) if len(share) > 1 else 0.0
        if float(share.mean()) - 2 * error <= DEAD_MARGIN:
            continue
        limit = healthy_dead_share(depth, case.measured.batch) + DEAD_MARGIN
        if float(share.mean()) - 2 * error > limit:
            yield finding(
                "dead-units",
                f"{percent(float(share.mean()))} of the units are zero for the whole batch; "
                f"a healthy network of this depth and batch shows {percent(limit - DEAD_MARGIN)}.",
                "Look for negative biases or weights with a negative mean, or use leaky_relu.",
                layer=row + 1,
                measured=float(share.mean()),
                limit=limit,
            )
            return


def number_ranges(case: Case) -> Iterator[Finding]:
    """The first row that leaves each number format, in the activations or, beyond any loss scale, the gradient."""
    s = case.measured.statistics
    with np.errstate(invalid="ignore"):
        largest = log_mean(s.log_max_abs) / LN10
        typical = log_mean(s.log_activation_second_moment) / (2 * LN10)
        gradient = log_mean(s.log_gradient_second_moment) / (2 * LN10)
    for name, (top, bottom) in FORMATS.items():
        high, low = largest > top, (typical < bottom) & np.isfinite(typical)
        if high.any() or low.any():
            row = int(np.argmax(high if high.any() else low))
            figure, limit = (largest[row], top) if high.any() else (typical[row], bottom)
            word = "reach" if high.any() else "shrink to"
            yield finding(
                f"{name}-range",
                f"The activations {word} {power(float(figure))}; {name} ends at {power(limit)}.",
                "Keep the signal stable, or compute this network in a wider format.",
                layer=row + 1,
                measured=float(figure),
                limit=limit,
            )
            continue
        finite = gradient[np.isfinite(gradient)]
        if finite.size and finite.max() - finite.min() > top - bottom:
            row = int(np.nanargmin(np.where(np.isfinite(gradient), gradient, np.nan)))
            yield finding(
                f"{name}-range",
                f"The gradients of the layers differ {power(float(finite.max() - finite.min()))}-fold; "
                f"{name} spans {power(top - bottom)}, so no loss scale holds them all.",
                "Keep the gradient stable, or compute this network in a wider format.",
                layer=row + 1,
                measured=float(finite.max() - finite.min()),
                limit=top - bottom,
            )


def width_ratio(case: Case) -> Iterator[Finding]:
    """Widths that change the gradient per entry."""
    widths = [point.layer.fan_out for point in case.points]
    ratio = max(widths) / min(widths)
    if ratio >= 2:
        yield finding(
            "width-ratio",
            f"Widths change {number(ratio)}-fold, and the gradient per entry with them; judged is width times it.",
            "Nothing to do.",
            layer=case.row(int(np.argmin(widths))),
            measured=ratio,
            limit=2.0,
        )


def zero_branches(case: Case) -> Iterator[Finding]:
    """Residual branches that add nothing."""
    zero = case.measured.statistics.zero_branch
    rows = [row for row in range(zero.shape[1]) if bool((zero[:, row] == 1).all())]
    if rows:
        yield finding(
            "zero-branch",
            f"{count(len(rows), 'residual block')}: the branch adds exactly zero, the block starts as the identity.",
            "Nothing to do where this is meant.",
            layer=rows[0] + 1,
            measured=float(len(rows)),
            limit=0.0,
        )
