"""The forward recursion: second moment, mean and sample variance, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.laws import Identity
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import NetworkSpec, Settings, Step
from varprobe.theory.extended_float import EXPONENT_END, ZERO
from varprobe.theory.layer_maps import add, drop, input_moments, map_affine, normalise, vanish
from varprobe.theory.records import SignalMoments
from varprobe.theory.response import Response, respond
from varprobe.theory.shared_mean import mix, share_behind, split


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """What a step does to the signal: before (`source`), after the affine map (`inner`), and after it (`output`).

    Where it begins all three are what came in. `response` is that of its activation, where it has one that is not
    linear. Where `inner` has parts, `parts` are their steps; a source without parts is that of all of them. `reason`
    says why theory ends; `is_barred` is a step through which it finds no way back either.
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
        return replace(self, output=self.output and self.output.times(factor))


_END = EXPONENT_END // 2


def step_forward(spec: NetworkSpec, settings: Settings) -> list[ForwardStep]:
    """One per step; from the first step that theory does not cover on, signals are None with the reason."""
    walk = _Walk(spec, settings.batch)
    found: list[ForwardStep] = []
    reason = ""
    signal = _moments_at_input(spec, settings)
    if signal is None:
        reason = "input: its rows hold values that are no finite numbers"
    for step in spec.steps:
        layer = step.layer
        walk.mixings += layer.weights is not None and not isinstance(layer.weights, Identity)
        if layer.is_edge:
            made = layer.through(walk, ForwardStep(signal, signal, signal))
        elif signal is None:
            made = ForwardStep(None, None, None)
        else:
            made = walk.follow(step, signal)
        if made.reason and (signal is not None or not reason):
            reason = f"{step.name}: {made.reason}"
        signal = made.output
        found.append(made if signal is not None else replace(made, reason=reason))
    return found


def _moments_at_input(spec: NetworkSpec, settings: Settings) -> SignalMoments | None:
    """Of the batch; None where it holds what is no number."""
    rows = spec.input.rows
    if rows is not None and not np.isfinite(rows).all():
        return None
    found = input_moments(spec.input)
    if settings.batch > 1:
        return found
    reason = "batch 1 has no sample variance"
    return replace(found, sample_variance=None, shared_sample_variance=ZERO, sample_variance_reason=reason)


class _Walk:
    """The way through a network, and what it has mixed so far.

    Attributes:
        mixings: layers that gave their units weights of their own.
        last_drop: how many there were before identity weights last dropped or added units.
        skips: of every open block the signal there, and how many mixings it had passed.
        step, is_part: what is under way, and whether it is followed for a part of the signal.
    """

    def __init__(self, spec: NetworkSpec, batch: int) -> None:
        self.batch = batch
        self.mixings = 0
        self.last_drop = -1
        # A network that is linear keeps its second moments exactly, whatever its units share.
        self.is_bent = any(step.layer.bends for step in spec.steps)
        self.skips: list[tuple[SignalMoments | None, int]] = []
        self.step: Step
        self.is_part = False

    def follow(self, step: Step, signal: SignalMoments) -> ForwardStep:
        """Through a step that is no edge of a block."""
        layer = step.layer
        reason = layer.uncovered or (_refuse_batch(signal) if layer.variant == "batch" else "")
        if reason:
            return ForwardStep(signal, None, None, reason=reason)
        if isinstance(layer.weights, Identity) and step.fan_in != step.fan_out:
            if self.last_drop == self.mixings:
                reason = "units that identity weights dropped or added meet such weights again"
                return ForwardStep(signal, None, None, reason=reason, is_barred=True)
            self.last_drop = self.mixings
        self.step, self.is_part = step, bool(signal.parts)
        return _follow_parts(signal, None, self._follow_one) if signal.parts else self._follow_one(signal)

    def _follow_one(self, signal: SignalMoments) -> ForwardStep:
        return _end(self.step.layer.through(self, ForwardStep(signal, signal, signal)))

    def map(self, layer: Dense, signal: ForwardStep) -> ForwardStep:
        source = signal.output
        if source is None:
            return signal
        inner = map_affine(layer, source, self.step.fan_in, self.step.fan_out)
        if inner.shared and self.is_bent and not self.is_part:
            inner = split(inner, self.step.fan_in)
        if not inner.parts:
            return self._activate(layer.activation, replace(signal, inner=inner, output=inner), is_part=self.is_part)
        return _follow_parts(
            source,
            inner,
            lambda part: _end(self._activate(layer.activation, ForwardStep(source, part, part), is_part=True)),
        )

    def activate(self, layer: Pointwise, signal: ForwardStep) -> ForwardStep:
        return self._activate(layer.activation, signal, is_part=self.is_part)

    def _activate(self, activation: Activation, signal: ForwardStep, *, is_part: bool) -> ForwardStep:
        z = signal.output
        if activation.is_linear or z is None:
            return signal
        if not z.gaussian:
            return replace(signal, output=None, reason="an activation of a signal that is not Gaussian")
        response = respond(activation, z)
        return replace(signal, output=share_behind(activation, z, response.output, is_part=is_part), response=response)

    def normalise(self, layer: Norm, signal: ForwardStep) -> ForwardStep:
        return replace(signal, output=signal.output and normalise(layer, signal.output, self.batch))

    def drop(self, layer: Dropout, signal: ForwardStep) -> ForwardStep:
        return replace(signal, output=signal.output and drop(signal.output, layer))

    def open(self, signal: ForwardStep) -> ForwardStep:
        self.skips.append((signal.output, self.mixings))
        return signal

    def join(self, layer: Join, signal: ForwardStep) -> ForwardStep:
        """skip * x + scale * branch; the branch ends in weights of its own, so that only the means correlate."""
        (skip, before), branch = self.skips.pop(), signal.output
        if layer.scale == 0:
            return ForwardStep(skip, skip, skip and skip.times(layer.skip))
        reason = ""
        if self.mixings == before:
            reason = "a branch without weights of its own moves with its skip"
        elif any(signal is not None and signal.is_shared for signal in (skip, branch)):
            reason = "a residual block of units that share a part"
        if reason or skip is None or branch is None:
            return ForwardStep(skip, skip, None, reason=reason, is_barred=bool(reason))
        return ForwardStep(skip, skip, add(skip.times(layer.skip), branch.times(layer.scale)))


def _follow_parts(
    source: SignalMoments, inner: SignalMoments | None, follow: Callable[[SignalMoments], ForwardStep]
) -> ForwardStep:
    """Part by part, those of `inner` where it is cut here."""
    parts = (inner or source).parts
    weights = [weight for weight, _ in parts]
    steps = tuple(follow(part) for _, part in parts)
    failed = next((step for step in steps if step.output is None), None)
    if failed is not None:
        return ForwardStep(source, None, None, reason=failed.reason)
    inner = inner or mix(weights, [step.inner for step in steps if step.inner is not None])
    output = mix(weights, [step.output for step in steps if step.output is not None])
    return ForwardStep(source, inner, output, parts=steps)


def _end(step: ForwardStep) -> ForwardStep:
    """The step, unless its output has left the range of all numbers."""
    if step.output is None or step.parts:
        return step
    exponent = step.output.second_moment.exponent
    if exponent > _END:
        return replace(step, output=None, reason="the signal explodes beyond any number")
    return replace(step, output=vanish(step.output)) if exponent < -_END else step


def _refuse_batch(signal: SignalMoments) -> str:
    """Why theory ends before a batch norm; empty where it goes on."""
    if signal.is_shared:
        return "batch norm of units that share a part"
    return "batch norm of a signal whose sample variance is not known" if signal.sample_variance is None else ""
