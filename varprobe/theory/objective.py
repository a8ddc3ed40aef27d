"""The gradient that the objective puts at the output, by theory."""

from __future__ import annotations

import numpy as np

from varprobe.network.spec import NetworkSpec, Step
from varprobe.theory.extended_float import ONE, ExtendedFloat
from varprobe.theory.forward import ForwardStep
from varprobe.theory.gradient import GradientMoments
from varprobe.theory.layer_maps import weight_gain
from varprobe.theory.shared_mean import weight_mean


def draws_zeros(step: Step) -> bool:
    """Whether all of its weights are zero by their law."""
    weights = step.layer.weights
    if weights is None or weights.variance(step.fan_in, step.fan_out) is None:
        return False
    return not weight_gain(weights, step.fan_in, step.fan_out, 1) and not weight_mean(
        weights, step.fan_in, step.fan_out
    )


def begin_gradient(spec: NetworkSpec, last: ForwardStep) -> tuple[GradientMoments | None, str]:
    """The gradient at the output, its second moment 1.

    Cross entropy's is taken as random: the output sets its size, which is divided out, and its law, which weights
    forget. It adds up to zero, which weights with a mean see.
    """
    if (objective := spec.objective).kind == "cross_entropy":
        if spec.width == 1:
            return None, "the softmax of a single output is constant"
        dense = [(step, step.layer.weights) for step in spec.steps if step.layer.weights is not None]
        if dense and weight_mean(dense[-1][1], dense[-1][0].fan_in, dense[-1][0].fan_out):
            common = -1 / (spec.width - 1)
            return GradientMoments(ExtendedFloat(1 - common), common=ExtendedFloat(common)), ""
        return GradientMoments(ONE), ""
    if objective.kind == "mse":
        if objective.targets is not None:
            return None, "given targets have no law"
        if last.output is None:
            return None, last.reason
        share = 1.0 / (last.output.second_moment + 1.0)
        return GradientMoments(share, share), ""
    if objective.cotangent is not None:
        given = objective.cotangent.astype(np.float64)
        if not np.isfinite(given).all():
            return None, "the given gradient holds values that are no finite numbers"
        given /= np.max(np.abs(given)) or 1.0
        units, second, sums = given.shape[1], float(np.mean(given**2)), float(np.mean(given.sum(axis=1) ** 2))
        if units > 1 and second:
            common = (sums / (units * second) - 1) / (units - 1)
            return GradientMoments(ExtendedFloat(1 - common), common=ExtendedFloat(common)), ""
    return GradientMoments(ONE), ""
