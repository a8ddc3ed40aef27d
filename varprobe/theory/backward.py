"""The backward recursion: second moment of the gradient, from the output to the input.

The gradient is taken as independent of the weights it passes (checked by measurement, exact for the random
cotangent in wide layers). Only the mse objective ties it to the output: there the gradient is
alpha * a + a fresh part, and by Stein's lemma a layer maps alpha to alpha fan_out Var(W) d E[phi^2]/dv.
"""

from __future__ import annotations

from dataclasses import dataclass

from varprobe.spec.activations import Activation
from varprobe.spec.gaussian import expectations
from varprobe.spec.network import Dense, Dropout, Join, NetworkSpec, Norm, Open, Pointwise, Settings
from varprobe.theory.forward import Passage
from varprobe.theory.pairs import derivative_covariance
from varprobe.theory.records import Level


@dataclass(frozen=True)
class Gradient:
    """`fresh` is the second moment of the part that is independent of the signal, `alpha` the tie to it.

    `shared` is E[g g'] of the fresh part for two samples: batch norm makes gradients that add up to zero.
    """

    fresh: float
    alpha: float = 0.0
    shared: float = 0.0

    def second_moment(self, level: Level) -> float:
        """Of the whole gradient, at a signal of that level."""
        return self.fresh + self.alpha**2 * level.second_moment


@dataclass(frozen=True)
class Return:
    """The gradient's second moment behind and before a step, divided by that at the output; None with a reason."""

    output: float | None
    source: float | None
    reason: str = ""


def returns(spec: NetworkSpec, settings: Settings, forward: list[Passage]) -> tuple[list[Return], float | None]:
    """One return per step, in the order of the steps, and the second moment of the input's gradient."""
    last = forward[-1].output
    gradient, reason = _objective(spec.objective.kind, last, forward[-1].reason)
    skips: list[Gradient | None] = []
    found: list[Return] = []
    for step, passage in zip(reversed(spec.steps), reversed(forward), strict=True):
        layer, behind = step.layer, gradient
        if gradient is not None and (passage.output is None or passage.source is None):
            gradient, reason = None, passage.reason
        if isinstance(layer, Join):
            skips.append(behind)
            tied = gradient is not None and gradient.alpha != 0
            if tied:
                gradient, reason = None, "the mse gradient is tied to the output across a residual join"
            gradient = (
                None
                if gradient is None
                else Gradient(gradient.fresh * layer.scale**2, 0.0, gradient.shared * layer.scale**2)
            )
        elif isinstance(layer, Open):
            skip = skips.pop()
            gradient = None if gradient is None or skip is None else _sum(gradient, skip)
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
        whole = output.second_moment + 1
        return Gradient(1 / whole, whole**-0.5), ""
    return Gradient(1.0), ""


def _return(behind: Gradient | None, before: Gradient | None, passage: Passage, layer: object, reason: str) -> Return:
    output = None if behind is None or passage.output is None else behind.second_moment(passage.output)
    if isinstance(layer, Dense) and behind is not None and passage.inner is not None:
        return Return(output, _past(layer.activation, behind, passage.inner), reason)
    source = None if before is None or passage.source is None else before.second_moment(passage.source)
    return Return(output, source, reason)


def _past(activation: Activation, gradient: Gradient, z: Level) -> float:
    """E[(dObjective/dz)^2] from the gradient behind phi."""
    if activation.name == "linear":
        return gradient.second_moment(z)
    known = expectations(activation, z.mean, z.variance)
    return gradient.fresh * known.derivative_second_moment + gradient.alpha**2 * known.product_moment


def _through(
    layer: object, gradient: Gradient, passage: Passage, fan_in: int, fan_out: int, batch: int
) -> tuple[Gradient | None, str]:
    assert passage.source is not None
    if isinstance(layer, Dense) and passage.inner is not None:
        variance = layer.weights.variance(fan_in, fan_out) or 0.0
        delta = _past(layer.activation, gradient, passage.inner)
        tie = 1.0
        if gradient.alpha and layer.activation.name != "linear":
            tie = expectations(layer.activation, passage.inner.mean, passage.inner.variance).slope
        scale = fan_out * variance
        shared = scale * _shared_past(layer.activation, gradient, passage.inner)
        return Gradient(scale * delta, gradient.alpha * scale * tie, shared), ""
    if isinstance(layer, Pointwise):
        if gradient.alpha and layer.activation.name != "linear":
            return None, "the mse gradient is tied to the output across an activation of its own"
        second = _past(layer.activation, gradient, passage.source)
        if layer.activation.name == "linear":
            return gradient, ""
        return Gradient(second, 0.0, _shared_past(layer.activation, gradient, passage.source)), ""
    if isinstance(layer, Dropout):
        if gradient.alpha:
            return None, "the mse gradient is tied to the output across dropout"
        return Gradient(gradient.fresh / (1 - layer.probability), 0.0, gradient.shared), ""
    if isinstance(layer, Norm):
        return _norm(layer, gradient, passage.source, batch)
    raise TypeError(layer)


def _norm(norm: Norm, gradient: Gradient, source: Level, batch: int) -> tuple[Gradient | None, str]:
    """Divided by the variance; what is tied to the signal itself is projected out."""
    if norm.variant in ("rms", "layer"):
        size = source.second_moment if norm.variant == "rms" else source.variance
        return Gradient(gradient.fresh / (size + norm.eps), 0.0, gradient.shared / (size + norm.eps)), ""
    if source.spread is None or batch == 3:
        return None, "batch norm over 3 rows has a gradient of infinite mean"
    if batch == 2:
        return Gradient(0.0), ""
    # The mean over the batch and what is along the signal are projected out; E[1/v] of a Gaussian batch is
    # (batch/(batch - 3))/spread.
    second = (gradient.fresh - gradient.shared) * (batch - 2) / (batch - 3) / (source.spread + norm.eps)
    return Gradient(second, 0.0, -second / (batch - 1)), ""


def _shared_past(activation: Activation, gradient: Gradient, z: Level) -> float:
    """E[g g'] of two samples behind phi' of both."""
    if not gradient.shared or z.spread is None:
        return 0.0
    return gradient.shared * derivative_covariance(activation, z.mean, z.variance, z.spread)


def _sum(one: Gradient, other: Gradient) -> Gradient:
    return Gradient(one.fresh + other.fresh, 0.0, one.shared + other.shared)
