"""What units share: weights with a mean hand every unit the same multiple of the sum over the layer before.

With W_ij = mu + sigma w_ij each z_i holds mu S, S the sum of the source's units. Its mean is n E[x]; its variance is
n times what a unit has of its own and n^2 times what two units share. That part is followed as one Gaussian while it
is small, and where it is not is cut into its values, each a level of its own: behind such a layer the sums are large
and next to nothing else is random, so that the values stay what they are.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation, make_activation
from varprobe.network.laws import Law
from varprobe.theory.extended_float import ExtendedFloat, unscaled, wide
from varprobe.theory.records import SignalMoments, level_of
from varprobe.theory.response import respond

NO_SPREAD = "samples differ in what all units share"
NOISY_SPREAD = "samples differ by no more than finite width lets their common mean"
# Shares of the variance below which what is shared stays one Gaussian, and below which phi is straight across it.
_SMALL, _STRAIGHT = 1e-2, 1e-3
# The largest error of a spread, as a share of it, from sums of squares that differ between samples by 1/width.
_NOISE = 0.05
_NONE, _TWO = ExtendedFloat(0.0), ExtendedFloat(2.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_EDGES, _REACH = np.array([0.0, 0.15, 0.5, 1.5, 3.5, 6.0, 9.0, 11.0]), 5.5


@lru_cache(maxsize=4096)
def weight_mean(law: Law, fan_in: int, fan_out: int) -> float:
    """The mean of one weight; 0 where it is nothing but rounding."""
    mean = float(getattr(law, "mean", 0.0))
    return mean if mean * mean > 1e-26 * (law.variance(fan_in, fan_out) or 0.0) else 0.0


def through_mean(level: SignalMoments, gain: ExtendedFloat, mean: float, fan_in: int) -> SignalMoments:
    """z = W a for weights of that mean, `gain` being fan_in times their variance."""
    mu, n, e = wide(mean), float(fan_in), 2 * level.exponent
    square = mu * mu
    shared = square * wide(max(n * level.scaled_own + n * n * level.scaled_shared, 0.0), e)
    centre = mu * wide(n * level.scaled_mean, level.exponent)
    second = gain * level.wide_second_moment + shared + centre * centre
    spread, together = level.wide_spread, _NONE
    if level.scaled_spread is not None and spread is not None:
        apart = n * level.scaled_spread + n * (n - 1) * level.scaled_shared_spread
        together = square * wide(max(apart, 0.0), e + level.spread_exponent)
        spread = gain * spread + together
    return level_of(
        second,
        centre,
        spread,
        gaussian=True,
        shared=shared,
        shared_spread=together,
        spread_reason=level.spread_reason,
    )


def behind(activation: Activation, z: SignalMoments, a: SignalMoments, *, is_part: bool = False) -> SignalMoments:
    """`a`, the level behind phi, with what its units share: Cov(phi(z_i), phi(z_j)) = Var phi - half a squared gap.

    Across what is left to share in a part, phi is taken as straight.
    """
    if not z.scaled_shared:
        return a
    slope = sensitivity(activation, z).slope
    flat = slope * slope
    if is_part:
        shared = flat * wide(z.scaled_shared, 2 * z.exponent)
    else:
        shared = _covariance(activation, z, z.scaled_shared, flat)
    together = _NONE
    if z.scaled_shared_spread and z.scaled_spread is not None:
        gap = unscaled(z.scaled_shared_spread, z.spread_exponent)
        if abs(gap) < _STRAIGHT * z.scaled_variance:
            together = flat * wide(z.scaled_shared_spread, 2 * z.exponent + z.spread_exponent)
        else:
            together = shared + wide(-1.0) * _covariance(activation, z, z.scaled_shared - gap, flat)
    return level_of(
        a.wide_second_moment,
        a.wide_mean,
        a.wide_spread,
        gaussian=False,
        shared=shared,
        shared_spread=together,
        spread_reason=a.spread_reason,
    )


def _covariance(activation: Activation, z: SignalMoments, shared: float, flat: ExtendedFloat) -> ExtendedFloat:
    """Cov(phi(u1), phi(u2)) for two Gaussians of that level with that (scaled) covariance."""
    if abs(shared) < _STRAIGHT * z.scaled_variance:
        return flat * wide(shared, 2 * z.exponent)
    pair = respond(activation, replace(z, scaled_spread=z.scaled_variance - shared, spread_exponent=0)).level
    spread = pair.wide_spread
    assert spread is not None
    return wide(pair.scaled_variance, 2 * pair.exponent) + wide(-1.0) * spread


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How the expectations of phi answer to the signal's mean m and variance v.

    Attributes:
        slope: E[phi'], which is dE[phi]/dm.
        along: E[phi phi'], which is dE[phi^2]/dm / 2.
        bend: E[phi''], which is 2 dE[phi]/dv.
        by_mean, by_variance: dE[phi'^2]/dm and dE[phi'^2]/dv.
    """

    slope: ExtendedFloat
    along: ExtendedFloat
    bend: ExtendedFloat = _NONE
    by_mean: ExtendedFloat = _NONE
    by_variance: ExtendedFloat = _NONE


def sensitivity(activation: Activation, z: SignalMoments) -> Sensitivity:
    """By differences of responses, good to 1e-6; remembered, since the way back asks for those of the way there."""
    if activation.is_linear:
        return Sensitivity(ExtendedFloat(1.0), z.wide_mean)
    return _sensitivity(activation.name, tuple(activation.arguments.items()), replace(z, parts=()))


@lru_cache(maxsize=16384)
def _sensitivity(name: str, arguments: tuple[tuple[str, float], ...], z: SignalMoments) -> Sensitivity:
    activation = make_activation(name, **dict(arguments))
    if not z.scaled_variance:
        at = np.array([z.mean])
        value, slope = wide(float(activation.value(at)[0])), wide(float(activation.derivative(at)[0]))
        return Sensitivity(slope, value * slope)
    step, share = 1e-4 * math.sqrt(z.scaled_variance), 1e-3
    right, left = (respond(activation, _moved(z, sign * step, 1.0)) for sign in (1.0, -1.0))
    wider, narrower = (respond(activation, _moved(z, 0.0, 1 + sign * share)) for sign in (1.0, -1.0))
    by_mean, by_variance = wide(2 * step, z.exponent), wide(2 * share * z.scaled_variance, 2 * z.exponent)
    return Sensitivity(
        _gap(right.level.wide_mean, left.level.wide_mean) / by_mean,
        _gap(right.level.wide_second_moment, left.level.wide_second_moment) / (_TWO * by_mean),
        _TWO * _gap(wider.level.wide_mean, narrower.level.wide_mean) / by_variance,
        _gap(right.derivative, left.derivative) / by_mean,
        _gap(wider.derivative, narrower.derivative) / by_variance,
    )


def _gap(one: ExtendedFloat, other: ExtendedFloat) -> ExtendedFloat:
    return one + wide(-1.0) * other


def _moved(z: SignalMoments, step: float, factor: float) -> SignalMoments:
    mean = z.scaled_mean + step
    return SignalMoments(factor * z.scaled_variance + mean * mean, mean, None, True, z.exponent)


def without_noise(z: SignalMoments, fan_in: int) -> SignalMoments:
    """`z` behind weights with a mean, its spread given up where samples differ in their mean by 1/width.

    The norms of two samples differ by that much, and what they make of the mean is not followed: it adds some
    4 mean^2/width to the spread (measured over relu and sigmoid networks).
    """
    if z.scaled_spread is None:
        return z
    if 4 * z.scaled_mean**2 <= _NOISE * fan_in * unscaled(z.scaled_spread, z.spread_exponent):
        return z
    return replace(z, scaled_spread=None, spread_exponent=0, scaled_shared_spread=0.0, spread_reason=NOISY_SPREAD)


def is_small(z: SignalMoments) -> bool:
    """Whether what units share can be followed as one Gaussian."""
    return abs(z.scaled_shared) <= _SMALL * z.scaled_variance


def cut(z: SignalMoments) -> SignalMoments:
    """The same level with parts: one for each value of what the units share."""
    root = math.sqrt(z.scaled_shared)
    parts = []
    for u, weight in zip(*_values(-z.scaled_mean / root), strict=True):
        mean = z.scaled_mean + root * u
        second = z.scaled_own + mean * mean
        parts.append((weight, SignalMoments(second, mean, None, True, z.exponent, spread_reason=NO_SPREAD).settled()))
    return replace(z, parts=tuple(parts))


def _values(kink: float) -> tuple[list[float], list[float]]:
    """Standard Gaussian nodes and weights, close together where the signal changes its sign."""
    kink = min(max(kink, -_REACH), _REACH)
    edges = np.unique(np.clip(np.concatenate([kink - _EDGES, kink + _EDGES, [-_REACH, _REACH]]), -_REACH, _REACH))
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half + half * _NODES).ravel()
    weight = (half * _WEIGHTS).ravel() * np.exp(-u * u / 2)
    return u.tolist(), (weight / weight.sum()).tolist()


def mixed(weights: list[float], levels: list[SignalMoments]) -> SignalMoments:
    """The level of which `levels` are the parts."""
    mean, second, shared = _NONE, _NONE, _NONE
    for weight, level in zip(weights, levels, strict=True):
        mean += wide(weight) * level.wide_mean
        second += wide(weight) * level.wide_second_moment
    for weight, level in zip(weights, levels, strict=True):
        off = level.wide_mean + wide(-1.0) * mean
        shared += wide(weight) * (off * off + wide(level.scaled_shared, 2 * level.exponent))
    whole = level_of(second, mean, None, gaussian=all(level.gaussian for level in levels), shared=shared)
    return replace(whole, parts=tuple(zip(weights, levels, strict=True)), spread_reason=NO_SPREAD)
