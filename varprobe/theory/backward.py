"""The backward recursion: second moment of the gradient, from the output to the input.

The gradient is taken as independent of the weights it passes (checked by measurement, exact for the random
cotangent in wide layers). Only the mse objective ties it to the output: there the gradient is
alpha * a + a fresh part, and by Stein's lemma a layer maps alpha to alpha fan_out Var(W) d E[phi^2]/dv.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from varprobe.spec.activations import Activation
from varprobe.spec.gaussian import expectations
from varprobe.spec.laws import Given, Identity, Lsuv
from varprobe.spec.network import (
    Dense,
    Dropout,
    Join,
    NetworkSpec,
    Norm,
    Objective,
    Open,
    Pointwise,
    Settings,
    Step,
)
from varprobe.theory.forward import Passage, norm_size, weight_gain
from varprobe.theory.records import Level
from varprobe.theory.response import Response, derivative_pair
from varprobe.theory.together import mean_slope, weight_mean
from varprobe.theory.wide import Wide, wide

_NONE = Wide(0.0)


@dataclass(frozen=True, slots=True)
class Gradient:
    """`fresh` is the second moment of the part that is independent of the signal, `alpha` the tie to it.

    `shared` is E[g g'] of the fresh part for two samples: batch norm makes gradients that add up to zero.
    `common` is E[g_i g_k] of two units for the same sample: weights with a mean make them alike.
    `parts` are the gradients of the level's parts.
    """

    fresh: Wide
    alpha: Wide = _NONE
    shared: Wide = _NONE
    common: Wide = _NONE
    parts: tuple[Gradient, ...] = ()

    def second_moment(self, level: Level | None) -> Wide | None:
        """Of the whole gradient, at a signal of that level; None where that is needed and not known."""
        if not self.alpha.value:
            return self.fresh
        return None if level is None else self.fresh + self.alpha * self.alpha * level.wide_second_moment

    def times(self, factor: Wide) -> Gradient:
        """Without a tie, its second moment times a factor."""
        shared = self.shared * factor if self.shared.value else _NONE
        common = self.common * factor if self.common.value else _NONE
        return Gradient(self.fresh * factor, _NONE, shared, common, tuple(part.times(factor) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Return:
    """The gradient's second moment behind and before a step, divided by that at the output; None with a reason."""

    output: Wide | None
    source: Wide | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Back:
    """What a step makes of a gradient: at its source, and in a dense layer its second moment at z."""

    gradient: Gradient | None
    inner: Wide | None = None
    reason: str = ""


def returns(spec: NetworkSpec, settings: Settings, forward: list[Passage]) -> tuple[list[Return], Wide | None]:
    """One return per step, in the order of the steps, and the second moment of the input's gradient.

    The gradient at a join's source is that at its block's: through the skip and the branch.
    """
    gradient, reason = _objective(spec.objective, forward[-1])
    skips: list[tuple[Gradient | None, int]] = []
    found: list[Return] = []
    for step, passage in zip(reversed(spec.steps), reversed(forward), strict=True):
        layer, behind = step.layer, gradient
        if isinstance(layer, Open):
            skip, join = skips.pop()
            gradient = None if gradient is None or skip is None else _sum(gradient, skip)
            source = None if gradient is None else gradient.second_moment(passage.source)
            found.append(Return(None, source, reason))
            found[join] = Return(found[join].output, source, found[join].reason or reason)
            continue
        back = _Back(None)
        if isinstance(layer, Join):
            skips.append((behind, len(found)))
            back = _branch(layer, gradient)
        elif gradient is not None:
            back = _through(step, gradient, passage, settings.batch)
        if gradient is not None and back.gradient is None:
            reason = passage.reason or f"{step.name}: {back.reason}"
        gradient = back.gradient
        output = behind.second_moment(passage.output) if behind is not None else None if found else Wide(1.0)
        source = back.inner
        if source is None and gradient is not None and not isinstance(layer, Join):
            source = gradient.second_moment(passage.source)
        found.append(Return(output, source, reason))
    at_input = gradient.second_moment(forward[0].source) if gradient is not None else None
    return found[::-1], at_input


def _objective(objective: Objective, last: Passage) -> tuple[Gradient | None, str]:
    """The gradient at the output, its second moment 1."""
    if objective.kind == "cross_entropy":
        return None, "the cross-entropy gradient depends on the output"
    if objective.kind == "mse":
        if last.output is None:
            return None, last.reason
        whole = last.output.wide_second_moment + Wide(1.0)
        return Gradient(Wide(1.0) / whole, whole.root.inverse), ""
    if objective.cotangent is not None:
        given = objective.cotangent.astype(np.float64)
        given /= np.max(np.abs(given)) or 1.0
        units, second, sums = given.shape[1], float(np.mean(given**2)), float(np.mean(given.sum(axis=1) ** 2))
        if units > 1 and second:
            return Gradient(Wide(1.0), common=wide((sums / (units * second) - 1) / (units - 1))), ""
    return Gradient(Wide(1.0)), ""


def _branch(join: Join, gradient: Gradient | None) -> _Back:
    if gradient is not None and gradient.alpha.value and join.scale:
        return _Back(None, reason="the mse gradient is tied to the output across a residual join")
    return _Back(gradient and replace(gradient.times(wide(join.scale) * wide(join.scale)), alpha=_NONE))


def _through(step: Step, gradient: Gradient, passage: Passage, batch: int) -> _Back:
    """Back through a step that is no join."""
    if not passage.parts:
        return _one(step, gradient, passage, batch)
    level = passage.inner
    assert level is not None
    weights = [weight for weight, _ in level.parts]
    behind = gradient.parts or (gradient,) * len(weights)
    backs = [_one(step, part, way, batch) for part, way in zip(behind, passage.parts, strict=True)]
    failed = next((back for back in backs if back.gradient is None), None)
    if failed is not None:
        return failed
    parts = [back.gradient for back in backs if back.gradient is not None]
    inner = None
    if isinstance(step.layer, Dense):
        inner = _mean(weights, [back.inner for back in backs if back.inner is not None])
    whole = Gradient(
        _mean(weights, [part.fresh for part in parts]),
        alpha=parts[0].alpha,
        common=_mean(weights, [part.common for part in parts]),
    )
    is_cut = passage.source is not None and bool(passage.source.parts)
    if whole.alpha.value and not is_cut:
        return _Back(None, inner, "the mse gradient is tied to what units share")
    return _Back(replace(whole, parts=tuple(parts)) if is_cut else whole, inner)


def _mean(weights: list[float], numbers: list[Wide]) -> Wide:
    total = _NONE
    for weight, number in zip(weights, numbers, strict=True):
        total += wide(weight) * number
    return total


def _one(step: Step, gradient: Gradient, passage: Passage, batch: int) -> _Back:
    layer = step.layer
    if isinstance(layer, Dense):
        return _dense(step, layer, gradient, passage)
    if isinstance(layer, Pointwise):
        if layer.activation.name == "linear":
            return _Back(gradient)
        if gradient.alpha.value:
            return _Back(None, reason="the mse gradient is tied to the output across an activation of its own")
        if passage.source is None or passage.response is None:
            return _Back(None)
        return _Back(_past(layer.activation, gradient, passage.source, passage.response))
    if isinstance(layer, Dropout):
        if gradient.alpha.value:
            return _Back(None, reason="the mse gradient is tied to the output across dropout")
        return _Back(replace(gradient, fresh=gradient.fresh * wide(1 / (1 - layer.probability))))
    if isinstance(layer, Norm) and passage.source is not None and passage.output is not None:
        return _norm(layer, gradient, passage.source, batch)
    return _Back(None)


def _dense(step: Step, layer: Dense, gradient: Gradient, passage: Passage) -> _Back:
    """delta = phi' g, then W^T delta."""
    delta = _delta(layer, gradient, passage)
    if delta is None:
        return _Back(None)
    inner = delta.fresh
    if delta.alpha.value and passage.inner is not None:
        tied = gradient.alpha * gradient.alpha
        inner += tied * (passage.inner.wide_second_moment if passage.response is None else passage.response.product)
    if isinstance(layer.weights, (Given, Lsuv)):
        return _Back(None, inner)
    if isinstance(layer.weights, Identity):
        return _copied(layer.weights, delta, inner, step.fan_in, step.fan_out, is_bent=passage.response is not None)
    scale = weight_gain(layer.weights, step.fan_in, step.fan_out, step.fan_out)
    mean = weight_mean(layer.weights, step.fan_in, step.fan_out)
    shared = scale * delta.shared if delta.shared.value else _NONE
    if not mean:
        alpha = delta.alpha * scale if delta.alpha.value else _NONE
        return _Back(Gradient(scale * inner, alpha, shared), inner)
    if delta.alpha.value:
        return _Back(None, inner, "the mse gradient is tied to the output through weights with a mean")
    if delta.shared.value:
        return _Back(None, inner, "the gradients of two samples meet in weights with a mean")
    n = step.fan_out
    common = wide(mean) * wide(mean) * (wide(n) * inner + wide(n * (n - 1.0)) * delta.common)
    return _Back(Gradient(scale * inner + common, common=common), inner)


def _delta(layer: Dense, gradient: Gradient, passage: Passage) -> Gradient | None:
    """The gradient at z; its `fresh` is without, its `alpha` with the tie's own slope."""
    if layer.activation.name == "linear":
        return gradient if passage.inner is not None or not gradient.alpha.value else None
    if passage.inner is not None and passage.response is not None:
        return _past(layer.activation, gradient, passage.inner, passage.response)
    return _centred(layer, gradient)


def _centred(layer: Dense, gradient: Gradient) -> Gradient | None:
    """Where the signal is not known: phi' of a function of two slopes does not mind its size."""
    if gradient.alpha.value or gradient.shared.value or gradient.common.value or layer.activation.degree != 1:
        return None
    if isinstance(layer.weights, (Given, Identity)) or weight_mean(layer.weights, 1, 1):
        return None
    if isinstance(layer.bias, Given) or weight_mean(layer.bias, 1, 1):
        return None
    return Gradient(gradient.fresh * wide(expectations(layer.activation, 0.0, 1.0).derivative_second_moment))


def _past(activation: Activation, gradient: Gradient, z: Level, response: Response) -> Gradient:
    """Before phi, from behind it."""
    fresh = gradient.fresh * response.derivative
    alpha, shared, common = gradient.alpha, gradient.shared, gradient.common
    if not (alpha.value or shared.value or common.value):
        return Gradient(fresh)
    if alpha.value:
        alpha = alpha * response.slope
    if shared.value:
        shared = shared * derivative_pair(activation, z, response) if z.scaled_spread is not None else _NONE
    if common.value:
        common = common * mean_slope(activation, z)
    return Gradient(fresh, alpha, shared, common)


def _copied(law: Identity, delta: Gradient, inner: Wide, fan_in: int, fan_out: int, *, is_bent: bool) -> _Back:
    """Identity weights hand every unit's gradient to its own unit; those that were dropped get none."""
    if delta.alpha.value and (is_bent or fan_in != fan_out):
        return _Back(None, inner, "the mse gradient is tied to the output across identity weights")
    kept, square = min(fan_in, fan_out) / fan_in, wide(law.gain) * wide(law.gain)
    return _Back(
        Gradient(
            delta.fresh * square * wide(kept),
            delta.alpha * square,
            delta.shared * square * wide(kept),
            delta.common * square * wide(kept * kept),
        ),
        inner,
    )


def _norm(norm: Norm, gradient: Gradient, source: Level, batch: int) -> _Back:
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
    apart = gradient.fresh + wide(-1.0) * gradient.shared
    second = apart * wide((batch - 2) / (batch - 3)) / size
    return _Back(Gradient(second, _NONE, second * wide(-1 / (batch - 1))))


def _apart(norm: Norm, gradient: Gradient, source: Level) -> Gradient:
    """The gradient without what a norm over features takes away of what units have in common."""
    if not gradient.common.value:
        return gradient
    along = 1.0
    if norm.variant == "rms":
        along = (source.scaled_mean**2 + source.scaled_shared) / source.scaled_second_moment
    taken = gradient.common * wide(-along)
    return replace(gradient, fresh=gradient.fresh + taken, common=gradient.common * wide((1 - along) ** 2))


def _sum(one: Gradient, other: Gradient) -> Gradient:
    if not one.fresh.value:
        return other
    return Gradient(one.fresh + other.fresh, _NONE, one.shared + other.shared, one.common + other.common)
