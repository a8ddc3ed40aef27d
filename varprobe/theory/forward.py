"""The forward recursion: second moment, mean and sample variance, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.laws import FromFile, Identity, Lsuv
from varprobe.network.spec import Dense, Dropout, Join, NetworkSpec, Norm, Open, Pointwise, Settings, Step
from varprobe.theory.extended_float import EXPONENT_END, ZERO, ExtendedFloat
from varprobe.theory.layer_maps import add, drop, input_moments, map_affine, normalise, vanish
from varprobe.theory.records import SignalMoments
from varprobe.theory.response import Response, respond
from varprobe.theory.shared_mean import mix, share_behind, split


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """What a step does to the signal: before (`source`), after the affine map (`inner`), and after it (`output`).

    `response` is that of its activation, where it has one that is not linear. Where `inner` has parts, `parts` are
    their steps; a source without parts is that of all of them. `reason` says why theory ends; `is_barred` is a step
    through which it finds no way back either.
    """

    source: SignalMoments | None
    inner: SignalMoments | None
    output: SignalMoments | None
    response: Response | None = None
    reason: str = ""
    is_barred: bool = False
    parts: tuple[ForwardStep, ...] = ()


_END = EXPONENT_END // 2


def step_forward(spec: NetworkSpec, settings: Settings) -> list[ForwardStep]:
    """One per step; from the first step that theory does not cover on, signals are None with the reason."""
    walk = _Walk(spec, settings.batch)
    at_input = input_moments(spec.input)
    if settings.batch == 1:
        reason = "batch 1 has no sample variance"
        at_input = replace(at_input, sample_variance=None, shared_sample_variance=ZERO, sample_variance_reason=reason)
    signal: SignalMoments | None = at_input
    skips: list[tuple[SignalMoments | None, int]] = []
    found: list[ForwardStep] = []
    reason = ""
    for step in spec.steps:
        layer = step.layer
        walk.mixings += isinstance(layer, Dense) and not isinstance(layer.weights, Identity)
        if isinstance(layer, Open):
            skips.append((signal, walk.mixings))
            made = ForwardStep(signal, signal, signal)
        elif isinstance(layer, Join):
            skip, before = skips.pop()
            made = _join(skip, signal, layer.scale, mixes=walk.mixings > before)
        elif signal is None:
            made = ForwardStep(None, None, None)
        else:
            made = walk.follow(step, signal)
        if made.reason and (signal is not None or not reason):
            reason = f"{step.name}: {made.reason}"
        signal = made.output
        found.append(made if signal is not None else replace(made, reason=reason))
    return found


class _Walk:
    """The way through a network, and what it has mixed so far."""

    def __init__(self, spec: NetworkSpec, batch: int) -> None:
        self.batch = batch
        self.mixings = 0  # dense layers that gave their units weights of their own
        self.last_drop = -1  # how many there were before identity weights last dropped or added units
        kinds = [step.layer for step in spec.steps]
        # A network that is linear keeps its second moments exactly, whatever its units share.
        self.is_bent = any(
            isinstance(kind, Norm) or (isinstance(kind, (Dense, Pointwise)) and not kind.activation.is_linear)
            for kind in kinds
        )

    def follow(self, step: Step, signal: SignalMoments) -> ForwardStep:
        """Through a step that is no join."""
        layer = step.layer
        reason = _uncovered(layer, signal)
        if reason:
            return ForwardStep(signal, None, None, reason=reason)
        if isinstance(layer, Dense):
            rectangular = isinstance(layer.weights, Identity) and step.fan_in != step.fan_out
            if rectangular and self.last_drop == self.mixings:
                reason = "units that identity weights dropped or added meet such weights again"
                return ForwardStep(signal, None, None, reason=reason, is_barred=True)
            self.last_drop = self.mixings if rectangular else self.last_drop
        if signal.parts:
            return _follow_parts(signal, None, lambda part: self._follow_one(step, part, is_part=True))
        return self._follow_one(step, signal)

    def _follow_one(self, step: Step, signal: SignalMoments, *, is_part: bool = False) -> ForwardStep:
        layer = step.layer
        if isinstance(layer, Dense):
            inner = map_affine(layer, signal, step.fan_in, step.fan_out)
            if inner.shared and self.is_bent and not is_part:
                inner = split(inner, step.fan_in)
            if inner.parts:
                follow = partial(self._activate, layer.activation, signal, is_part=True)
                return _follow_parts(signal, inner, follow)
            return self._activate(layer.activation, signal, inner, is_part=is_part)
        if isinstance(layer, Pointwise):
            return self._activate(layer.activation, signal, signal, is_part=is_part)
        out = signal
        if isinstance(layer, Norm):
            out = normalise(layer, signal, self.batch)
        elif isinstance(layer, Dropout):
            out = drop(signal, 1 - layer.probability)
        return _end(signal, signal, out)

    def _activate(
        self, activation: Activation, source: SignalMoments, inner: SignalMoments, *, is_part: bool
    ) -> ForwardStep:
        if activation.is_linear:
            return _end(source, inner, inner)
        if not inner.gaussian:
            return ForwardStep(source, inner, None, reason="an activation of a signal that is not Gaussian")
        response = respond(activation, inner)
        return _end(source, inner, share_behind(activation, inner, response.output, is_part=is_part), response)


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


def _end(
    source: SignalMoments, inner: SignalMoments, output: SignalMoments, response: Response | None = None
) -> ForwardStep:
    """The step, unless the output has left the range of all numbers."""
    exponent = output.second_moment.exponent
    if exponent > _END:
        return ForwardStep(source, inner, None, response, "the signal explodes beyond any number")
    return ForwardStep(source, inner, vanish(output) if exponent < -_END else output, response)


def _uncovered(layer: object, signal: SignalMoments) -> str:
    """Why theory ends before this layer; empty where it goes on."""
    if isinstance(layer, Dense):
        for what, law in (("weights", layer.weights), ("biases", layer.bias)):
            if isinstance(law, FromFile):
                return f"given {what} have no law"
        if isinstance(layer.weights, Lsuv):
            return "lsuv depends on the data"
    if isinstance(layer, Norm) and (layer.gamma or layer.beta):
        return "given gamma and beta have no law"
    if isinstance(layer, Norm) and layer.variant == "batch":
        if signal.is_shared:
            return "batch norm of units that share a part"
        if signal.sample_variance is None:
            return "batch norm of a signal whose sample variance is not known"
    return ""


def _join(skip: SignalMoments | None, branch: SignalMoments | None, scale: float, *, mixes: bool) -> ForwardStep:
    """skip + scale * branch; the branch ends in weights of its own, so that only the means correlate."""
    if scale == 0:
        return ForwardStep(skip, skip, skip)
    reason = ""
    if not mixes:
        reason = "a branch without weights of its own moves with its skip"
    elif any(signal is not None and signal.is_shared for signal in (skip, branch)):
        reason = "a residual block of units that share a part"
    if reason or skip is None or branch is None:
        return ForwardStep(skip, skip, None, reason=reason, is_barred=bool(reason))
    square, apart = ExtendedFloat(scale) ** 2, branch.sample_variance
    scaled = replace(
        branch,
        second_moment=square * branch.second_moment,
        mean=scale * branch.mean,
        sample_variance=apart and square * apart,
    )
    return ForwardStep(skip, skip, add(skip, scaled))
