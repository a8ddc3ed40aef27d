"""What a typical draw does beside the mean over draws: the expected logarithm of a second moment.

ln of a batch's second moment is about Gaussian, so that its expectation is ln of the mean less half its variance. Where
activations are two slopes, weights Gaussian and biases absent, a layer's step is exactly the mean of n independent
phi(u)^2 whatever came before, at any width: there the expected logarithms of the steps add up. They are those of one
sample; of a batch's step the share is taken that its variance has of one sample's, which is exact where samples are
alike and at first order in 1/width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from varprobe.network.laws import Constant, Normal
from varprobe.network.layers import Dense, Dropout
from varprobe.network.spec import NetworkSpec, Step
from varprobe.theory.records import Fluctuation, RowWidth

# Beyond this the expansion in 1/width says nothing of the typical draw: what it may leave out of a logarithm.
_LARGEST_UNKNOWN = 0.5
# Below this width chance correlations of samples and steps of ln (chi^2_n/n) are beyond first order in 1/width.
_NARROWEST = 16
# Relative shift of a mean below which its logarithm is not expanded.
_LEAST_SHIFT = -0.9

Drifts = list[float | None]


def with_drifts(spec: NetworkSpec, batch: int, widths: Sequence[RowWidth]) -> list[RowWidth]:
    """The same, with the drift of every output and of the gradient there, one per step."""
    slopes = [pair for pair in map(_slopes, spec.steps) if pair is not None]
    outputs = [width.output for width in widths]
    gradients = [width.output_gradient for width in widths]
    is_exact = len(slopes) == len(spec.steps) and spec.input.distribution in ("normal", "constant")
    if is_exact and spec.objective.kind != "mse" and all(outputs) and all(gradients):
        ahead = _walk_forward(spec, batch, slopes, [each for each in outputs if each])
        back = _walk_backward(spec, slopes, [each for each in gradients if each])
    else:
        is_wide = min(step.fan_out for step in spec.steps) >= _NARROWEST
        ahead, back = ([_expand(each) if is_wide else None for each in side] for side in (outputs, gradients))
    return [
        replace(
            width,
            output=width.output and replace(width.output, drift=forward),
            output_gradient=width.output_gradient and replace(width.output_gradient, drift=backward),
        )
        for width, forward, backward in zip(widths, ahead, back, strict=True)
    ]


def is_walk(spec: NetworkSpec) -> bool:
    """Whether fluctuations of size add up from layer to layer: all is linear in the size of the signal."""
    layers = [step.layer for step in spec.steps]
    return all(
        layer.variant is None
        and not (isinstance(layer, Dropout) and layer.is_alpha)
        and (layer.activation is None or layer.activation.is_linear or layer.activation.degree == 1)
        and (not isinstance(layer, Dense) or (isinstance(layer.bias, Constant) and not layer.bias.value))
        for layer in layers
    )


def chance_of_death(spec: NetworkSpec) -> float:
    """The chance that the signal of one sample is exactly zero by the last layer.

    A layer of n rectifiers behind weights and biases that are as often of either sign is so with probability 2^-n.
    """
    lives = 1.0
    for before, step in pairwise([None, *spec.steps]):
        assert step is not None
        layer = step.layer
        if layer.is_edge:
            return 0.0  # the skip lives
        if isinstance(layer, Dropout) and layer.dropped_value:
            lives = 1.0  # what it puts in place of entries is not zero
        fed = step if layer.weights is not None else before
        if layer.activation is None or fed is None or fed.layer.weights is None or not _can_die(fed):
            continue
        if not np.any(layer.activation.value(-layer.activation.unit * np.array([1e-3, 1.0, 1e3]))):
            lives *= 1 - 0.5**step.fan_out
    return 1 - lives


def _can_die(step: Step) -> bool:
    layer = step.layer
    if not isinstance(layer, Dense) or getattr(layer.weights, "mean", 1.0) != 0:
        return False
    return isinstance(layer.bias, Constant) and layer.bias.value == 0


def _expand(width: Fluctuation | None) -> float | None:
    if width is None or width.shift is None or width.of_batch is None:
        return None
    if width.shift < _LEAST_SHIFT or width.unknown > _LARGEST_UNKNOWN:
        return None
    return math.log1p(width.shift) - width.of_batch / 2


def _slopes(step: Step) -> tuple[float, float] | None:
    """Left and right of 0, of a dense layer whose steps are independent; None of any other."""
    layer = step.layer
    if not isinstance(layer, Dense) or not isinstance(layer.weights, Normal) or layer.weights.mean:
        return None
    if not isinstance(layer.bias, Constant) or layer.bias.value:
        return None
    if layer.activation.is_linear:
        return 1.0, 1.0
    if layer.activation.degree != 1:
        return None
    left, right = layer.activation.derivative(np.array([-1.0, 1.0])).tolist()
    return left, right


def _walk_forward(
    spec: NetworkSpec, batch: int, slopes: list[tuple[float, float]], outputs: list[Fluctuation]
) -> Drifts:
    features = spec.input.features
    drift = 0.0
    found: Drifts = []
    if spec.input.distribution == "normal":
        if spec.input.mean:
            return [_expand(each) for each in outputs]
        drift = expected_log(features, (1.0, 1.0)) / batch
    last = Fluctuation(0.0, 0.0, of_batch=0.0)
    for step, pair, width in zip(spec.steps, slopes, outputs, strict=True):
        drift += expected_log(step.fan_out, pair) * _share(last, width)
        found.append(drift)
        last = width
    return found


def _walk_backward(spec: NetworkSpec, slopes: list[tuple[float, float]], gradients: list[Fluctuation]) -> Drifts:
    """From the output: phi' meets a gradient of known size, and weights bring it to the units before."""
    drift = 0.0
    found: Drifts = [0.0]
    for k in range(len(spec.steps) - 1, 0, -1):
        step = spec.steps[k]
        of_step = expected_log(step.fan_out, slopes[k]) - expected_log(step.fan_out, (1.0, 1.0))
        of_step += expected_log(step.fan_in, (1.0, 1.0))
        drift += of_step * _share(gradients[k], gradients[k - 1])
        found.append(drift)
    return found[::-1]


def _share(before: Fluctuation, after: Fluctuation) -> float:
    """What of one sample's variance in a step the mean over the batch keeps."""
    step = after.variance - before.variance
    if step <= 0:
        return 1.0
    return min(max(((after.of_batch or 0.0) - (before.of_batch or 0.0)) / step, 0.0), 1.0)


@lru_cache(maxsize=1024)
def expected_log(width: int, slopes: tuple[float, float]) -> float:
    """E ln of the mean of n independent phi(u)^2 over E[phi^2], given that it is not 0; u ~ N(0, 1), slopes of phi.

    By Frullani's integral, E ln S = integral of (exp(-t) - E[exp(-t S)])/t over t > 0.

    >>> round(expected_log(2, (1.0, 1.0)), 12)  # of chi^2_2/2, minus Euler's constant
    -0.577215664902
    """
    squares = np.square(slopes)
    scale = squares.mean() * width
    x = np.arange(-45.0, 160.0, 1 / 32)
    t = np.exp(x)
    with np.errstate(over="ignore"):
        transform = (
            0.5 / np.sqrt(1 + 2 * t * squares[0] / scale) + 0.5 / np.sqrt(1 + 2 * t * squares[1] / scale)
        ) ** width
    dead = 0.5**width if not squares.all() else 0.0
    alive = (transform - dead) / (1 - dead)
    return float((np.exp(-t) - alive).sum() / 32)
