"""The gains that theory asks of each layer, and of a network that repeats one for ever."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from varprobe.advice.variants import Recipe, is_tunable
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import Activation
from varprobe.network.laws import Constant, FromFile, Law
from varprobe.network.layers import Dense, Dropout, Join, Norm, Open, Pointwise
from varprobe.network.spec import NetworkSpec

_LEAST, _MOST = 1e-8, 1e6


def keeping_gains(spec: NetworkSpec, paths: Sequence[str]) -> dict[str, Recipe]:
    """Of every entry the gain on 1/sqrt(fan_in) that makes the second moment of z that of the input, or 1.

    Width does not matter to it: fan_in keeps the second moment forward, and width times that of the gradient backward.
    Copies that are fed differently, as a first layer is, take the median of what they need.
    """
    source = spec.input
    size = source.mean**2 + source.std**2 if source.rows is None else float((source.rows.astype(float) ** 2).mean())
    aim = size if 1e-12 < size < 1e12 and all(_is_homogeneous(step.layer) for step in spec.steps) else 1.0
    moment, gaussian = size, aim
    skips: list[float] = []
    needed: dict[str, list[float]] = {}
    for step in spec.steps:
        layer = step.layer
        if isinstance(layer, Dense):
            left = aim - bias_moment(layer.bias)
            if step.path in paths and is_tunable(step) and left > 0 and moment > 0:
                needed.setdefault(step.path, []).append(math.sqrt(left / moment))
            moment, gaussian = _behind(layer.activation, aim), aim
        elif isinstance(layer, Norm):
            moment = gaussian = 1.0
        elif isinstance(layer, Pointwise):
            moment = _behind(layer.activation, gaussian)
        elif isinstance(layer, Dropout):
            moment /= 1 - layer.dropped_share
        elif isinstance(layer, Open):
            skips.append(moment)
        elif isinstance(layer, Join):
            moment = gaussian = skips.pop() + layer.scale**2 * moment
    return {path: Recipe(mode="fan_in", gain=median(gains)) for path, gains in needed.items()}


def _is_homogeneous(layer: object) -> bool:
    return not isinstance(layer, (Dense, Pointwise)) or layer.activation.degree == 1


def _behind(activation: Activation, q: float) -> float:
    return q if activation.name == "linear" else float(expectations(activation, 0.0, q).second_moment)


def bias_moment(law: Law) -> float:
    """E[b^2]."""
    if isinstance(law, FromFile):
        return float((law.values.astype(float) ** 2).mean())
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
    while high - low > 1e-13 * max(abs(low), 1.0):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if excess(math.exp(middle)) > 0 else (low, middle)
    q = math.exp(low)
    steepness = float(expectations(activation, 0.0, q).derivative_second_moment)
    return (steepness**-0.5, q) if steepness > 0 else None
