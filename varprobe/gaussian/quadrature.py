"""Quadrature over the Gaussian: the trapezoidal rule for smooth functions, panels for those with kinks.

A function that is analytic up to a distance `strip` from the real axis has a Fourier transform that falls like
exp(-strip w), so the trapezoidal rule and the expansion in Hermite polynomials both converge exponentially
(Trefethen and Weideman, SIAM Review 56, 2014). Kinks end that: there Gauss-Legendre panels are split at the kinks.
Over a Gaussian that spans many periods of a wave the trapezoidal rule goes in strides of periods and a fraction.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass

Vector = NDArray[np.float64]

# Strips in standard deviations that have a table; below the last the function is too sharp for one.
STRIPS = (8.0, 4.0, 2.0, 1.0, 0.5)
# Beyond these standard deviations nothing counts; in the tails of flat functions nothing but underflow ends it.
REACH = 12.0
_IN_SD = (-REACH, -8.0, -5.0, -2.5, 0.0, 2.5, 5.0, 8.0, REACH)
_IN_FAR_SD = tuple(float(u) for u in range(-38, 39, 2))
# In how many places strides meet a period: a prime, so that strides of any length but its multiples meet them all.
PHASES = 61


@dataclass(frozen=True)
class QuadratureTable:
    """The trapezoidal rule for one strip.

    Attributes:
        u: nodes in standard deviations, shape (nodes,).
        weight: weights with the density in them, shape (nodes,).
        hermite: weight He_k(u)/sqrt(k!), shape (order, nodes): times phi(m + s u) it gives the coefficients of phi.
    """

    u: Vector
    weight: Vector
    hermite: Vector


def table_for(strip: float | None, std: float) -> QuadratureTable | None:
    """The rule for a function with that strip of a Gaussian with that standard deviation; None if there is none."""
    if strip is None:
        return None
    return next((_table(width) for width in STRIPS if strip >= width * std), None)


@cache
def _table(strip: float) -> QuadratureTable:
    """Squared coefficients fall like exp(-2 strip sqrt(k)); the step leaves exp(-36) of what it folds back."""
    order = 8 + round((16 / strip) ** 2)
    step = 2 * math.pi / (math.sqrt(order) + max(9.0, 36 / strip))
    count = math.ceil(REACH / step)
    u = step * np.arange(-count, count + 1, dtype=np.float64)
    weight: Vector = step / math.sqrt(2 * math.pi) * np.exp(-u * u / 2)
    hermite = np.empty((order, u.size))
    hermite[0] = weight
    hermite[1] = u * hermite[0]
    for k in range(1, order - 1):
        hermite[k + 1] = (u * hermite[k] - math.sqrt(k) * hermite[k - 1]) / math.sqrt(k + 1)
    return QuadratureTable(u, weight, hermite)


@dataclass(frozen=True)
class Strides:
    """The trapezoidal rule for a line and waves of some period.

    Attributes:
        x: nodes, shape (nodes,).
        u: the same in standard deviations from the mean.
        weight: weights with the density in them, shape (nodes,).
        phase: which of the `PHASES` equal parts of its period every node begins, from 0, shape (nodes,).
    """

    x: Vector
    u: Vector
    weight: Vector
    phase: NDArray[np.int64]


def stride(mean: float, std: float, period: float) -> Strides:
    """At most 5,800 nodes for standard deviations of any size above 12/pi/61 periods.

    The rule adds up the Fourier transform of its integrand at all multiples of 2 pi/h. Powers of a line have theirs
    within REACH/std of the harmonics n of the period, to exp(-REACH^2/2) = 5e-32. With h = period a/PHASES, a no
    multiple of PHASES, the multiples lie 2 pi/(PHASES h) or more from every harmonic with n < PHASES, and `a` is the
    largest that makes this REACH/std; at a = 1 they lie on harmonic PHASES. So what has 40 harmonics or fewer, powers
    of the function included, comes out to rounding.
    """
    parts = max(1, math.floor(2 * math.pi * std / (REACH * period)))
    parts -= parts % PHASES == 0
    step = period * parts / PHASES
    count, middle = math.ceil(REACH * std / step), round(mean / step)
    steps = np.arange(-count, count + 1)
    x = step * (middle + steps.astype(np.float64))
    u = (x - mean) / std
    weight = step / std / math.sqrt(2 * math.pi) * np.exp(u * u * -0.5)
    return Strides(x, u, weight, parts % PHASES * (steps + middle % PHASES) % PHASES)


@cache
def legendre(count: int) -> tuple[Vector, Vector]:
    """Gauss-Legendre nodes and weights on (-1, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def grade_panels(reach: float, unit: float, bent: float, ratio: float) -> Vector:
    """Distances from a bend between which a function of that scale is smooth: growing panels up to the reach.

    It is bent no further than `bent`.
    """
    end = math.log1p(min(reach, bent) / unit)
    count = max(1, math.ceil(end / math.log(ratio)))
    return unit * np.expm1(end / count * np.arange(1, count + (bent < reach)))


def split_panels(
    mean: float, std: float, bends: tuple[float, ...], unit: float = math.inf, bent: float = math.inf, *, flat: bool
) -> tuple[Vector, Vector]:
    """Nodes u and weights for N(0, 1) and functions of mean + std u that bend there, on the scale `unit`.

    `flat` says that the function is constant around the mean, so that what there is comes from the tails.
    """
    centres = [(bend - mean) / std for bend in bends]
    out = (grade_panels(REACH * std, unit, bent, 3.0) / std).tolist()
    in_sd = _IN_FAR_SD if flat and min(map(abs, centres), default=0.0) > 5 else _IN_SD
    points = {*in_sd, *centres, *(centre + sign * step for centre in centres for step in out for sign in (-1, 1))}
    edges = np.array(sorted(point for point in points if in_sd[0] <= point <= in_sd[-1]))
    nodes, weights = legendre(20)
    half = (edges[1:] - edges[:-1])[:, None] / 2
    u = (edges[:-1, None] + half + half * nodes).ravel()
    weight = (half * weights).ravel() * np.exp(u * u * -0.5) / math.sqrt(2 * math.pi)
    return u, weight
