"""How far apart two samples stay: the correlation map, written for the difference so that nothing cancels.

For a pair (u1, u2) of Gaussians with mean m, variance v and covariance v - d, `pair_spread` gives
E[phi(u1)^2] - E[phi(u1) phi(u2)] = E[(phi(u1) - phi(u2))^2]/2, the sample variance behind the activation.

The first of these that applies is taken: a closed form; the Hermite expansion where phi is smooth on the scale of
the Gaussian; the Fourier series of a wave; Price's theorem where phi is straight between its kinks; the plane of both
Gaussians.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from varprobe.gaussian.expectations import expectations, find_side_slopes
from varprobe.gaussian.fourier_series import integrate_wave_slopes, integrate_waves
from varprobe.gaussian.plane_quadrature import integrate_over_plane
from varprobe.gaussian.price_theorem import integrate_kinks
from varprobe.gaussian.quadrature import Vector, table_for
from varprobe.network.activations import Activation, ErrorFunction, Wave

# Below this share of the variance the spread is linear in the difference, to rounding but for what the kinks do.
_LINEAR = 1e-11
# Standard deviations, in units, beyond which Price's theorem takes the spread of a bounded function from a difference
# of numbers that are larger by as much.
_CANCELS = 1e4
# No pair is further apart than one of opposite samples, in variances; what batch norm takes out can round beyond.
_OPPOSITE = 2.0
# Squared units below which the closed form of cos would cancel.
_WAVES = 0.01


def pair_spread(activation: Activation, mean: float, variance: float, difference: float) -> float:
    """E[(phi(u1) - phi(u2))^2]/2 for Gaussians with that mean and variance and covariance variance - difference.

    >>> from varprobe.network.activations import make_activation
    >>> round(pair_spread(make_activation("relu"), 0.0, 2.0, 2.0), 12) == round(1 - 1 / math.pi, 12)
    True
    """
    if difference <= 0 or variance <= 0:
        return 0.0
    if math.isinf(variance):
        return math.inf
    difference = min(difference, _OPPOSITE * variance)
    return _spread(activation, mean, variance, difference)


def derivative_covariance(activation: Activation, level_mean: float, variance: float, difference: float) -> float:
    """E[phi'(u1) phi'(u2)] of the same pair."""
    if difference <= 0 or activation.is_linear:
        return expectations(activation, level_mean, variance).derivative_second_moment
    difference = min(difference, _OPPOSITE * variance)
    return _covariance(activation, level_mean, variance, difference)


@lru_cache(maxsize=65536)
def _spread(activation: Activation, mean: float, variance: float, difference: float) -> float:
    slopes = find_side_slopes(activation, mean, variance)
    if slopes is not None:
        return _two_lines(*slopes, variance, difference)
    known = activation.elementary
    if isinstance(known, ErrorFunction) and mean == 0:
        return _erf(variance, difference)
    if isinstance(known, Wave) and variance > _WAVES * activation.unit**2:
        return _oscillating(known, activation.unit, mean, variance, difference)
    squares = _hermite_squares(activation, mean, variance)
    if squares is not None:
        return float(squares[1:] @ _lost(variance, difference, squares.size)[1:])
    if activation.period is not None:
        return integrate_waves(activation, activation.period, mean, variance, difference)
    bounded = activation.far is None and variance > (_CANCELS * activation.unit) ** 2
    if (activation.straight and not bounded) or difference < _LINEAR * variance:
        flat = expectations(activation, mean, variance).derivative_second_moment
        return difference * flat - integrate_kinks(activation, mean, variance, difference, integrated=True)
    return integrate_over_plane(activation.value, activation, mean, variance, difference)


@lru_cache(maxsize=65536)
def _covariance(activation: Activation, mean: float, variance: float, difference: float) -> float:
    squares = _hermite_squares(activation, mean, variance)
    if squares is not None:
        orders = np.arange(1, squares.size)
        return float((orders * squares[1:]) @ (1 - _lost(variance, difference, squares.size)[:-1])) / variance
    second = expectations(activation, mean, variance).derivative_second_moment
    if isinstance(activation.elementary, Wave):
        other = replace(activation.elementary, even=not activation.elementary.even)
        return second - _oscillating(other, activation.unit, mean, variance, difference) / activation.unit**2
    if activation.period is not None:
        return second - integrate_wave_slopes(activation, activation.period, mean, variance, difference)
    if activation.straight or difference < _LINEAR * variance:
        return second - integrate_kinks(activation, mean, variance, difference, integrated=False)
    return second - integrate_over_plane(activation.derivative, activation, mean, variance, difference)


@lru_cache(maxsize=1024)
def _hermite_squares(activation: Activation, mean: float, variance: float) -> Vector | None:
    """c_k^2 with phi(m + s u) = sum of c_k He_k(u)/sqrt(k!), so that E[phi(u1) phi(u2)] = sum of c_k^2 rho^k."""
    std = math.sqrt(variance)
    table = table_for(activation.strip, std)
    if table is None:
        return None
    change = activation.value(mean + std * table.u) - activation.value(np.array([mean]))
    return np.square(table.hermite @ change)


def _lost(variance: float, difference: float, count: int) -> Vector:
    """1 - rho^k for k = 0, 1, ..., with rho = 1 - difference/variance (Mehler's formula)."""
    orders = np.arange(count)
    share = difference / variance
    if share < 0.5:
        return -np.expm1(orders * math.log1p(-share))
    return np.asarray(1 - (1 - share) ** orders)


def _two_lines(left: float, right: float, variance: float, difference: float) -> float:
    """phi(x) = a x + b max(x, 0): the arc-cosine kernel (Cho and Saul 2009), by its angle."""
    a, b = left, right - left
    angle = 2 * math.asin(math.sqrt(min(1.0, difference / (2 * variance))))
    rest = angle**3 / 3 - angle**5 / 30 + angle**7 / 840 if angle < 0.02 else math.sin(angle) - angle * math.cos(angle)
    relu = difference / 2 - variance * rest / (2 * math.pi)
    return a * (a + b) * difference + b * b * relu


def _erf(variance: float, difference: float) -> float:
    """(2/pi) (asin A - asin B) with A = 2 v/(1 + 2 v) and B that of the covariance (Williams 1998)."""
    top, low = 2 * variance / (1 + 2 * variance), 2 * (variance - difference) / (1 + 2 * variance)
    gap = 2 * difference / (1 + 2 * variance)
    # sqrt(1 - top^2) and sqrt(1 - low^2), which would cancel for large v.
    root_top = math.sqrt(1 + 4 * variance) / (1 + 2 * variance)
    root_low = math.sqrt(max((1 + 2 * difference) * (1 + 4 * variance - 2 * difference), 0.0)) / (1 + 2 * variance)
    if low <= 0:
        return 2 / math.pi * (math.atan2(top, root_top) - math.atan2(low, root_low))
    sine = gap * (top + low) / (top * root_low + low * root_top)
    cosine = root_top * root_low + top * low
    return 2 / math.pi * math.atan2(sine, cosine)


def _oscillating(wave: Wave, unit: float, mean: float, variance: float, difference: float) -> float:
    """sin and cos of u/unit, from E[cos(u1 - u2)] and E[cos(u1 + u2)]."""
    m, v, d = mean / unit, variance / unit**2, difference / unit**2
    near = -math.expm1(-d) / 2
    # Two factors have the digits of small d, one does not overflow.
    grown = math.exp(-2 * v) * math.expm1(d) if d < 700 else math.exp(d - 2 * v)
    far = math.cos(2 * m) * grown / 2
    return near - far if wave.even else near + far
