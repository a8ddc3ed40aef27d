"""Activations, norms and dropout on scaled signals, forward and backward.

Each forward function returns the output and what its backward function needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import map_blocks
from varprobe.engine.scaled_array import ScaledArray, comfortable, compute
from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.layers import Norm

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Activated:
    """What the backward pass of an activation needs.

    `source` is None where the function is the identity. `linear` names the trials, with their slopes left and right
    of zero, in which the signal is so small or so large that the activation is linear on each side to rounding.
    """

    activation: Activation
    source: ScaledArray | None
    linear: dict[int, tuple[float, float]]


def activate(activation: Activation, z: ScaledArray) -> tuple[ScaledArray, Activated]:
    """phi(z). Homogeneous functions keep the exponent; others see the true values, or their own asymptotes."""
    linear: dict[int, tuple[float, float]] = {}
    if activation.is_linear:
        return z, Activated(activation, None, linear)
    if z.is_plain:
        return compute(activation.value, z.exponent, z.values), Activated(activation, z, linear)
    if activation.degree is not None:
        exponent = z.exponent * activation.degree
        return compute(activation.value, exponent, z.values), Activated(activation, z, linear)
    linear = _linear_trials(activation, z)
    values = map_blocks(activation.value, z.absolute())
    exponent = np.zeros_like(z.exponent)
    for trial, (left, right) in linear.items():
        values[trial] = np.where(z.values[trial] > 0, right, left) * z.values[trial]
        exponent[trial] = z.exponent[trial]
    return ScaledArray(values, exponent), Activated(activation, z, linear)


def activate_backward(memory: Activated, gradient: ScaledArray) -> ScaledArray:
    """dObjective/dz from dObjective/da."""
    activation, z = memory.activation, memory.source
    if z is None:
        return gradient
    if activation.degree is not None and not z.is_plain:
        exponent = gradient.exponent + z.exponent * (activation.degree - 1)
        return compute(_slope_times(activation), exponent, z.values, gradient.values)
    if not memory.linear:
        return compute(_slope_times(activation), gradient.exponent, z.absolute(), gradient.values)
    slopes = activation.derivative(z.absolute())
    for trial, (left, right) in memory.linear.items():
        slopes[trial] = np.where(z.values[trial] > 0, right, left)
    slopes *= gradient.values
    return ScaledArray(slopes, gradient.exponent)


def _slope_times(activation: Activation) -> Callable[[Array, Array], Array]:
    def pulled(z: Array, gradient: Array) -> Array:
        slope = activation.derivative(z)
        slope *= gradient
        return slope

    return pulled


def _linear_trials(activation: Activation, z: ScaledArray) -> dict[int, tuple[float, float]]:
    peak = z.moments.max_abs
    unit = np.log2(activation.unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.log2(peak) + z.exponent - unit
        size = np.log2(z.moments.second_moment) / 2 + z.exponent - unit
    tiny = float(np.log2(np.finfo(z.values.dtype).eps)) - 2
    found = {}
    for trial in np.flatnonzero(z.exponent):
        if activation.near is not None and top[trial] < tiny:
            found[int(trial)] = activation.near
        elif activation.far is not None and size[trial] > comfortable(z.values.dtype) - 1:
            found[int(trial)] = activation.far
    return found


@dataclass(frozen=True)
class Normalised:
    """What the backward pass of a norm needs: the normalised values and 1/r, the root with its exponent."""

    axis: int
    centred: bool
    values: Array
    inverse_root: Array
    exponent: NDArray[np.int64]
    gamma: Array | None


def normalise(norm: Norm, x: ScaledArray) -> tuple[ScaledArray, Normalised]:
    """(x - m) / sqrt(v + eps), times gamma, plus beta; v is the biased variance (rms: the second moment)."""
    axis = 1 if norm.variant == "batch" else 2
    centred = norm.variant != "rms"
    values = x.values - x.values.mean(axis=axis, keepdims=True) if centred else x.values
    square = np.square(values).mean(axis=axis, keepdims=True)
    # r = sqrt(v 4^e + eps). Where v decides, 2^e is taken out of r; where eps does, it stays in the output.
    taken = np.where(_variance_decides(norm.eps, square, x.exponent), x.exponent, 0)
    left = x.exponent - taken
    eps = np.ldexp(np.float64(norm.eps), _bound(-2 * taken))
    shrunk = np.ldexp(square.astype(np.float64), _bound(2 * left))
    inverse = (1 / np.sqrt(shrunk + eps)).astype(values.dtype)
    normal = values * inverse
    gamma = None if norm.gamma is None else norm.gamma.values.astype(values.dtype)
    out = ScaledArray(normal if gamma is None else normal * gamma, left)
    if norm.beta is not None:
        shift = np.broadcast_to(norm.beta.values.astype(values.dtype), normal.shape)
        out = out.plus(ScaledArray.plain(shift))
    return out, Normalised(axis, centred, ScaledArray(normal, left).absolute(), inverse, taken, gamma)


def _variance_decides(eps: float, square: Array, exponent: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the largest v 4^e of each trial is above eps."""
    with np.errstate(divide="ignore"):
        largest = np.log2(square.max(axis=(1, 2)).astype(np.float64)) + 2 * exponent
        return (exponent >= 0) | (largest >= np.log2(np.float64(eps)))


def _bound(exponent: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.clip(exponent, -2000, 2000).astype(np.int32).reshape(-1, 1, 1)


def normalise_backward(memory: Normalised, gradient: ScaledArray) -> ScaledArray:
    """(g - mean(g) - y mean(g y)) / r along the normalised axis, g = gamma times the gradient (rms: no mean)."""
    scaled = gradient.values if memory.gamma is None else gradient.values * memory.gamma
    along = (scaled * memory.values).mean(axis=memory.axis, keepdims=True)
    flat = scaled - memory.values * along
    if memory.centred:
        flat -= scaled.mean(axis=memory.axis, keepdims=True)
    return ScaledArray(flat * memory.inverse_root, gradient.exponent - memory.exponent)
