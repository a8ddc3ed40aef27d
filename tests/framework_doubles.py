"""Keras and Flax as their documentation has them, drawn by NumPy: what stands for them where they are not installed.

Signatures and laws are those of keras.initializers and jax.nn.initializers: a normal law by variance is cut at two
standard deviations and scaled to have its variance, `TruncatedNormal` and `truncated_normal` are cut and not scaled,
and a Keras initializer without a seed draws the same values at every call.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

CUT_STD = 0.87962566103423978
RNG = np.random.default_rng(7)
Array = np.ndarray


def cut(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = rng.standard_normal(shape)
    while (far := abs(drawn) > 2).any():
        drawn[far] = rng.standard_normal(far.sum())
    return drawn


def by_variance(rng: np.random.Generator, shape: tuple[int, ...], scale: float, mode: str, law: str) -> Array:
    """Arrays are (fan_in, fan_out)."""
    assert scale > 0
    fan = {"fan_in": shape[0], "fan_out": shape[1], "fan_avg": sum(shape) / 2}[mode]
    std = math.sqrt(scale / fan)
    if law == "uniform":
        return rng.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, shape)
    return std * (cut(rng, shape) / CUT_STD if law == "truncated_normal" else rng.standard_normal(shape))


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.sign(np.diag(r))
    return q if q.shape == shape else q.T


class KerasInitializer:
    def __init__(self, draw: Any) -> None:
        self.draw, self.seed = draw, int(RNG.integers(2**31))

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        return self.draw(np.random.default_rng(self.seed), tuple(shape))


def variance_scaling(
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal", seed: Any = None
) -> KerasInitializer:
    assert distribution in ("truncated_normal", "untruncated_normal", "uniform")
    return KerasInitializer(lambda rng, shape: by_variance(rng, shape, scale, mode, distribution))


def keras_fixed(scale: float, mode: str, distribution: str) -> Any:
    return lambda seed=None: variance_scaling(scale, mode, distribution)


KERAS_INITIALIZERS = SimpleNamespace(
    VarianceScaling=variance_scaling,
    HeNormal=keras_fixed(2.0, "fan_in", "truncated_normal"),
    LecunNormal=keras_fixed(1.0, "fan_in", "truncated_normal"),
    GlorotNormal=keras_fixed(1.0, "fan_avg", "truncated_normal"),
    HeUniform=keras_fixed(2.0, "fan_in", "uniform"),
    LecunUniform=keras_fixed(1.0, "fan_in", "uniform"),
    GlorotUniform=keras_fixed(1.0, "fan_avg", "uniform"),
    RandomNormal=lambda mean=0.0, stddev=0.05, seed=None: KerasInitializer(
        lambda rng, shape: mean + stddev * rng.standard_normal(shape)
    ),
    RandomUniform=lambda minval=-0.05, maxval=0.05, seed=None: KerasInitializer(
        lambda rng, shape: rng.uniform(minval, maxval, shape)
    ),
    TruncatedNormal=lambda mean=0.0, stddev=0.05, seed=None: KerasInitializer(
        lambda rng, shape: mean + stddev * cut(rng, shape)
    ),
    Zeros=lambda: KerasInitializer(lambda rng, shape: np.zeros(shape)),
    Constant=lambda value=0.0: KerasInitializer(lambda rng, shape: np.full(shape, value)),
    Orthogonal=lambda gain=1.0, seed=None: KerasInitializer(lambda rng, shape: gain * orthogonal(rng, shape)),
    Identity=lambda gain=1.0: KerasInitializer(lambda rng, shape: gain * np.eye(*shape)),
)


class KerasVariable:
    def __init__(self, value: Array) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def assign(self, value: Array) -> None:
        assert value.shape == self.shape
        self.value = value

    def __mul__(self, factor: float) -> Array:
        return self.value * factor


class KerasDense:
    def __init__(self, fan_in: int, fan_out: int) -> None:
        self.kernel = KerasVariable(by_variance(RNG, (fan_in, fan_out), 1.0, "fan_avg", "uniform"))
        self.bias = KerasVariable(np.zeros(fan_out))


class KerasNormalization:
    def __init__(self, axis: int = -1, mean: Any = None, variance: Any = None, invert: bool = False) -> None:
        assert axis == -1

    def adapt(self, data: Array) -> None:
        self.mean, self.variance = data.mean(axis=0), data.var(axis=0)

    def __call__(self, x: Array) -> Array:
        return (x - self.mean) / np.maximum(np.sqrt(self.variance), 1e-7)


KERAS = SimpleNamespace(
    initializers=KERAS_INITIALIZERS, layers=SimpleNamespace(Dense=KerasDense, Normalization=KerasNormalization)
)


def flax_fixed(scale: float, mode: str, distribution: str) -> Any:
    return lambda in_axis=-2, out_axis=-1, batch_axis=(), dtype=None: flax_scaling(scale, mode, distribution)


def flax_scaling(
    scale: float,
    mode: str,
    distribution: str,
    in_axis: int = -2,
    out_axis: int = -1,
    batch_axis: Any = (),
    dtype: Any = None,
) -> Any:
    assert distribution in ("truncated_normal", "normal", "uniform")
    return lambda key, shape, dtype=None: by_variance(key, shape, scale, mode, distribution)


FLAX_INITIALIZERS = SimpleNamespace(
    variance_scaling=flax_scaling,
    he_normal=flax_fixed(2.0, "fan_in", "truncated_normal"),
    lecun_normal=flax_fixed(1.0, "fan_in", "truncated_normal"),
    glorot_normal=flax_fixed(1.0, "fan_avg", "truncated_normal"),
    he_uniform=flax_fixed(2.0, "fan_in", "uniform"),
    lecun_uniform=flax_fixed(1.0, "fan_in", "uniform"),
    glorot_uniform=flax_fixed(1.0, "fan_avg", "uniform"),
    zeros=lambda key, shape, dtype=None: np.zeros(shape),
    constant=lambda value, dtype=None: lambda key, shape, dtype=None: np.full(shape, value),
    orthogonal=lambda scale=1.0, column_axis=-1, dtype=None: (
        lambda key, shape, dtype=None: scale * orthogonal(key, shape)
    ),
    normal=lambda stddev=0.01, dtype=None: lambda key, shape, dtype=None: stddev * key.standard_normal(shape),
    truncated_normal=lambda stddev=0.01, dtype=None, lower=-2.0, upper=2.0: (
        lambda key, shape, dtype=None: stddev * cut(key, shape)
    ),
)
FLAX = SimpleNamespace(initializers=FLAX_INITIALIZERS)
JAX = SimpleNamespace(
    random=SimpleNamespace(
        key=np.random.default_rng,
        split=lambda key, num=2: key.spawn(num),
        uniform=lambda key, shape=(), dtype=None, minval=0.0, maxval=1.0: key.uniform(minval, maxval, shape),
    ),
    numpy=np,
)
