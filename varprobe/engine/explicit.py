"""Layers whose weights are drawn: some rows at a time, multiplied while they are in the cache.

Where the weights are not kept for the backward pass they are drawn again from their own streams, so that a layer
takes the memory of a few of its rows. Laws whose entries hang together are drawn whole.

Shapes: X (trials, batch, fan_in), W (trials, fan_out, fan_in), Z and delta (trials, batch, fan_out).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import each, of_trials
from varprobe.engine.draws import draw, fill_part, is_drawn_by_parts, law_factor
from varprobe.engine.moments import Tally
from varprobe.engine.scaled_array import ScaledArray, combine, split
from varprobe.engine.streams import Parts, Streams
from varprobe.frozen import dataclass
from varprobe.network.laws import FromFile, Law

Array = NDArray[np.floating[Any]]
PerTrial = NDArray[np.float64]
Place = tuple[slice, slice]

# Sums over the rows of W are taken in so many lanes, each in order.
_LANES = 8
# Columns that are summed in the working precision.
_STEP = 4_096


@dataclass(frozen=True)
class Weights:
    """W of a layer: all of it, or nothing but where to draw it again.

    Attributes:
        law, streams: what it is drawn from.
        shape: (trials, fan_out, fan_in).
        dtype: of the values.
        values: the whole of it, its first axis 1 where all trials have the same; else None.
        factor: what the values are to be multiplied with.
    """

    law: Law
    streams: Streams
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    values: Array | None
    factor: float

    def forget(self) -> Weights:
        """What is left where the values are not kept."""
        return replace(self, values=None)

    def parts(self, work: Callable[[int, Place, Array], None], *, fill: bool) -> None:
        """`work(lane, (trials, rows), W[trials, rows])` for every part, each lane in order.

        Arguments:
            fill: draw what is kept for the first time.
        """
        parts = Parts.of(self.shape)
        draws = self.values is None or fill
        generators = self.streams.of_parts(parts) if draws else []
        count = len(parts.places)
        lanes = min(_LANES, count)

        def lane(number: int) -> None:
            for part in range(number * count // lanes, (number + 1) * count // lanes):
                trials, rows = parts.places[part]
                if self.values is None:
                    size = (trials.stop - trials.start, rows.stop - rows.start, self.shape[2])
                    values = np.empty(size, self.dtype)
                else:
                    values = of_trials(self.values, trials)[:, rows]
                if draws:
                    fill_part(self.law, generators[part], values.reshape(len(values), -1))
                work(number, (trials, rows), values)

        each(lane, lanes)


def forward(
    law: Law, source: ScaledArray, fan_out: int, streams: Streams, *, keep: bool
) -> tuple[ScaledArray, Weights, PerTrial]:
    """X W^T, the weights, and the variance over their entries."""
    x = source.values
    trials, batch, fan_in = x.shape
    weights = _weights(law, (trials, fan_out, fan_in), streams, x.dtype, keep=keep)
    z = np.empty((trials, batch, fan_out), x.dtype)
    tally = Tally(z.shape, z.dtype)
    sums = np.zeros((2, trials, fan_out))
    shift = _about(law, weights)
    scale, exponent = split(weights.factor)

    def work(_: int, place: Place, rows: Array) -> None:
        which, units = place
        block = which, slice(None), units
        part = np.matmul(x[which], rows.swapaxes(1, 2), out=z[block])
        part *= z.dtype.type(scale)
        tally.see(block, part)
        _row_sums(rows, shift, sums[:, which, units])

    weights.parts(work, fill=keep and is_drawn_by_parts(law))
    count = fan_in * fan_out
    total, squares = sums.sum(axis=2)
    with np.errstate(over="ignore"):  # beyond doubles it is inf
        variance = np.maximum(squares / count - np.square(total / count), 0.0) * np.square(weights.factor)
    return ScaledArray(z, source.exponent + exponent, tally.moments()), weights, variance


def backward(weights: Weights, gradient: ScaledArray) -> ScaledArray:
    """delta W."""
    delta, (scale, exponent) = gradient.values, split(weights.factor)
    exponents = gradient.exponent + exponent
    trials, batch, _ = delta.shape
    if weights.values is None and not is_drawn_by_parts(weights.law):
        weights = _weights(weights.law, weights.shape, weights.streams, weights.dtype, keep=True)
    if weights.values is not None:
        return combine((delta, weights.values), exponent=exponents, scale=scale)
    sums: list[dict[int, Array]] = [{} for _ in range(_LANES)]

    def work(lane: int, place: Place, rows: Array) -> None:
        which, units = place
        term = np.matmul(delta[which, :, units], rows)
        if which.start in sums[lane]:
            sums[lane][which.start] += term
        else:
            sums[lane][which.start] = term

    weights.parts(work, fill=False)
    total = np.zeros((trials, batch, weights.shape[2]), delta.dtype)
    for found in sums:
        for start, term in found.items():
            total[start : start + len(term)] += term
    return ScaledArray(total, exponents).times(scale)


def unit_variance(z: ScaledArray, weights: Weights, gain: float) -> tuple[ScaledArray, Weights, PerTrial]:
    """LSUV: each trial's weights divided by the standard deviation of its output, times gain; and by what."""
    assert weights.values is not None
    variance = z.moments.variance
    usable = np.isfinite(variance) & (variance > 0)
    factor = np.where(usable, gain / np.sqrt(np.where(usable, variance, 1.0)), 1.0)
    # The output's own exponent is part of its size, and so part of what is divided out.
    exponent = np.where(usable, -z.exponent, 0)
    across = factor.astype(z.values.dtype).reshape(-1, 1, 1)
    scaled = replace(weights, values=ScaledArray(weights.values * across, exponent).absolute())
    return ScaledArray(z.values * across, z.exponent + exponent), scaled, np.ldexp(factor, exponent)


def _weights(law: Law, shape: tuple[int, int, int], streams: Streams, dtype: np.dtype[Any], *, keep: bool) -> Weights:
    """The weights of a layer; what can be drawn by parts is not drawn yet."""
    if is_drawn_by_parts(law):
        return Weights(law, streams, shape, dtype, np.empty(shape, dtype) if keep else None, law_factor(law))
    whole = draw(law, shape[1:], streams, dtype)
    return Weights(law, streams, shape, dtype, whole.values, whole.factor)


def _about(law: Law, weights: Weights) -> float:
    """Where the drawn values lie, so that their squares about it do not cancel."""
    if isinstance(law, FromFile) and weights.values is not None:
        return float(weights.values.flat[0])
    return float(getattr(law, "mean", 0.0)) / (weights.factor or 1.0)


def _row_sums(rows: Array, shift: float, out: NDArray[np.float64]) -> None:
    """The sums and sums of squares of each row of W about a shift, into (2, trials, rows).

    Summed over a few columns in the working precision, as BLAS does, and over those in double precision.
    """
    if shift:
        rows = rows - rows.dtype.type(shift)
    out[...] = 0.0
    for start in range(0, rows.shape[2], _STEP):
        part = rows[:, :, start : start + _STEP]
        out[0] += part.sum(axis=2)
        out[1] += np.einsum("tij,tij->ti", part, part)
