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
from varprobe.network.laws import Identity, Law, Orthogonal, Sparse, TruncatedNormal, Uniform
from varprobe.network.layers import Dense, Dropout, Join, Norm, Pointwise
from varprobe.network.spec import InputLaw, NetworkSpec, Step
from varprobe.theory.backward import BackwardStep
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.forward import ForwardStep
from varprobe.theory.records import Fluctuation, RowWidth, SignalMoments

# Excess kurtosis of z beyond which one term of the expansion in it does not do.
_FAR_FROM_GAUSSIAN = 0.3
# Second moments between this and its inverse have fourth moments that doubles can hold.
_LEAST = 1e-100


@dataclass(frozen=True)
class _Flow:
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
    def seen(self) -> Fluctuation | None:
        return _fluctuation(self.variance + self.readout, self.shift)


def _fluctuation(variance: float, shift: float | None, unknown: float = 0.0) -> Fluctuation | None:
    """None where the expansion left the range of numbers."""
    if not (math.isfinite(variance) and math.isfinite(shift or 0.0)):
        return None
    return Fluctuation(max(variance, 0.0), shift, unknown)


def finite_width(spec: NetworkSpec, forward: list[ForwardStep], backward: list[BackwardStep]) -> list[RowWidth]:
    """One per step; None where the expansion is not known."""
    try:
        sources, outputs = _forward(spec, forward)
        gradients = _backward(spec, forward, backward, sources)
    except OverflowError:  # an expansion whose terms doubles cannot hold says nothing
        return [RowWidth()] * len(spec.steps)
    return [
        RowWidth(source.seen if source else None, output.seen if output else None, gradient)
        for source, output, gradient in zip(sources, outputs, gradients, strict=True)
    ]


def _forward(spec: NetworkSpec, forward: list[ForwardStep]) -> tuple[list[_Flow | None], list[_Flow | None]]:
    flow: _Flow | None = None
    if spec.input.rows is None:  # rows of a file may differ in size, which is no fluctuation of the weights
        kappa = _input_kappa(spec.input)
        flow = _Flow(0.0, kappa / spec.input.features, 0.0, kappa + 1)
    widths = _Widths()
    sources: list[_Flow | None] = []
    outputs: list[_Flow | None] = []
    for widths.step, widths.passage in zip(spec.steps, forward, strict=True):
        layer, passage = widths.step.layer, widths.passage
        is_known = not (flow is None or passage.source is None or passage.inner is None or passage.output is None)
        passed = _Passage(None, None)
        if is_known or layer.opens or layer.joins:
            passed = layer.through(widths, _Passage(flow, flow))
        flow = passed.output
        sources.append(passed.source)
        outputs.append(flow)
    return sources, outputs


@dataclass(frozen=True)
class _Passage:
    """A fluctuation before a layer (of weights: behind them), and behind it; None where it is not known."""

    source: _Flow | None
    output: _Flow | None

    def times(self, factor: float) -> _Passage:
        """What is relative does not change."""
        return self


class _Widths:
    """What each operation does to a fluctuation, at the step under way."""

    def __init__(self) -> None:
        self.step: Step
        self.passage: ForwardStep
        self.skips: list[_Flow | None] = []

    def map(self, layer: Dense, signal: _Passage) -> _Passage:
        before, after, step = self.passage.source, self.passage.inner, self.step
        if signal.output is None or before is None or after is None:
            return _Passage(None, None)
        source = _mapped(signal.output, layer.weights, before, after, step.fan_in, step.fan_out)
        name = layer.activation.name
        return _Passage(source, _activated(source, name, _known(layer, after), after, step.fan_out))

    def activate(self, layer: Pointwise, signal: _Passage) -> _Passage:
        level = self.passage.source
        if level is None:
            return _Passage(None, None)
        name, known = layer.activation.name, _known(layer, level)
        return _Passage(signal.source, _activated(signal.output, name, known, level, self.step.fan_out))

    def normalise(self, layer: Norm, signal: _Passage) -> _Passage:
        return replace(signal, output=signal.output and _normalised(signal.output, layer))

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
        skip, passage = self.skips.pop(), self.passage
        joined = _joined(skip, signal.output, layer.scale, passage.source, passage.output, self.step.fan_out)
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


def _known(layer: Dense | Pointwise, level: SignalMoments) -> Expectations | None:
    """The expectations at a level whose fourth moments doubles can hold."""
    if layer.activation.degree is not None:
        mean, variance = level.scaled_mean, level.scaled_variance
    else:
        mean, variance = level.mean, level.variance
    if not _LEAST < variance < 1 / _LEAST:
        return None
    known = expectations(layer.activation, mean, variance)
    moments = known.second_moment, known.derivative_second_moment
    return known if all(_LEAST < moment < 1 / _LEAST for moment in moments) else None


def _mapped(
    flow: _Flow, law: Law, before: SignalMoments, after: SignalMoments, fan_in: int, fan_out: int
) -> _Flow | None:
    """z = W a + b: what the sum of squares of `a` does, and 2/fan_out for reading n Gaussians."""
    if isinstance(law, Identity) or before.is_shared or after.is_shared:
        return None  # units move together, or each by itself: nothing averages out
    variance = law.variance(fan_in, fan_out)
    if not variance or not after.scaled_second_moment:
        return None
    log_share = math.log(fan_in * variance) + before.log_second_moment - after.log_second_moment
    share = min(math.exp(log_share), 1.0)
    held = fan_out / max(fan_in, fan_out) * share if isinstance(law, Orthogonal) else 0.0
    # Cumulants add up: a sum over fan_in entries has the weights' excess, that of the signal in it, over fan_in.
    excess = weight_excess(law, fan_out) * flow.kurtosis / fan_in * share**2
    if abs(excess) > _FAR_FROM_GAUSSIAN:
        return None
    return _Flow(
        share**2 * (flow.variance + flow.readout),
        2 / fan_out * (1 - held),
        share * flow.shift,
        3 + excess,
        held,
        share * flow.answer,
        share**2 * (flow.own + flow.readout),
    )


def _activated(
    flow: _Flow | None, name: str, known: Expectations | None, level: SignalMoments, width: int
) -> _Flow | None:
    """a = phi(z)."""
    if name == "linear" or flow is None:
        return flow
    if known is None:
        return None
    v = level.variance if level.exponent == 0 else level.scaled_variance
    slope = known.slope * v / known.second_moment * _over_variance(level)
    bend = known.curvature * v * v / known.second_moment * _over_variance(level) ** 2
    if not math.isfinite(slope + bend):
        return None
    kappa = known.fourth_moment / known.second_moment**2 - 1
    return _Flow(
        slope**2 * flow.variance,
        max(kappa - 2 * slope**2 * flow.held, 0.0) / width,
        slope * flow.shift + bend / 2 * (flow.variance - 2 * flow.held / width + (flow.kurtosis - 3) / 3),
        kappa + 1,
        0.0,
        slope * flow.answer,
        slope**2 * flow.own,
    )


def _over_variance(level: SignalMoments) -> float:
    """Second moment over variance: a fluctuation of the second moment is one of the variance, the mean being fixed."""
    return level.scaled_second_moment / level.scaled_variance if level.scaled_variance else math.nan


def _normalised(flow: _Flow, norm: Norm) -> _Flow | None:
    """A norm sets the sum of squares: nothing is left to fluctuate.

    Behind batch norm the values of a unit lie on a sphere of the batch's dimension and are not Gaussian.
    """
    return None if norm.variant == "batch" else _Flow(0.0, 0.0, 0.0, flow.kurtosis, 1.0, 0.0, 0.0)


def _joined(
    skip: _Flow | None,
    branch: _Flow | None,
    scale: float,
    before: SignalMoments | None,
    after: SignalMoments | None,
    width: int,
) -> _Flow | None:
    """skip + scale * branch: the branch answers to the skip, and brings fluctuations of its own.

    Their product, of mean zero where the branch ends in fresh weights, adds 4 kept added/width.
    """
    if skip is None or before is None or after is None:
        return None
    if scale == 0:
        return skip
    if branch is None or not after.scaled_second_moment:
        return None
    kept = min(math.exp(before.log_second_moment - after.log_second_moment), 1.0)
    added = 1 - kept
    factor = kept + added * branch.answer
    own = added**2 * (branch.own + branch.readout) + 4 * kept * added / width
    return _Flow(
        factor**2 * skip.variance + own,
        kept**2 * skip.readout,
        kept * skip.shift + added * branch.shift,
        kept**2 * skip.kurtosis + added**2 * branch.kurtosis + 6 * kept * added,
        0.0,
        factor * skip.answer,
        factor**2 * skip.own + own,
    )


def _backward(
    spec: NetworkSpec, forward: list[ForwardStep], backward: list[BackwardStep], sources: list[_Flow | None]
) -> list[Fluctuation | None]:
    if not all(step.layer.weights is not None for step in spec.steps):
        return _loose(spec, forward, backward)
    found = _chain(spec, forward, sources)
    if spec.objective.kind == "mse":  # its tie to the output is not in the expansion
        return [each and replace(each, shift=None) for each in found]
    return found


def _chain(spec: NetworkSpec, forward: list[ForwardStep], sources: list[_Flow | None]) -> list[Fluctuation | None]:
    """The gradient of a chain of dense layers, from the output to the input.

    `reach` is how ln of the gradient answers to a relative change of q, through this layer and all later ones;
    `tied` the share of the gradient along the layer's own output, beyond the 1/n of a random direction.
    """
    found: list[Fluctuation | None] = [None] * len(spec.steps)
    reach = noise = moved = tied = unknown = 0.0
    ahead_share = ahead_held = 0.0
    for k in range(len(spec.steps) - 1, -1, -1):
        step, passage, flow = spec.steps[k], forward[k], sources[k]
        layer = step.layer
        assert isinstance(layer, Dense)
        z = passage.inner
        if z is None or passage.source is None or flow is None:
            return found
        known = _known(layer, z)
        if known is None:
            return found
        scale = z.variance if not z.exponent else z.scaled_variance
        q = scale * _over_variance(z)
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
        found[k] = _fluctuation(noise + reach**2 * flow.variance, moved, unknown)
        # Through W towards the input: y = W a is Gaussian with variance v_y.
        weights = layer.weights.variance(step.fan_in, step.fan_out) or 0.0
        log_y = math.log(step.fan_in * weights) + passage.source.log_second_moment - z.log_second_moment
        own = min(math.exp(log_y), 1.0)  # v_y / q
        held = step.fan_in / max(step.fan_in, step.fan_out) if isinstance(layer.weights, Orthogonal) else 0.0
        coherent = own * part**2 * square / (q * flat)
        tied = 2 * own * slope / step.fan_in + tied * step.fan_out / step.fan_in * coherent
        ahead_share, ahead_held = own, held
    return found


def _loose(spec: NetworkSpec, forward: list[ForwardStep], backward: list[BackwardStep]) -> list[Fluctuation | None]:
    """Networks with joins or dropout: the gradient's own fluctuation; its shift is not known.

    It ends towards the input at a norm, which divides by a fluctuating size, and at an activation whose E[phi'^2]
    hangs on the second moment.
    """
    found: list[Fluctuation | None] = [None] * len(spec.steps)
    noise: float | None = 0.0
    skips: list[tuple[int, float | None]] = []
    for k in range(len(spec.steps) - 1, -1, -1):
        step, passage = spec.steps[k], forward[k]
        layer = step.layer
        if layer.joins:
            skips.append((k, noise))
            noise = 0.0
            continue
        if layer.opens:
            join, skip = skips.pop()
            noise = _split(noise, skip, backward[k].source, backward[join].output, step.fan_out)
            found[join] = None if noise is None else _fluctuation(noise, None)
        elif layer.variant is not None:
            return found
        elif layer.dropped_share and noise is not None:
            noise += 3 * layer.dropped_share / (1 - layer.dropped_share) / step.fan_out
        elif noise is not None and isinstance(layer, (Dense, Pointwise)):
            level = passage.source if layer.weights is None else passage.inner
            noise = None if level is None or level.is_shared else _further(noise, layer, level, step.fan_out)
        found[k] = None if noise is None else _fluctuation(noise, None)
    return found


def _further(noise: float, layer: Dense | Pointwise, level: SignalMoments, width: int) -> float | None:
    known = _known(layer, level)
    if known is None or layer.activation.degree != 1:
        return None
    return noise + (3 * known.derivative_fourth_moment / known.derivative_second_moment**2 - 1) / width


def _split(
    branch: float | None, skip: float | None, whole: ExtendedFloat | None, past: ExtendedFloat | None, width: int
) -> float | None:
    """The gradient at a block's input is the skip's, second moment `past`, plus the branch's, and their product."""
    if branch is None or skip is None or whole is None or past is None or not whole.value:
        return None
    share = 1 - min(math.exp(past.log - whole.log), 1.0)
    return skip + share**2 * (branch + 2 / width) + 4 * share * (1 - share) / width
