"""Gaussian expectations of an activation: what gains and mean-field theory need of it.

With h = m + sqrt(v) u, u ~ N(0, 1), the integrals run over panels that are split at the kinks and are short both on
the scale of the function (x) and on that of the Gaussian (u), so that they are good to rounding from v = 1e-8 to 1e4.
Oscillating functions have closed forms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from varprobe.errors import VarprobeError
from varprobe.spec.activations import Activation, make_activation

Vector = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# Standard deviations after which the density is below the smallest double.
_REACH = 38.0
_IN_SD = np.unique(np.concatenate([np.arange(0, 10.25, 0.5), np.arange(10, _REACH + 1, 2.0)]))
_IN_X = np.concatenate([[0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8], np.geomspace(10, 4000, 18)])


@dataclass(frozen=True)
class Expectations:
    """Expectations over h ~ N(m, v).

    Attributes:
        mean: E[phi].
        second_moment: E[phi^2].
        fourth_moment: E[phi^4].
        derivative_second_moment: E[phi'^2].
        slope: d E[phi^2] / dv.
        curvature: d^2 E[phi^2] / dv^2.
        derivative_slope, derivative_curvature: the same of E[phi'^2].
        derivative_fourth_moment: E[phi'^4].
        product_moment: E[phi^2 phi'^2].
    """

    mean: float
    second_moment: float
    fourth_moment: float
    derivative_second_moment: float
    slope: float
    curvature: float
    derivative_slope: float
    derivative_curvature: float
    derivative_fourth_moment: float
    product_moment: float

    @property
    def variance(self) -> float:
        """Var(phi)."""
        return max(self.second_moment - self.mean**2, 0.0)


@lru_cache(maxsize=65536)
def _expect(name: str, arguments: tuple[tuple[str, float], ...], mean: float, variance: float) -> Expectations:
    return _compute(make_activation(name, **dict(arguments)), mean, variance)


def expectations(activation: Activation, mean: float, variance: float) -> Expectations:
    """The expectations of one activation over N(mean, variance); remembered, since layers repeat.

    >>> from varprobe.spec.activations import make_activation
    >>> expectations(make_activation("relu"), 0.0, 2.0).second_moment
    1.0
    """
    return _expect(activation.name, tuple(activation.arguments.items()), mean, variance)


def _compute(activation: Activation, mean: float, variance: float) -> Expectations:
    if variance == 0:
        return _at_a_point(activation, mean)
    if mean == 0 and activation.degree is not None:
        return _homogeneous(activation, variance)
    if activation.name in ("sin", "cos"):
        return _oscillating(activation, mean, variance)
    return _by_quadrature(activation, mean, variance)


def _at_a_point(activation: Activation, mean: float) -> Expectations:
    at = np.array([mean])
    value, slope = float(activation.value(at)[0]), float(activation.derivative(at)[0])
    unknown = math.nan
    return Expectations(
        mean=value,
        second_moment=value**2,
        fourth_moment=value**4,
        derivative_second_moment=slope**2,
        slope=unknown,
        curvature=unknown,
        derivative_slope=unknown,
        derivative_curvature=unknown,
        derivative_fourth_moment=slope**4,
        product_moment=(value * slope) ** 2,
    )


def _homogeneous(activation: Activation, variance: float) -> Expectations:
    """phi(x) = |x|^d phi(+-1): half-moments of the Gaussian on each side."""
    degree = activation.degree or 1
    ends = activation.value(np.array([-1.0, 1.0]))
    slopes = activation.derivative(np.array([-1.0, 1.0]))
    power = variance**degree
    double = _even_moment(2 * degree) * float(np.square(ends).mean())
    flat = _even_moment(2 * degree - 2) * float(np.square(slopes).mean())
    return Expectations(
        mean=float(ends.mean()) * _absolute_moment(degree) * variance ** (degree / 2),
        second_moment=double * power,
        fourth_moment=_even_moment(4 * degree) * float((ends**4).mean()) * power**2,
        derivative_second_moment=flat * variance ** (degree - 1),
        slope=double * degree * variance ** (degree - 1),
        curvature=double * degree * (degree - 1) * variance ** (degree - 2),
        derivative_slope=flat * (degree - 1) * variance ** (degree - 2),
        derivative_curvature=flat * (degree - 1) * (degree - 2) * variance ** (degree - 3),
        derivative_fourth_moment=_even_moment(4 * degree - 4)
        * float((slopes**4).mean())
        * variance ** (2 * degree - 2),
        product_moment=_even_moment(4 * degree - 2)
        * float(np.square(ends * slopes).mean())
        * variance ** (2 * degree - 1),
    )


def _even_moment(order: int) -> float:
    """E[u^order] for even order."""
    return float(math.prod(range(1, order, 2)))


def _absolute_moment(order: int) -> float:
    """E[|u|^order]."""
    return 2 ** (order / 2) * math.gamma((order + 1) / 2) / math.sqrt(math.pi)


def _oscillating(activation: Activation, mean: float, variance: float) -> Expectations:
    """sin and cos: powers are sums of cosines, and E[cos(k h)] = cos(k m) exp(-k^2 v/2)."""
    f = float(activation.arguments["frequency"])
    sign = -1.0 if activation.name == "sin" else 1.0
    damp = f * f * variance
    if mean == 0:
        # 1 - exp(-2 damp) by expm1: it is small where the signal is.
        second = -math.expm1(-2 * damp) / 2 if sign < 0 else (1 + math.exp(-2 * damp)) / 2
        other = (1 + math.exp(-2 * damp)) / 2 if sign < 0 else -math.expm1(-2 * damp) / 2
    else:
        second = (1 + sign * math.cos(2 * f * mean) * math.exp(-2 * damp)) / 2
        other = 1 - second
    double, quadruple = math.cos(2 * f * mean) * math.exp(-2 * damp), math.cos(4 * f * mean) * math.exp(-8 * damp)
    fourth = (3 + 4 * sign * double + quadruple) / 8
    if sign < 0 and damp < 0.05:
        fourth = _by_quadrature(activation, mean, variance).fourth_moment
    wave = math.sin(f * mean) if sign < 0 else math.cos(f * mean)
    return Expectations(
        mean=wave * math.exp(-damp / 2),
        second_moment=second,
        fourth_moment=fourth,
        derivative_second_moment=f * f * other,
        slope=-sign * f * f * double,
        curvature=sign * 2 * f**4 * double,
        derivative_slope=sign * f**4 * double,
        derivative_curvature=-sign * 2 * f**6 * double,
        derivative_fourth_moment=f**4 * (3 - 4 * sign * double + quadruple) / 8,
        product_moment=f * f * (1 - quadruple) / 8,
    )


def _by_quadrature(activation: Activation, mean: float, variance: float) -> Expectations:
    std = math.sqrt(variance)
    u, weight = gaussian_rule(mean, std, activation.kinks)
    x = mean + std * u
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        value, derivative = activation.value(x), activation.derivative(x)
    square = np.square(value)
    # Where phi is flat at the origin the expectation is large against its change: Hermite weights would cancel.
    centre = float(activation.value(np.array([mean]))[0]) ** 2
    change = square - centre
    steep = np.square(derivative)
    bend = steep - float(activation.derivative(np.array([mean]))[0]) ** 2
    u2 = u * u
    first, second = weight * (u2 - 1) / (2 * variance), weight * (u2 * u2 - 6 * u2 + 3) / (4 * variance**2)
    return Expectations(
        mean=float(weight @ value),
        second_moment=float(weight @ square),
        fourth_moment=float(weight @ np.square(square)),
        derivative_second_moment=float(weight @ steep),
        slope=float(first @ change),
        curvature=float(second @ change),
        derivative_slope=float(first @ bend),
        derivative_curvature=float(second @ bend),
        derivative_fourth_moment=float(weight @ np.square(steep)),
        product_moment=float(weight @ (square * steep)),
    )


def gaussian_rule(mean: float, std: float, kinks: tuple[float, ...]) -> tuple[Vector, Vector]:
    """Nodes u and weights for integrals over N(0, 1) of functions of mean + std u that have those kinks."""
    marks = np.array([0.0, *kinks])
    in_x = np.concatenate([marks, (marks[:, None] + _IN_X).ravel(), (marks[:, None] - _IN_X).ravel()])
    points = np.concatenate([_IN_SD, -_IN_SD, (in_x - mean) / std])
    edges = np.unique(points[np.abs(points) <= _REACH])
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-14 * _REACH])]
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half + half * _NODES).ravel()
    weight = (half * _WEIGHTS).ravel() * np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    return u, weight


def forward_gain(activation: Activation) -> float:
    """The exact forward gain at unit second moment, 1/sqrt(E[phi(h)^2]) with h ~ N(0, 1).

    Raises:
        VarprobeError: where the activation is flat, so that no gain helps.

    >>> from varprobe.spec.activations import make_activation
    >>> round(forward_gain(make_activation("relu")) ** 2, 12)
    2.0
    """
    second = expectations(activation, 0.0, 1.0).second_moment
    if not 1e-60 < second < 1e60:
        message = f"the activation before, {activation.label}, has no gain: E[phi^2] = {second:.3g} over N(0, 1)"
        raise VarprobeError(message, hint="give the gain as a number")
    return 1 / math.sqrt(second)
