"""What to change, in numbers, from the measured rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from varprobe.formatting import power, times
from varprobe.network.description import LayerDescription
from varprobe.verdict.judged import JudgedLayer

# Powers of ten of a factor per layer beyond which it is no advice.
_TOO_FAR = 100


def scale_remedy(points: Sequence[JudgedLayer], layers: Sequence[LayerDescription], total_log10: float | None) -> str:
    """How to bring the change over the whole depth, 10**total_log10, back to 1.

    A weight scale acts on each judged step by its square, so its factor is the rate to the power -1/2.
    """
    if any(layer.kind == "residual" and layer.trunk for layer in layers):
        blocks = sum(layer.kind == "residual" and layer.trunk for layer in layers)
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


def single_remedy(row: int, layer: LayerDescription, change_log10: float, way: str) -> str:
    """What to do where one step makes most of the change."""
    factor = power(-change_log10 / 2)
    return (
        f"Most of it happens at one step, at layer {row} ({times(change_log10)}, {way}): look at that layer and what "
        f"stands before it{f', or multiply its weights by about {factor}' if layer.kind == 'dense' else ''}."
    )


def _example(points: Sequence[JudgedLayer], factor: float) -> str:
    std = points[-1].layer.expected_std
    if not std:
        return ""
    variance = points[-1].layer.fan_in * (std * factor) ** 2
    return f": {std:.3g} -> {std * factor:.3g}, a variance of {variance:.3g}/fan_in"


def chaotic_remedy(rate: float | None) -> str:
    """The activations hold themselves up and the gradient still grows: only smaller weights help."""
    step = f" Each layer multiplies the gradient's second moment by {rate:.4g}." if rate else ""
    return (
        f"The activation's bounds hide that the weights are too large.{step} Lower the weights' standard deviation "
        "until the backward rate is 1 (the edge of chaos), and keep the biases small."
    )
