"""The forward recursion: second moment, mean and sample variance, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from varprobe.spec.activations import Activation
from varprobe.spec.gaussian import expectations
from varprobe.spec.laws import Constant, Given, Identity, Law, Lsuv, Normal, Uniform
from varprobe.spec.network import Dense, Dropout, InputLaw, Join, NetworkSpec, Norm, Open, Pointwise, Settings
from varprobe.theory.pairs import pair_spread
from varprobe.theory.records import Level


@dataclass(frozen=True)
class Passage:
    """What a step does to the level: before (`source`), after the affine map (`inner`), and after it (`output`)."""

    source: Level | None
    inner: Level | None
    output: Level | None
    reason: str = ""


def input_level(law: InputLaw) -> Level:
    """The level of the batch itself."""
    if law.rows is not None:
        rows = law.rows.astype(np.float64)
        second, mean = float(np.mean(rows**2)), float(rows.mean())
        spread = float(rows.var(axis=0, ddof=1).mean()) if len(rows) > 1 else None
        return Level(second, mean, spread, gaussian=False)
    if law.distribution == "constant":
        return Level(law.mean**2, law.mean, 0.0, gaussian=True)
    return Level(law.mean**2 + law.std**2, law.mean, law.std**2, gaussian=law.distribution == "normal")


def passages(spec: NetworkSpec, settings: Settings) -> list[Passage]:
    """One passage per step; from the first step that theory does not cover on, levels are None with the reason."""
    level: Level | None = input_level(spec.input)
    if settings.batch == 1 and level is not None:
        level = replace(level, spread=None)
    skips: list[Level | None] = []
    found: list[Passage] = []
    reason = ""
    for step in spec.steps:
        layer, source = step.layer, level
        inner = source
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
                level = activated(layer.activation, inner)
            elif isinstance(layer, Norm):
                level = normalised(layer, level, settings.batch)
            elif isinstance(layer, Pointwise):
                level = activated(layer.activation, level)
            elif isinstance(layer, Dropout):
                level = dropped(level, 1 - layer.probability)
        found.append(Passage(source, inner, level, reason if level is None else ""))
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
    variance = layer.weights.variance(fan_in, fan_out)
    assert variance is not None
    gain = fan_in * variance
    bias_mean, bias_square = _bias(layer.bias)
    spread = None if level.spread is None else gain * level.spread
    return Level(gain * level.second_moment + bias_square, bias_mean, spread, gaussian=True)


def _bias(law: Law) -> tuple[float, float]:
    match law:
        case Constant(value):
            return value, value**2
        case Normal() | Uniform():
            variance = law.variance(1, 1)
            return law.mean, law.mean**2 + (variance or 0.0)
    raise TypeError(law)


def activated(activation: Activation, level: Level) -> Level:
    """The level behind phi, of a Gaussian signal."""
    if activation.name == "linear":
        return level
    known = expectations(activation, level.mean, level.variance)
    spread = None if level.spread is None else pair_spread(activation, level.mean, level.variance, level.spread)
    return Level(known.second_moment, known.mean, spread, gaussian=False)


def normalised(norm: Norm, level: Level, batch: int) -> Level:
    """The level behind a norm, at large width; batch norm at its own batch size."""
    if norm.variant == "rms":
        factor = 1 / (level.second_moment + norm.eps) if level.second_moment + norm.eps else 0.0
        spread = None if level.spread is None else factor * level.spread
        return Level(factor * level.second_moment, math.sqrt(factor) * level.mean, spread, level.gaussian)
    if norm.variant == "layer":
        factor = 1 / (level.variance + norm.eps) if level.variance + norm.eps else 0.0
        spread = None if level.spread is None else factor * level.spread
        return Level(factor * level.variance, 0.0, spread, level.gaussian)
    assert level.spread is not None
    own = level.spread * (batch - 1) / batch
    second = own / (own + norm.eps) if own + norm.eps else 0.0
    # Over the batch the normalised values add up to zero: two of them have covariance -second/(batch - 1).
    return Level(second, 0.0, second * batch / (batch - 1), level.gaussian)


def dropped(level: Level, keep: float) -> Level:
    """Inverted dropout: the second moment grows by 1/keep, the covariance of two samples does not."""
    extra = level.second_moment * (1 / keep - 1)
    spread = None if level.spread is None else level.spread + extra
    return Level(level.second_moment + extra, level.mean, spread, gaussian=level.gaussian and keep == 1)


def _joined(skip: Level | None, branch: Level | None, scale: float) -> Level | None:
    """skip + scale * branch; the branch ends in weights or units of its own, so only the means correlate."""
    if skip is None or branch is None:
        return skip if skip is not None and scale == 0 else None
    known = skip.spread is not None and branch.spread is not None
    spread = skip.spread + scale**2 * branch.spread if known else None  # type: ignore[operator]  # both are known
    return Level(
        skip.second_moment + 2 * scale * skip.mean * branch.mean + scale**2 * branch.second_moment,
        skip.mean + scale * branch.mean,
        spread,
        gaussian=skip.gaussian and branch.gaussian,
    )
