"""What a draw from a law looks like: the moments that tests compare with, and how far those of a draw scatter."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.laws import Constant, Identity, Law, Normal, Orthogonal, Sparse, TruncatedNormal, Uniform


@dataclass(frozen=True)
class LawMoments:
    """Moments of one entry; the higher ones are central and in units of the standard deviation.

    Attributes:
        low, high: the support; infinite where it has no end.
        pattern: `orthogonal` or `identity` where the rows show it, else empty.
        zeros: share of entries that are exactly zero by construction.
    """

    mean: float
    std: float
    kurtosis: float
    sixth: float
    eighth: float
    low: float = -math.inf
    high: float = math.inf
    pattern: str = ""
    zeros: float = 0.0

    @property
    def kurtosis_scatter(self) -> float:
        """Variance of a sample's kurtosis times its size, by the delta method: 24 for a normal law."""
        return self.eighth - self.kurtosis**2 - 4 * self.kurtosis * self.sixth + 4 * self.kurtosis**3


# Where normal laws are cut, in standard deviations: from nearly uniform to nearly not.
_REACHES = (0.01, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
_NORMAL, _UNIFORM = (3.0, 15.0, 105.0), (1.8, 27 / 7, 9.0)


def moments_of(law: Law, fan_in: int, fan_out: int) -> LawMoments | None:
    """The moments of an entry of a (fan_out, fan_in) matrix, a kernel's being (outputs, inputs * kernel); None for laws
    that depend on data.

    Source: elementary integrals; cut normal laws by quadrature.

    >>> moments_of(Uniform(-3.0, 3.0), 8, 8).kurtosis
    1.8
    """
    match law:
        case Normal(std, mean):
            return LawMoments(mean, std, *_NORMAL) if std else moments_of(Constant(mean), fan_in, fan_out)
        case Uniform(low, high):
            return LawMoments(law.mean, (high - low) / math.sqrt(12), *_UNIFORM, low, high)
        case TruncatedNormal(std, low, high, centre):
            if not std:
                return moments_of(Constant(centre), fan_in, fan_out)
            mean, spread, *higher = _cut((low - centre) / std, (high - centre) / std)
            return LawMoments(centre + std * mean, std * spread, higher[0], higher[1], higher[2], low, high)
        case Constant(value):
            return LawMoments(value, 0.0, math.nan, math.nan, math.nan, value, value)
        case Orthogonal(gain):
            largest = abs(gain)
            std = largest / math.sqrt(max(fan_in, fan_out))
            # An entry of a random unit vector: its kurtosis is 3n/(n + 2).
            n = max(fan_in, fan_out)
            higher = [3 * n / (n + 2), 15 * n**2 / ((n + 2) * (n + 4)), 105 * n**3 / ((n + 2) * (n + 4) * (n + 6))]
            return LawMoments(0.0, std, higher[0], higher[1], higher[2], -largest, largest, "orthogonal")
        case Identity(gain):
            share = 1 / max(fan_in, fan_out)
            low, high = min(gain, 0.0), max(gain, 0.0)
            variance = gain**2 * share * (1 - share)
            nan = math.nan
            return LawMoments(gain * share, math.sqrt(variance), nan, nan, nan, low, high, "identity", 1 - share)
        case Sparse(std, _):
            zeros = law.zeros(fan_out) / fan_out
            kept = 1 - zeros
            if not kept or not std:
                return moments_of(Constant(0.0), fan_in, fan_out)
            higher = [moment / kept ** (order / 2 - 1) for moment, order in zip(_NORMAL, (4, 6, 8), strict=True)]
            return LawMoments(0.0, std * math.sqrt(kept), higher[0], higher[1], higher[2], zeros=zeros)
        case _:
            return None


def scatter_of_kurtosis(kurtosis: float) -> float:
    """Variance of a sample's kurtosis times its size, for a symmetric law that has this one.

    Of normal laws, cut where it is below 3, and with so many zeros where it is above.

    >>> round(scatter_of_kurtosis(3.0)), round(scatter_of_kurtosis(1.8), 2)
    (24, 1.32)
    """
    if kurtosis >= 3:
        share = 3 / kurtosis
        return LawMoments(0.0, 1.0, kurtosis, 15 / share**2, 105 / share**3).kurtosis_scatter
    found = [LawMoments(0.0, 1.0, *_cut(-reach, reach)[2:]) for reach in _REACHES]
    return float(np.interp(kurtosis, [one.kurtosis for one in found], [one.kurtosis_scatter for one in found]))


@cache
def _cut(low: float, high: float) -> tuple[float, float, float, float, float]:
    """Mean, standard deviation, and standardised fourth, sixth and eighth moment of N(0, 1) cut to low..high."""
    anchor = min(max(0.0, low), high)
    edges = np.linspace(max(low, anchor - 40.0), min(high, anchor + 40.0), 129)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half + half * nodes).ravel()
    density = (half * weights).ravel() * np.exp(-(x - anchor) * (x + anchor) / 2)
    density /= density.sum()
    mean = float(density @ x)
    std = math.sqrt(float(density @ (x - mean) ** 2))
    unit = (x - mean) / std
    fourth, sixth, eighth = (float(density @ unit**order) for order in (4, 6, 8))
    return mean, std, fourth, sixth, eighth
