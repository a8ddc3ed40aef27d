"""The backward recursion: second moment of the gradient, from the output to the input.

The gradient is taken as independent of the weights it passes (checked by measurement, exact for the random
cotangent in wide layers). Only the mse objective ties it to the output: there the gradient is
alpha * a + a fresh part, and by Stein's lemma a layer maps alpha to alpha fan_out Var(W) d E[phi^2]/dv.
"""

from __future__ import annotations

from dataclasses import dataclass

from varprobe.spec.activations import Activation
from varprobe.spec.network import Dense, Dropout, Join, NetworkSpec, Norm, Open, Pointwise, Settings
from varprobe.theory.forward import Passage, norm_size, weight_gain
from varprobe.theory.records import Level
from varprobe.theory.response import Response, derivative_pair
from varprobe.theory.wide import Wide, wide

_NONE = Wide(0.0)


@dataclass(frozen=True, slots=True)
class Gradient:
    """`fresh` is the second moment of the part that is independent of the signal, `alpha` the tie to it.

    `shared` is E[g g'] of the fresh part for two samples: batch norm makes gradients that add up to zero.
    """

    fresh: Wide
    alpha: Wide = _NONE
    shared: Wide = _NONE

    def second_moment(self, level: Level) -> Wide:
        """Of the whole gradient, at a signal of that level."""
        if not self.alpha.value:
            return self.fresh
        return self.fresh + self.alpha * self.alpha * level.wide_second_moment

    def times(self, factor: Wide) -> Gradient:
        """Without a tie, its second moment times a factor."""
        return Gradient(self.fresh * factor, _NONE, self.shared * factor if self.shared.value else _NONE)


@dataclass(frozen=True, slots=True)
class Return:
    """The gradient's second moment behind and before a step, divided by that at the output; None with a reason."""

    output: Wide | None
    source: Wide | None
    reason: str = ""


def returns(spec: NetworkSpec, settings: Settings, forward: list[Passage]) -> tuple[list[Return], Wide | None]:
    """One return per step, in the order of the steps, and the second moment of the input's gradient.

    The gradient at a join's source is that at its block's: through the skip and the branch.
    """
    last = forward[-1].output
    gradient, reason = _objective(spec.objective.kind, last, forward[-1].reason)
    skips: list[tuple[Gradient | None, int]] = []
    found: list[Return] = []
    for step, passage in zip(reversed(spec.steps), reversed(forward), strict=True):
        layer, behind = step.layer, gradient
        if gradient is not None and (passage.output is None or passage.source is None):
            gradient, reason = None, passage.reason
        if isinstance(layer, Join):
            skips.append((behind, len(found)))
            if gradient is not None and gradient.alpha.value:
                gradient, reason = None, "the mse gradient is tied to the output across a residual join"
            gradient = gradient and gradient.times(wide(layer.scale) * wide(layer.scale))
        elif isinstance(layer, Open):
            skip, join = skips.pop()
            gradient = None if gradient is None or skip is None else _sum(gradient, skip)
            found.append(_return(behind, gradient, passage, layer, reason))
            found[join] = Return(found[join].output, found[-1].source, found[join].reason)
            continue
        elif gradient is not None:
            gradient, reason = _through(layer, gradient, passage, step.fan_in, step.fan_out, settings.batch)
        found.append(_return(behind, gradient, passage, layer, reason))
    levels = forward[0].source
    at_input = gradient.second_moment(levels) if gradient is not None and levels is not None else None
    return found[::-1], at_input


def _objective(kind: str, output: Level | None, why: str) -> tuple[Gradient | None, str]:
    """The gradient at the output, its second moment 1."""
    if kind == "cross_entropy":
        return None, "the cross-entropy gradient depends on the output"
    if kind == "mse":
        if output is None:
            return None, why
        whole = output.wide_second_moment + Wide(1.0)
        return Gradient(Wide(1.0) / whole, whole.root.inverse), ""
    return Gradient(Wide(1.0)), ""


def _return(behind: Gradient | None, before: Gradient | None, passage: Passage, layer: object, reason: str) -> Return:
    output = None if behind is None or passage.output is None else behind.second_moment(passage.output)
    if isinstance(layer, Dense) and behind is not None and passage.inner is not None:
        return Return(output, _past(behind, passage.inner, passage.response), reason)
    source = None if before is None or passage.source is None else before.second_moment(passage.source)
    return Return(output, source, reason)


def _past(gradient: Gradient, z: Level, response: Response | None) -> Wide:
    """E[(dObjective/dz)^2] from the gradient behind phi."""
    if response is None:
        return gradient.second_moment(z)
    fresh = gradient.fresh * response.derivative
    return fresh + gradient.alpha * gradient.alpha * response.product if gradient.alpha.value else fresh


def _through(
    layer: object, gradient: Gradient, passage: Passage, fan_in: int, fan_out: int, batch: int
) -> tuple[Gradient | None, str]:
    assert passage.source is not None
    if isinstance(layer, Dense) and passage.inner is not None:
        scale = weight_gain(layer.weights, fan_in, fan_out, fan_out)
        delta = _past(gradient, passage.inner, passage.response)
        alpha = gradient.alpha * scale if gradient.alpha.value else _NONE
        if alpha.value and passage.response is not None:
            alpha = alpha * passage.response.slope
        shared = _shared_past(layer.activation, gradient, passage.inner, passage.response)
        return Gradient(scale * delta, alpha, scale * shared if shared.value else _NONE), ""
    if isinstance(layer, Pointwise):
        if layer.activation.name == "linear":
            return gradient, ""
        if gradient.alpha.value:
            return None, "the mse gradient is tied to the output across an activation of its own"
        second = _past(gradient, passage.source, passage.response)
        shared = _shared_past(layer.activation, gradient, passage.source, passage.response)
        return Gradient(second, _NONE, shared), ""
    if isinstance(layer, Dropout):
        if gradient.alpha.value:
            return None, "the mse gradient is tied to the output across dropout"
        return Gradient(gradient.fresh * wide(1 / (1 - layer.probability)), _NONE, gradient.shared), ""
    if isinstance(layer, Norm):
        return _norm(layer, gradient, passage.source, batch)
    raise TypeError(layer)


def _norm(norm: Norm, gradient: Gradient, source: Level, batch: int) -> tuple[Gradient | None, str]:
    """Divided by the variance; what is tied to the signal itself is projected out."""
    if norm.variant in ("rms", "layer"):
        size = norm_size(norm, source)
        return (gradient.times(size.inverse) if size.value else Gradient(_NONE)), ""
    spread = source.wide_spread
    if spread is None or batch == 3:
        return None, "batch norm over 3 rows has a gradient of infinite mean"
    size = spread + wide(norm.eps)
    if batch == 2 or not size.value:
        return Gradient(_NONE), ""
    # The mean over the batch and what is along the signal are projected out; E[1/v] of a Gaussian batch is
    # (batch/(batch - 3))/spread.
    apart = gradient.fresh + wide(-1.0) * gradient.shared
    second = apart * wide((batch - 2) / (batch - 3)) / size
    return Gradient(second, _NONE, second * wide(-1 / (batch - 1))), ""


def _shared_past(activation: Activation, gradient: Gradient, z: Level, response: Response | None) -> Wide:
    """E[g g'] of two samples behind phi' of both."""
    if not gradient.shared.value or z.scaled_spread is None:
        return _NONE
    return gradient.shared if response is None else gradient.shared * derivative_pair(activation, z, response)


def _sum(one: Gradient, other: Gradient) -> Gradient:
    return Gradient(one.fresh + other.fresh, _NONE, one.shared + other.shared)
