"""The laws of weights and biases, and the batch, drawn.

A law is drawn as values of order one in the working precision, and a factor that the engine multiplies into the
layer's output. So a standard deviation of 1e-300 underflows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.scaled_array import ScaledArray
from varprobe.engine.streams import Streams, fill_normals, fill_uniforms
from varprobe.frozen import dataclass
from varprobe.network.laws import (
    Constant,
    FromFile,
    Identity,
    Law,
    Lsuv,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from varprobe.network.spec import InputLaw

Array = NDArray[np.floating[Any]]
Generators = Sequence[np.random.Generator]


@dataclass(frozen=True)
class Draw:
    """`factor * values`; values are (trials, ...) or (1, ...) where the law is not random."""

    values: Array
    factor: float


def draw(law: Law, shape: tuple[int, ...], streams: Streams, dtype: np.dtype[Any]) -> Draw:
    """One independent draw of `law` per trial, stacked on the first axis.

    Arguments:
        shape: of one draw: (fan_out, fan_in) for weights, (width,) for biases.
    """
    match law:
        case FromFile():
            return take_given(law.values, shape, dtype)
        case Constant():
            return Draw(np.full((1, *shape), np.sign(law.value), dtype), abs(law.value))
        case Identity():
            return Draw(np.eye(*shape, dtype=dtype)[None], law.gain)
    values = np.empty((len(streams.trials), *shape), dtype)
    if is_drawn_by_parts(law):
        streams.fill(values, partial(fill_part, law))
    else:
        for out, stream in zip(values, streams.generators(), strict=True):
            _fill_whole(law, out, stream)
    return Draw(values, law_factor(law))


def is_drawn_by_parts(law: Law) -> bool:
    """Whether the entries are independent, so that any rows can be drawn alone."""
    return isinstance(law, (Normal, Uniform, TruncatedNormal))


def draws_zeros(law: Law, fan_out: int) -> bool:
    """Whether every entry is exactly zero in every draw, by the law or the given values."""
    match law:
        case FromFile():
            return not law.values.any()
        case Constant():
            return law.value == 0
        case Identity():
            return law.gain == 0
        case Sparse() if law.zeros(fan_out) == fan_out:
            return True
    return law_factor(law) == 0


def take_given(values: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Draw:
    """Given values; scaled by a power of two where the working precision could not hold them."""
    peak = float(np.max(np.abs(values)))
    exponent = 0
    if math.isfinite(peak) and peak > 0 and not 2.0**-60 < peak < 2.0**60:
        exponent = math.frexp(peak)[1] - 1  # 2**1024 is no double
    return Draw(np.ldexp(values, -exponent).astype(dtype).reshape(1, *shape), math.ldexp(1.0, exponent))


def law_factor(law: Law) -> float:
    """What is taken out of a random law, so that its values are of order one."""
    match law:
        case Normal(std, mean):
            return max(std, abs(mean))
        case Uniform(low, high):
            return max(abs(low), abs(high))
        case TruncatedNormal(std) | Sparse(std):
            return std
        case Orthogonal(gain) | Lsuv(gain):
            return gain
    raise TypeError(law)


def fill_part(law: Law, generators: Generators, out: Array) -> None:
    """Draws law / law_factor(law) into every row of `out`, each from its own stream."""
    factor = law_factor(law)
    match law:
        case Normal(std, mean):
            fill_normals(generators, out)
            if mean and factor:
                out *= std / factor
                out += mean / factor
        case Uniform(low, high):
            fill_uniforms(generators, out)
            if factor:
                out *= (high - low) / factor
                out += low / factor
        case TruncatedNormal(std, low, high, centre):
            if not std:
                out[...] = 0
                return
            for row, stream in zip(out, generators, strict=True):
                _cut_normal((low - centre) / std, (high - centre) / std, row, stream)
            out += centre / std
        case _:
            raise TypeError(law)


def _fill_whole(law: Law, out: Array, stream: np.random.Generator) -> None:
    match law:
        case Sparse():
            fill_normals([stream], out.reshape(1, -1))
            zeros = law.zeros(out.shape[0])
            if zeros:
                order = np.argpartition(stream.random(out.shape), zeros - 1, axis=0)[:zeros]
                np.put_along_axis(out, order, 0, axis=0)
        case Orthogonal() | Lsuv():
            out[...] = draw_haar(out.shape[0], out.shape[1], stream)
        case _:
            raise TypeError(law)


def draw_haar(rows: int, columns: int, stream: np.random.Generator) -> NDArray[np.float64]:
    """Orthonormal rows or columns, whichever are fewer, by QR of a Gaussian with the signs of R's diagonal fixed."""
    tall = stream.standard_normal((max(rows, columns), min(rows, columns)))
    orthonormal, triangle = np.linalg.qr(tall)
    orthonormal *= np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
    return orthonormal if rows >= columns else orthonormal.T


def _cut_normal(low: float, high: float, out: Array, stream: np.random.Generator) -> None:
    """N(0, 1) cut to low..high by rejection: from the normal where that keeps enough, else from a uniform."""
    kept = _normal_mass(low, high)
    if kept > 0.2:
        fill_normals([stream], out[None])
        outside = np.flatnonzero((out < low) | (out > high))
        while outside.size:
            again = np.empty((1, outside.size), out.dtype)
            fill_normals([stream], again)
            out[outside] = again[0]
            outside = outside[(again[0] < low) | (again[0] > high)]
        return
    # Beyond the reach the density is below e^-60 of its largest value here.
    anchor = min(max(0.0, low), high)
    reach = math.sqrt(anchor * anchor + 120.0)
    bottom, top = max(low, -reach), min(high, reach)
    filled = 0
    while filled < out.size:
        wanted = out.size - filled
        uniform = stream.random((2, wanted * 2 + 16))
        point = bottom + (top - bottom) * uniform[0]
        log_density = -(point - anchor) * (point + anchor) / 2
        accepted = point[np.log1p(-uniform[1]) < log_density].astype(out.dtype)
        taken = min(wanted, accepted.size)
        out[filled : filled + taken] = accepted[:taken]
        filled += taken


def _normal_mass(low: float, high: float) -> float:
    return (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2


def repeat_given(values: Array, trials: int, dtype: np.dtype[Any]) -> ScaledArray:
    """The same given (batch, units) array in every trial."""
    drawn = take_given(values, values.shape, dtype)
    return ScaledArray.plain(np.repeat(drawn.values, trials, axis=0)).times(drawn.factor).settle()


def draw_batch(law: InputLaw, batch: int, streams: Streams, dtype: np.dtype[Any]) -> ScaledArray:
    """The batch of every trial, (trials, batch, features)."""
    if law.rows is not None:
        return repeat_given(law.rows, len(streams.trials), dtype)
    shape = (len(streams.trials), batch, law.features)
    if law.distribution in ("one_hot", "sparse"):
        return _draw_scattered(law, shape, streams, dtype)
    mean = ScaledArray.plain(np.broadcast_to(dtype.type(np.sign(law.mean)), shape))
    if law.distribution == "constant":
        return mean.times(abs(law.mean)).settle()
    values = np.empty(shape, dtype)
    if law.distribution == "normal":
        streams.normal(values)
    else:
        streams.uniform(values)
        values -= 0.5
        values *= np.sqrt(12.0)
    signal = ScaledArray.plain(values).times(law.std)
    return (signal.plus(mean.times(abs(law.mean))) if law.mean else signal).settle()


def _draw_scattered(law: InputLaw, shape: tuple[int, int, int], streams: Streams, dtype: np.dtype[Any]) -> ScaledArray:
    """Batches that are mostly zeros."""
    values = np.zeros(shape, dtype)
    size = max(abs(law.mean), law.std)
    for rows, stream in zip(values, streams.generators(), strict=True):
        if law.distribution == "one_hot":
            rows[np.arange(shape[1]), stream.integers(shape[2], size=shape[1])] = 1
        elif size:
            drawn = law.mean / size + law.std / size * stream.standard_normal(shape[1:])
            rows[:] = np.where(stream.random(shape[1:]) < law.density, drawn, 0.0)
    signal = ScaledArray.plain(values)
    return (signal if law.distribution == "one_hot" else signal.times(size)).settle()
