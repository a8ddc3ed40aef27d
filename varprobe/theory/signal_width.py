"""Finite width: how far one draw, and the mean over draws, lie from the limit of infinite width.

A second moment is an average over n units, and so fluctuates from draw to draw. What a layer hands on is s times its
own relative fluctuation, s = d ln E[phi^2] / d ln v, and (E[phi^4]/E[phi^2]^2 - 1)/n of variance beside it. The
curvature of E[phi^2] turns fluctuation into a shift of the mean. Backward the same weights are met again:
W^T delta has a part along the layer's own input, which the next activation does not treat as it treats the rest.

Everything is of first order in 1/width and for one sample: over a batch the mean is the same and the fluctuation
smaller, so that a band from here is an upper bound. In what follows every variance and shift is relative.
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
from varprobe.theory.forward import ForwardStep
from varprobe.theory.records import Fluctuation, SignalMoments

# Excess kurtosis of z beyond which one term of the expansion in it does not do.
_FAR_FROM_GAUSSIAN = 0.3
# Second moments between this and its inverse have fourth moments that doubles can hold.
_LEAST = 1e-100


@dataclass(frozen=True)
class Flow:
    """The second moment on its way: variance and shift, and what of it answers to the innermost open skip.

    `variance` is of the expectation over units, `readout` what their finite number adds; `held` is the share of the
    read-out that orthogonal weights take away, since they keep the sum of squares. `kurtosis` is E[x^4]/E[x^2]^2 over
    units: 3 for a Gaussian z, and a little else where weights are not Gaussian.
    """

    variance: float
    readout: float
    shift: float
    kurtosis: float
    held: float = 0.0
    answer: float = 1.0
    own: float = 0.0

    @property
    def total(self) -> Fluctuation | None:
        """What an average over the units does."""
        return make_fluctuation(self.variance + self.readout, self.shift)


def make_fluctuation(variance: float, shift: float | None, unknown: float = 0.0) -> Fluctuation | None:
    """None where the expansion left the range of numbers."""
    if not (math.isfinite(variance) and math.isfinite(shift or 0.0)):
        return None
    return Fluctuation(max(variance, 0.0), shift, unknown)


def follow_fluctuations(spec: NetworkSpec, forward: list[ForwardStep]) -> tuple[list[Flow | None], list[Flow | None]]:
    """The second moments of every step's source and output; None where the expansion is not known."""
    flow: Flow | None = None
    if spec.input.rows is None:  # rows of a file may differ in size, which is no fluctuation of the weights
        kappa = _input_kappa(spec.input)
        flow = Flow(0.0, kappa / spec.input.features, 0.0, kappa + 1)
    walk = _Walk()
    sources: list[Flow | None] = []
    outputs: list[Flow | None] = []
    for walk.step, walk.ahead in zip(spec.steps, forward, strict=True):
        layer, ahead, passed = walk.step.layer, walk.ahead, _Passage(None, None)
        is_known = not (flow is None or ahead.source is None or ahead.inner is None or ahead.output is None)
        if is_known or layer.is_edge:
            passed = layer.through(walk, _Passage(flow, flow))
        flow = passed.output
        sources.append(passed.source)
        outputs.append(flow)
    return sources, outputs


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

    def map(self, layer: Dense, signal: _Passage) -> _Passage:
        source, z, step = self.ahead.source, self.ahead.inner, self.step
        if signal.output is None or source is None or z is None:
            return _Passage(None, None)
        flow = _map(signal.output, layer.weights, source, z, step.fan_in, step.fan_out)
        return _Passage(flow, _activate(flow, layer.activation, z, step.fan_out))

    def activate(self, layer: Pointwise, signal: _Passage) -> _Passage:
        z = self.ahead.source
        output = None if z is None else _activate(signal.output, layer.activation, z, self.step.fan_out)
        return replace(signal, output=output)

    def normalise(self, layer: Norm, signal: _Passage) -> _Passage:
        """It sets the sum of squares: nothing is left to fluctuate.

        Behind batch norm the values of a unit lie on a sphere of the batch's dimension and are not Gaussian.
        """
        flow = signal.output
        return replace(
            signal,
            output=None if flow is None or layer.variant == "batch" else Flow(0.0, 0.0, 0.0, flow.kurtosis, 1.0, 0.0),
        )

    def drop(self, layer: Dropout, signal: _Passage) -> _Passage:
        flow = signal.output
        if flow is None:
            return signal
        extra = layer.dropped_share / (1 - layer.dropped_share)
        readout = flow.readout + flow.kurtosis * extra / self.step.fan_out
        kurtosis = flow.kurtosis / (1 - layer.dropped_share)
        return replace(signal, output=replace(flow, readout=readout, kurtosis=kurtosis, held=0.0))

    def open(self, signal: _Passage) -> _Passage:
        self.skips.append(signal.output)
        # What reaches the branch is all of the skip: own fluctuation starts anew.
        return replace(signal, output=signal.output and replace(signal.output, answer=1.0, own=0.0))

    def join(self, layer: Join, signal: _Passage) -> _Passage:
        skip, ahead = self.skips.pop(), self.ahead
        joined = _join(skip, signal.output, layer.scale, ahead.source, ahead.output, self.step.fan_out)
        return _Passage(skip, joined)


def _input_kappa(law: InputLaw) -> float:
    """Relative variance of the squared entries of the batch."""
    largest = max(abs(law.mean), law.std)
    if law.distribution == "constant" or not largest:
        return 0.0
    m, s = law.mean / largest, law.std / largest
    second = m * m + s * s
    kurtosis = 3.0 if law.distribution == "normal" else 1.8
    # The fourth moment m^4 + 6 m^2 s^2 + kurtosis s^4 less the squared second, over the latter.
    return (4 * m * m * s * s + (kurtosis - 1) * s**4) / second**2


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
    if abs(excess) > _FAR_FROM_GAUSSIAN:
        return None
    return Flow(
        share**2 * (flow.variance + flow.readout),
        2 / fan_out * (1 - held),
        share * flow.shift,
        3 + excess,
        held,
        share * flow.answer,
        share**2 * (flow.own + flow.readout),
    )


def _activate(flow: Flow | None, activation: Activation, z: SignalMoments, width: int) -> Flow | None:
    """a = phi(z)."""
    if activation.is_linear or flow is None:
        return flow
    found = expect(activation, z)
    if found is None:
        return None
    known, v = found
    slope = known.slope * v / known.second_moment * over_variance(z)
    bend = known.curvature * v * v / known.second_moment * over_variance(z) ** 2
    if not math.isfinite(slope + bend):
        return None
    kappa = known.fourth_moment / known.second_moment**2 - 1
    return Flow(
        slope**2 * flow.variance,
        max(kappa - 2 * slope**2 * flow.held, 0.0) / width,
        slope * flow.shift + bend / 2 * (flow.variance - 2 * flow.held / width + (flow.kurtosis - 3) / 3),
        kappa + 1,
        0.0,
        slope * flow.answer,
        slope**2 * flow.own,
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
    """skip + scale * branch: the branch answers to the skip, and brings fluctuations of its own.

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
    own = added**2 * (branch.own + branch.readout) + 4 * kept * added / width
    return Flow(
        factor**2 * skip.variance + own,
        kept**2 * skip.readout,
        kept * skip.shift + added * branch.shift,
        kept**2 * skip.kurtosis + added**2 * branch.kurtosis + 6 * kept * added,
        0.0,
        factor * skip.answer,
        factor**2 * skip.own + own,
    )
