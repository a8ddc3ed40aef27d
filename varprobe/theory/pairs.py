"""How far apart two samples stay: the correlation map, written for the difference so that nothing cancels.

For a pair (u1, u2) of Gaussians with mean m, variance v and covariance v - d, `pair_spread` gives
E[phi(u1)^2] - E[phi(u1) phi(u2)] = E[(phi(u1) - phi(u2))^2]/2, the sample variance behind the activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from varprobe.spec.activations import Activation
from varprobe.spec.gaussian import expectations
from varprobe.spec.special import Array

_Y_NODES, _Y_WEIGHTS = np.polynomial.legendre.leggauss(12)
_X_NODES, _X_WEIGHTS = np.polynomial.legendre.leggauss(16)
_Y_EDGES = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0])
_X_EDGES = np.concatenate([-np.array([9, 6.5, 5, 4, 3, 2, 1.0]), [0.0], np.array([1.0, 2, 3, 4, 5, 6.5, 9])])
_X_MARKS = np.array([-16, -8, -4, -2, -1, 1, 2, 4, 8, 16.0])


def pair_spread(activation: Activation, mean: float, variance: float, difference: float) -> float:
    """E[(phi(u1) - phi(u2))^2]/2 for Gaussians with that mean and variance and covariance variance - difference."""
    if difference <= 0 or variance <= 0:
        return 0.0
    if activation.degree == 1 and mean == 0:
        return _homogeneous(activation, variance, difference)
    if activation.name == "erf" and mean == 0:
        return _erf(variance, difference)
    if activation.name in ("sin", "cos"):
        return _oscillating(activation, mean, variance, difference)
    if difference < 1e-11 * variance:
        return difference * expectations(activation, mean, variance).derivative_second_moment
    return _by_quadrature(activation.value, activation.kinks, mean, variance, difference)


def derivative_covariance(activation: Activation, level_mean: float, variance: float, difference: float) -> float:
    """E[phi'(u1) phi'(u2)] of the same pair."""
    second = expectations(activation, level_mean, variance).derivative_second_moment
    if difference <= 0 or activation.name == "linear":
        return second
    return second - _by_quadrature(activation.derivative, activation.kinks, level_mean, variance, difference)


def _homogeneous(activation: Activation, variance: float, difference: float) -> float:
    """phi(x) = a x + b max(x, 0): the arc-cosine kernel (Cho and Saul 2009), by its angle."""
    left, right = activation.value(np.array([-1.0, 1.0]))
    a = -float(left)
    b = float(right) - a
    angle = 2 * math.asin(math.sqrt(min(1.0, difference / (2 * variance))))
    rest = angle**3 / 3 - angle**5 / 30 + angle**7 / 840 if angle < 0.02 else math.sin(angle) - angle * math.cos(angle)
    relu = difference / 2 - variance * rest / (2 * math.pi)
    return a * (a + b) * difference + b * b * relu


def _erf(variance: float, difference: float) -> float:
    """(2/pi) (asin A - asin B) with A = 2 v/(1 + 2 v) and B that of the covariance (Williams 1998)."""
    top, low = 2 * variance / (1 + 2 * variance), 2 * (variance - difference) / (1 + 2 * variance)
    gap = 2 * difference / (1 + 2 * variance)
    sine = gap * (top + low) / (top * math.sqrt(1 - low**2) + low * math.sqrt(1 - top**2)) if low > 0 else None
    if sine is None:
        return 2 / math.pi * (math.asin(top) - math.asin(low))
    cosine = math.sqrt((1 - top**2) * (1 - low**2)) + top * low
    return 2 / math.pi * math.atan2(sine, cosine)


def _oscillating(activation: Activation, mean: float, variance: float, difference: float) -> float:
    """From E[cos(u1 - u2)] and E[cos(u1 + u2)]."""
    f = float(activation.arguments["frequency"])
    sign = 1.0 if activation.name == "sin" else -1.0
    near = -math.expm1(-f * f * difference) / 2
    far = math.cos(2 * f * mean) * math.exp(-2 * f * f * variance) * math.expm1(min(f * f * difference, 700.0)) / 2
    return near + sign * far


def _by_quadrature(
    function: Callable[[Array], Array], kinks: tuple[float, ...], mean: float, variance: float, difference: float
) -> float:
    """With u1 = x + y, u2 = x - y: x ~ N(m, v - d/2), y ~ N(0, d/2); the inner panels are split at kink -+ y."""
    std_x, std_y = math.sqrt(variance - difference / 2), math.sqrt(difference / 2)
    half_y = np.diff(_Y_EDGES)[:, None] / 2
    u_y = (_Y_EDGES[:-1, None] + half_y + half_y * _Y_NODES).ravel()
    weight_y = 2 * (half_y * _Y_WEIGHTS).ravel() * np.exp(-u_y * u_y / 2) / math.sqrt(2 * math.pi)
    y = std_y * u_y
    edges = _inner_edges(kinks, mean, std_x, y)
    half = np.diff(edges, axis=1)[:, :, None] / 2
    u = edges[:, :-1, None] + half + half * _X_NODES
    weight = half * _X_WEIGHTS * np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    x, shift = mean + std_x * u, y[:, None, None]
    gap = function(x + shift) - function(x - shift)
    return float(weight_y @ np.einsum("ijk,ijk->i", weight, gap * gap)) / 2


def _inner_edges(kinks: tuple[float, ...], mean: float, std: float, y: Array) -> Array:
    """Break points in u for every y: fixed ones, those on the scale of the function, and the kinks moved by -+ y."""
    marks = np.array([0.0, *kinks])
    fixed = np.concatenate([_X_EDGES, ((marks[:, None] + _X_MARKS) - mean).ravel() / std])
    moved = np.concatenate([(marks[:, None] - mean + sign * y) / std for sign in (-1.0, 1.0)])
    points = np.concatenate([np.broadcast_to(fixed, (len(y), fixed.size)), moved.T], axis=1)
    return np.sort(np.clip(points, _X_EDGES[0], _X_EDGES[-1]), axis=1)
