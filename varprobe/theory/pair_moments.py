"""What an activation makes of two samples together: expectations over pairs of Gaussians, as power series.

With f(m + s u) = sum of f_k He_k(u)/sqrt(k!) two samples of correlation c have E[f(u1) g(u2)] = sum of f_k g_k c^k
(Mehler's formula). What the series leaves out is put at its last power, so that c = 1 is exact.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import Expectations, sample
from varprobe.gaussian.quadrature import Vector
from varprobe.network.activations import Activation

_ORDERS = 48


@dataclass(frozen=True)
class PairMoments:
    """Of phi over two samples, as coefficients of powers of their correlation.

    Attributes:
        squares: E[phi1^2 phi2^2] / E[phi^2]^2.
        steepness: E[phi'1^2 phi'2^2] / E[phi'^2]^2.
        overlap: E[phi1^2 phi'2^2] / (E[phi^2] E[phi'^2]).
        slopes: E[phi'1 phi'2] / E[phi'^2].
    """

    squares: Vector
    steepness: Vector
    overlap: Vector
    slopes: Vector

    def at(self, mean: float, size: float) -> tuple[float, float, float, float]:
        """The four at a correlation that varies: its mean and its root mean square."""
        powers = size ** np.arange(_ORDERS + 1)
        if mean != size:
            powers[1::2] = mean * powers[:-1:2]
        squares, steepness, overlap = (float(row @ powers) for row in (self.squares, self.steepness, self.overlap))
        return squares, steepness, overlap, float(self.slopes @ powers[:-1])


@lru_cache(maxsize=4096)
def pair_moments(activation: Activation, mean: float, variance: float, known: Expectations) -> PairMoments:
    """The series of one activation over N(mean, variance), whose `known` expectations are their ends."""
    u, weight, value, derivative = sample(activation, mean, math.sqrt(variance))
    orders = np.empty((_ORDERS, u.size))
    orders[0], orders[1] = weight, weight * u
    for k in range(2, _ORDERS):
        orders[k] = (u * orders[k - 1] - math.sqrt(k - 1) * orders[k - 2]) / math.sqrt(k)
    square, steep = orders @ np.square(value), orders @ np.square(derivative)
    second, flat = known.second_moment, known.derivative_second_moment
    slopes = np.arange(_ORDERS + 1)[1:] * np.append(np.square(orders @ value), 0.0)[1:] / (variance * flat)
    slopes[-1] = max(1 - slopes[:-1].sum(), 0.0)
    return PairMoments(
        _close(square * square / second**2, known.fourth_moment / second**2),
        _close(steep * steep / flat**2, known.derivative_fourth_moment / flat**2),
        _close(square * steep / (second * flat), known.product_moment / (second * flat)),
        slopes,
    )


def _close(series: Vector, total: float) -> Vector:
    """The series with one term more, so that it adds up to what it is at correlation 1."""
    return np.append(series, total - series.sum())
