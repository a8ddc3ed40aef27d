"""Gaussian expectations of an activation: what gains and mean-field theory need of it.

With h = m + sqrt(v) u, u ~ N(0, 1), the integrals are sums over nodes: good to rounding from v = 1e-8 to 1e4, and for
waves to 1e32. Homogeneous functions, sin and cos have closed forms.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np

from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass
from varprobe.gaussian.quadrature import PHASES, Vector, split_panels, stride, table_for
from varprobe.network.activations import Activation, Wave
from varprobe.network.special import Array

# Below and above this many squared units phi is two straight lines to the last bit.
_NEAR, _FAR = 1e-32, 1e32

Pair = tuple[float, float]


@dataclass(frozen=True)
class Expectations:
    """Expectations over h ~ N(m, v).

    Attributes:
        mean: E[phi].
        second_moment, fourth_moment: E[phi^2], E[phi^4].
        derivative_second_moment, derivative_fourth_moment: E[phi'^2], E[phi'^4].
        product_moment: E[phi^2 phi'^2].
        slope, curvature: d E[phi^2] / dv, d^2 E[phi^2] / dv^2; nan at v = 0, where nobody asks, as the next two.
        derivative_slope, derivative_curvature: the same of E[phi'^2].
    """

    mean: float
    second_moment: float
    fourth_moment: float
    derivative_second_moment: float
    derivative_fourth_moment: float
    product_moment: float
    slope: float = math.nan
    curvature: float = math.nan
    derivative_slope: float = math.nan
    derivative_curvature: float = math.nan

    @property
    def variance(self) -> float:
        """Var(phi)."""
        return max(self.second_moment - self.mean**2, 0.0)


@lru_cache(maxsize=65536)
def expectations(activation: Activation, mean: float, variance: float) -> Expectations:
    """The expectations of one activation over N(mean, variance); remembered, since layers repeat.

    >>> from varprobe.network.activations import make_activation
    >>> expectations(make_activation("relu"), 0.0, 2.0).second_moment
    1.0
    """
    if variance == 0:
        return _evaluate_at(activation, mean)
    if mean == 0 and activation.degree is not None:
        ends, slopes = _evaluate_ends(activation)
        return _expect_homogeneous(activation.degree, ends, slopes, variance)
    lines = find_side_slopes(activation, mean, variance)
    if lines is not None:
        return _expect_homogeneous(1, (-lines[0], lines[1]), lines, variance)
    if isinstance(activation.elementary, Wave):
        return _expect_wave(activation, activation.elementary, mean, variance)
    return _integrate(activation, mean, variance)


@cache
def _evaluate_ends(activation: Activation) -> tuple[Pair, Pair]:
    """phi and phi' at -1 and 1, all that a homogeneous function is."""
    ends = np.array([-1.0, 1.0])
    low, high = activation.value(ends).tolist()
    left, right = activation.derivative(ends).tolist()
    return (low, high), (left, right)


def find_side_slopes(activation: Activation, mean: float, variance: float) -> Pair | None:
    """The slopes left and right of 0 where phi is as good as two lines through 0; None where it is not."""
    if activation.degree == 1 and mean == 0:
        return _evaluate_ends(activation)[1]
    if variance < _NEAR * activation.unit**2 and mean == 0:
        return activation.near
    if variance > _FAR * activation.unit**2 and mean**2 < variance / _FAR:
        return activation.far
    return None


def _evaluate_at(activation: Activation, mean: float) -> Expectations:
    at = np.array([mean])
    value, slope = float(activation.value(at)[0]), float(activation.derivative(at)[0])
    return Expectations(
        mean=value,
        second_moment=value**2,
        fourth_moment=value**4,
        derivative_second_moment=slope**2,
        derivative_fourth_moment=slope**4,
        product_moment=(value * slope) ** 2,
    )


def _expect_homogeneous(degree: int, ends: Pair, slopes: Pair, variance: float) -> Expectations:
    """phi(x) = |x|^d phi(+-1): half-moments of the Gaussian on each side."""
    double = _even_moment(2 * degree) * (ends[0] ** 2 + ends[1] ** 2) / 2
    flat = _even_moment(2 * degree - 2) * (slopes[0] ** 2 + slopes[1] ** 2) / 2
    fourth, flat_fourth = (ends[0] ** 4 + ends[1] ** 4) / 2, (slopes[0] ** 4 + slopes[1] ** 4) / 2
    both = ((ends[0] * slopes[0]) ** 2 + (ends[1] * slopes[1]) ** 2) / 2
    return Expectations(
        mean=(ends[0] + ends[1]) / 2 * _absolute_moment(degree) * _power(variance, degree / 2),
        second_moment=double * _power(variance, degree),
        fourth_moment=_even_moment(4 * degree) * fourth * _power(variance, 2 * degree),
        derivative_second_moment=flat * _power(variance, degree - 1),
        slope=double * degree * _power(variance, degree - 1),
        curvature=double * degree * (degree - 1) * _power(variance, degree - 2),
        derivative_slope=flat * (degree - 1) * _power(variance, degree - 2),
        derivative_curvature=flat * (degree - 1) * (degree - 2) * _power(variance, degree - 3),
        derivative_fourth_moment=_even_moment(4 * degree - 4) * flat_fourth * _power(variance, 2 * degree - 2),
        product_moment=_even_moment(4 * degree - 2) * both * _power(variance, 2 * degree - 1),
    )


def _power(variance: float, exponent: float) -> float:
    """The power, infinite where it overflows; 0 for negative exponents, whose factors are 0."""
    try:
        return variance**exponent if exponent >= 0 else 0.0
    except OverflowError:
        return math.inf


def _even_moment(order: int) -> float:
    """E[u^order] for even order."""
    return float(math.prod(range(1, order, 2)))


def _absolute_moment(order: int) -> float:
    """E[|u|^order]."""
    return 2 ** (order / 2) * math.gamma((order + 1) / 2) / math.sqrt(math.pi)


def _expect_wave(activation: Activation, wave: Wave, mean: float, variance: float) -> Expectations:
    """sin and cos: powers are sums of cosines, and E[cos(k h)] = cos(k m) exp(-k^2 v/2)."""
    f, sign = wave.frequency, 1.0 if wave.even else -1.0
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
        fourth = _integrate(activation, mean, variance).fourth_moment
    middle = math.cos(f * mean) if wave.even else math.sin(f * mean)
    return Expectations(
        mean=middle * math.exp(-damp / 2),
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


def _integrate(activation: Activation, mean: float, variance: float) -> Expectations:
    std = math.sqrt(variance)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        u, weight, value, derivative = sample(activation, mean, std)
        square, steep, product = value * value, derivative * derivative, value * derivative
        plain = np.array([value, square, square * square, steep, steep * steep, product * product]) @ weight
        mean_value, second, fourth, flat, flat_fourth, both = plain.tolist()
        # Hermite weights cancel where a function is large against its change: its value at the mean is taken off.
        at = np.array([mean])
        there = activation.derivative(at)
        by_u = np.array([product - activation.value(at) * there, steep - there * there]) * weight
        u2 = u * u
        # d^k E[f]/dv^k = E[f He_2k(u)]/(2 v)^k, for phi^2 with one step by parts: (phi^2)' = 2 phi phi'.
        slope, curvature = (by_u[0] @ np.array([u, u * (u2 - 3)]).T).tolist()
        bend, bend_curvature = (by_u[1] @ np.array([u2 - 1, u2 * u2 - 6 * u2 + 3]).T).tolist()
    return Expectations(
        mean=mean_value,
        second_moment=second,
        fourth_moment=fourth,
        derivative_second_moment=flat,
        slope=slope / std,
        curvature=curvature / std / (2 * variance),
        derivative_slope=bend / (2 * variance),
        derivative_curvature=bend_curvature / (2 * variance) / (2 * variance),
        derivative_fourth_moment=flat_fourth,
        product_moment=both,
    )


def sample(activation: Activation, mean: float, std: float) -> tuple[Vector, Vector, Array, Array]:
    """Nodes u, their weights, and phi and phi' there."""
    table = table_for(activation.strip, std)
    if table is None and activation.period is not None:
        return _sample_waves(activation, activation.period, mean, std)
    u, weight = (table.u, table.weight) if table is not None else _split(activation, mean, std)
    x = mean + std * u
    return u, weight, activation.value(x), activation.derivative(x)


def _sample_waves(
    activation: Activation, period: float, mean: float, std: float
) -> tuple[Vector, Vector, Array, Array]:
    """By phi(x + k period) = phi(x) + k far period, so that no digit of x counts beyond its period."""
    rule = stride(mean, std, period)
    within = period / PHASES * np.arange(PHASES)
    line = activation.far[1] if activation.far else 0.0
    value = activation.value(within)[rule.phase] + line * (rule.x - within[rule.phase])
    return rule.u, rule.weight, value, activation.derivative(within)[rule.phase]


def _split(activation: Activation, mean: float, std: float) -> tuple[Vector, Vector]:
    flat = bool(activation.derivative(np.array([mean]))[0] == 0)
    bends = activation.kinks or (0.0,)
    if activation.straight:
        return split_panels(mean, std, bends, flat=flat)
    return split_panels(mean, std, bends, activation.unit, measure_bend(activation), flat=flat)


@cache
def measure_bend(activation: Activation) -> float:
    """How far from its kinks phi is bent, to rounding; infinite where it goes straight as a power."""
    far = 64 * activation.unit
    ends = max(map(abs, activation.kinks), default=0.0) + far * np.array([1.0, 1e6])
    slopes = activation.derivative(np.stack([ends, -ends]))
    return far if np.abs(slopes[:, 0] - slopes[:, 1]).max() < 1e-17 else math.inf


def forward_gain(activation: Activation) -> float:
    """The exact forward gain at unit second moment, 1/sqrt(E[phi(h)^2]) with h ~ N(0, 1).

    Raises:
        VarprobeError: where the activation is flat, so that no gain helps.

    >>> from varprobe.network.activations import make_activation
    >>> round(forward_gain(make_activation("relu")) ** 2, 12)
    2.0
    """
    second = expectations(activation, 0.0, 1.0).second_moment
    if not 1e-60 < second < 1e60:
        message = f"the activation before, {activation.label}, has no gain: E[phi^2] = {second:.3g} over N(0, 1)"
        raise VarprobeError(message, hint="give the gain as a number")
    return 1 / math.sqrt(second)
