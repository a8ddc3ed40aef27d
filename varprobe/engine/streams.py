"""Streams of random numbers, one for each (trial, role, layer), and fast normals and uniforms from them.

A stream's seed is that of NumPy's `SeedSequence` with the spawn key (trial, role, layer, part); a large array is cut
into parts, each with a stream of its own, so that what is drawn does not depend on who draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from itertools import islice
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from varprobe.engine.blocks import each
from varprobe.frozen import dataclass

Array = NDArray[np.floating[Any]]
Words = NDArray[np.uint32]

# Values of a part: many enough to pay for a stream, few enough to share among threads.
PART = 2**18
# Values of one step of the transforms: they and their intermediates fit a core's cache.
_STEP = 2**16

# Of NumPy's SeedSequence.
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_LEFT, _MIX_RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_POOL = 4
# So many streams are seeded together by arrays; for fewer the calls into NumPy cost more.
_MANY = 8


class Role(IntEnum):
    """What a stream of random numbers is for; part of every seed, so the numbers must not change."""

    WEIGHTS = 0
    BIAS = 1
    INPUT = 2
    OBJECTIVE = 3
    DROPOUT = 4
    RETURN = 5


class _State(ISeedSequence):
    """A seed that is known already."""

    def __init__(self, state: NDArray[np.uint64]) -> None:
        self.state = state

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        return self.state


@dataclass(frozen=True)
class Streams:
    """The streams of one role and layer, for every trial of a stack."""

    seed: int
    trials: Sequence[int]
    role: Role
    layer: int

    def generators(self, part: int = 0) -> list[np.random.Generator]:
        """One for each trial."""
        return _generators(self.seed, [(trial, int(self.role), self.layer, part) for trial in self.trials])

    def of_parts(self, parts: Parts) -> list[list[np.random.Generator]]:
        """For every part one for each of its trials."""
        keys = [
            (self.trials[trial], int(self.role), self.layer, part)
            for trials, part in parts.members()
            for trial in trials
        ]
        found = iter(_generators(self.seed, keys))
        return [list(islice(found, len(trials))) for trials, _ in parts.members()]

    def normal(self, out: Array) -> Array:
        """Fills (trials, rows, columns) or (trials, columns) with N(0, 1)."""
        self.fill(out, fill_normals)
        return out

    def uniform(self, out: Array) -> Array:
        """Fills (trials, rows, columns) or (trials, columns) with U[0, 1)."""
        self.fill(out, fill_uniforms)
        return out

    def fill(self, out: Array, law: Any) -> None:
        """`law(generators, values)` for every part, values (generators, size)."""
        parts = Parts.of(out.shape)
        generators = self.of_parts(parts)
        each(lambda number: law(generators[number], parts.take(out, number)), len(generators))


@dataclass(frozen=True)
class Parts:
    """How an array (trials, rows, columns) is cut: several trials each where they are small, else some rows of one.

    Attributes:
        places: (trials, rows) of every part, trial after trial.
    """

    places: tuple[tuple[slice, slice], ...]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Parts:
        trials, rows, columns = shape if len(shape) == 3 else (shape[0], 1, shape[1])
        together = PART // max(1, rows * columns)
        if together:
            groups = (slice(start, min(start + together, trials)) for start in range(0, trials, together))
            return cls(tuple((group, slice(0, rows)) for group in groups))
        step = max(1, PART // columns)
        return cls(
            tuple(
                (slice(trial, trial + 1), slice(start, min(start + step, rows)))
                for trial in range(trials)
                for start in range(0, rows, step)
            )
        )

    def members(self) -> list[tuple[range, int]]:
        """The trials of every part and its number among the parts of its trial."""
        step = self.places[0][1].stop
        return [(range(trials.start, trials.stop), rows.start // step) for trials, rows in self.places]

    def take(self, out: Array, number: int) -> Array:
        """Part of `out`, (its trials, size); a view."""
        trials, rows = self.places[number]
        part = out[trials] if out.ndim == 2 else out[trials, rows]
        return part.reshape(len(part), -1)


def _generators(seed: int, keys: Sequence[tuple[int, ...]]) -> list[np.random.Generator]:
    if len(keys) < _MANY:
        seeds: list[Any] = [np.random.SeedSequence(seed, spawn_key=key) for key in keys]
    else:
        seeds = [_State(state) for state in seed_states(seed, np.array(keys, np.uint32))]
    return [np.random.Generator(np.random.SFC64(one)) for one in seeds]


def seed_states(seed: int, keys: Words) -> NDArray[np.uint64]:
    """`SeedSequence(seed, spawn_key=key).generate_state(3, np.uint64)` of every row of keys, together."""
    words = max(_POOL, (seed.bit_length() + 31) // 32)
    pool = [np.full(len(keys), word, np.uint32) for word in np.random.SeedSequence(seed).pool]
    constant = _INIT_A * pow(_MULT_A, _POOL * words, 2**32) % 2**32
    for word in keys.T:
        for place in range(_POOL):
            value = word ^ np.uint32(constant)
            constant = constant * _MULT_A % 2**32
            value *= np.uint32(constant)
            value ^= value >> np.uint32(16)
            mixed = _MIX_LEFT * pool[place] - _MIX_RIGHT * value
            pool[place] = mixed ^ (mixed >> np.uint32(16))
    state = np.empty((len(keys), 6), np.uint32)
    constant = _INIT_B
    for place in range(6):
        value = pool[place % _POOL] ^ np.uint32(constant)
        constant = constant * _MULT_B % 2**32
        value *= np.uint32(constant)
        state[:, place] = value ^ (value >> np.uint32(16))
    return state.astype("<u4").view("<u8").astype(np.uint64)


def fill_normals(generators: Sequence[np.random.Generator], out: Array) -> None:
    """N(0, 1) into every row of `out`, each from its own stream.

    float32 by the transform of Box and Muller (1958) from two 32-bit uniforms, which reaches 6.7 standard deviations;
    float64 by NumPy's ziggurat.
    """
    if out.dtype != np.float32:
        for row, stream in zip(out, generators, strict=True):
            stream.standard_normal(dtype=out.dtype, out=row)
        return
    for streams, values in _steps(generators, out):
        half = -(-values.shape[1] // 2)
        words = _raw(streams, half)
        radius = words[:, :half].astype(np.float32)
        angle = words[:, half:].astype(np.float32)
        radius += np.float32(0.5)
        radius *= np.float32(2.0**-32)
        np.log(radius, out=radius)
        radius *= np.float32(-2.0)
        np.sqrt(radius, out=radius)
        angle *= np.float32(2.0**-31 * math.pi)
        first, second = values[:, :half], values[:, half:]
        np.cos(angle, out=first)
        first *= radius
        np.sin(angle[:, : second.shape[1]], out=second)
        second *= radius[:, : second.shape[1]]


def fill_uniforms(generators: Sequence[np.random.Generator], out: Array) -> None:
    """U[0, 1) into every row of `out`, each from its own stream: multiples of 2^-24, or of 2^-53 in float64."""
    if out.dtype != np.float32:
        for row, stream in zip(out, generators, strict=True):
            stream.random(dtype=out.dtype, out=row)
        return
    for streams, values in _steps(generators, out):
        words = _raw(streams, -(-values.shape[1] // 2))
        words >>= np.uint32(8)
        values[...] = words[:, : values.shape[1]]
        values *= np.float32(2.0**-24)


def _steps(generators: Sequence[np.random.Generator], out: Array) -> list[tuple[Sequence[np.random.Generator], Array]]:
    """`out` in pieces of a step: several rows where they are short, else pieces of a row."""
    rows, size = out.shape
    together = _STEP // max(1, size)
    if together:
        return [
            (generators[start : start + together], out[start : start + together]) for start in range(0, rows, together)
        ]
    return [
        ([generators[row]], out[row : row + 1, start : start + _STEP])
        for row in range(rows)
        for start in range(0, size, _STEP)
    ]


def _raw(streams: Sequence[np.random.Generator], count: int) -> Words:
    """Two 32-bit words from each of `count` 64-bit words of every stream, (streams, 2 count)."""
    if len(streams) == 1:
        raw: NDArray[np.uint64] = np.asarray(streams[0].bit_generator.random_raw(count))[None]
    else:
        raw = np.empty((len(streams), count), np.uint64)
        for row, stream in zip(raw, streams, strict=True):
            row[...] = stream.bit_generator.random_raw(count)
    return raw.astype("<u8", copy=False).view("<u4")
