"""What an activation makes of a Gaussian signal, at any scale.

At ordinary scale that is a matter of expectations. Homogeneous functions carry the scale through; the others are
piecewise linear to rounding far below their bend and far above it, flat where phi(0) is not 0, or bounded.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from varprobe.frozen import dataclass
from varprobe.gaussian.correlation_map import derivative_covariance, pair_spread
from varprobe.gaussian.expectations import Expectations, expectations
from varprobe.network.activations import Activation, make_activation
from varprobe.theory.extended_float import ExtendedFloat, unscaled, wide
from varprobe.theory.records import SignalMoments, level_of

# A signal this many powers of two (of the second moment) from the bend sees phi's asymptotes alone, to rounding; where
# phi is flat at 0 that begins at `_FLAT` already, since differences of phi lose their digits below it.
_ASYMPTOTIC, _FLAT = 120, 100
# Where a bounded function's decay is read off, and where its limits are, in the same powers of two.
_DECAY, _LIMIT = 54, 190


@dataclass(frozen=True, slots=True)
class Response:
    """A Gaussian signal behind an activation.

    Attributes:
        level: behind it.
        derivative: E[phi'^2].
        product: E[phi^2 phi'^2].
        slope: d E[phi^2] / dv; 0 at variance 0, where there is nothing to be tied to.
    """

    level: SignalMoments
    derivative: ExtendedFloat
    product: ExtendedFloat
    slope: ExtendedFloat


def respond(activation: Activation, z: SignalMoments) -> Response:
    """The response to a Gaussian signal of any scale."""
    if activation.degree is not None:
        return _carried(activation, z, activation.degree)
    if not z.scaled_second_moment or (not z.exponent and activation.near is not None):
        return _carried(activation, z, 0)
    bits = 2 * z.exponent + math.frexp(z.scaled_second_moment)[1] - 2 * math.frexp(activation.unit)[1]
    if bits < -_FLAT and activation.near is None and (z.exponent or activation.value(np.zeros(1))[0]):
        return _flat(activation, z)
    if bits < -_ASYMPTOTIC and z.exponent and activation.near is not None:
        return _two_slopes(activation.near, z)
    if bits > _ASYMPTOTIC and z.exponent:
        return _far(activation, z)
    return _carried(activation, _plain(z), 0)


def _plain(z: SignalMoments) -> SignalMoments:
    """The same without an exponent of the signal."""
    return replace(
        z,
        scaled_second_moment=z.second_moment,
        scaled_mean=z.mean,
        scaled_spread=None if z.scaled_spread is None else unscaled(z.scaled_spread, 2 * z.exponent),
        exponent=0,
    )


def _far(activation: Activation, z: SignalMoments) -> Response:
    if activation.far is None:
        return _bounded(activation, z)
    response = _two_slopes(activation.far, z)
    # A signal that lies on a flat side alone is what the function tends to there.
    alone = response.level.log_second_moment < z.log_second_moment - 70
    return _bounded(activation, z) if alone else response


def _carried(activation: Activation, z: SignalMoments, degree: int) -> Response:
    """By the expectations; phi(c x) = c^degree phi(x) where the signal has an exponent."""
    known = expectations(activation, z.scaled_mean, z.scaled_variance)
    e = z.exponent
    level = SignalMoments(
        known.second_moment,
        known.mean,
        _spread(activation, z, known),
        gaussian=False,
        exponent=degree * e,
        spread_exponent=z.spread_exponent,
        spread_reason=z.spread_reason,
    )
    return Response(
        level.settled(),
        wide(known.derivative_second_moment, 2 * (degree - 1) * e),
        wide(known.product_moment, (4 * degree - 2) * e),
        wide(known.slope if z.scaled_variance else 0.0, 2 * (degree - 1) * e),
    )


def _spread(activation: Activation, z: SignalMoments, known: Expectations) -> float | None:
    if z.scaled_spread is None:
        return None
    if z.spread_exponent:  # two samples so close that phi is straight between them
        return z.scaled_spread * known.derivative_second_moment
    return pair_spread(activation, z.scaled_mean, z.scaled_variance, z.scaled_spread)


def _two_slopes(slopes: tuple[float, float], z: SignalMoments) -> Response:
    """phi(x) = left x below 0 and right x above it."""
    activation, factor = _leaky(slopes)
    mirrored = slopes[1] == 0  # the side that is not flat has to be the right one
    scaled = _carried(activation, replace(z, scaled_mean=-z.scaled_mean) if mirrored else z, 1)
    level, square = scaled.level, factor * factor
    spread = None if level.scaled_spread is None else square * level.scaled_spread
    level = replace(
        level,
        scaled_second_moment=square * level.scaled_second_moment,
        scaled_mean=factor * level.scaled_mean,
        scaled_spread=spread,
    )
    ratio = ExtendedFloat(square)
    return Response(level.settled(), scaled.derivative * ratio, scaled.product * ratio * ratio, scaled.slope * ratio)


@lru_cache(maxsize=256)
def _leaky(slopes: tuple[float, float]) -> tuple[Activation, float]:
    """The leaky relu, and a factor, that make those slopes."""
    left, right = slopes
    if right == 0:
        return make_activation("relu"), -left
    return make_activation("leaky_relu", slope=left / right), right


def _flat(activation: Activation, z: SignalMoments) -> Response:
    """phi(x) = phi(0) + slope x, or phi(0) + bend x^2 where the slope is 0."""
    tiny = 2.0**-100 * activation.unit
    at = np.array([0.0, tiny])
    value, slope = float(activation.value(at)[0]), float(activation.derivative(at)[0])
    second, spread = z.wide_second_moment, z.wide_spread
    if slope:
        derivative = ExtendedFloat(slope * slope)
        spread = spread and spread * derivative
    else:
        bend = float(activation.derivative(at)[1]) / (2 * tiny) if value else 0.0
        derivative = wide(4 * bend * bend) * second
        if spread is not None:
            # E[(u1^2 - u2^2)^2]/2 = 2 d (2 q - d) with second moment q and d = E[(u1 - u2)^2]/2.
            spread = wide(2 * bend * bend) * spread * (wide(2.0) * second + wide(-1.0) * spread)
    square = wide(value * value)
    level = level_of(square, wide(value), spread, gaussian=False, spread_reason=z.spread_reason)
    growth = expectations(activation, 0.0, 2.0**-_FLAT * activation.unit**2).slope
    return Response(level, derivative, derivative * square, wide(growth))


def _bounded(activation: Activation, z: SignalMoments) -> Response:
    """At huge scale phi is a step, or averages out: what does not tend to a constant decays by a power."""
    places = [_scaled_to(z, activation.unit, bits) for bits in (_DECAY, _DECAY + 2, _LIMIT)]
    known = [expectations(activation, place.scaled_mean, place.scaled_variance) for place in places]
    doublings = z.exponent - places[1].exponent

    def carried(before: float, after: float, limit: float) -> ExtendedFloat:
        power = round(math.log2(after / before)) if before * after > 0 else 0
        return wide(after, power * doublings) if power < 0 else wide(limit)

    def tends(name: str) -> ExtendedFloat:
        return carried(*(getattr(one, name) for one in known))

    spread = None
    if z.scaled_spread is not None:
        apart = [_spread(activation, place, one) or 0.0 for place, one in zip(places, known, strict=True)]
        spread = carried(*apart) * wide(1.0, z.spread_exponent)
    level = level_of(tends("second_moment"), tends("mean"), spread, gaussian=False, spread_reason=z.spread_reason)
    return Response(level, tends("derivative_second_moment"), tends("product_moment"), tends("slope"))


def _scaled_to(z: SignalMoments, unit: float, bits: int) -> SignalMoments:
    """The signal with its second moment moved to 2**bits; `exponent` says by how much it was."""
    shift = (bits - math.frexp(z.scaled_second_moment)[1]) // 2 + math.frexp(unit)[1]
    return replace(
        z,
        scaled_second_moment=unscaled(z.scaled_second_moment, 2 * shift),
        scaled_mean=unscaled(z.scaled_mean, shift),
        scaled_spread=None if z.scaled_spread is None else unscaled(z.scaled_spread, 2 * shift),
        exponent=shift,
    )


def derivative_pair(activation: Activation, z: SignalMoments, response: Response) -> ExtendedFloat:
    """E[phi'(u1) phi'(u2)] of two samples."""
    if activation.degree is not None:
        spread = unscaled(z.scaled_spread or 0.0, z.spread_exponent)
        pair = derivative_covariance(activation, z.scaled_mean, z.scaled_variance, spread)
        return wide(pair, 2 * (activation.degree - 1) * z.exponent)
    if z.exponent:
        # Asymptotes are not followed for pairs: this is reached behind a norm only, where the scale is ordinary.
        return response.derivative
    return wide(derivative_covariance(activation, z.mean, z.variance, z.spread or 0.0))
