"""Where a layer that is repeated for ever leads: fixed point, phase, depth scales."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from varprobe.gaussian.correlation_map import pair_spread
from varprobe.gaussian.expectations import Expectations, expectations
from varprobe.network.activations import Activation
from varprobe.network.laws import FromFile, Lsuv
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec
from varprobe.theory.extended_float import ZERO
from varprobe.theory.layer_maps import map_affine
from varprobe.theory.records import FixedPoint, SignalMoments

# |ln chi1| below this is called the edge of chaos: the gradient then changes e-fold in over a thousand layers.
EDGE = 1e-3
_HIGHEST = 1e30
# The search for a fixed point goes in steps of this factor, each of them longer: roots lie on the scale of phi's bend.
_FIRST_STRIDE, _STRETCH = 1.3, 1.1
# A second moment below this is 0: near a critical point rounding decides whether q grows or falls.
_NOTHING = 1e-15


def find_fixed_point(spec: NetworkSpec, start: float) -> FixedPoint | None:
    """Of the dense layer that most of the trunk repeats, from second moment `start`; None where there is none."""
    if any(step.layer.weights is None for step in spec.steps):
        return None
    square = [step for step in spec.steps if step.fan_in == step.fan_out]
    if not square:
        return None
    counts = Counter(id(step.layer) for step in square)  # copies of a layer share its record
    step = max(square, key=lambda step: counts[id(step.layer)])
    layer, width = step.layer, step.fan_in
    assert isinstance(layer, Dense)
    if isinstance(layer.weights, (FromFile, Lsuv)) or isinstance(layer.bias, FromFile):
        return None
    return _of_layer(_Map(layer, width), start)


class _Map:
    """q -> sw2 E[phi^2] + sb2 of one layer, and its kin."""

    def __init__(self, layer: Dense, width: int) -> None:
        self.activation: Activation = layer.activation
        none = map_affine(layer, SignalMoments(ZERO, ZERO, ZERO, gaussian=True), width, width)
        self.bias_mean, self.bias_second = float(none.mean), float(none.second_moment)
        self.sw2 = width * (layer.weights.variance(width, width) or 0.0)

    def variance(self, q: float) -> float:
        return max(q - self.bias_mean**2, 0.0)

    def expect(self, q: float) -> Expectations:
        return expectations(self.activation, self.bias_mean, self.variance(q))

    def next(self, q: float) -> float:
        return self.sw2 * self.expect(q).second_moment + self.bias_second

    def chi1(self, q: float) -> float:
        return self.sw2 * self.expect(q).derivative_second_moment

    def sample_variance(self, q: float, difference: float) -> float:
        return self.sw2 * pair_spread(self.activation, self.bias_mean, self.variance(q), difference)


def _of_layer(layer: _Map, start: float) -> FixedPoint:
    q = _attractor(layer, max(start, layer.bias_second, 1e-12))
    chi1 = layer.chi1(min(max(q, _NOTHING), _HIGHEST))
    edge = abs(chi1 - 1) < EDGE
    regime = "edge of chaos" if edge else "ordered" if chi1 < 1 else "chaotic"
    xi_gradient = None if edge else _scale(min(chi1, 1 / chi1)) if chi1 else 0.0
    if q >= _HIGHEST:
        # What limits the depth is size: samples need not drift apart, as in a linear network they do not.
        limit = None if edge or xi_gradient is None else 6 * xi_gradient
        return FixedPoint(regime if edge else "exploding", math.inf, chi1, None, None, xi_gradient, limit)
    at = max(q, _NOTHING)
    xi_q = _scale(layer.sw2 * layer.expect(at).slope)
    xi_c = None if edge else _scale(chi1 if chi1 < 1 else _correlation_slope(layer, at))
    trainable = None if xi_c is None else 6 * xi_c
    return FixedPoint(regime, q if q > _NOTHING else 0.0, chi1, xi_q, xi_c, xi_gradient, trainable)


def _scale(factor: float) -> float | None:
    """Layers for a factor e of decay at that factor a layer; None where it does not decay."""
    if factor <= 0:
        return 0.0
    return -1 / math.log(factor) if factor < 1 - 1e-9 else None


def _attractor(layer: _Map, start: float) -> float:
    """The fixed point that the iteration reaches from `start`: 0, the next root up or down, or infinity."""
    ahead = layer.next(start)
    if abs(ahead - start) <= 1e-12 * start:
        return start
    up = ahead > start
    near, far, stride = start, start, _FIRST_STRIDE
    lowest = min(_NOTHING, start) / 10
    while lowest < far < _HIGHEST:
        far = far * stride if up else far / stride
        if (layer.next(far) > far) != up:
            return _root(layer, near, far)
        near, stride = far, stride**_STRETCH
    return _HIGHEST if up else 0.0


def _root(layer: _Map, near: float, far: float) -> float:
    low, high = math.log(min(near, far)), math.log(max(near, far))
    rising = layer.next(math.exp(low)) > math.exp(low)
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        q = math.exp(middle)
        low, high = (middle, high) if (layer.next(q) > q) == rising else (low, middle)
    return math.exp((low + high) / 2)


def _correlation_slope(layer: _Map, q: float) -> float:
    """Slope of the correlation map at its fixed point below 1, by bisection and a symmetric difference.

    Two samples drift apart from close by and together from opposite ends: in between is one point where they stay.
    """
    variance = layer.variance(q)
    low, high = math.log(1e-9 * variance), math.log(2 * variance)
    while high - low > 1e-12:
        middle = (low + high) / 2
        difference = math.exp(middle)
        low, high = (middle, high) if layer.sample_variance(q, difference) > difference else (low, middle)
    difference = math.exp((low + high) / 2)
    step = 1e-4 * min(difference, 2 * variance - difference)
    above, below = layer.sample_variance(q, difference + step), layer.sample_variance(q, difference - step)
    return float(np.clip((above - below) / (2 * step), 0.0, None))
