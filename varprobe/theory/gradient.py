"""The gradient at one place, and what activations and weights with a mean make of it.

At a signal x it is g = G1 + G2 x + a fresh part that is independent of the weights it passes (checked by measurement,
exact for the random cotangent in wide layers). G1 comes of weights with a mean, G2 of the mse objective. Of W^T delta
only E[delta] and, by Stein's lemma, E[d delta/dz] are seen by the layer before: with W_ij = mu + sigma w_ij and
delta = phi'(z) (G1 + G2 phi(z)),
G1 becomes mu n (E[phi'] G1 + E[phi phi'] G2) and G2 becomes sigma^2 n (E[phi''] G1 + d E[phi^2]/dv G2).
"""

from __future__ import annotations

from dataclasses import replace

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.theory.extended_float import ONE, ZERO, ExtendedFloat
from varprobe.theory.forward import ForwardStep
from varprobe.theory.records import SignalMoments
from varprobe.theory.response import Response, derivative_pair
from varprobe.theory.shared_mean import Sensitivity, average, sensitivity


@dataclass(frozen=True, slots=True)
class GradientMoments:
    """Second moments of G1 + G2 x + a fresh part.

    Attributes:
        fresh: of the fresh part.
        tied: E[G2^2], all of it.
        shared: E[g g'] of the fresh part for two samples: batch norm makes gradients that add up to zero.
        common, cross: E[G1^2] and E[G1 G2].
        within: the part of E[G2^2] that is noise of width and counted in `fresh` already.
        clear_of: what the fresh part has nothing along, of the units' vectors: 0 nothing, 1 x, 2 x and the constant.
        is_bent: it has passed an activation of its own, and its fresh part depends on the signal's size.
        parts: the gradients of the signal's parts.
    """

    fresh: ExtendedFloat
    tied: ExtendedFloat = ZERO
    shared: ExtendedFloat = ZERO
    common: ExtendedFloat = ZERO
    cross: ExtendedFloat = ZERO
    within: ExtendedFloat = ZERO
    clear_of: int = 0
    is_bent: bool = False
    parts: tuple[GradientMoments, ...] = ()

    @property
    def is_fresh(self) -> bool:
        """Whether nothing of it is tied to the signal."""
        return not (self.tied.value or self.common.value)

    def second_moment(self, signal: SignalMoments | None) -> ExtendedFloat | None:
        """Of the whole gradient, at that signal; None where that is needed and not known."""
        if self.is_fresh:
            return self.fresh
        whole = self.fresh + self.common
        if signal is None:
            return None if self.tied or self.cross else whole
        if self.cross:
            whole += 2.0 * self.cross * signal.mean
        return whole + self.beside * signal.second_moment if self.tied else whole

    @property
    def beside(self) -> ExtendedFloat:
        """E[G2^2] beside what `fresh` counts."""
        return self.tied - self.within if self.within else self.tied

    def times(self, factor: ExtendedFloat | float) -> GradientMoments:
        """The gradient with all its second moments times a factor."""
        return GradientMoments(
            self.fresh * factor,
            self.tied and self.tied * factor,
            self.shared and self.shared * factor,
            self.common and self.common * factor,
            self.cross and self.cross * factor,
            self.within and self.within * factor,
            self.clear_of,
            self.is_bent,
            tuple(part.times(factor) for part in self.parts),
        )

    def in_terms_of(self, factor: float) -> GradientMoments:
        """The same gradient at y = factor x, by x: G2 y is factor G2 x."""
        square = ExtendedFloat(factor) ** 2
        return replace(
            self,
            tied=self.tied and self.tied * square,
            cross=self.cross and self.cross * factor,
            within=self.within and self.within * square,
            parts=tuple(part.in_terms_of(factor) for part in self.parts),
        )


def mix_gradients(weights: list[float], parts: list[GradientMoments]) -> GradientMoments:
    """The gradient of which those are the parts, which it does not keep."""
    return replace(
        parts[0],
        fresh=average(weights, [part.fresh for part in parts]),
        tied=average(weights, [part.tied for part in parts]),
        shared=average(weights, [part.shared for part in parts]),
        common=average(weights, [part.common for part in parts]),
        cross=average(weights, [part.cross for part in parts]),
        within=average(weights, [part.within for part in parts]),
        parts=(),
    )


def pass_activation(
    activation: Activation, gradient: GradientMoments, z: SignalMoments, response: Response, *, whole: bool
) -> GradientMoments:
    """Before phi, from behind it: delta = phi'(z) (G1 + G2 phi(z)) is A + B z and a rest that no weights see.

    Unless the `whole` is asked for, A is left in the rest: weights without a mean do not see it either.
    """
    fresh, shared = gradient.fresh * response.derivative, gradient.shared
    if shared:
        shared = shared * derivative_pair(activation, z, response) if z.sample_variance is not None else ZERO
    common, cross, tied = gradient.common, gradient.cross, gradient.tied
    if not common and (not tied or not whole):
        steep = tied and tied * response.slope * response.slope
        rest = tied and tied * response.product - steep * z.second_moment
        return GradientMoments(fresh + rest, steep, shared)
    known = sensitivity(activation, z)
    flat, along, bend, slope = known.slope, known.along, known.bend, response.slope
    square = common * response.derivative + tied * response.product
    if cross and flat:
        # E[phi phi'^2], which is this for two slopes.
        square = square + 2.0 * cross * along * response.derivative / flat
    centre = _form(gradient, (flat, along), (flat, along))  # E[delta]^2
    steep = _form(gradient, (bend, slope), (bend, slope))  # E[d delta/dz]^2
    both = _form(gradient, (flat, along), (bend, slope))
    constant = centre + -2.0 * z.mean * both + z.mean * z.mean * steep
    rest = square - (centre + z.variance * steep)
    if rest < 0.0:  # rounding, or the estimate above
        rest = ZERO
    return GradientMoments(fresh + rest, steep, shared, constant, both - z.mean * steep)


def pass_mean(
    gradient: GradientMoments,
    activation: Activation,
    ahead: ForwardStep,
    mean: float,
    variance: ExtendedFloat,
    shape: tuple[int, int],
) -> tuple[GradientMoments, ExtendedFloat]:
    """Back through phi and weights of that mean and variance, shape (fan_in, fan_out), to order 1/width.

    Given z, the fresh part of W^T delta has sigma^2 sum(delta_i (W x)_i)/x^2 along x; that noise goes to G2. Returned
    with the second moment at z.
    """
    (fan_in, n), x, z, response = shape, ahead.source, ahead.inner, ahead.response
    assert x is not None
    assert z is not None
    known = sensitivity(activation, z)
    derivative, slope = (ONE, ONE) if response is None else (response.derivative, response.slope)
    product = z.second_moment if response is None else response.product
    common, cross, fresh = gradient.common, gradient.cross, gradient.fresh
    square = common * derivative + gradient.beside * product
    if cross and known.slope:
        # E[phi phi'^2], which is this for two slopes.
        square = square + 2.0 * cross * known.along * derivative / known.slope
    one, two = (known.slope, known.along), (known.bend, slope)
    inner = fresh * derivative + square
    noise = _noise(known, derivative, slope, variance, ahead.output, gradient.clear_of)
    along = fresh * noise[2]
    if x.second_moment:
        along = along + inner / (fan_in * x.second_moment)
    gain, mu = n * variance, ExtendedFloat(mean)
    along = gain * along
    alone = fresh * noise[0] + square - _form(replace(gradient, tied=gradient.beside), one, one)
    behind = GradientMoments(
        gain * inner,
        gain * gain * _form(gradient, two, two) + along,
        ZERO,
        mu * mu * (n * n * _form(gradient, one, one) + n * alone),
        mu * gain * (n * _form(gradient, one, two) + fresh * noise[1]),
        gain * gain * slope * slope * gradient.within + along,
        clear_of=1,
    )
    return behind, inner


def _noise(
    known: Sensitivity,
    derivative: ExtendedFloat,
    slope: ExtendedFloat,
    variance: ExtendedFloat,
    output: SignalMoments | None,
    clear_of: int,
) -> tuple[ExtendedFloat, ExtendedFloat, ExtendedFloat]:
    """Per fresh second moment and unit: of sum(delta), of it with sum(delta W x), of that beyond E[phi'^2].

    The vectors phi' and phi' W x count without their parts along what the fresh part is clear of.
    """
    own, mixed, bent = derivative, known.by_mean, 2.0 * variance * known.by_variance
    one, two, size = known.along, slope, ZERO
    if output is not None and clear_of:
        size = output.second_moment if clear_of == 1 else output.own_variance
    if output is not None and clear_of == 2:
        own, mixed = own - known.slope * known.slope, mixed - known.slope * known.bend
        bent = bent - variance * known.bend * known.bend
        one = one - known.slope * output.mean
        two = two - known.bend * output.mean
    if not size:
        return own, mixed, bent
    share = -1.0 / size
    return own + share * one * one, mixed + share * one * two, bent + share * variance * two * two


def _form(
    gradient: GradientMoments, left: tuple[ExtendedFloat, ExtendedFloat], right: tuple[ExtendedFloat, ExtendedFloat]
) -> ExtendedFloat:
    """E[(l1 G1 + l2 G2) (r1 G1 + r2 G2)]."""
    first = gradient.common * left[0] * right[0] + gradient.tied * left[1] * right[1]
    if not gradient.cross:
        return first
    return first + gradient.cross * (left[0] * right[1] + left[1] * right[0])
