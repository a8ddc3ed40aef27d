"""Finite width, backward: how far the gradient of one draw, and its mean over draws, lie from the limit.

The weights that carried the signal are met again: W^T delta has a part along the layer's own input, which the next
activation does not treat as it treats the rest. A norm divides by a size that fluctuates, and takes away what lies
along the signal.
"""

from __future__ import annotations

import math
from dataclasses import replace

from varprobe.network.activations import Activation
from varprobe.network.laws import Orthogonal
from varprobe.network.layers import Dense, Norm
from varprobe.network.spec import NetworkSpec, Step
from varprobe.theory.backward import BackwardStep
from varprobe.theory.flow import NOTHING, Flow, Spread, grow_alike, make_fluctuation
from varprobe.theory.forward import ForwardStep
from varprobe.theory.gradient_tangle import follow_tangle
from varprobe.theory.layer_maps import norm_size
from varprobe.theory.pair_moments import pair_moments
from varprobe.theory.records import Fluctuation, SignalMoments
from varprobe.theory.signal_width import expect, over_variance

Fluctuations = list[Fluctuation | None]


def follow_gradient_fluctuations(
    spec: NetworkSpec,
    batch: int,
    ways: tuple[list[ForwardStep], list[BackwardStep]],
    flows: tuple[list[Flow | None], list[Flow | None]],
) -> tuple[Fluctuations, Fluctuations]:
    """Of the gradients at every step's source and at its output; None where it is not known.

    `ways` are forward and back, `flows` the fluctuations of the sources and the outputs.
    """
    if any(step.layer.is_edge or step.layer.dropped_share for step in spec.steps):
        return follow_tangle(spec, batch, ways, flows)
    sources, outputs = _follow_chain(spec, batch, ways[0], flows)
    if spec.objective.kind == "mse":  # its tie to the output is not in the expansion
        return [each and replace(each, shift=None) for each in sources], [
            each and replace(each, shift=None) for each in outputs
        ]
    return sources, outputs


def _follow_chain(
    spec: NetworkSpec, batch: int, forward: list[ForwardStep], flows: tuple[list[Flow | None], list[Flow | None]]
) -> tuple[Fluctuations, Fluctuations]:
    """Through layers one behind the other, from the output to the input."""
    sources: Fluctuations = [None] * len(spec.steps)
    outputs: Fluctuations = [None] * len(spec.steps)
    way = _Chain(batch)
    for k in range(len(spec.steps) - 1, -1, -1):
        step, ahead, source, output = spec.steps[k], forward[k], flows[0][k], flows[1][k]
        if ahead.source is None or ahead.inner is None or source is None or output is None:
            break
        outputs[k] = way.read(output, step.fan_out)
        if not way.pass_step(step, ahead, source):
            break
        sources[k] = way.read(source, step.fan_out)
        if isinstance(step.layer, Dense):
            way.pass_weights(step, ahead.source, ahead.inner)
    return sources, outputs


class _Chain:
    """The gradient on its way to the input.

    Attributes:
        reach: how ln of its second moment answers to a relative change of the signal's, there and through all that
            follows: of that over the units of the draw, or (`is_inner`) of its expectation, before what units read.
        noise: its fluctuation beside that, and `moved` its shift.
        tied: the share of it along the signal, beyond the 1/n of a random direction.
        along: E[(delta z)^2] over that of a random direction, less 1: what weights make a tie of.
        alike: mean squared cosine of the gradients of two samples.
        is_fresh: its own units are still to be read; `held` is the share of that which orthogonal weights take away.
        unknown: what the expansions may leave out.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.reach = self.moved = self.tied = self.along = self.alike = self.unknown = 0.0
        self.noise = NOTHING
        # All is divided by the size of the gradient at the output, which so is known.
        self.is_fresh, self.held, self.is_inner = True, 1.0, False

    def read(self, flow: Flow, width: int) -> Fluctuation | None:
        """The gradient's second moment over that many units, at a signal."""
        spread = self.noise + (flow.variance if self.is_inner else flow.whole) * self.reach**2
        moved = self.moved
        if self.is_fresh:
            spread += Spread(1.0, self.alike) * (2 * (1 - self.held) / width)
            moved += self.tied * (1 - self.held)
        return make_fluctuation(spread, moved, self.batch, self.unknown)

    def pass_step(self, step: Step, ahead: ForwardStep, flow: Flow) -> bool:
        """Before the activation or the norm of a step; whether that is known."""
        layer = step.layer
        if isinstance(layer, Norm):
            return ahead.source is not None and self._pass_norm(layer, ahead.source, flow, step.fan_out)
        z, activation = ahead.inner, layer.activation
        if activation is None:  # a factor changes nothing that is relative
            return True
        assert z is not None
        if activation.is_linear:
            if not self.is_inner:
                self._pass_units(flow, step.fan_out)
            return True
        return not self.is_inner and self._pass_activation(activation, z, flow, step.fan_out)

    def _pass_units(self, flow: Flow, width: int) -> None:
        """From the units of the draw to what is expected of them."""
        read = Spread(1.0, flow.alike) * (self.reach**2 * 2 * (1 - flow.held))
        if self.is_fresh:
            read += Spread(1.0, self.alike) * (2 * (1 - self.held))
            self.moved += self.tied * (1 - self.held)
            self.alike += grow_alike(self.alike, 1 - self.held) / width
        self.noise += read * (1 / width)
        self.is_fresh, self.is_inner = False, True

    def _pass_activation(self, activation: Activation, z: SignalMoments, flow: Flow, n: int) -> bool:
        expected = expect(activation, z)
        if expected is None or not self.is_fresh:
            return False
        known, variance = expected
        q = variance * over_variance(z)
        flat, square = known.derivative_second_moment, known.second_moment
        slope, bend = known.derivative_slope * q / flat, known.derivative_curvature * q * q / flat
        part = known.slope * q / square
        overlap = known.product_moment / (square * flat)
        if not math.isfinite(slope + bend + part + overlap):
            return False
        mean = z.scaled(0 if activation.degree is None else z.exponent)[0]
        squares, steepness, together, turn = pair_moments(activation, mean, variance, known).at(*flow.correlations)
        steep, kappa = known.derivative_fourth_moment / flat**2, known.fourth_moment / square**2
        held = Spread(1.0, flow.alike) * flow.held
        self.moved += self.tied * (overlap - self.held)
        noise = Spread(3 * steep - 1, steepness * (1 + 2 * self.alike) - 1) + held * (-2 * slope**2)
        noise += Spread(1.0, self.alike) * (-2 * self.held)
        noise += (Spread(kappa - 1, squares - 1) + held * (-2 * part**2)).at_least_zero * self.reach**2
        both = Spread(overlap - 1, together - 1) + held * (-2 * part * slope)
        noise += both * (2 * self.reach)
        self.noise += noise * (1 / n)
        answer = part * self.reach
        self.moved += self.reach * both.one / n + slope * flow.shift + slope * answer * flow.variance.one
        self.moved += bend / 2 * (flow.variance.one - 2 * flow.held / n + (flow.kurtosis - 3) / 3)
        self.reach = slope + answer
        self.unknown += abs(slope) * flow.variance.one**2  # the first order is in, the second goes as its square
        self.alike = min(turn**2 * self.alike + grow_alike(self.alike, steepness) / n, 1.0)
        self.tied *= part**2 * square / (q * flat)
        self.along = 2 * slope
        self.is_fresh, self.is_inner = False, True
        return True

    def _pass_norm(self, norm: Norm, source: SignalMoments, flow: Flow, n: int) -> bool:
        """(g - its part along the signal) / sqrt(v + eps), of an rms norm.

        Not of a layer norm: units that add up to zero fluctuate less behind an activation, which is not followed.
        """
        if norm.variant != "rms":
            return False
        passed = float(norm.eps / norm_size(norm, source))
        kept = passed**2  # of what lies along the signal
        varies, shift = flow.whole.one, flow.shift
        answer = (self.reach + 1) * passed - 1
        self.moved += answer * shift + answer * (answer - 1) / 2 * varies - (self.tied + 1 / n) * (1 - kept)
        self.unknown += 3 * abs(answer) * varies**2  # of E[1/v]
        self.reach, self.is_inner = answer, False
        self.tied *= kept
        self.along = (1 + self.along) * kept - 1
        return True

    def pass_weights(self, step: Step, source: SignalMoments, z: SignalMoments) -> None:
        """Through W towards the input: y = W a is Gaussian, `own` its share of the second moment of z."""
        assert step.layer.weights is not None
        weights = step.layer.weights.variance(step.fan_in, step.fan_out) or 0.0
        log_y = math.log(step.fan_in * weights) + source.second_moment.log - z.second_moment.log
        own = min(math.exp(log_y), 1.0)
        self.held = step.fan_in / max(step.fan_in, step.fan_out) if isinstance(step.layer.weights, Orthogonal) else 0.0
        self.tied = own * (self.along + self.tied * step.fan_out) / step.fan_in
        self.reach *= own
        self.along = 0.0
        self.is_fresh, self.is_inner = True, False
