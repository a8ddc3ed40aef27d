"""The forward recursion: second moment, mean and sample variance, layer by layer."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.laws import Constant, Identity, Law, Normal, Uniform
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import InputLaw, NetworkSpec, Settings, Step
from varprobe.theory.extended_float import EXPONENT_END, ExtendedFloat, unscaled, wide
from varprobe.theory.records import SignalMoments, level_of
from varprobe.theory.response import Response, respond
from varprobe.theory.shared_mean import behind, cut, is_small, mixed, through_mean, weight_mean, without_noise


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """What a step does to the level: before (`source`), after the affine map (`inner`), and after it (`output`).

    Where it begins all three are what came in. `response` is that of its activation, where it has one that is not
    linear. Where `inner` has parts, `parts` are their passages; a source without parts is that of all of them. `reason`
    says why theory ends; `is_barred` is a step through which theory finds no way back either.
    """

    source: SignalMoments | None
    inner: SignalMoments | None
    output: SignalMoments | None
    response: Response | None = None
    reason: str = ""
    is_barred: bool = False
    parts: tuple[ForwardStep, ...] = ()

    def times(self, factor: float) -> ForwardStep:
        """The step that also multiplies what it puts out."""
        return self if self.output is None else replace(self, output=self.output.times(factor).settled())


_END = EXPONENT_END // 4
_SMALLEST = 1e-280
_ENDED = "the signal explodes beyond any number"
_ONE_SAMPLE = "batch 1 has no sample variance"


def input_level(law: InputLaw) -> SignalMoments:
    """The level of the batch itself."""
    if law.rows is not None:
        return _given_level(law.rows.astype(np.float64))
    mean, std = wide(law.mean), wide(law.std)
    if law.distribution == "constant":
        return level_of(mean * mean, mean, wide(0.0), gaussian=True)
    return level_of(mean * mean + std * std, mean, std * std, gaussian=law.distribution == "normal")


def _given_level(rows: NDArray[np.float64]) -> SignalMoments:
    """Given rows: the row sums are what they are, so that two units of a row have a covariance."""
    exponent = math.frexp(float(np.max(np.abs(rows))))[1]
    rows = np.ldexp(rows, -exponent)
    batch, units = rows.shape
    second, mean, sums = float(np.mean(rows**2)), float(rows.mean()), rows.sum(axis=1)
    shared = shared_spread = 0.0
    spread = float(rows.var(axis=0, ddof=1).mean()) if batch > 1 else None
    if units > 1:
        pairs = units * (units - 1)
        shared = float((np.mean(sums**2) - units * second) / pairs) - mean**2
        if spread is not None:
            shared_spread = float((sums.var(ddof=1) - units * spread) / pairs)
    return SignalMoments(second, mean, spread, False, exponent, 0, shared, shared_spread).settled()


def passages(spec: NetworkSpec, settings: Settings) -> list[ForwardStep]:
    """One passage per step; from the first step that theory does not cover on, levels are None with the reason."""
    walk = _Walk(spec, settings.batch)
    level: SignalMoments | None = input_level(spec.input)
    if settings.batch == 1 and level is not None:
        level = replace(level, scaled_spread=None, scaled_shared_spread=0.0, spread_reason=_ONE_SAMPLE)
    found: list[ForwardStep] = []
    reason = ""
    for step in spec.steps:
        layer = step.layer
        walk.mixings += layer.weights is not None and not isinstance(layer.weights, Identity)
        if level is not None and not (layer.opens or layer.joins):
            passage = walk.follow(step, level)
        else:
            passage = layer.through(walk, ForwardStep(level, level, level))
        if passage.reason and (level is not None or not reason):
            reason = f"{step.name}: {passage.reason}"
        level = passage.output
        found.append(passage if level is not None else replace(passage, reason=reason))
    return found


class _Walk:
    """The way through a network: what it has mixed, and the responses that may be met again.

    Where repeats have come to a fixed point, or to a cycle of roundings, their responses return.
    """

    def __init__(self, spec: NetworkSpec, batch: int) -> None:
        self.batch = batch
        self.mixings = 0  # dense layers that gave their units weights of their own
        self.last_drop = -1  # how many there were before identity weights last dropped or added units
        self.known: dict[tuple[int, SignalMoments], Response] = {}
        # A network that is linear keeps its second moments exactly, whatever its units share.
        self.is_bent = any(step.layer.bends for step in spec.steps)
        self.skips: list[tuple[SignalMoments | None, int]] = []
        # The step under way, and whether it is followed for a part of the level.
        self.step = spec.steps[0]
        self.is_part = False

    def follow(self, step: Step, level: SignalMoments) -> ForwardStep:
        """Through a step that is no edge of a block; with the reason if theory ends there."""
        trouble = step.layer.uncovered or (_uncovered(level) if step.layer.variant == "batch" else "")
        if trouble:
            return ForwardStep(level, None, None, reason=trouble)
        if isinstance(step.layer.weights, Identity) and step.fan_in != step.fan_out:
            if self.last_drop == self.mixings:
                trouble = "units that identity weights dropped or added meet such weights again"
                return ForwardStep(level, None, None, reason=trouble, is_barred=True)
            self.last_drop = self.mixings
        self.step, self.is_part = step, bool(level.parts)
        if not level.parts:
            return self._one(level)
        parts = [self._one(part) for _, part in level.parts]
        trouble = next((part.reason for part in parts if part.reason), "")
        if trouble:
            return ForwardStep(level, None, None, reason=trouble)
        return _together(level, [weight for weight, _ in level.parts], parts)

    def _one(self, level: SignalMoments) -> ForwardStep:
        passage = self.step.layer.through(self, ForwardStep(level, level, level))
        out = passage.output
        if out is None or abs(out.exponent) <= _END:
            return passage
        if out.exponent > 0:
            return replace(passage, output=None, reason=_ENDED)
        still = SignalMoments(
            0.0, 0.0, out.scaled_spread and 0.0, gaussian=out.gaussian, spread_reason=out.spread_reason
        )
        return replace(passage, output=still)

    def map(self, layer: Dense, signal: ForwardStep) -> ForwardStep:
        if signal.output is None:
            return signal
        inner = affine(layer, signal.output, self.step.fan_in, self.step.fan_out)
        if inner.scaled_shared and self.is_bent and not self.is_part:
            if not is_small(inner):
                return self._cut(layer, signal.output, cut(inner))
            inner = without_noise(inner, self.step.fan_in)
        return self._activate(layer.activation, replace(signal, inner=inner, output=inner))

    def activate(self, layer: Pointwise, signal: ForwardStep) -> ForwardStep:
        return self._activate(layer.activation, signal)

    def _activate(self, activation: Activation, signal: ForwardStep) -> ForwardStep:
        inner = signal.output
        if activation.is_linear or inner is None:
            return signal
        if not inner.gaussian:
            return replace(signal, output=None, reason="an activation of a signal that is not Gaussian")
        response = self._response(activation, inner)
        out = behind(activation, inner, response.level, is_part=self.is_part)
        return replace(signal, output=out, response=response)

    def normalise(self, layer: Norm, signal: ForwardStep) -> ForwardStep:
        return signal if signal.output is None else replace(signal, output=normalised(layer, signal.output, self.batch))

    def drop(self, layer: Dropout, signal: ForwardStep) -> ForwardStep:
        if signal.output is None:
            return signal
        return replace(signal, output=dropped(signal.output, 1 - layer.dropped_share))

    def open(self, signal: ForwardStep) -> ForwardStep:
        self.skips.append((signal.output, self.mixings))
        return signal

    def join(self, layer: Join, signal: ForwardStep) -> ForwardStep:
        skip, before = self.skips.pop()
        trouble = _unjoined(skip, signal.output, layer.scale, mixes=self.mixings > before)
        joined = None if trouble else _joined(skip, signal.output, layer.scale)
        return ForwardStep(skip, skip, joined, reason=trouble, is_barred=bool(trouble))

    def _cut(self, layer: Dense, source: SignalMoments, inner: SignalMoments) -> ForwardStep:
        """From here on every value of what the units share is followed by itself."""
        weights, parts = [weight for weight, _ in inner.parts], []
        for _, part in inner.parts:
            if layer.activation.name == "linear":
                parts.append(ForwardStep(source, part, part))
            else:
                response = self._response(layer.activation, part)
                parts.append(ForwardStep(source, part, response.level, response))
        output = mixed(weights, [part.output for part in parts if part.output is not None])
        return ForwardStep(source, inner, output, parts=tuple(parts))

    def _response(self, activation: Activation, z: SignalMoments) -> Response:
        key = id(activation), z
        response = self.known.get(key)
        if response is None:
            response = self.known[key] = respond(activation, z)
        return response


def _together(source: SignalMoments, weights: list[float], parts: list[ForwardStep]) -> ForwardStep:
    """The passage of all parts; they are followed to their outputs."""
    inner = mixed(weights, [part.inner for part in parts if part.inner is not None])
    output = mixed(weights, [part.output for part in parts if part.output is not None])
    return ForwardStep(source, inner, output, parts=tuple(parts))


def _uncovered(level: SignalMoments) -> str:
    """Why theory ends before a batch norm; empty where it goes on."""
    if level.is_shared:
        return "batch norm of units that share a part"
    return "batch norm of a signal whose sample variance is not known" if level.scaled_spread is None else ""


def _unjoined(skip: SignalMoments | None, branch: SignalMoments | None, scale: float, *, mixes: bool) -> str:
    """Why a residual block ends theory."""
    if scale == 0:
        return ""
    if not mixes:
        return "a branch without weights of its own moves with its skip"
    is_shared = any(level is not None and level.is_shared for level in (skip, branch))
    return "a residual block of units that share a part" if is_shared else ""


def affine(layer: Dense, level: SignalMoments, fan_in: int, fan_out: int) -> SignalMoments:
    """z = W a + b: q = fan_in Var(W) E[a^2] + E[b^2]; the same map takes the spread, without the bias."""
    if isinstance(layer.weights, Identity):
        return _plus(_copied(level, layer.weights.gain, fan_in, fan_out), _bias(layer.bias))
    gain = weight_gain(layer.weights, fan_in, fan_out, fan_in)
    mean = weight_mean(layer.weights, fan_in, fan_out)
    if mean:
        return _plus(through_mean(level, gain, mean, fan_in), _bias(layer.bias))
    scaled = SignalMoments(
        gain.value * level.scaled_second_moment,
        0.0,
        None if level.scaled_spread is None else gain.value * level.scaled_spread,
        True,
        level.exponent + gain.exponent // 2,
        level.spread_exponent,
        spread_reason=level.spread_reason,
    )
    return _plus(scaled, _bias(layer.bias))


def _copied(level: SignalMoments, gain: float, fan_in: int, fan_out: int) -> SignalMoments:
    """Identity weights: the units there are places for, and zeros beside them."""
    kept, square = min(fan_in, fan_out) / fan_out, wide(gain) * wide(gain)
    spread = level.wide_spread
    mean = wide(gain * kept) * wide(level.scaled_mean, level.exponent)
    shared = wide(level.scaled_shared, 2 * level.exponent) * square * wide(kept * kept)
    together = wide(level.scaled_shared_spread, 2 * level.exponent + level.spread_exponent) * square * wide(kept * kept)
    return level_of(
        level.wide_second_moment * square * wide(kept),
        mean,
        None if spread is None else spread * square * wide(kept),
        gaussian=level.gaussian and kept == 1,
        shared=shared,
        shared_spread=together,
        spread_reason=level.spread_reason,
    )


@lru_cache(maxsize=4096)
def weight_gain(law: Law, fan_in: int, fan_out: int, fan: int) -> ExtendedFloat:
    """fan times the variance of one weight; its exponent is even."""
    variance = law.variance(fan_in, fan_out) or 0.0
    if variance > _SMALLEST:
        return ExtendedFloat(fan * variance)
    # The square of a standard deviation may be below the smallest double.
    try:
        return ExtendedFloat(fan * (law.scaled(2.0**500).variance(fan_in, fan_out) or 0.0), -1000)
    except OverflowError:  # no small standard deviation: the variance is zero for another reason, as all entries are
        return ExtendedFloat(0.0)


@lru_cache(maxsize=4096)
def _bias(law: Law) -> SignalMoments:
    match law:
        case Constant(value):
            mean, variance = wide(value), wide(0.0)
        case Normal() | Uniform():
            mean, variance = wide(law.mean), weight_gain(law, 1, 1, 1)
        case _:
            raise TypeError(law)
    return level_of(mean * mean + variance, mean, wide(0.0), gaussian=True)


def _plus(one: SignalMoments, other: SignalMoments) -> SignalMoments:
    """The sum of two signals that only their means correlate."""
    if not other.scaled_second_moment and other.scaled_spread is not None:
        return one.settled()
    if one.exponent != other.exponent:
        exponent = max((one, other), key=lambda level: level.log_second_moment).exponent
        one, other = _at(one, exponent), _at(other, exponent)
    second = one.scaled_second_moment + other.scaled_second_moment + 2 * one.scaled_mean * other.scaled_mean
    mean, gaussian = one.scaled_mean + other.scaled_mean, one.gaussian and other.gaussian
    shared, reason = one.scaled_shared + other.scaled_shared, one.spread_reason or other.spread_reason
    if one.scaled_spread is None or other.scaled_spread is None:
        return SignalMoments(second, mean, None, gaussian, one.exponent, 0, shared, spread_reason=reason).settled()
    apart = wide(one.scaled_spread, one.spread_exponent) + wide(other.scaled_spread, other.spread_exponent)
    together = wide(one.scaled_shared_spread, one.spread_exponent)
    together += wide(other.scaled_shared_spread, other.spread_exponent)
    shared_spread = unscaled(together.value, together.exponent - apart.exponent)
    return SignalMoments(
        second, mean, apart.value, gaussian, one.exponent, apart.exponent, shared, shared_spread
    ).settled()


def _at(level: SignalMoments, exponent: int) -> SignalMoments:
    """The same level with that exponent of the signal; what is far below it is lost, the spread is not."""
    shift = level.exponent - exponent
    return replace(
        level,
        scaled_second_moment=unscaled(level.scaled_second_moment, 2 * shift),
        scaled_mean=unscaled(level.scaled_mean, shift),
        exponent=exponent,
        spread_exponent=level.spread_exponent + 2 * shift,
        scaled_shared=unscaled(level.scaled_shared, 2 * shift),
    )


def normalised(norm: Norm, level: SignalMoments, batch: int) -> SignalMoments:
    """The level behind a norm, at large width; batch norm at its own batch size."""
    spread, second = level.wide_spread, level.wide_second_moment
    if norm.variant == "batch":
        assert spread is not None
        own = spread * wide((batch - 1) / batch)
        second = own / (own + wide(norm.eps)) if own.value else own
        # Over the batch the normalised values add up to zero: two of them have covariance -second/(batch - 1).
        return level_of(second, wide(0.0), second * wide(batch / (batch - 1)), gaussian=level.gaussian)
    size = norm_size(norm, level)
    if not size.value:
        still = None if spread is None else 0.0
        return SignalMoments(0.0, 0.0, still, level.gaussian, spread_reason=level.spread_reason)
    together = wide(level.scaled_shared_spread, 2 * level.exponent + level.spread_exponent)
    if norm.variant == "layer":  # what the units share is their mean, and taken away
        own = _own(level)
        apart = None if spread is None else (spread + wide(-1.0) * together) / size
        return level_of(own / size, wide(0.0), apart, gaussian=level.gaussian, spread_reason=level.spread_reason)
    return level_of(
        second / size,
        wide(level.scaled_mean, level.exponent) / size.root,
        None if spread is None else spread / size,
        gaussian=level.gaussian,
        shared=wide(level.scaled_shared, 2 * level.exponent) / size,
        shared_spread=together / size,
        spread_reason=level.spread_reason,
    )


def norm_size(norm: Norm, level: SignalMoments) -> ExtendedFloat:
    """What a norm over features divides the second moment by."""
    return (level.wide_second_moment if norm.variant == "rms" else _own(level)) + wide(norm.eps)


def _own(level: SignalMoments) -> ExtendedFloat:
    """The variance over units, for one sample."""
    spread = level.wide_spread
    if level.scaled_own or spread is None:
        return wide(level.scaled_own, 2 * level.exponent)
    # Lost beside the mean; what samples differ by is not.
    return spread + wide(-1.0) * wide(level.scaled_shared_spread, 2 * level.exponent + level.spread_exponent)


def dropped(level: SignalMoments, keep: float) -> SignalMoments:
    """Inverted dropout: the second moment grows by 1/keep, the covariance of two samples does not."""
    if keep == 1:
        return level
    extra = level.scaled_second_moment * (1 / keep - 1)
    apart = None if level.scaled_spread is None else wide(level.scaled_spread, level.spread_exponent) + wide(extra)
    together = wide(level.scaled_shared_spread, level.spread_exponent)
    return SignalMoments(
        level.scaled_second_moment + extra,
        level.scaled_mean,
        None if apart is None else apart.value,
        False,
        level.exponent,
        0 if apart is None else apart.exponent,
        level.scaled_shared,
        0.0 if apart is None else unscaled(together.value, together.exponent - apart.exponent),
        spread_reason=level.spread_reason,
    ).settled()


def _joined(skip: SignalMoments | None, branch: SignalMoments | None, scale: float) -> SignalMoments | None:
    """skip + scale * branch; the branch ends in weights of its own, so that only the means correlate."""
    if scale == 0:
        return skip
    if skip is None or branch is None:
        return None
    return _plus(skip, branch.times(scale))
