"""The backward recursion: second moment of the gradient, from the output to the input.

The gradient at a signal x is followed as g = G1 + G2 x + a fresh part that is independent of the weights it passes
(checked by measurement, exact for the random cotangent in wide layers). G1 comes of weights with a mean, G2 of the mse
objective. Of W^T delta only E[delta] and, by Stein's lemma, E[d delta/dz] are seen by the layer before: with
W_ij = mu + sigma w_ij and delta = phi'(z) (G1 + G2 phi(z)),
G1 becomes mu n (E[phi'] G1 + E[phi phi'] G2) and G2 becomes sigma^2 n (E[phi''] G1 + d E[phi^2]/dv G2).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import Activation
from varprobe.network.laws import FromFile, Identity, Lsuv
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import NetworkSpec, Objective, Settings, Step
from varprobe.theory.extended_float import ExtendedFloat, wide
from varprobe.theory.forward import ForwardStep, norm_size, weight_gain
from varprobe.theory.records import SignalMoments
from varprobe.theory.response import Response, derivative_pair
from varprobe.theory.shared_mean import Sensitivity, sensitivity, weight_mean

_NONE, _TWO, _MINUS = ExtendedFloat(0.0), ExtendedFloat(2.0), ExtendedFloat(-1.0)
# Below this effective share of the values of what units share, the mean gradient is that of rare draws.
_RARE_LOG = math.log(0.3)


@dataclass(frozen=True, slots=True)
class Gradient:
    """Second moments of G1 + G2 x + a fresh part.

    Attributes:
        fresh: of the fresh part.
        tied: E[G2^2], all of it.
        shared: E[g g'] of the fresh part for two samples: batch norm makes gradients that add up to zero.
        common, cross: E[G1^2] and E[G1 G2].
        within: the part of E[G2^2] that is noise of width and counted in `fresh` already.
        clear_of: what the fresh part has nothing along, of the units' vectors: 0 nothing, 1 x, 2 x and the constant.
        is_bent: it has passed an activation of its own, and its fresh part depends on the signal's size.
        parts: the gradients of the level's parts.
    """

    fresh: ExtendedFloat
    tied: ExtendedFloat = _NONE
    shared: ExtendedFloat = _NONE
    common: ExtendedFloat = _NONE
    cross: ExtendedFloat = _NONE
    within: ExtendedFloat = _NONE
    clear_of: int = 0
    is_bent: bool = False
    parts: tuple[Gradient, ...] = ()

    def second_moment(self, level: SignalMoments | None) -> ExtendedFloat | None:
        """Of the whole gradient, at a signal of that level; None where that is needed and not known."""
        if not (self.tied.value or self.common.value):
            return self.fresh
        if level is None:
            return None if self.tied.value or self.cross.value else self.fresh + self.common
        whole = self.fresh + self.common
        if self.cross.value:
            whole += _TWO * self.cross * level.wide_mean
        return whole + self.beside * level.wide_second_moment if self.tied.value else whole

    @property
    def beside(self) -> ExtendedFloat:
        """E[G2^2] beside what `fresh` counts."""
        return self.tied + _MINUS * self.within if self.within.value else self.tied

    def times(self, factor: ExtendedFloat) -> Gradient:
        """The gradient with all its second moments times a factor."""
        return Gradient(
            self.fresh * factor,
            self.tied * factor if self.tied.value else _NONE,
            self.shared * factor if self.shared.value else _NONE,
            self.common * factor if self.common.value else _NONE,
            self.cross * factor if self.cross.value else _NONE,
            self.within * factor if self.within.value else _NONE,
            self.clear_of,
            self.is_bent,
            tuple(part.times(factor) for part in self.parts),
        )

    def in_terms_of(self, factor: float) -> Gradient:
        """The same gradient at y = factor x, by x: G2 y is factor G2 x."""
        square = wide(factor) * wide(factor)
        return replace(
            self,
            tied=self.tied * square,
            cross=self.cross * wide(factor),
            within=self.within * square,
            parts=tuple(part.in_terms_of(factor) for part in self.parts),
        )


@dataclass(frozen=True, slots=True)
class BackwardStep:
    """The gradient's second moment behind and before a step, divided by that at the output; None with a reason."""

    output: ExtendedFloat | None
    source: ExtendedFloat | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Back:
    """What a step makes of a gradient: at its source, and in a dense layer its second moment at z."""

    gradient: Gradient | None
    inner: ExtendedFloat | None = None
    reason: str = ""

    def times(self, factor: float) -> _Back:
        """What a layer makes of it that multiplies by a number."""
        if self.gradient is None:
            return self
        return replace(self, gradient=self.gradient.in_terms_of(factor).times(wide(factor) * wide(factor)))


def returns(
    spec: NetworkSpec, settings: Settings, forward: list[ForwardStep]
) -> tuple[list[BackwardStep], ExtendedFloat | None]:
    """One return per step, in the order of the steps, and the second moment of the input's gradient.

    The gradient at a join's source is that at its block's: through the skip and the branch.
    """
    gradient, reason = _objective(spec.objective, forward[-1])
    way = _Way(settings.batch)
    found: list[BackwardStep] = []
    for step, passage in zip(reversed(spec.steps), reversed(forward), strict=True):
        layer, behind = step.layer, gradient
        if layer.opens:
            gradient = layer.through(way, _Back(gradient)).gradient
            source = None if gradient is None else gradient.second_moment(passage.source)
            found.append(BackwardStep(None, source, reason))
            join = way.join_of_block
            found[join] = BackwardStep(found[join].output, source, found[join].reason or reason)
            continue
        way.step, way.passage, way.done = step, passage, len(found)
        back = _Back(None)
        if layer.joins:
            back = layer.through(way, _Back(gradient))
        elif gradient is not None:
            back = _through(way, gradient)
        if passage.is_barred:
            back = _Back(None)
        if gradient is not None and back.gradient is None:
            reason = passage.reason or f"{step.name}: {back.reason}"
        gradient = back.gradient
        output = behind.second_moment(passage.output) if behind is not None else None if found else ExtendedFloat(1.0)
        source = back.inner
        if source is None and gradient is not None and not layer.joins:
            source = gradient.second_moment(passage.source)
        found.append(BackwardStep(output, source, reason))
    at_input = gradient.second_moment(forward[0].source) if gradient is not None else None
    return found[::-1], at_input


def _objective(objective: Objective, last: ForwardStep) -> tuple[Gradient | None, str]:
    """The gradient at the output, its second moment 1."""
    if objective.kind == "cross_entropy":
        return None, "the cross-entropy gradient depends on the output"
    if objective.kind == "mse":
        if last.output is None:
            return None, last.reason
        whole = last.output.wide_second_moment + ExtendedFloat(1.0)
        return Gradient(whole.inverse, whole.inverse), ""
    if objective.cotangent is not None:
        given = objective.cotangent.astype(np.float64)
        given /= np.max(np.abs(given)) or 1.0
        units, second, sums = given.shape[1], float(np.mean(given**2)), float(np.mean(given.sum(axis=1) ** 2))
        if units > 1 and second:
            common = (sums / (units * second) - 1) / (units - 1)
            return Gradient(wide(1 - common), common=wide(common)), ""
    return Gradient(ExtendedFloat(1.0)), ""


def _branch(join: Join, gradient: Gradient | None) -> _Back:
    if gradient is None:
        return _Back(None)
    if (gradient.tied.value or gradient.common.value) and join.scale:
        return _Back(None, reason="the gradient is tied to the output across a residual join")
    return _Back(gradient.times(wide(join.scale) * wide(join.scale)))


class _Way:
    """The way back.

    Attributes:
        step, passage: those under way, the latter of one part of the level where it has parts.
        done: how many steps have been gone back.
        skips: of every open block the gradient at its join, the scale, and how many steps had been gone back there.
        join_of_block: that number of the block that was closed last.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.step: Step
        self.passage: ForwardStep
        self.done = self.join_of_block = 0
        self.skips: list[tuple[Gradient | None, float, int]] = []

    def map(self, layer: Dense, signal: _Back) -> _Back:
        return signal if signal.gradient is None else _dense(self.step, layer, signal.gradient, self.passage)

    def activate(self, layer: Pointwise, signal: _Back) -> _Back:
        gradient, passage = signal.gradient, self.passage
        if gradient is None or layer.activation.is_linear:
            return signal
        if passage.source is None or passage.response is None:
            return _Back(None)
        past = _past(layer.activation, gradient, passage.source, passage.response, whole=True)
        return _Back(replace(past, is_bent=True))

    def drop(self, layer: Dropout, signal: _Back) -> _Back:
        return signal if signal.gradient is None else _dropout(layer, signal.gradient, self.passage.source)

    def normalise(self, layer: Norm, signal: _Back) -> _Back:
        passage = self.passage
        if signal.gradient is None or passage.source is None or passage.output is None:
            return _Back(None)
        return _norm(layer, signal.gradient, passage.source, self.batch)

    def open(self, signal: _Back) -> _Back:
        skip, scale, self.join_of_block = self.skips.pop()
        return _Back(skip if scale == 0 else _sum(signal.gradient, skip))

    def join(self, layer: Join, signal: _Back) -> _Back:
        self.skips.append((signal.gradient, layer.scale, self.done))
        return _branch(layer, signal.gradient)


def _through(way: _Way, gradient: Gradient) -> _Back:
    """Back through a step that is no join."""
    step, passage = way.step, way.passage
    if not passage.parts:
        return step.layer.through(way, _Back(gradient))
    level = passage.inner
    assert level is not None
    weights = [weight for weight, _ in level.parts]
    behind = gradient.parts or (gradient,) * len(weights)
    backs = []
    for part, way.passage in zip(behind, passage.parts, strict=True):
        backs.append(step.layer.through(way, _Back(part)))
    failed = next((back for back in backs if back.gradient is None), None)
    if failed is not None:
        return failed
    parts = [back.gradient for back in backs if back.gradient is not None]
    inner = None
    if step.layer.weights is not None:
        values = [back.inner for back in backs if back.inner is not None]
        inner = _mean(weights, values)
        if inner.value and (inner * inner).log < _mean(weights, [value * value for value in values]).log + _RARE_LOG:
            return _Back(None, reason="the mean gradient is that of rare draws")
    whole = Gradient(
        _mean(weights, [part.fresh for part in parts]),
        _mean(weights, [part.tied for part in parts]),
        _mean(weights, [part.shared for part in parts]),
        _mean(weights, [part.common for part in parts]),
        _mean(weights, [part.cross for part in parts]),
        _mean(weights, [part.within for part in parts]),
        parts[0].clear_of,
        parts[0].is_bent,
    )
    is_cut = passage.source is not None and bool(passage.source.parts)
    return _Back(replace(whole, parts=tuple(parts)) if is_cut else whole, inner)


def _mean(weights: list[float], numbers: list[ExtendedFloat]) -> ExtendedFloat:
    total = _NONE
    for weight, number in zip(weights, numbers, strict=True):
        total += wide(weight) * number
    return total


def _dense(step: Step, layer: Dense, gradient: Gradient, passage: ForwardStep) -> _Back:
    """delta = phi' g, then W^T delta."""
    z, n = passage.inner, step.fan_out
    mean = weight_mean(layer.weights, step.fan_in, n)
    if mean:
        return _mean_back(step, layer, gradient, passage, mean)
    delta = _delta(layer, gradient, passage, whole=isinstance(layer.weights, Identity))
    inner = None if delta is None else delta.second_moment(z)
    if delta is None or inner is None or isinstance(layer.weights, (FromFile, Lsuv)):
        return _Back(None, inner)
    if isinstance(layer.weights, Identity):
        return _copied(layer.weights, delta, inner, step.fan_in, n)
    gain = weight_gain(layer.weights, step.fan_in, n, n)
    tied = gain * gain * delta.tied if delta.tied.value else _NONE
    shared = gain * delta.shared if delta.shared.value else _NONE
    return _Back(Gradient(gain * inner, tied, shared), inner)


def _mean_back(step: Step, layer: Dense, gradient: Gradient, passage: ForwardStep, mean: float) -> _Back:
    """Back through weights with a mean, to order 1/width: what G1 and G2 become, and the noise that feeds them.

    Given z, the fresh part of W^T delta has sigma^2 sum(delta_i (W x)_i)/x^2 along x; that noise goes to G2.
    """
    z, x = passage.inner, passage.source
    if z is None or x is None:
        return _Back(None)
    if gradient.shared.value:
        return _Back(None, reason="the gradients of two samples meet in weights with a mean")
    if gradient.is_bent:
        return _Back(None, reason="the gradient of an activation of its own meets weights with a mean")
    known, response = sensitivity(layer.activation, z), passage.response
    derivative, slope = (
        (ExtendedFloat(1.0), ExtendedFloat(1.0)) if response is None else (response.derivative, response.slope)
    )
    product = z.wide_second_moment if response is None else response.product
    common, cross, fresh = gradient.common, gradient.cross, gradient.fresh
    square = common * derivative + gradient.beside * product
    if cross.value and known.slope.value:
        # E[phi phi'^2], which is this for two slopes.
        square = square + _TWO * cross * known.along * derivative / known.slope
    one, two = (known.slope, known.along), (known.bend, slope)
    inner = fresh * derivative + square
    n, mu = wide(step.fan_out), wide(mean)
    sigma2 = weight_gain(layer.weights, step.fan_in, step.fan_out, 1)
    noise = _noise(known, derivative, slope, sigma2, passage.output, gradient.clear_of)
    along = fresh * noise[2]
    if x.scaled_second_moment:
        along = along + inner / (wide(step.fan_in) * x.wide_second_moment)
    along = n * sigma2 * along
    alone = fresh * noise[0] + square + _MINUS * _form(replace(gradient, tied=gradient.beside), one, one)
    gain = n * sigma2
    behind = Gradient(
        gain * inner,
        gain * gain * _form(gradient, two, two) + along,
        _NONE,
        mu * mu * (n * n * _form(gradient, one, one) + n * alone),
        mu * gain * (n * _form(gradient, one, two) + fresh * noise[1]),
        gain * gain * slope * slope * gradient.within + along,
        clear_of=1,
    )
    return _Back(behind, inner)


def _noise(
    known: Sensitivity,
    derivative: ExtendedFloat,
    slope: ExtendedFloat,
    sigma2: ExtendedFloat,
    output: SignalMoments | None,
    clear_of: int,
) -> tuple[ExtendedFloat, ExtendedFloat, ExtendedFloat]:
    """Per fresh second moment and unit: of sum(delta), of it with sum(delta W x), of that beyond E[phi'^2].

    The vectors phi' and phi' W x count without their parts along what the fresh part is clear of.
    """
    own, mixed, bent = derivative, known.by_mean, _TWO * sigma2 * known.by_variance
    one, two, size = known.along, slope, _NONE
    if output is not None and clear_of:
        size = output.wide_second_moment if clear_of == 1 else wide(output.scaled_own, 2 * output.exponent)
    if output is not None and clear_of == 2:
        own, mixed = own + _MINUS * known.slope * known.slope, mixed + _MINUS * known.slope * known.bend
        bent = bent + _MINUS * sigma2 * known.bend * known.bend
        one = one + _MINUS * known.slope * output.wide_mean
        two = two + _MINUS * known.bend * output.wide_mean
    if not size.value:
        return own, mixed, bent
    share = _MINUS / size
    return own + share * one * one, mixed + share * one * two, bent + share * sigma2 * two * two


def _form(
    gradient: Gradient, left: tuple[ExtendedFloat, ExtendedFloat], right: tuple[ExtendedFloat, ExtendedFloat]
) -> ExtendedFloat:
    """E[(l1 G1 + l2 G2) (r1 G1 + r2 G2)]."""
    first = gradient.common * left[0] * right[0] + gradient.tied * left[1] * right[1]
    if not gradient.cross.value:
        return first
    return first + gradient.cross * (left[0] * right[1] + left[1] * right[0])


def _delta(layer: Dense, gradient: Gradient, passage: ForwardStep, *, whole: bool) -> Gradient | None:
    """The gradient at z."""
    if layer.activation.name == "linear":
        return gradient
    if passage.inner is not None and passage.response is not None:
        return _past(layer.activation, gradient, passage.inner, passage.response, whole=whole)
    return _centred(layer, gradient)


def _centred(layer: Dense, gradient: Gradient) -> Gradient | None:
    """Where the signal is not known: phi' of a function of two slopes does not mind its size."""
    if gradient.tied.value or gradient.shared.value or gradient.common.value or layer.activation.degree != 1:
        return None
    if isinstance(layer.weights, (FromFile, Identity)) or weight_mean(layer.weights, 1, 1):
        return None
    if isinstance(layer.bias, FromFile) or weight_mean(layer.bias, 1, 1):
        return None
    return Gradient(gradient.fresh * wide(expectations(layer.activation, 0.0, 1.0).derivative_second_moment))


def _past(activation: Activation, gradient: Gradient, z: SignalMoments, response: Response, *, whole: bool) -> Gradient:
    """Before phi, from behind it: delta = phi'(z) (G1 + G2 phi(z)) is A + B z and a rest that no weights see.

    Unless the `whole` is asked for, A is left in the rest: weights without a mean do not see it either.
    """
    fresh, shared = gradient.fresh * response.derivative, gradient.shared
    if shared.value:
        shared = shared * derivative_pair(activation, z, response) if z.scaled_spread is not None else _NONE
    common, cross, tied = gradient.common, gradient.cross, gradient.tied
    if not common.value and (not tied.value or not whole):
        steep = tied * response.slope * response.slope
        rest = tied * response.product + _MINUS * steep * z.wide_second_moment if tied.value else _NONE
        return Gradient(fresh + rest, steep, shared)
    known = sensitivity(activation, z)
    flat, along, bend, slope = known.slope, known.along, known.bend, response.slope
    square = common * response.derivative + tied * response.product
    if cross.value and flat.value:
        # E[phi phi'^2], which is this for two slopes.
        square = square + _TWO * cross * along * response.derivative / flat
    centre = _form(gradient, (flat, along), (flat, along))  # E[delta]^2
    steep = _form(gradient, (bend, slope), (bend, slope))  # E[d delta/dz]^2
    both = _form(gradient, (flat, along), (bend, slope))
    mean = z.wide_mean
    constant = centre + wide(-2.0) * mean * both + mean * mean * steep
    seen = centre + wide(z.scaled_variance, 2 * z.exponent) * steep
    rest = square + _MINUS * seen
    if rest.value < 0:  # rounding, or the estimate above
        rest = _NONE
    return Gradient(fresh + rest, steep, shared, constant, both + _MINUS * mean * steep)


def _copied(law: Identity, delta: Gradient, inner: ExtendedFloat, fan_in: int, fan_out: int) -> _Back:
    """Identity weights hand every unit's gradient to its own unit; those that were dropped get none."""
    if fan_in != fan_out and (delta.tied.value or delta.common.value):
        return _Back(None, inner, "the gradient is tied to the output across identity weights")
    factor = wide(law.gain) * wide(law.gain) * wide(min(fan_in, fan_out) / fan_in)
    return _Back(delta.in_terms_of(law.gain).times(factor), inner)


def _dropout(layer: Dropout, gradient: Gradient, source: SignalMoments | None) -> _Back:
    """Kept entries pass on 1/keep of the gradient, and met the signal 1/keep as large."""
    more = wide(1 / (1 - layer.dropped_share))
    if not (gradient.tied.value or gradient.common.value):
        return _Back(replace(gradient, fresh=gradient.fresh * more, clear_of=0))
    if source is None:
        return _Back(None)
    met = replace(gradient, fresh=_NONE, clear_of=0, cross=gradient.cross * more, tied=gradient.tied * more * more)
    seen = met.second_moment(source)
    assert seen is not None
    extra = seen * wide(layer.dropped_share / (1 - layer.dropped_share))
    return _Back(replace(met, fresh=gradient.fresh * more + extra))


def _norm(norm: Norm, gradient: Gradient, source: SignalMoments, batch: int) -> _Back:
    """Divided by the variance; what is tied to the signal itself is projected out."""
    if norm.variant in ("rms", "layer"):
        size = norm_size(norm, source)
        return _Back(_apart(norm, gradient, source).times(size.inverse) if size.value else Gradient(_NONE))
    spread = source.wide_spread
    if spread is None:
        return _Back(None)
    if batch == 3:
        return _Back(None, reason="batch norm over 3 rows has a gradient of infinite mean")
    size = spread + wide(norm.eps)
    if batch == 2 or not size.value:
        return _Back(Gradient(_NONE))
    # The mean over the batch and what is along the signal are projected out; E[1/v] of a Gaussian batch is
    # (batch/(batch - 3))/spread.
    apart = gradient.fresh + gradient.common + _MINUS * gradient.shared
    second = apart * wide((batch - 2) / (batch - 3)) / size
    return _Back(Gradient(second, _NONE, second * wide(-1 / (batch - 1))))


def _apart(norm: Norm, gradient: Gradient, source: SignalMoments) -> Gradient:
    """The gradient without what a norm over features takes away: G2 x, and G1 or its part along x."""
    clear_of = 2 if norm.variant == "layer" else 1
    gradient = replace(gradient, tied=_NONE, cross=_NONE, within=_NONE, clear_of=clear_of, is_bent=False)
    if norm.variant == "layer":
        return replace(gradient, common=_NONE)
    if not gradient.common.value or not source.scaled_second_moment:
        return gradient
    along = source.wide_mean / source.wide_second_moment
    cross, tied = gradient.common * along * _MINUS, gradient.common * along * along
    return replace(gradient, cross=cross, tied=tied)


def _sum(one: Gradient | None, other: Gradient | None) -> Gradient | None:
    if one is None or other is None:
        return None
    if not one.fresh.value and not one.common.value and not one.tied.value:
        return other
    return Gradient(one.fresh + other.fresh, _NONE, one.shared + other.shared)
