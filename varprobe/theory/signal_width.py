"""Finite width: how far one draw, and the mean over draws, lie from the limit of infinite width.

A second moment is an average over n units, and so fluctuates from draw to draw. What a layer hands on is s times its
own relative fluctuation, s = d ln E[phi^2] / d ln v, and (E[phi^4]/E[phi^2]^2 - 1)/n of variance beside it. The
curvature of E[phi^2] turns fluctuation into a shift of the mean.

Everything is of first order in 1/width. Over a batch the mean is the same and the fluctuation smaller: it is that of
one sample divided by the batch, and the covariance of two samples, which the same expectations over pairs give. Two
samples of no mean correlation have one by chance, whose variance grows by 1/n a layer, and which counts beside the
mean one. In what follows every variance and shift is relative.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import Expectations, expectations
from varprobe.network.activations import Activation
from varprobe.network.laws import Identity, Law, Orthogonal, Sparse, TruncatedNormal, Uniform
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import InputLaw, NetworkSpec, Step
from varprobe.theory.flow import NOTHING, Flow, Spread, correlate, grow_alike
from varprobe.theory.forward import ForwardStep
from varprobe.theory.layer_maps import norm_size
from varprobe.theory.pair_moments import pair_moments
from varprobe.theory.records import SignalMoments

# Excess kurtosis of z beyond which one term of the expansion in it does not do.
_FAR_FROM_GAUSSIAN = 0.3
# Share of eps in what a norm divides by, beyond which its output follows the size of its input.
_SCALE_FREE = 1e-3
# Second moments between this and its inverse have fourth moments that doubles can hold.
_LEAST = 1e-100


def follow_fluctuations(
    spec: NetworkSpec, forward: list[ForwardStep]
) -> tuple[list[Flow | None], list[Flow | None], list[str]]:
    """The second moments of every step's source and output; None where the expansion is not known, with the reason."""
    flow: Flow | None = None
    # Rows of a file may differ in size, which is no fluctuation of the weights; nor are the entries of one_hot free.
    if spec.input.rows is None and spec.input.distribution != "one_hot":
        kappa = _input_kappa(spec.input)
        features = spec.input.features
        flow = Flow(NOTHING, Spread(kappa / features, 0.0), 0.0, kappa + 1, chance=1 / features)
    walk = _Walk()
    sources: list[Flow | None] = []
    outputs: list[Flow | None] = []
    reasons: list[str] = []
    for walk.step, walk.ahead in zip(spec.steps, forward, strict=True):
        layer, ahead, passed = walk.step.layer, walk.ahead, _Passage(None, None)
        is_known = not (flow is None or ahead.source is None or ahead.inner is None or ahead.output is None)
        if is_known or layer.is_edge:
            passed = layer.through(walk, _Passage(flow, flow))
        flow = passed.output
        sources.append(passed.source)
        outputs.append(flow)
        reasons.append(walk.reason)
    return sources, outputs, reasons


@dataclass(frozen=True)
class _Passage:
    """A fluctuation before a layer (where it has weights: behind them), and behind it; None where it is not known."""

    source: Flow | None
    output: Flow | None

    def times(self, factor: float) -> _Passage:
        """What is relative does not change."""
        return self


class _Walk:
    """What each operation does to a fluctuation, at the step under way."""

    def __init__(self) -> None:
        self.step: Step
        self.ahead: ForwardStep
        self.skips: list[Flow | None] = []
        self.reason = ""

    def map(self, layer: Dense, signal: _Passage) -> _Passage:
        source, z, step = self.ahead.source, self.ahead.inner, self.step
        if signal.output is None or source is None or z is None:
            return _Passage(None, None)
        excess = weight_excess(layer.weights, step.fan_out) * signal.output.kurtosis / step.fan_in
        if abs(excess) > _FAR_FROM_GAUSSIAN:
            self.reason = f"{step.name}: with such weights on {step.fan_in:,} inputs z is not Gaussian"
            return _Passage(None, None)
        flow = _map(signal.output, layer.weights, source, z, step.fan_in, step.fan_out)
        return _Passage(flow, _activate(flow, layer.activation, z, step.fan_out))

    def activate(self, layer: Pointwise, signal: _Passage) -> _Passage:
        z = self.ahead.source
        output = None if z is None else _activate(signal.output, layer.activation, z, self.step.fan_out)
        return replace(signal, output=output)

    def normalise(self, layer: Norm, signal: _Passage) -> _Passage:
        """It sets the sum of squares: nothing is left to fluctuate.

        But for its eps: a share eps/(v + eps) of the fluctuation passes. Behind batch norm the values of a unit lie
        on a sphere of the batch's dimension and are not Gaussian.
        """
        flow, source = signal.output, self.ahead.source
        if flow is None or source is None or layer.variant == "batch":
            return replace(signal, output=None)
        size = norm_size(layer, source)
        passed = float(layer.eps / size) if size else 1.0
        if passed > _SCALE_FREE and layer.variant == "layer" and source.mean:
            return replace(signal, output=None)  # the variance over units does not go as the second moment
        # v/(v + eps), of which the second derivative is -2 eps/(v + eps)^3.
        bend = -2 * passed * (1 - passed)
        below = 1 / self.step.fan_out if layer.variant == "layer" else 0.0  # the mean over units takes its share
        shift = passed * (flow.shift - below) + bend / 2 * flow.whole.one
        output = Flow(flow.whole * passed**2, NOTHING, shift, flow.kurtosis, 1.0, passed * flow.answer)
        output = replace(output, chance=flow.chance, correlation=flow.correlation, unknown=passed * flow.unknown)
        return replace(signal, output=output)

    def drop(self, layer: Dropout, signal: _Passage) -> _Passage:
        flow = signal.output
        if flow is None:
            return signal
        if layer.is_alpha and layer.dropped_share:  # what it adds does not go as the signal
            return replace(signal, output=None)
        extra = layer.dropped_share / (1 - layer.dropped_share)
        readout = flow.readout + Spread(flow.kurtosis * extra / self.step.fan_out, 0.0)
        kurtosis = flow.kurtosis / (1 - layer.dropped_share)
        return replace(signal, output=replace(flow, readout=readout, kurtosis=kurtosis, held=0.0))

    def open(self, signal: _Passage) -> _Passage:
        self.skips.append(signal.output)
        # What reaches the branch is all of the skip: own fluctuation starts anew.
        return replace(signal, output=signal.output and replace(signal.output, answer=1.0, own=NOTHING))

    def join(self, layer: Join, signal: _Passage) -> _Passage:
        skip, ahead = self.skips.pop(), self.ahead
        before = ahead.source and ahead.source.times(layer.skip)
        joined = _join(skip, signal.output, layer.scale, before, ahead.output, self.step.fan_out)
        return _Passage(skip, joined)


def _input_kappa(law: InputLaw) -> float:
    """Relative variance of the squared entries of the batch."""
    largest = max(abs(law.mean), law.std)
    if law.distribution == "constant" or not largest:
        return 0.0
    m, s = law.mean / largest, law.std / largest
    second = m * m + s * s
    kurtosis = 3.0 if law.distribution != "uniform" else 1.8
    # The fourth moment m^4 + 6 m^2 s^2 + kurtosis s^4 less the squared second, over the latter.
    spread = (4 * m * m * s * s + (kurtosis - 1) * s**4) / second**2
    return (spread + 1) / law.density - 1


def weight_excess(law: Law, fan_out: int) -> float:
    """Excess kurtosis of one weight: 0 for Gaussian entries, and for a Haar matrix, whose products are nearly so."""
    match law:
        case Uniform():
            return -1.2
        case Sparse():
            kept = 1 - law.zeros(fan_out) / fan_out
            return 3 / kept - 3 if kept else 0.0
        case TruncatedNormal() if law.std:
            low, high = ((edge - law.centre) / law.std for edge in (law.low, law.high))
            u = np.linspace(max(low, -9.0), min(high, 9.0), 2001)
            density = np.exp(-u * u / 2) / np.exp(-u * u / 2).sum()
            centred = u - density @ u
            return float(density @ centred**4 / (density @ centred**2) ** 2 - 3)
    return 0.0


def expect(activation: Activation, signal: SignalMoments) -> tuple[Expectations, float] | None:
    """The expectations at a signal whose fourth moments doubles can hold, and its variance at their scale."""
    mean, variance = signal.scaled(0 if activation.degree is None else signal.exponent)
    if not _LEAST < variance < 1 / _LEAST:
        return None
    known = expectations(activation, mean, variance)
    moments = known.second_moment, known.derivative_second_moment
    return (known, variance) if all(_LEAST < moment < 1 / _LEAST for moment in moments) else None


def _map(flow: Flow, law: Law, before: SignalMoments, after: SignalMoments, fan_in: int, fan_out: int) -> Flow | None:
    """z = W a + b: what the sum of squares of `a` does, and 2/fan_out for reading n Gaussians."""
    if isinstance(law, Identity) or before.is_shared or after.is_shared:
        return None  # units move together, or each by itself: nothing averages out
    variance = law.variance(fan_in, fan_out)
    if not variance or not after.second_moment:
        return None
    log_share = math.log(fan_in * variance) + before.second_moment.log - after.second_moment.log
    share = min(math.exp(log_share), 1.0)
    held = fan_out / max(fan_in, fan_out) * share if isinstance(law, Orthogonal) else 0.0
    # Cumulants add up: a sum over fan_in entries has the weights' excess, that of the signal in it, over fan_in.
    excess = weight_excess(law, fan_out) * flow.kurtosis / fan_in * share**2
    chance = share**2 * flow.chance
    correlation = correlate(after)
    alike = min(correlation**2 + chance, 1.0)
    return Flow(
        flow.whole * share**2,
        Spread(1.0, alike) * (2 / fan_out * (1 - held)),
        share * flow.shift,
        3 + excess,
        held,
        share * flow.answer,
        (flow.own + flow.readout) * share**2,
        chance,
        correlation,
        share * flow.unknown,
    )


def _activate(flow: Flow | None, activation: Activation, z: SignalMoments, width: int) -> Flow | None:
    """a = phi(z)."""
    if flow is None:
        return flow
    fresh = grow_alike(flow.alike, 1 - flow.held) / width
    if activation.is_linear:
        return replace(flow, chance=flow.chance + fresh)
    found = expect(activation, z)
    if found is None:
        return None
    known, v = found
    slope = known.slope * v / known.second_moment * over_variance(z)
    bend = known.curvature * v * v / known.second_moment * over_variance(z) ** 2
    if not math.isfinite(slope + bend):
        return None
    kappa = known.fourth_moment / known.second_moment**2 - 1
    # The first order is in, the second goes as the square of what varies, and of what is not Gaussian.
    spread = flow.variance.one + abs(flow.kurtosis - 3) / 3
    mean = z.scaled(0 if activation.degree is None else z.exponent)[0]
    squares, _, _, slopes = pair_moments(activation, mean, v, known).at(*flow.correlations)
    turn = slopes * known.derivative_second_moment * v / known.second_moment
    readout = Spread(kappa, squares - 1) + Spread(1.0, flow.alike) * (-2 * slope**2 * flow.held)
    return Flow(
        flow.variance * slope**2,
        readout.at_least_zero * (1 / width),
        slope * flow.shift + bend / 2 * (flow.variance.one - 2 * flow.held / width + (flow.kurtosis - 3) / 3),
        kappa + 1,
        0.0,
        slope * flow.answer,
        flow.own * slope**2,
        turn**2 * flow.chance + fresh,
        flow.correlation,
        abs(slope) * flow.unknown + (abs(slope * (1 - slope)) + abs(bend)) * spread**2,
    )


def over_variance(signal: SignalMoments) -> float:
    """Second moment over variance: a fluctuation of the second moment is one of the variance, the mean being fixed."""
    variance = signal.variance
    return float(signal.second_moment / variance) if variance else math.nan


def _join(
    skip: Flow | None,
    branch: Flow | None,
    scale: float,
    before: SignalMoments | None,
    after: SignalMoments | None,
    width: int,
) -> Flow | None:
    """The skip, of moments `before`, + scale * branch, which answers to the skip and brings fluctuations of its own.

    Their product, of mean zero where the branch ends in fresh weights, adds 4 kept added/width.
    """
    if skip is None or before is None or after is None:
        return None
    if scale == 0:
        return skip
    if branch is None or not after.second_moment:
        return None
    kept = min(math.exp(before.second_moment.log - after.second_moment.log), 1.0)
    added = 1 - kept
    factor = kept + added * branch.answer
    chance = kept**2 * skip.chance + added**2 * branch.chance
    correlation = correlate(after)
    alike = min(correlation**2 + chance, 1.0)
    own = (branch.own + branch.readout) * added**2 + Spread(1.0, alike) * (4 * kept * added / width)
    return Flow(
        skip.variance * factor**2 + own,
        skip.readout * kept**2,
        kept * skip.shift + added * branch.shift,
        kept**2 * skip.kurtosis + added**2 * branch.kurtosis + 6 * kept * added,
        0.0,
        factor * skip.answer,
        skip.own * factor**2 + own,
        chance,
        correlation,
        kept * skip.unknown + added * branch.unknown,
    )
