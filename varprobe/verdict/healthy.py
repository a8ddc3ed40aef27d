"""What a healthy network shows by itself, so that it is not taken for a fault."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from varprobe.network.special import normal_cdf

# Deeper layers hardly differ: 1 - c falls as 9 pi^2/(2 l^2).
_DEEPEST = 2000
_CORRELATIONS = [0.0]


@cache
def healthy_dead_share(depth: int, batch: int) -> float:
    """The share of units that are zero for a whole batch in layer `depth` (from 1) of a wide He relu network.

    Samples that start uncorrelated have correlation c_l in z_l, by the arc-cosine map of Cho and Saul (2009):
    c' = (sqrt(1 - c^2) + c (pi - arccos c)) / pi. A unit is dead if all of its batch, Gaussians with pairwise
    correlation c, are negative: E[Phi(-sqrt(c/(1 - c)) u)^batch], u ~ N(0, 1).

    >>> round(healthy_dead_share(10, 64), 2)
    0.17
    """
    correlation = _correlation(min(depth, _DEEPEST))
    u = np.linspace(-9.0, 9.0, 3601)
    density = np.exp(-u * u / 2) / math.sqrt(2 * math.pi) * (u[1] - u[0])
    negative = normal_cdf(-math.sqrt(correlation / (1 - correlation)) * u)
    return float(density @ negative**batch)


def _correlation(depth: int) -> float:
    """c_l of two samples in a wide He relu network, uncorrelated at the input."""
    while len(_CORRELATIONS) < depth:
        last = _CORRELATIONS[-1]
        angle = math.acos(last)
        _CORRELATIONS.append((math.sin(angle) + last * (math.pi - angle)) / math.pi)
    return _CORRELATIONS[depth - 1]
