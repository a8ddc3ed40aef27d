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
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import Activation, make_activation
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.records import SignalMoments

# A signal this many powers of two (of the second moment) from the bend sees phi's asymptotes alone, to rounding; where
# phi is flat at 0 that begins at `_FLAT` already, since differences of phi lose their digits below it.
_ASYMPTOTIC, _FLAT = 120, 100
# Where a bounded function's decay is read off, and where its limits are, in the same powers of two.
_DECAY, _LIMIT = 54, 190
# Phi is straight between two samples whose sample variance is below this, beside a signal of ordinary scale.
_CLOSE = 1e-150


@dataclass(frozen=True, slots=True)
class Response:
    """A Gaussian signal behind an activation.

    Attributes:
        output: the signal behind it.
        derivative: E[phi'^2].
        product: E[phi^2 phi'^2].
        slope: d E[phi^2] / dv; 0 at variance 0, where there is nothing to be tied to.
    """

    output: SignalMoments
    derivative: ExtendedFloat
    product: ExtendedFloat
    slope: ExtendedFloat


@lru_cache(maxsize=1024)
def respond(activation: Activation, z: SignalMoments) -> Response:
    """The response to a Gaussian signal of any scale; remembered, since repeats come to a fixed point or a cycle."""
    if activation.degree is not None:
        return _carry(activation, z, activation.degree)
    second = z.second_moment
    if not second.exponent and (not second or activation.near is not None):
        return _carry(activation, z)
    bits = second.bits - 2 * math.frexp(activation.unit)[1]
    if bits < -_FLAT and activation.near is None and (second.exponent or activation.value(np.zeros(1))[0]):
        return _flatten(activation, z)
    if bits < -_ASYMPTOTIC and second.exponent and activation.near is not None:
        return _bend(activation.near, z)
    if bits > _ASYMPTOTIC and second.exponent:
        return _respond_far(activation, z)
    return _carry(activation, z)


def _respond_far(activation: Activation, z: SignalMoments) -> Response:
    if activation.far is None:
        return _bound(activation, z)
    response = _bend(activation.far, z)
    # A signal that lies on a flat side alone is what the function tends to there.
    alone = response.output.second_moment.log < z.second_moment.log - 70
    return _bound(activation, z) if alone else response


def _carry(activation: Activation, z: SignalMoments, degree: int = 0) -> Response:
    """By the expectations; phi(c x) = c^degree phi(x) where the signal has an exponent."""
    e = z.exponent if degree else 0
    mean, variance = z.scaled(e)
    known = expectations(activation, mean, variance)
    derivative, apart = ExtendedFloat(known.derivative_second_moment, 2 * (degree - 1) * e), z.sample_variance
    if apart is not None:
        difference = apart.scaled(-2 * e)
        if difference > _CLOSE or not apart:
            apart = ExtendedFloat(pair_spread(activation, mean, variance, difference), 2 * degree * e)
        else:
            apart *= derivative
    return Response(
        SignalMoments(
            ExtendedFloat(known.second_moment, 2 * degree * e),
            ExtendedFloat(known.mean, degree * e),
            apart,
            gaussian=False,
            sample_variance_reason=z.sample_variance_reason,
        ),
        derivative,
        ExtendedFloat(known.product_moment, (4 * degree - 2) * e),
        ExtendedFloat(known.slope if variance else 0.0, 2 * (degree - 1) * e),
    )


def _bend(slopes: tuple[float, float], z: SignalMoments) -> Response:
    """phi(x) = left x below 0 and right x above it."""
    activation, factor = _make_leaky(slopes)
    mirrored = slopes[1] == 0  # the side that is not flat has to be the right one
    scaled = _carry(activation, replace(z, mean=-z.mean) if mirrored else z, 1)
    output, square = scaled.output, factor * factor
    output = replace(
        output,
        second_moment=square * output.second_moment,
        mean=factor * output.mean,
        sample_variance=output.sample_variance and square * output.sample_variance,
    )
    return Response(output, scaled.derivative * square, scaled.product * square * square, scaled.slope * square)


@lru_cache(maxsize=256)
def _make_leaky(slopes: tuple[float, float]) -> tuple[Activation, float]:
    """The leaky relu, and a factor, that make those slopes."""
    left, right = slopes
    if right == 0:
        return make_activation("relu"), -left
    return make_activation("leaky_relu", slope=left / right), right


def _flatten(activation: Activation, z: SignalMoments) -> Response:
    """phi(x) = phi(0) + slope x, or phi(0) + bend x^2 where the slope is 0."""
    tiny = 2.0**-100 * activation.unit
    at = np.array([0.0, tiny])
    value, slope = float(activation.value(at)[0]), float(activation.derivative(at)[0])
    second, apart = z.second_moment, z.sample_variance
    if slope:
        derivative = ExtendedFloat(slope * slope)
        apart = apart and apart * derivative
    else:
        bend = float(activation.derivative(at)[1]) / (2 * tiny) if value else 0.0
        derivative = 4 * bend * bend * second
        # E[(u1^2 - u2^2)^2]/2 = 2 d (2 q - d) with second moment q and d = E[(u1 - u2)^2]/2.
        apart = apart and 2 * bend * bend * apart * (2.0 * second - apart)
    square, reason = ExtendedFloat(value * value), z.sample_variance_reason
    output = SignalMoments(square, ExtendedFloat(value), apart, gaussian=False, sample_variance_reason=reason)
    growth = expectations(activation, 0.0, 2.0**-_FLAT * activation.unit**2).slope
    return Response(output, derivative, derivative * square, ExtendedFloat(growth))


def _bound(activation: Activation, z: SignalMoments) -> Response:
    """At huge scale phi is a step, or averages out: what does not tend to a constant decays by a power."""
    size, unit = z.second_moment.bits, math.frexp(activation.unit)[1]
    exponents = [-((bits - size) // 2) - unit for bits in (_DECAY, _DECAY + 2, _LIMIT)]
    places = [z.scaled(exponent) for exponent in exponents]
    known = [expectations(activation, *place) for place in places]

    def carry(before: float, after: float, limit: float) -> ExtendedFloat:
        power = round(math.log2(after / before)) if before * after > 0 else 0
        return ExtendedFloat(after, power * exponents[1]) if power < 0 else ExtendedFloat(limit)

    def tend(name: str) -> ExtendedFloat:
        return carry(*(getattr(one, name) for one in known))

    derivative, apart = tend("derivative_second_moment"), z.sample_variance
    if apart is not None:
        differences = [apart.scaled(-2 * exponent) for exponent in exponents]
        if differences[0] > _CLOSE or not apart:
            pairs = zip(places, differences, strict=True)
            apart = carry(*(pair_spread(activation, *place, difference) for place, difference in pairs))
        else:
            apart *= derivative
    reason = z.sample_variance_reason
    output = SignalMoments(tend("second_moment"), tend("mean"), apart, gaussian=False, sample_variance_reason=reason)
    return Response(output, derivative, tend("product_moment"), tend("slope"))


def derivative_pair(activation: Activation, z: SignalMoments, response: Response) -> ExtendedFloat:
    """E[phi'(u1) phi'(u2)] of two samples."""
    if activation.degree is None and z.exponent:
        # Asymptotes are not followed for pairs: this is reached behind a norm only, where the scale is ordinary.
        return response.derivative
    e, degree = z.exponent, activation.degree or 1
    difference = 0.0 if z.sample_variance is None else z.sample_variance.scaled(-2 * e)
    return ExtendedFloat(derivative_covariance(activation, *z.scaled(e), difference), 2 * (degree - 1) * e)
