"""The forward recursion: second moment, mean and sample variance, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from varprobe.spec.activations import Activation
from varprobe.spec.laws import Constant, Given, Identity, Law, Lsuv, Normal, Uniform
from varprobe.spec.network import Dense, Dropout, InputLaw, Join, NetworkSpec, Norm, Open, Pointwise, Settings
from varprobe.theory.records import Level, level_of
from varprobe.theory.response import Response, respond
from varprobe.theory.wide import EXPONENT_END, Wide, unscaled, wide


@dataclass(frozen=True, slots=True)
class Passage:
    """What a step does to the level: before (`source`), after the affine map (`inner`), and after it (`output`).

    `response` is that of its activation, where it has one that is not linear.
    """

    source: Level | None
    inner: Level | None
    output: Level | None
    response: Response | None = None
    reason: str = ""


_END = EXPONENT_END // 4
_SMALLEST = 1e-280
_ENDED = "the signal explodes beyond any number"


def input_level(law: InputLaw) -> Level:
    """The level of the batch itself."""
    if law.rows is not None:
        largest = float(np.max(np.abs(law.rows)))
        exponent = math.frexp(largest)[1]
        rows = np.ldexp(law.rows.astype(np.float64), -exponent)
        spread = float(rows.var(axis=0, ddof=1).mean()) if len(rows) > 1 else None
        return Level(float(np.mean(rows**2)), float(rows.mean()), spread, gaussian=False, exponent=exponent).settled()
    mean, std = wide(law.mean), wide(law.std)
    if law.distribution == "constant":
        return level_of(mean * mean, mean, wide(0.0), gaussian=True)
    return level_of(mean * mean + std * std, mean, std * std, gaussian=law.distribution == "normal")


def passages(spec: NetworkSpec, settings: Settings) -> list[Passage]:
    """One passage per step; from the first step that theory does not cover on, levels are None with the reason."""
    level: Level | None = input_level(spec.input)
    if settings.batch == 1 and level is not None:
        level = replace(level, scaled_spread=None)
    skips: list[Level | None] = []
    found: list[Passage] = []
    reason = ""
    for step in spec.steps:
        layer, source = step.layer, level
        inner, response = source, None
        if isinstance(layer, Open):
            skips.append(level)
        elif isinstance(layer, Join):
            source = skips.pop()
            level = _joined(source, level, layer.scale)
        elif level is not None:
            trouble = _uncovered(layer, level, step.fan_in, step.fan_out)
            if trouble:
                reason, level, inner = f"{step.name}: {trouble}", None, None
            elif isinstance(layer, Dense):
                inner = affine(layer, level, step.fan_in, step.fan_out)
                level, response = activated(layer.activation, inner)
            elif isinstance(layer, Norm):
                level = normalised(layer, level, settings.batch)
            elif isinstance(layer, Pointwise):
                level, response = activated(layer.activation, level)
            elif isinstance(layer, Dropout):
                level = dropped(level, 1 - layer.probability)
        if level is not None and abs(level.exponent) > _END:
            if level.exponent > 0:
                reason, level = f"{step.name}: {_ENDED}", None
            else:
                level = Level(0.0, 0.0, level.scaled_spread and 0.0, gaussian=level.gaussian)
        found.append(Passage(source, inner, level, response, reason if level is None else ""))
    return found


def _uncovered(layer: object, level: Level, fan_in: int, fan_out: int) -> str:
    """Why theory ends at this layer; empty where it goes on."""
    if isinstance(layer, Dense):
        for what, law in (("weights", layer.weights), ("biases", layer.bias)):
            if isinstance(law, Given):
                return f"given {what} have no law"
        if isinstance(layer.weights, Lsuv):
            return "lsuv depends on the data"
        if isinstance(layer.weights, Identity):
            return "identity weights mix nothing"
        if _weight_mean(layer.weights):
            return "weights with a mean make all units alike"
    if isinstance(layer, Pointwise) and not level.gaussian and layer.activation.name != "linear":
        return "an activation of a signal that is not Gaussian"
    if isinstance(layer, Norm) and (layer.gamma or layer.beta):
        return "given gamma and beta have no law"
    if isinstance(layer, Norm) and layer.variant == "batch" and level.spread is None:
        return "batch norm of a signal whose sample variance is not known"
    return ""


def _weight_mean(law: Law) -> float:
    return getattr(law, "mean", 0.0) if not isinstance(law, Constant) else law.value


def affine(layer: Dense, level: Level, fan_in: int, fan_out: int) -> Level:
    """z = W a + b: q = fan_in Var(W) E[a^2] + E[b^2]; the same map takes the spread, without the bias."""
    gain = weight_gain(layer.weights, fan_in, fan_out, fan_in)
    scaled = Level(
        gain.value * level.scaled_second_moment,
        0.0,
        None if level.scaled_spread is None else gain.value * level.scaled_spread,
        gaussian=True,
        exponent=level.exponent + gain.exponent // 2,
        spread_exponent=level.spread_exponent,
    )
    return _plus(scaled, _bias(layer.bias))


def weight_gain(law: Law, fan_in: int, fan_out: int, fan: int) -> Wide:
    """fan times the variance of one weight; its exponent is even."""
    variance = law.variance(fan_in, fan_out) or 0.0
    if variance > _SMALLEST:
        return Wide(fan * variance)
    # The square of a standard deviation may be below the smallest double.
    return Wide(fan * (law.scaled(2.0**500).variance(fan_in, fan_out) or 0.0), -1000)


def _bias(law: Law) -> Level:
    match law:
        case Constant(value):
            mean, variance = wide(value), wide(0.0)
        case Normal() | Uniform():
            mean, variance = wide(law.mean), weight_gain(law, 1, 1, 1)
        case _:
            raise TypeError(law)
    return level_of(mean * mean + variance, mean, wide(0.0), gaussian=True)


def _plus(one: Level, other: Level) -> Level:
    """The sum of two signals that only their means correlate."""
    if not other.scaled_second_moment and other.spread is not None:
        return one.settled()
    if one.exponent != other.exponent:
        exponent = max((one, other), key=lambda level: level.log_second_moment).exponent
        one, other = _at(one, exponent), _at(other, exponent)
    second = one.scaled_second_moment + other.scaled_second_moment + 2 * one.scaled_mean * other.scaled_mean
    mean, gaussian = one.scaled_mean + other.scaled_mean, one.gaussian and other.gaussian
    if one.scaled_spread is None or other.scaled_spread is None:
        return Level(second, mean, None, gaussian, one.exponent).settled()
    apart = wide(one.scaled_spread, one.spread_exponent) + wide(other.scaled_spread, other.spread_exponent)
    return Level(second, mean, apart.value, gaussian, one.exponent, apart.exponent).settled()


def _at(level: Level, exponent: int) -> Level:
    """The same level with that exponent of the signal; what is far below it is lost, the spread is not."""
    shift = level.exponent - exponent
    return Level(
        unscaled(level.scaled_second_moment, 2 * shift),
        unscaled(level.scaled_mean, shift),
        level.scaled_spread,
        level.gaussian,
        exponent,
        level.spread_exponent + 2 * shift,
    )


def activated(activation: Activation, level: Level) -> tuple[Level, Response | None]:
    """The level behind phi, of a Gaussian signal."""
    if activation.name == "linear":
        return level, None
    response = respond(activation, level)
    return response.level, response


def normalised(norm: Norm, level: Level, batch: int) -> Level:
    """The level behind a norm, at large width; batch norm at its own batch size."""
    if norm.variant == "batch":
        spread = level.wide_spread
        assert spread is not None
        own = spread * wide((batch - 1) / batch)
        second = own / (own + wide(norm.eps)) if own.value else own
        # Over the batch the normalised values add up to zero: two of them have covariance -second/(batch - 1).
        return level_of(second, wide(0.0), second * wide(batch / (batch - 1)), gaussian=level.gaussian)
    size = norm_size(norm, level)
    spread, second = level.wide_spread, level.wide_second_moment
    if not size.value:
        return Level(0.0, 0.0, None if spread is None else 0.0, level.gaussian)
    mean = wide(0.0)
    if norm.variant == "rms":
        mean = wide(level.scaled_mean, level.exponent) / size.root
    else:
        second = wide(level.scaled_variance, 2 * level.exponent)
    return level_of(second / size, mean, spread and spread / size, gaussian=level.gaussian)


def norm_size(norm: Norm, level: Level) -> Wide:
    """What a norm over features divides the second moment by."""
    own = level.scaled_second_moment if norm.variant == "rms" else level.scaled_variance
    return wide(own, 2 * level.exponent) + wide(norm.eps)


def dropped(level: Level, keep: float) -> Level:
    """Inverted dropout: the second moment grows by 1/keep, the covariance of two samples does not."""
    if keep == 1:
        return level
    extra = level.scaled_second_moment * (1 / keep - 1)
    apart = None if level.scaled_spread is None else wide(level.scaled_spread, level.spread_exponent) + wide(extra)
    return Level(
        level.scaled_second_moment + extra,
        level.scaled_mean,
        None if apart is None else apart.value,
        gaussian=False,
        exponent=level.exponent,
        spread_exponent=0 if apart is None else apart.exponent,
    ).settled()


def _joined(skip: Level | None, branch: Level | None, scale: float) -> Level | None:
    """skip + scale * branch; the branch ends in weights or units of its own, so only the means correlate."""
    if skip is None or branch is None:
        return skip if skip is not None and scale == 0 else None
    factor, exponent = math.frexp(scale) if not 1e-30 < abs(scale) < 1e30 else (scale, 0)
    spread = None if branch.scaled_spread is None else factor**2 * branch.scaled_spread
    scaled = replace(
        branch,
        scaled_second_moment=factor**2 * branch.scaled_second_moment,
        scaled_mean=factor * branch.scaled_mean,
        scaled_spread=spread,
        exponent=branch.exponent + exponent,
    )
    return _plus(skip, scaled)
