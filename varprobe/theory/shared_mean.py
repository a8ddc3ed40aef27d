"""What units share: weights with a mean hand every unit the same multiple of the sum over the layer before.

With W_ij = mu + sigma w_ij each z_i holds mu S, S the sum of the source's units. Its mean is n E[x]; its variance is
n times what a unit has of its own and n^2 times what two units share. That part is followed as one Gaussian while it
is small, and where it is not is cut into its values, each a signal of its own: behind such a layer the sums are large
and next to nothing else is random, so that the values stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.laws import Law
from varprobe.theory.extended_float import ONE, ZERO, ExtendedFloat
from varprobe.theory.records import SignalMoments
from varprobe.theory.response import respond

_UNKNOWN = "samples differ in what all units share"
_NOISY = "samples differ by no more than finite width lets their common mean"
# Shares of the variance below which what is shared stays one Gaussian, and below which phi is straight across it.
_SMALL, _STRAIGHT = 1e-2, 1e-3
# The largest error of a sample variance, as a share of it, from sums of squares that differ by 1/width.
_NOISE = 0.05
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_EDGES, _REACH = np.array([0.0, 0.15, 0.5, 1.5, 3.5, 6.0, 9.0, 11.0]), 5.5


@lru_cache(maxsize=4096)
def weight_mean(law: Law, fan_in: int, fan_out: int) -> float:
    """The mean of one weight; 0 where it is nothing but rounding."""
    mean = float(getattr(law, "mean", 0.0))
    return mean if mean * mean > 1e-26 * (law.variance(fan_in, fan_out) or 0.0) else 0.0


def map_with_mean(x: SignalMoments, gain: ExtendedFloat, mean: float, fan_in: int) -> SignalMoments:
    """z = W x for weights of that mean, `gain` being fan_in times their variance."""
    mu, n, apart, together = ExtendedFloat(mean), float(fan_in), x.sample_variance, ZERO
    square = mu * mu
    shared = square * _at_least_zero(n * x.own_variance + n * n * x.shared)
    centre = mu * (n * x.mean)
    if apart is not None:
        together = square * _at_least_zero(n * apart + n * (n - 1) * x.shared_sample_variance)
        apart = gain * apart + together
    second = gain * x.second_moment + shared + centre * centre
    return SignalMoments(second, centre, apart, True, shared, together, (), x.sample_variance_reason)


def _at_least_zero(number: ExtendedFloat) -> ExtendedFloat:
    return number if number.value > 0 else ZERO


def share_behind(activation: Activation, z: SignalMoments, a: SignalMoments, *, is_part: bool) -> SignalMoments:
    """`a`, the signal behind phi, with what its units share: Cov(phi(z_i), phi(z_j)) = Var phi - half a squared gap.

    Across what is left to share in a part, phi is taken as straight.
    """
    if not z.shared:
        return a
    slope = sensitivity(activation, z).slope
    flat, gap, together = slope * slope, z.shared_sample_variance, ZERO
    shared = flat * z.shared if is_part else _covariance(activation, z, z.shared, flat)
    if gap and z.sample_variance is not None:
        if abs(gap) < _STRAIGHT * z.variance:
            together = flat * gap
        else:
            together = shared - _covariance(activation, z, z.shared - gap, flat)
    return replace(a, shared=shared, shared_sample_variance=together)


def _covariance(activation: Activation, z: SignalMoments, shared: ExtendedFloat, flat: ExtendedFloat) -> ExtendedFloat:
    """Cov(phi(u1), phi(u2)) for two Gaussians of that signal with that covariance."""
    if abs(shared) < _STRAIGHT * z.variance:
        return flat * shared
    pair = respond(activation, replace(z, sample_variance=z.variance - shared)).output
    assert pair.sample_variance is not None
    return pair.variance - pair.sample_variance


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
    bend: ExtendedFloat = ZERO
    by_mean: ExtendedFloat = ZERO
    by_variance: ExtendedFloat = ZERO


def sensitivity(activation: Activation, z: SignalMoments) -> Sensitivity:
    """By differences of responses, good to 1e-6; remembered, since the way back asks for those of the way there."""
    if activation.is_linear:
        return Sensitivity(ONE, z.mean)
    return _differ(activation, replace(z, parts=()))


@lru_cache(maxsize=16384)
def _differ(activation: Activation, z: SignalMoments) -> Sensitivity:
    if not z.variance:
        at = np.array([float(z.mean)])
        value, slope = ExtendedFloat(float(activation.value(at)[0])), ExtendedFloat(float(activation.derivative(at)[0]))
        return Sensitivity(slope, value * slope)
    step, share = 1e-4 * z.variance.sqrt(), 1e-3
    right, left = (respond(activation, _move(z, z.mean + way, 1.0)) for way in (step, -step))
    wider, narrower = (respond(activation, _move(z, z.mean, factor)) for factor in (1 + share, 1 - share))
    by_mean, by_variance = 2 * step, 2 * share * z.variance
    return Sensitivity(
        (right.output.mean - left.output.mean) / by_mean,
        (right.output.second_moment - left.output.second_moment) / (2.0 * by_mean),
        2.0 * (wider.output.mean - narrower.output.mean) / by_variance,
        (right.derivative - left.derivative) / by_mean,
        (wider.derivative - narrower.derivative) / by_variance,
    )


def _move(z: SignalMoments, mean: ExtendedFloat, factor: float) -> SignalMoments:
    return SignalMoments(factor * z.variance + mean * mean, mean, None, gaussian=True)


def split(z: SignalMoments, fan_in: int) -> SignalMoments:
    """`z`, whose units share something, as what follows can go on with it.

    Where that is small z stays one Gaussian, and where it is not it gets a part for each value of what is shared. The
    norms of two samples differ by 1/width, and what they make of the mean is not followed: it adds some 4 mean^2/width
    to the sample variance (measured over relu and sigmoid networks), which is given up where that shows.
    """
    if abs(z.shared) <= _SMALL * z.variance:
        apart = z.sample_variance
        if apart is None or 4 * z.mean**2 <= _NOISE * fan_in * apart:
            return z
        return replace(z, sample_variance=None, shared_sample_variance=ZERO, sample_variance_reason=_NOISY)
    root, own, parts = z.shared.sqrt(), z.own_variance, []
    for u, weight in zip(*_spread_values(float(-z.mean / root)), strict=True):
        mean = z.mean + root * u
        part = SignalMoments(own + mean * mean, mean, None, gaussian=True, sample_variance_reason=_UNKNOWN)
        parts.append((weight, part))
    return replace(z, parts=tuple(parts))


def _spread_values(kink: float) -> tuple[list[float], list[float]]:
    """Standard Gaussian nodes and weights, close together where the signal changes its sign."""
    kink = min(max(kink, -_REACH), _REACH)
    edges = np.unique(np.clip(np.concatenate([kink - _EDGES, kink + _EDGES, [-_REACH, _REACH]]), -_REACH, _REACH))
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half + half * _NODES).ravel()
    weight = (half * _WEIGHTS).ravel() * np.exp(-u * u / 2)
    return u.tolist(), (weight / weight.sum()).tolist()


def average(weights: list[float], numbers: Iterable[ExtendedFloat]) -> ExtendedFloat:
    """The mean over parts of those probabilities."""
    return sum((weight * number for weight, number in zip(weights, numbers, strict=True)), ZERO)


def mix(weights: list[float], parts: list[SignalMoments]) -> SignalMoments:
    """The signal of which those are the parts."""
    mean = average(weights, [part.mean for part in parts])
    return SignalMoments(
        average(weights, [part.second_moment for part in parts]),
        mean,
        None,
        gaussian=all(part.gaussian for part in parts),
        shared=average(weights, [(part.mean - mean) * (part.mean - mean) + part.shared for part in parts]),
        parts=tuple(zip(weights, parts, strict=True)),
        sample_variance_reason=_UNKNOWN,
    )
