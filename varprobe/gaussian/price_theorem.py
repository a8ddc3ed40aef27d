"""What the kinks of an activation take from a pair of Gaussians, by Price's theorem."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from varprobe.gaussian.quadrature import Vector, legendre
from varprobe.network.activations import Activation

# exp(-_WIDTH^2) of the largest value is where an integrand ends.
_WIDTH = 6.3


def integrate_kinks(
    activation: Activation, mean: float, variance: float, difference: float, *, integrated: bool
) -> float:
    """How far E[phi'(u1) phi'(u2)] has fallen at that difference by the jumps of phi', or the integral of that.

    Price (1958): d E[f(u1) f(u2)]/dc = E[f'(u1) f'(u2)]. With jumps J_i of phi' at k_i the right side for f = phi' is
    the sum of J_i J_j p(k_i, k_j), p the density of the pair. At covariance c = v cos(t) the integral over c is

        1/(2 pi) int_0^T exp(-X/cos^2(t/2) - Y/sin^2(t/2)) dt,  X = (k_i + k_j - 2 m)^2/(8 v),  Y = (k_i - k_j)^2/(8 v),

    with v - v cos(T) the difference. Integrated once more, a factor v (cos(t) - cos(T)) stands under the integral.
    """
    sums, gaps, products = _pair_kinks(activation)
    shrink = 1 / math.sqrt(8 * variance)
    root_x, root_y = np.abs(sums - 2 * mean) * shrink, gaps * shrink
    top = 2 * math.asin(math.sqrt(min(1.0, difference / (2 * variance))))
    # The exponent is (root_x tan(t/2) - root_y/tan(t/2))^2 above its least value: these angles are all that counts.
    reach = _WIDTH + np.sqrt(_WIDTH**2 + 4 * root_x * root_y)
    low = np.minimum(2 * np.arctan2(2 * root_y, reach), top)[:, None]
    high = np.minimum(2 * np.arctan2(reach, 2 * root_x), top)[:, None]
    # t = scale sinh(stretch) follows exp(-Y/sin^2), which rises at t = 2 root_y, however small that is.
    scale = np.where(root_y > 0, np.minimum(root_y, 1.0), 1.0)[:, None]
    start, end = np.arcsinh(low / scale), np.arcsinh(high / scale)
    nodes, weights = _crowd_nodes()
    stretch = start + (end - start) * nodes
    t = scale * np.sinh(stretch)
    density = np.exp(-np.square(root_x[:, None] / np.cos(t / 2)) - np.square(root_y[:, None] / np.sin(t / 2)))
    if integrated:
        density *= 2 * variance * np.sin((top + t) / 2) * np.sin((top - t) / 2)
    density *= scale * np.cosh(stretch) * (end - start)
    return float(products @ (density @ weights)) / (2 * math.pi)


@cache
def _pair_kinks(activation: Activation) -> tuple[Vector, Vector, Vector]:
    """For every pair of kinks their sum, their distance and the product of their jumps (both orders at once)."""
    kinks = np.array(activation.kinks)
    after, before = (activation.derivative(np.nextafter(kinks, end)) for end in (math.inf, -math.inf))
    one, two = np.triu_indices(len(kinks))
    twice = np.where(one == two, 1.0, 2.0)
    jumps = after - before
    return kinks[one] + kinks[two], np.abs(kinks[one] - kinks[two]), twice * jumps[one] * jumps[two]


@cache
def _crowd_nodes() -> tuple[Vector, Vector]:
    """A rule on (0, 1) that is densest at 1, where exp(-X/cos^2) falls."""
    nodes, weights = legendre(64)
    rest = (1 - nodes) / 2
    return 1 - rest * rest, rest * weights
