"""Random numbers: one generator per (trial, role, layer), and the laws drawn with it.

A law is drawn as values of order one in the working precision, and a factor that the engine multiplies into the
layer's output. So a standard deviation of 1e-300 underflows nothing.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.spec.laws import (
    Constant,
    Given,
    Identity,
    Law,
    Lsuv,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)

Array = NDArray[np.floating[Any]]


class Role(IntEnum):
    """What a stream of random numbers is for; part of every seed, so the numbers must not change."""

    WEIGHTS = 0
    BIAS = 1
    INPUT = 2
    OBJECTIVE = 3
    DROPOUT = 4
    RETURN = 5


def generator(seed: int, trial: int, role: Role, layer: int) -> np.random.Generator:
    """The stream of one trial, role and layer (its position in the unrolled network); no two overlap."""
    sequence = np.random.SeedSequence(seed, spawn_key=(trial, int(role), layer))
    return np.random.Generator(np.random.SFC64(sequence))


@dataclass(frozen=True)
class Draw:
    """`factor * values`; values are (trials, ...) or (1, ...) where the law is not random."""

    values: Array
    factor: float


def draw(law: Law, shape: tuple[int, ...], streams: list[np.random.Generator], dtype: np.dtype[Any]) -> Draw:
    """One independent draw of `law` per stream, stacked on the first axis.

    Arguments:
        shape: of one draw: (fan_out, fan_in) for weights, (width,) for biases.
    """
    match law:
        case Given():
            return _given(law.values, shape, dtype)
        case Constant():
            return Draw(np.full((1, *shape), np.sign(law.value), dtype), abs(law.value))
        case Identity():
            return Draw(np.eye(*shape, dtype=dtype)[None], law.gain)
    values = np.empty((len(streams), *shape), dtype)
    factor = _scale(law)
    for out, stream in zip(values, streams, strict=True):
        _fill(law, factor, out, stream)
    return Draw(values, factor)


def _given(values: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Draw:
    """Given values; scaled by a power of two where the working precision could not hold them."""
    peak = float(np.max(np.abs(values)))
    exponent = 0
    if math.isfinite(peak) and peak > 0 and not 2.0**-60 < peak < 2.0**60:
        exponent = math.frexp(peak)[1]
    return Draw(np.ldexp(values, -exponent).astype(dtype).reshape(1, *shape), math.ldexp(1.0, exponent))


def _scale(law: Law) -> float:
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


def _fill(law: Law, factor: float, out: Array, stream: np.random.Generator) -> None:
    """Draws law / factor into `out`."""
    match law:
        case Normal(std, mean):
            standard_normal(out, stream)
            if mean and factor:
                out *= std / factor
                out += mean / factor
        case Uniform(low, high):
            stream.random(dtype=out.dtype, out=out)
            if factor:
                out *= (high - low) / factor
                out += low / factor
        case TruncatedNormal(std, low, high, centre):
            if std:
                _cut_normal((low - centre) / std, (high - centre) / std, out, stream)
                out += centre / std
            else:
                out[...] = 0
        case Sparse():
            standard_normal(out, stream)
            zeros = law.zeros(out.shape[0])
            if zeros:
                order = np.argsort(stream.random(out.shape), axis=0)[:zeros]
                np.put_along_axis(out, order, 0, axis=0)
        case Orthogonal() | Lsuv():
            out[...] = haar(out.shape[0], out.shape[1], stream)
        case _:
            raise TypeError(law)


def standard_normal(out: Array, stream: np.random.Generator) -> None:
    """N(0, 1) into `out`, in its precision."""
    stream.standard_normal(dtype=out.dtype, out=out)


def haar(rows: int, columns: int, stream: np.random.Generator) -> NDArray[np.float64]:
    """Orthonormal rows or columns, whichever are fewer, by QR of a Gaussian with the signs of R's diagonal fixed."""
    tall = stream.standard_normal((max(rows, columns), min(rows, columns)))
    orthonormal, triangle = np.linalg.qr(tall)
    orthonormal *= np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
    return orthonormal if rows >= columns else orthonormal.T


def _cut_normal(low: float, high: float, out: Array, stream: np.random.Generator) -> None:
    """N(0, 1) cut to low..high by rejection: from the normal where that keeps enough, else from a uniform."""
    flat = out.reshape(-1)
    kept = _normal_mass(low, high)
    # Beyond the reach the density is below e^-60 of its largest value here.
    anchor = min(max(0.0, low), high)
    reach = math.sqrt(anchor * anchor + 120.0)
    bottom, top = max(low, -reach), min(high, reach)
    filled = 0
    while filled < flat.size:
        wanted = flat.size - filled
        if kept > 0.2:
            proposal = np.empty(int(wanted / kept * 1.05) + 16, out.dtype)
            standard_normal(proposal, stream)
            accepted = proposal[(proposal >= low) & (proposal <= high)]
        else:
            uniform = stream.random((2, wanted * 2 + 16))
            point = bottom + (top - bottom) * uniform[0]
            log_density = -(point - anchor) * (point + anchor) / 2
            accepted = point[np.log1p(-uniform[1]) < log_density].astype(out.dtype)
        taken = min(wanted, accepted.size)
        flat[filled : filled + taken] = accepted[:taken]
        filled += taken


def _normal_mass(low: float, high: float) -> float:
    return (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
