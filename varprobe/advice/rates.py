"""Remedies by the rates of a case, which take no search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from varprobe.formatting import power, times
from varprobe.network.description import LayerDescription
from varprobe.verdict.case import Case
from varprobe.verdict.depth_checks import step_changes
from varprobe.verdict.judged import JudgedLayer
from varprobe.verdict.records import Finding
from varprobe.verdict.rule import LN10, Judged

# Powers of ten of a factor per layer beyond which it is no advice.
_TOO_FAR = 100


def undo_change(way: str, case: Case, _: Finding) -> str:
    """How to bring the change over the depth, forward or backward, back to 1."""
    judged = case.forward if way == "forward" else case.backward
    worst = _worst_step(judged)
    if worst is not None:
        point, change = worst
        return mend_step(case.row(point), case.points[point].layer, change, way)
    is_chaotic = judged is case.backward and judged.direction.label == "exploding"
    is_chaotic &= case.forward.direction.label == "stable"
    if is_chaotic and not any(layer.kind in ("norm", "residual") for layer in case.layers):
        return lower_weights(judged.direction.rate)
    return scale_weights(case.points, case.layers, judged.direction.total_log10)


def _worst_step(judged: Judged) -> tuple[int, float] | None:
    """The later point and the log10 change of a single step that makes most of the whole change, if one does."""
    steps = step_changes(judged)
    if len(steps) < 3:
        return None
    worst = int(np.argmax(np.abs(steps)))
    if abs(steps[worst]) < max(math.log(3), abs(steps.sum()) / 2):
        return None
    return worst + 1, float(steps[worst]) / LN10


def scale_weights(points: Sequence[JudgedLayer], layers: Sequence[LayerDescription], total_log10: float | None) -> str:
    """How to bring the change over the whole depth, 10**total_log10, back to 1.

    A weight scale acts on each judged step by its square, so its factor is the rate to the power -1/2.
    """
    blocks = sum(layer.kind == "residual" and layer.trunk for layer in layers)
    if blocks:
        return (
            f"Each block adds its branch to the skip. Scale the branches by 1/sqrt(blocks), "
            f"{1 / math.sqrt(blocks):.3g} "
            "(`residual: {scale: ...}`), or start the last map of each branch at zero."
        )
    if any(layer.kind == "norm" and layer.trunk for layer in layers):
        return (
            "A norm takes the weights' scale out again, so no scale of the weights helps here. Use fewer layers, "
            "residual blocks, or layer norm in place of batch norm."
        )
    if total_log10 is None or not points:
        return "Check the scale of the weights, layer by layer."
    exponent = -total_log10 / (2 * len(points))
    if abs(exponent) > _TOO_FAR:
        return "No one factor mends so large a change: check the activation and the scale of the weights."
    factor = 10**exponent
    remedy = f"Multiply the weights' standard deviation by about {factor:.3g} in every layer{_example(points, factor)}."
    curved = [point.layer.activation for point in points if point.layer.curved]
    if not curved:
        return remedy
    return f"{remedy} Then measure again: with {curved[0]} the rate depends on the size of the signal."


def _example(points: Sequence[JudgedLayer], factor: float) -> str:
    std = points[-1].layer.expected_std
    if not std:
        return ""
    variance = points[-1].layer.fan_in * (std * factor) ** 2
    return f": {std:.3g} -> {std * factor:.3g}, a variance of {variance:.3g}/fan_in"


def mend_step(row: int, layer: LayerDescription, change_log10: float, way: str) -> str:
    """What to do where one step makes most of the change."""
    factor = power(-change_log10 / 2)
    return (
        f"Most of it happens at one step, at layer {row} ({times(change_log10)}, {way}): look at that layer and what "
        f"stands before it{f', or multiply its weights by about {factor}' if layer.has_weights else ''}."
    )


def lower_weights(rate: float | None) -> str:
    """The activations hold themselves up and the gradient still grows: only smaller weights help."""
    step = f" Each layer multiplies the gradient's second moment by {rate:.4g}." if rate else ""
    return (
        f"The activation's bounds hide that the weights are too large.{step} Lower the weights' standard deviation "
        "until the backward rate is 1 (the edge of chaos), and keep the biases small."
    )
