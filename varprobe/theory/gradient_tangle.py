"""Finite width, backward, in networks with residual joins or dropout: the gradient's own fluctuation.

Of functions of two slopes the mean does not shift at first order: by the signs' symmetry each side is met by half of
the units whatever the size, and nothing is tied. It ends towards the input at a norm, which divides by a fluctuating
size, and at an activation whose E[phi'^2] hangs on the second moment.
"""

from __future__ import annotations

import math

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.layers import Dropout, Join
from varprobe.network.spec import NetworkSpec
from varprobe.theory.backward import BackwardStep
from varprobe.theory.extended_float import ExtendedFloat
from varprobe.theory.flow import NOTHING, Flow, Spread, grow_alike, make_fluctuation
from varprobe.theory.forward import ForwardStep
from varprobe.theory.pair_moments import pair_moments
from varprobe.theory.records import Fluctuation, SignalMoments
from varprobe.theory.signal_width import expect


@dataclass(frozen=True)
class _Noise:
    """The fluctuation of a gradient: as it came, and what reading its own units adds; `alike` of two samples."""

    spread: Spread = NOTHING
    reading: float = 0.0
    alike: float = 0.0

    @property
    def whole(self) -> Spread:
        return self.spread + Spread(1.0, self.alike) * self.reading


def follow_tangle(
    spec: NetworkSpec,
    batch: int,
    ways: tuple[list[ForwardStep], list[BackwardStep]],
    flows: tuple[list[Flow | None], list[Flow | None]],
) -> tuple[list[Fluctuation | None], list[Fluctuation | None]]:
    """Of the gradients at every step's source and at its output."""
    forward, backward = ways
    sources: list[Fluctuation | None] = [None] * len(spec.steps)
    outputs: list[Fluctuation | None] = [None] * len(spec.steps)
    shift = None if spec.objective.kind == "mse" else 0.0
    noise: _Noise | None = _Noise()
    skips: list[tuple[int, _Noise | None]] = []

    def tell(noise: _Noise | None) -> Fluctuation | None:
        return None if noise is None else make_fluctuation(noise.whole, shift, batch)

    for k in range(len(spec.steps) - 1, -1, -1):
        step, layer = spec.steps[k], spec.steps[k].layer
        if not layer.opens:
            outputs[k] = tell(noise)
        if layer.joins:
            skips.append((k, noise))
            continue
        if layer.opens:
            join, skip = skips.pop()
            past = backward[join].output
            if past is not None and isinstance(end := spec.steps[join].layer, Join):
                past = past * (ExtendedFloat(end.skip) ** 2)
            noise = _split(noise, skip, backward[k].source, past, step.fan_out)
            sources[join] = tell(noise)
            continue
        flow = flows[0][k]
        if layer.variant is not None or (isinstance(layer, Dropout) and layer.is_alpha):
            noise = None
        elif layer.dropped_share and noise is not None:
            extra = Spread(3 * layer.dropped_share / (1 - layer.dropped_share) / step.fan_out, 0.0)
            noise = _Noise(noise.whole + extra, 0.0, noise.alike)
        elif noise is not None and layer.activation is not None:
            z = forward[k].source if layer.weights is None else forward[k].inner
            known = not (z is None or z.is_shared or flow is None)
            noise = _pass(noise, layer.activation, z, flow, step.fan_out) if known and z and flow else None
        sources[k] = tell(noise)
        if noise is not None and layer.weights is not None:
            noise = _Noise(noise.whole, 2 / step.fan_in, noise.alike)
    return sources, outputs


def _pass(noise: _Noise, activation: Activation, z: SignalMoments, flow: Flow, width: int) -> _Noise | None:
    """What is fresh has been read when the slopes have met it."""
    if activation.is_linear:
        return _Noise(noise.whole, 0.0, noise.alike + grow_alike(noise.alike, noise.reading / 2))
    found = expect(activation, z)
    if found is None or activation.degree != 1:
        return None
    known, variance = found
    mean = z.scaled(z.exponent)[0]
    _, steepness, _, turn = pair_moments(activation, mean, variance, known).at(*flow.correlations)
    steep = known.derivative_fourth_moment / known.derivative_second_moment**2
    read = 3 * steep - 3, (steepness - 1) * (1 + 2 * noise.alike)
    alike = turn**2 * noise.alike + grow_alike(noise.alike, steepness) / width
    return _Noise(noise.whole + Spread(*read) * (1 / width), 0.0, min(alike, 1.0))


def _split(
    branch: _Noise | None, skip: _Noise | None, whole: ExtendedFloat | None, past: ExtendedFloat | None, width: int
) -> _Noise | None:
    """The gradient at a block's input is the skip's, second moment `past`, plus the branch's, and their product.

    The branch began with the skip's own fluctuation, which so counts once.
    """
    if branch is None or skip is None or whole is None or past is None or not whole.value:
        return None
    share = 1 - min(math.exp(past.log - whole.log), 1.0)
    added = branch.whole + skip.spread * -1.0
    more = added * share**2 + Spread(1.0, branch.alike) * (4 * share * (1 - share) / width)
    alike = (1 - share) ** 2 * skip.alike + share**2 * branch.alike
    return _Noise(skip.spread + more, (1 - share) ** 2 * skip.reading, alike)
