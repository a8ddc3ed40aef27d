"""Finite width, backward: how far the gradient of one draw, and its mean over draws, lie from the limit.

The weights that carried the signal are met again: W^T delta has a part along the layer's own input, which the next
activation does not treat as it treats the rest.
"""

from __future__ import annotations

import math
from dataclasses import replace

from varprobe.network.activations import Activation
from varprobe.network.laws import Orthogonal
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec
from varprobe.theory.backward import BackwardStep
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.forward import ForwardStep
from varprobe.theory.records import Fluctuation, SignalMoments
from varprobe.theory.signal_width import Flow, expect, make_fluctuation, over_variance


def follow_gradient_fluctuations(
    spec: NetworkSpec, forward: list[ForwardStep], backward: list[BackwardStep], sources: list[Flow | None]
) -> list[Fluctuation | None]:
    """One per step, of the gradient at its source; `sources` are the flows there; None where it is not known."""
    if not all(step.layer.weights is not None for step in spec.steps):
        return _tangle(spec, forward, backward)
    found = _chain(spec, forward, sources)
    if spec.objective.kind == "mse":  # its tie to the output is not in the expansion
        return [each and replace(each, shift=None) for each in found]
    return found


def _chain(spec: NetworkSpec, forward: list[ForwardStep], sources: list[Flow | None]) -> list[Fluctuation | None]:
    """The gradient of a chain of dense layers, from the output to the input.

    `reach` is how ln of the gradient answers to a relative change of q, through this layer and all later ones;
    `tied` the share of the gradient along the layer's own output, beyond the 1/n of a random direction.
    """
    found: list[Fluctuation | None] = [None] * len(spec.steps)
    reach = noise = moved = tied = unknown = 0.0
    ahead_share = ahead_held = 0.0
    for k in range(len(spec.steps) - 1, -1, -1):
        step, source, z, flow = spec.steps[k], forward[k].source, forward[k].inner, sources[k]
        layer = step.layer
        assert isinstance(layer, Dense)
        expected = None if source is None or z is None or flow is None else expect(layer.activation, z)
        if source is None or z is None or flow is None or expected is None:
            return found
        known, variance = expected
        q = variance * over_variance(z)
        flat, square, n = known.derivative_second_moment, known.second_moment, step.fan_out
        slope, bend = known.derivative_slope * q / flat, known.derivative_curvature * q * q / flat
        part = known.slope * q / square
        overlap = known.product_moment / (square * flat)
        if not math.isfinite(slope + bend + part + overlap):
            return found
        moved += tied * (overlap - ahead_held)
        noise += (3 * known.derivative_fourth_moment / flat**2 - 1 - 2 * slope**2 * flow.held) / n
        together = reach * ahead_share * (overlap - 1 - 2 * part * slope * flow.held) / n
        kappa = max(known.fourth_moment / square**2 - 1 - 2 * part**2 * flow.held, 0.0)
        noise += (reach * ahead_share) ** 2 * kappa / n + 2 * together
        answer = part * ahead_share * reach
        moved += together + slope * flow.shift
        moved += (
            bend / 2 * (flow.variance - 2 * flow.held / n + (flow.kurtosis - 3) / 3) + slope * answer * flow.variance
        )
        reach = slope + answer
        unknown += abs(slope) * flow.variance**2  # the first order is in, the second goes as its square
        found[k] = make_fluctuation(noise + reach**2 * flow.variance, moved, unknown)
        # Through W towards the input: y = W a is Gaussian with variance v_y.
        weights = layer.weights.variance(step.fan_in, step.fan_out) or 0.0
        log_y = math.log(step.fan_in * weights) + source.second_moment.log - z.second_moment.log
        own = min(math.exp(log_y), 1.0)  # v_y / q
        held = step.fan_in / max(step.fan_in, step.fan_out) if isinstance(layer.weights, Orthogonal) else 0.0
        coherent = own * part**2 * square / (q * flat)
        tied = 2 * own * slope / step.fan_in + tied * step.fan_out / step.fan_in * coherent
        ahead_share, ahead_held = own, held
    return found


def _tangle(spec: NetworkSpec, forward: list[ForwardStep], backward: list[BackwardStep]) -> list[Fluctuation | None]:
    """Networks with joins or dropout: the gradient's own fluctuation; its shift is not known.

    It ends towards the input at a norm, which divides by a fluctuating size, and at an activation whose E[phi'^2]
    hangs on the second moment.
    """
    found: list[Fluctuation | None] = [None] * len(spec.steps)
    noise: float | None = 0.0
    skips: list[tuple[int, float | None]] = []
    for k in range(len(spec.steps) - 1, -1, -1):
        step, ahead = spec.steps[k], forward[k]
        layer = step.layer
        if layer.joins:
            skips.append((k, noise))
            noise = 0.0
            continue
        if layer.opens:
            join, skip = skips.pop()
            noise = _split(noise, skip, backward[k].source, backward[join].output, step.fan_out)
            found[join] = None if noise is None else make_fluctuation(noise, None)
        elif layer.variant is not None:
            return found
        elif layer.dropped_share and noise is not None:
            noise += 3 * layer.dropped_share / (1 - layer.dropped_share) / step.fan_out
        elif noise is not None and layer.activation is not None:
            z = ahead.source if layer.weights is None else ahead.inner
            noise = None if z is None or z.is_shared else _pass(noise, layer.activation, z, step.fan_out)
        found[k] = None if noise is None else make_fluctuation(noise, None)
    return found


def _pass(noise: float, activation: Activation, z: SignalMoments, width: int) -> float | None:
    found = expect(activation, z)
    if found is None or activation.degree != 1:
        return None
    known, _ = found
    return noise + (3 * known.derivative_fourth_moment / known.derivative_second_moment**2 - 1) / width


def _split(
    branch: float | None, skip: float | None, whole: ExtendedFloat | None, past: ExtendedFloat | None, width: int
) -> float | None:
    """The gradient at a block's input is the skip's, second moment `past`, plus the branch's, and their product."""
    if branch is None or skip is None or whole is None or past is None or not whole.value:
        return None
    share = 1 - min(math.exp(past.log - whole.log), 1.0)
    return skip + share**2 * (branch + 2 / width) + 4 * share * (1 - share) / width
