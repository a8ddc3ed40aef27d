"""The gains that theory asks of each layer, and of a network that repeats one for ever."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from varprobe.advice.variants import Recipe, is_tunable
from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import Activation
from varprobe.network.laws import Constant, FromFile, Law
from varprobe.network.layers import Dense, Dropout, Join, Layer, Norm, Pointwise
from varprobe.network.spec import NetworkSpec, Step

_LEAST, _MOST = 1e-8, 1e6


def find_gains(spec: NetworkSpec, paths: Sequence[str]) -> dict[str, Recipe]:
    """Of every entry the gain on 1/sqrt(fan_in) that makes the second moment of z that of the input, or 1.

    Width does not matter to it: fan_in keeps the second moment forward, and width times that of the gradient backward.
    Copies that are fed differently, as a first layer is, take the median of what they need.
    """
    source = spec.input
    size = source.mean**2 + source.std**2 if source.rows is None else float((source.rows.astype(float) ** 2).mean())
    aim = size if 1e-12 < size < 1e12 and all(_is_homogeneous(step.layer) for step in spec.steps) else 1.0
    walk, passing = _Walk(aim, paths), _Size(size, aim)
    for walk.step in spec.steps:
        passing = walk.step.layer.through(walk, passing)
    return {path: Recipe(mode="fan_in", gain=median(gains)) for path, gains in walk.needed.items()}


@dataclass(frozen=True)
class _Size:
    """Second moments: of a signal, and of the Gaussian that an activation would take for it."""

    moment: float
    gaussian: float

    def times(self, factor: float) -> _Size:
        return _Size(factor**2 * self.moment, factor**2 * self.gaussian)


class _Walk:
    """What each operation makes of a size, where all maps are given the gain that makes z of second moment `aim`."""

    def __init__(self, aim: float, paths: Sequence[str]) -> None:
        self.aim = aim
        self.paths = paths
        self.step: Step
        self.skips: list[float] = []
        self.needed: dict[str, list[float]] = {}

    def map(self, layer: Dense, signal: _Size) -> _Size:
        left = self.aim - bias_moment(layer.bias)
        if self.step.path in self.paths and is_tunable(self.step) and left > 0 and signal.moment > 0:
            self.needed.setdefault(self.step.path, []).append(math.sqrt(left / signal.moment))
        return _Size(_behind(layer.activation, self.aim), self.aim)

    def normalise(self, layer: Norm, signal: _Size) -> _Size:
        return _Size(1.0, 1.0)

    def activate(self, layer: Pointwise, signal: _Size) -> _Size:
        return _Size(_behind(layer.activation, signal.gaussian), signal.gaussian)

    def drop(self, layer: Dropout, signal: _Size) -> _Size:
        keep, share = 1 - layer.dropped_share, layer.dropped_share
        added = keep * layer.kept_shift**2 + share * layer.dropped_value**2
        return _Size(keep * layer.kept_factor**2 * signal.moment + added, signal.gaussian)

    def open(self, signal: _Size) -> _Size:
        self.skips.append(signal.moment)
        return signal

    def join(self, layer: Join, signal: _Size) -> _Size:
        moment = layer.skip**2 * self.skips.pop() + layer.scale**2 * signal.moment
        return _Size(moment, moment)


def _is_homogeneous(layer: Layer) -> bool:
    if isinstance(layer, Dropout) and layer.is_alpha:
        return False
    return layer.activation is None or layer.activation.degree == 1


def _behind(activation: Activation, q: float) -> float:
    return q if activation.is_linear else float(expectations(activation, 0.0, q).second_moment)


def bias_moment(law: Law) -> float:
    """E[b^2]."""
    if isinstance(law, FromFile):
        with np.errstate(over="ignore"):  # beyond doubles it is inf
            return float(np.square(law.values.astype(float)).mean())
    mean = law.value if isinstance(law, Constant) else getattr(law, "mean", 0.0)
    return (law.variance(1, 1) or 0.0) + float(mean) ** 2


def edge_of_chaos(activation: Activation, sb2: float) -> tuple[float, float] | None:
    """(sw, q*) with q* = sw^2 E[phi^2] + sb2 and sw^2 E[phi'^2] = 1; None where there is no such point.

    >>> from varprobe.network.activations import make_activation
    >>> sw, q = edge_of_chaos(make_activation("tanh"), 0.05)
    >>> round(sw**2, 6), round(q, 6)
    (1.760955, 0.570048)
    """

    def excess(q: float) -> float:
        known = expectations(activation, 0.0, q)
        steep = known.derivative_second_moment
        return math.inf if steep <= 0 else float(known.second_moment / steep + sb2 - q)

    at_zero = expectations(activation, 0.0, _LEAST)
    if sb2 == 0 and at_zero.second_moment < 1e-3 and at_zero.derivative_second_moment > 0:
        return float(at_zero.derivative_second_moment) ** -0.5, 0.0
    low, high = math.log(_LEAST), math.log(_MOST)
    if not excess(math.exp(low)) > 0 > excess(math.exp(high)):
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(math.exp(middle)) > 0 else (low, middle)
    q = math.exp(low)
    steepness = float(expectations(activation, 0.0, q).derivative_second_moment)
    return (steepness**-0.5, q) if steepness > 0 else None
