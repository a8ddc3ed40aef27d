"""The backward recursion: second moment of the gradient, from the output to the input."""

from __future__ import annotations

import math
from dataclasses import replace

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import expectations
from varprobe.network.laws import FromFile, Identity, Lsuv, Orthogonal
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import NetworkSpec, Settings, Step
from varprobe.theory.batch_norm import normalise_batch
from varprobe.theory.extended_float import ONE, ZERO, ExtendedFloat
from varprobe.theory.forward import ForwardStep
from varprobe.theory.gradient import GradientMoments, mix_gradients, pass_activation, pass_mean
from varprobe.theory.layer_maps import eps_in_units, norm_size, weight_gain
from varprobe.theory.objective import begin_gradient, draws_zeros
from varprobe.theory.records import SignalMoments
from varprobe.theory.shared_mean import average, weight_mean

# Below this effective share of the values of what units share, the mean gradient is that of rare draws.
_RARE_LOG = math.log(0.3)


@dataclass(frozen=True, slots=True)
class BackwardStep:
    """The gradient's second moment behind and before a step, divided by that at the output; None with a reason."""

    output: ExtendedFloat | None
    source: ExtendedFloat | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Back:
    """What a step makes of a gradient: at its source, and in a dense layer its second moment at z."""

    gradient: GradientMoments | None
    inner: ExtendedFloat | None = None
    reason: str = ""

    def times(self, factor: float) -> _Back:
        """What a layer makes of it that multiplies by a number."""
        if self.gradient is None:
            return self
        return replace(self, gradient=self.gradient.in_terms_of(factor).times(ExtendedFloat(factor) ** 2))


def step_backward(
    spec: NetworkSpec, settings: Settings, forward: list[ForwardStep]
) -> tuple[list[BackwardStep], ExtendedFloat | None]:
    """One per step, in the order of the steps, and the second moment of the input's gradient.

    The gradient at a join's source is that at its block's: through the skip and the branch. Behind a head of zeros,
    which lets nothing through, the body has a random one of second moment 1 at its output, as measuring puts it.
    """
    gradient, reason = begin_gradient(spec, forward[-1])
    zero_head = spec.head if spec.head is not None and draws_zeros(spec.head) else None
    way = _Way(settings.batch)
    found: list[BackwardStep] = []
    for step, ahead in zip(reversed(spec.steps), reversed(forward), strict=True):
        layer, behind = step.layer, gradient
        way.step, way.ahead, way.done = step, ahead, len(found)
        if layer.opens:
            gradient, join = layer.through(way, _Back(gradient)).gradient, way.closed
            source = None if gradient is None else gradient.second_moment(ahead.source)
            found.append(BackwardStep(None, source, reason))
            found[join] = BackwardStep(found[join].output, source, found[join].reason or reason)
            continue
        back = _Back(None)
        if layer.joins:
            back = layer.through(way, _Back(gradient))
        elif gradient is not None and not ahead.is_barred:
            back = _follow(way, gradient)
        if ahead.is_barred:
            back = _Back(None)
        if gradient is not None and back.gradient is None:
            reason = ahead.reason or f"{step.name}: {back.reason}"
        gradient = GradientMoments(ONE) if step is zero_head else back.gradient
        output = behind.second_moment(ahead.output) if behind is not None else None if found else ONE
        source = back.inner
        if source is None and gradient is not None and not layer.joins:
            source = gradient.second_moment(ahead.source)
        found.append(BackwardStep(output, source, reason))
    at_input = gradient.second_moment(forward[0].source) if gradient is not None else None
    return found[::-1], at_input


class _Way:
    """The way back.

    Attributes:
        step, ahead: those under way, the latter of one part of the signal where it has parts.
        done: how many steps have been gone back.
        skips: of every open block the gradient past it, the scale, and how many steps had been gone back there.
        closed: that number, of the block that was closed last.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.step: Step
        self.ahead: ForwardStep
        self.done = self.closed = 0
        self.skips: list[tuple[GradientMoments | None, float, int]] = []

    def map(self, layer: Dense, signal: _Back) -> _Back:
        return signal if signal.gradient is None else _pass_dense(self.step, layer, signal.gradient, self.ahead)

    def activate(self, layer: Pointwise, signal: _Back) -> _Back:
        ahead = self.ahead
        if signal.gradient is None or layer.activation.is_linear:
            return signal
        if ahead.source is None or ahead.response is None:
            return _Back(None)
        past = pass_activation(layer.activation, signal.gradient, ahead.source, ahead.response, whole=True)
        return _Back(replace(past, is_bent=True))

    def normalise(self, layer: Norm, signal: _Back) -> _Back:
        source = self.ahead.source
        if signal.gradient is None or source is None or self.ahead.output is None:
            return _Back(None)
        return _pass_norm(layer, signal.gradient, source, self.batch)

    def drop(self, layer: Dropout, signal: _Back) -> _Back:
        return signal if signal.gradient is None else _pass_dropout(layer, signal.gradient, self.ahead.source)

    def open(self, signal: _Back) -> _Back:
        skip, scale, self.closed = self.skips.pop()
        return _Back(skip if scale == 0 else _add(signal.gradient, skip))

    def join(self, layer: Join, signal: _Back) -> _Back:
        """To the end of the branch."""
        past = signal.gradient and signal.gradient.in_terms_of(layer.skip).times(ExtendedFloat(layer.skip) ** 2)
        self.skips.append((past, layer.scale, self.done))
        if signal.gradient is None:
            return signal
        if layer.scale and not signal.gradient.is_fresh:
            return _Back(None, reason="the gradient is tied to the output across a residual join")
        return _Back(signal.gradient.times(ExtendedFloat(layer.scale) * layer.scale))


def _follow(way: _Way, gradient: GradientMoments) -> _Back:
    """Back through a step, part by part where its signal has parts."""
    layer, ahead = way.step.layer, way.ahead
    if not ahead.parts:
        return layer.through(way, _Back(gradient))
    assert ahead.inner is not None
    weights = [weight for weight, _ in ahead.inner.parts]
    behind = gradient.parts or (gradient,) * len(weights)
    backs = []
    for part, way.ahead in zip(behind, ahead.parts, strict=True):
        backs.append(layer.through(way, _Back(part)))
    failed = next((back for back in backs if back.gradient is None), None)
    if failed is not None:
        return failed
    inner = None
    if layer.weights is not None:
        values = [back.inner for back in backs if back.inner is not None]
        inner = average(weights, values)
        if inner and (inner * inner).log < average(weights, [value * value for value in values]).log + _RARE_LOG:
            return _Back(None, reason="the mean gradient is that of rare draws")
    parts = [back.gradient for back in backs if back.gradient is not None]
    whole = mix_gradients(weights, parts)
    is_cut = ahead.source is not None and bool(ahead.source.parts)
    return _Back(replace(whole, parts=tuple(parts)) if is_cut else whole, inner)


def _pass_dense(step: Step, layer: Dense, gradient: GradientMoments, ahead: ForwardStep) -> _Back:
    """delta = phi' g, then W^T delta."""
    z, n = ahead.inner, step.fan_out
    mean = weight_mean(layer.weights, step.fan_in, n)
    if mean:
        if ahead.inner is None or ahead.source is None:
            return _Back(None)
        if gradient.shared:
            return _Back(None, reason="the gradients of two samples meet in weights with a mean")
        if gradient.is_bent:
            return _Back(None, reason="the gradient of an activation of its own meets weights with a mean")
        variance = weight_gain(layer.weights, step.fan_in, n, 1)
        return _Back(*pass_mean(gradient, layer.activation, ahead, mean, variance, (step.fan_in, n)))
    delta = _delta(layer, gradient, ahead, whole=isinstance(layer.weights, Identity))
    inner = None if delta is None else delta.second_moment(z)
    if delta is None or inner is None or isinstance(layer.weights, (FromFile, Lsuv)):
        return _Back(None, inner)
    if isinstance(layer.weights, Identity):
        return _pass_identity(layer.weights, delta, inner, step.fan_in, n)
    gain = weight_gain(layer.weights, step.fan_in, n, n)
    fresh, tied = gain * inner, delta.tied and gain * gain * delta.tied
    if tied and isinstance(layer.weights, Orthogonal) and n <= step.fan_in and ahead.source is not None:
        fresh = fresh - tied * ahead.source.second_moment  # orthonormal rows keep the norm, whatever the gradient is
    return _Back(GradientMoments(fresh, tied, delta.shared and gain * delta.shared), inner)


def _delta(layer: Dense, gradient: GradientMoments, ahead: ForwardStep, *, whole: bool) -> GradientMoments | None:
    """The gradient at z."""
    if layer.activation.is_linear:
        return gradient
    if ahead.inner is not None and ahead.response is not None:
        return pass_activation(layer.activation, gradient, ahead.inner, ahead.response, whole=whole)
    # Where the signal is not known: phi' of a function of two slopes does not mind its size.
    if not gradient.is_fresh or gradient.shared or layer.activation.degree != 1:
        return None
    if isinstance(layer.weights, (FromFile, Identity)) or weight_mean(layer.weights, 1, 1):
        return None
    if isinstance(layer.bias, FromFile) or weight_mean(layer.bias, 1, 1):
        return None
    return GradientMoments(gradient.fresh * expectations(layer.activation, 0.0, 1.0).derivative_second_moment)


def _pass_identity(law: Identity, delta: GradientMoments, inner: ExtendedFloat, fan_in: int, fan_out: int) -> _Back:
    """Identity weights hand every unit's gradient to its own unit; those that were dropped get none."""
    if fan_in != fan_out and not delta.is_fresh:
        return _Back(None, inner, "the gradient is tied to the output across identity weights")
    share = ExtendedFloat(law.gain) ** 2 * (min(fan_in, fan_out) / fan_in)
    return _Back(delta.in_terms_of(law.gain).times(share), inner)


def _pass_dropout(layer: Dropout, gradient: GradientMoments, source: SignalMoments | None) -> _Back:
    """Kept entries a x + b pass on a of the gradient, which met the signal as large, and shifted.

    In the mean over what is dropped that is G1 + G2 (a x + b) times a k; the rest is noise.
    """
    factor, shift, through = layer.kept_factor, layer.kept_shift, layer.mean_factor
    more, mean = factor * through, through * through
    fresh = replace(gradient, fresh=gradient.fresh * more, shared=gradient.shared * mean, clear_of=0)
    if gradient.is_fresh:
        return _Back(fresh)
    if source is None:
        return _Back(None)
    common = gradient.common + 2.0 * shift * gradient.cross + shift * shift * gradient.tied
    met = replace(
        gradient,
        fresh=ZERO,
        clear_of=0,
        common=common * mean,
        cross=(gradient.cross + shift * gradient.tied) * (mean * factor),
        tied=gradient.tied * (more * more),
        within=gradient.within * (more * more),
    )
    seen = met.second_moment(source)
    assert seen is not None
    extra = seen * (layer.dropped_share / (1 - layer.dropped_share))
    return _Back(replace(met, fresh=gradient.fresh * more + extra, shared=fresh.shared))


def _pass_norm(norm: Norm, gradient: GradientMoments, source: SignalMoments, batch: int) -> _Back:
    """Divided by the variance; what is tied to the signal itself is projected out."""
    if norm.variant in ("rms", "layer"):
        size = norm_size(norm, source)
        return _Back(_project(norm, gradient, source).times(1.0 / size) if size else GradientMoments(ZERO))
    if source.sample_variance is None:
        return _Back(None)
    rest = gradient.fresh + gradient.common - gradient.shared
    ratio = eps_in_units(norm, source.sample_variance)
    if ratio:
        second = rest * normalise_batch(ratio, batch)[1] / source.sample_variance
    elif norm.eps and source.sample_variance.value and source.sample_variance < norm.eps:
        second = rest * ((batch - 1) / batch) / norm.eps
    elif batch == 2 or not source.sample_variance:
        return _Back(GradientMoments(ZERO))
    elif batch == 3:
        return _Back(None, reason="batch norm over 3 rows has a gradient of infinite mean")
    else:
        # Mean and what is along the signal are projected out; E[1/v] of a Gaussian batch is (batch/(batch - 3))/v.
        second = rest * ((batch - 2) / (batch - 3)) / source.sample_variance
    return _Back(GradientMoments(second, ZERO, second * (-1 / (batch - 1))))


def _project(norm: Norm, gradient: GradientMoments, source: SignalMoments) -> GradientMoments:
    """The gradient without what a norm over features takes away: G2 x, and G1 or its part along x."""
    clear_of = 2 if norm.variant == "layer" else 1
    gradient = replace(gradient, tied=ZERO, cross=ZERO, within=ZERO, clear_of=clear_of, is_bent=False)
    if norm.variant == "layer":
        return replace(gradient, common=ZERO)
    if not gradient.common or not source.second_moment:
        return gradient
    along = source.mean / source.second_moment
    return replace(gradient, cross=-(gradient.common * along), tied=gradient.common * along * along)


def _add(one: GradientMoments | None, other: GradientMoments | None) -> GradientMoments | None:
    if one is None or other is None:
        return None
    if not one.fresh and one.is_fresh:
        return other
    return GradientMoments(one.fresh + other.fresh, ZERO, one.shared + other.shared)
