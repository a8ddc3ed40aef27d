"""Layers of Gaussian or Haar-orthogonal weights, sampled without ever forming the weights.

A layer is seen through Z = X W^T and, later, delta W alone. FromFile X, Z is Gaussian with the Gram matrix K = X X^T of
the batch; given Z, what W does off the row space of X is still fresh (Bolthausen 2014). So both products are drawn
from matrices of the batch's size, exactly, whatever the width: O(batch (fan_in + fan_out)) normals in place of
fan_in fan_out. Gram matrices are float64, by Cholesky where they are well conditioned, else by their eigenvectors.

Shapes: X (trials, batch, fan_in), Z and delta (trials, batch, fan_out), r the rank of K, S (trials, batch, r).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.blocks import Block, gram, mix, over_blocks, product
from varprobe.engine.moments import Sums
from varprobe.engine.scaled_array import ScaledArray, combine, split
from varprobe.engine.streams import Streams
from varprobe.frozen import dataclass
from varprobe.network.laws import Law, Normal, Orthogonal

Array = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]

_DOUBLE = np.dtype(np.float64)
# Eigenvalues of a Gram matrix below this share of the largest are rounding: they count as zero.
RANK_CUT = 1e-12
# Cholesky is taken where the squared diagonal of its factor spans less than this.
_WELL_CONDITIONED = 1e-7
# The part of a layer's streams that the columns never seen are drawn from; no matrix has so many parts.
_UNSEEN = 2**32 - 1


def has_symmetry(law: Law) -> bool:
    """Whether a law is known through Gram matrices alone."""
    return isinstance(law, (Normal, Orthogonal))


@dataclass(frozen=True)
class Seen:
    """What the forward pass leaves for the backward one.

    Attributes:
        source: the sums of X, with K.
        inverse: the pseudo-inverse of S (trials, r, batch): its rows times X are orthonormal, and zero beyond the rank.
        inner: F or G (trials, r, fan_out), with Z = S inner.
    """

    source: Sums
    inverse: Doubles
    inner: Array


def forward(law: Normal | Orthogonal, source: ScaledArray, fan_out: int, streams: Streams) -> tuple[ScaledArray, Seen]:
    """Z = X W^T, but for what the weights' mean adds, and what backward needs."""
    rows, (scale, exponent) = source.values, split(_size(law))
    sums = Sums.of(rows, _DOUBLE)
    root, inverse = _roots(sums.gram, min(rows.shape[1:]))
    inner = streams.normal(np.empty((len(rows), root.shape[2], fan_out), rows.dtype))
    if isinstance(law, Orthogonal):
        # A trial of lower rank than the others has directions that do not exist: they must not take part.
        real = np.asarray(inverse.any(axis=2))
        inner *= real[:, :, None]
        inner = mix((_half(inner, max(rows.shape[2], fan_out) - fan_out, streams, real), inner))
    return combine((scale * root, inner), exponent=source.exponent + exponent), Seen(sums, inverse, inner)


def backward(
    law: Normal | Orthogonal,
    seen: Seen,
    source: Array,
    gradient: ScaledArray,
    sums: Sums,
    streams: Streams,
) -> ScaledArray:
    """delta W, but for what the weights' mean adds, given the forward pass and the sums of delta."""
    delta, (scale, shift) = gradient.values, split(_size(law))
    dtype, fan_in, fan_out = delta.dtype, source.shape[2], delta.shape[2]
    exponent = gradient.exponent + shift
    inverse = seen.inverse
    fixed = product(delta, seen.inner)
    if isinstance(law, Normal):
        root, _ = _roots(sums.gram, min(delta.shape[1:]))
        fresh = streams.normal(np.empty((len(delta), root.shape[2], fan_in), dtype))
        along = root @ product(fresh, source) @ inverse.swapaxes(1, 2)
        return combine((scale * root, fresh), (scale * ((fixed - along) @ inverse), source), exponent=exponent)
    size = max(fan_in, fan_out)
    # What is left of delta off the rows that the forward pass has fixed: of a rank that is known.
    free = size - inverse.any(axis=2).sum(axis=1)
    rounding = float(np.finfo(dtype).eps) * np.trace(sums.gram, axis1=1, axis2=2)
    root = _root_of_rest(sums.gram - fixed @ fixed.swapaxes(1, 2), free, rounding)
    fresh = streams.normal(np.empty((len(delta), root.shape[2], fan_in), dtype))
    real = np.asarray(root.any(axis=1))
    fresh *= real[:, :, None]
    along = product(fresh, source) @ inverse.swapaxes(1, 2) @ inverse
    _subtract(fresh, along.astype(dtype), source)
    half = _half(fresh, size - fan_in, streams, real)
    return combine((scale * (root @ half), fresh), (scale * (fixed @ inverse), source), exponent=exponent)


def _size(law: Normal | Orthogonal) -> float:
    return law.std if isinstance(law, Normal) else law.gain


def _subtract(rows: Array, factors: Array, source: Array) -> None:
    """rows -= factors source, in place."""

    def work(block: Block) -> None:
        trials, _, units = block
        rows[block] -= np.matmul(factors[trials], source[trials, :, units])

    over_blocks(work, rows.shape)


def _roots(gram: Doubles, most: int) -> tuple[Doubles, Doubles]:
    """S (trials, batch, most) and its pseudo-inverse, S S^T = gram; columns beyond a trial's rank are zero.

    Each trial goes its own way and has as many columns as any, so that its draws do not hang on its neighbours.
    """
    pairs = [_root(one, most) for one in _finite(gram)]
    return np.stack([root for root, _ in pairs]), np.stack([inverse for _, inverse in pairs])


def _root(gram: Doubles, most: int) -> tuple[Doubles, Doubles]:
    if most == len(gram):
        try:
            root: Doubles = np.asarray(np.linalg.cholesky(gram), np.float64)
        except np.linalg.LinAlgError:
            pass
        else:
            diagonal = np.square(np.diagonal(root))
            if diagonal.min() > _WELL_CONDITIONED * diagonal.max():
                return root, np.asarray(np.linalg.inv(root), np.float64)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[-most:], vectors[:, -most:]
    kept = values > RANK_CUT * values[-1]
    sizes = np.sqrt(np.where(kept, values, 0.0))
    inverse = np.where(kept, 1 / np.where(kept, sizes, 1.0), 0.0)
    return vectors * sizes, np.asarray((vectors * inverse).T, np.float64)


def _root_of_rest(rest: Doubles, free: NDArray[np.intp], rounding: Doubles) -> Doubles:
    """S with S S^T = rest, of at most `free` columns; eigenvalues below `rounding` are zero. Both are (trials,)."""
    values, vectors = np.linalg.eigh(_finite(rest))
    place = np.arange(values.shape[1], 0, -1)
    kept = (values > rounding[:, None]) & (place <= free[:, None])
    root: Doubles = vectors * np.sqrt(np.where(kept, values, 0.0))[:, None]
    return root


def _finite(gram: Doubles) -> Doubles:
    """Zero for the trials whose arithmetic has ended."""
    return np.where(np.isfinite(gram).all(axis=(1, 2), keepdims=True), gram, 0.0)


def _half(inner: Array, missing: int, streams: Streams, real: NDArray[np.bool_]) -> Doubles:
    """(G G^T + E E^T)^(-1/2): times G, rows of a Haar matrix of which `missing` columns are not seen."""
    whole = gram(inner)
    if missing:
        unseen = _wishart(whole.shape[1], missing, streams)
        whole = whole + unseen * (real[:, :, None] & real[:, None, :])
    values, vectors = np.linalg.eigh(_finite(whole))
    kept = values > RANK_CUT * values[:, -1:]
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    half: Doubles = np.matmul(vectors * scale[:, None], vectors.swapaxes(1, 2))
    return half


def _wishart(size: int, freedom: int, streams: Streams) -> Doubles:
    """E E^T of a (size, freedom) matrix of normals, by Bartlett's triangle where that is smaller."""
    drawn = np.zeros((len(streams.trials), size, size))
    for out, stream in zip(drawn, streams.generators(_UNSEEN), strict=True):
        if freedom < size:
            normals = stream.standard_normal((size, freedom))
            out[...] = normals @ normals.T
            continue
        triangle = np.tril(stream.standard_normal((size, size)), -1)
        np.fill_diagonal(triangle, np.sqrt(stream.chisquare(freedom - np.arange(size))))
        out[...] = triangle @ triangle.T
    return drawn
