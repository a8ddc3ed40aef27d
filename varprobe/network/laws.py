"""The laws that weights and biases are drawn from. Engines draw them, theory reads their moments.

Every law speaks of one entry of a (fan_out, fan_in) matrix. `variance` is that of an entry, None where it is not known
before the draw; `scaled(gain)` multiplies what is drawn by gain.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass

# The standard deviation of N(0, 1) cut at +-2, and its square.
CUT_STD = 0.87962566103423978


def cut_normal_std(low: float, high: float) -> float:
    """The standard deviation of N(0, 1) cut to low..high, both in standard deviations."""
    return math.sqrt(_cut_moments(low, high)[1])


def _cut_moments(low: float, high: float) -> tuple[float, float]:
    """Mean and variance of N(0, 1) cut to low..high."""
    # By quadrature: the textbook formula cancels for narrow cuts and divides by zero in the tails.
    anchor = min(max(0.0, low), high)
    top = min(high, math.sqrt(anchor * anchor + 1500.0)) if anchor >= 0 else high
    bottom = max(low, -math.sqrt(anchor * anchor + 1500.0)) if anchor <= 0 else low
    edges = np.linspace(bottom, top, 129)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half + half * nodes).ravel()
    density = (half * weights).ravel() * np.exp(-(x - anchor) * (x + anchor) / 2)
    mass = density.sum()
    mean = float((density * x).sum() / mass)
    return mean, float((density * (x - mean) ** 2).sum() / mass)


class _InUnits:
    """A law whose numbers all are in the unit of what is drawn."""

    def scaled(self, gain: float) -> Self:
        return type(self)(*(value * gain for value in vars(self).values()))


@dataclass(frozen=True)
class Normal(_InUnits):
    """N(mean, std^2), entries independent."""

    std: float
    mean: float = 0.0

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return self.std**2


@dataclass(frozen=True)
class Uniform(_InUnits):
    """U[low, high), entries independent."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return (self.high - self.low) ** 2 / 12


@dataclass(frozen=True)
class TruncatedNormal(_InUnits):
    """N(centre, std^2) cut to low..high (absolute), entries independent. `std` is that of the uncut law."""

    std: float
    low: float
    high: float
    centre: float = 0.0

    def _standard(self) -> tuple[float, float]:
        return (self.low - self.centre) / self.std, (self.high - self.centre) / self.std

    @property
    def mean(self) -> float:
        return self.centre + self.std * _cut_moments(*self._standard())[0] if self.std else self.centre

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return self.std**2 * _cut_moments(*self._standard())[1] if self.std else 0.0


@dataclass(frozen=True)
class Constant(_InUnits):
    """The same value everywhere."""

    value: float

    @property
    def mean(self) -> float:
        return self.value

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return 0.0


@dataclass(frozen=True)
class Identity(_InUnits):
    """`gain` on the main diagonal, 0 elsewhere. The variance is that over the entries of the matrix."""

    gain: float = 1.0

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        share = 1 / max(fan_in, fan_out)
        return self.gain**2 * share * (1 - share)


@dataclass(frozen=True)
class Orthogonal(_InUnits):
    """Haar-distributed orthonormal rows or columns (whichever are fewer), times gain."""

    gain: float = 1.0
    mean = 0.0

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return self.gain**2 / max(fan_in, fan_out)


@dataclass(frozen=True)
class Sparse:
    """N(0, std^2) with ceil(sparsity fan_out) entries of each column, drawn at random, set to zero."""

    std: float
    sparsity: float
    mean = 0.0

    def zeros(self, fan_out: int) -> int:
        return math.ceil(self.sparsity * fan_out)

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return self.std**2 * (1 - self.zeros(fan_out) / fan_out)

    def scaled(self, gain: float) -> Sparse:
        return replace(self, std=self.std * gain)


@dataclass(frozen=True)
class Lsuv(_InUnits):
    """Orthogonal, then rescaled on the probe's own batch so that the layer's output has variance gain^2."""

    gain: float = 1.0

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        return None


@dataclass(frozen=True, eq=False)
class FromFile:
    """Values from a file: (fan_out, fan_in) for weights, (width,) for biases and norm parameters."""

    values: NDArray[np.floating[Any]]
    source: str

    def variance(self, fan_in: int, fan_out: int) -> float | None:
        with np.errstate(all="ignore"):
            return float(self.values.astype(np.float64).var())

    def scaled(self, gain: float) -> FromFile:
        return FromFile(self.values * gain, self.source)


Law = Normal | Uniform | TruncatedNormal | Constant | Identity | Orthogonal | Sparse | Lsuv | FromFile
