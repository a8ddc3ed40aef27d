"""Layers of Gaussian or Haar-orthogonal weights, sampled without ever forming the weights.

A layer is seen through Z = X W^T and, later, delta W alone. Given X, Z is Gaussian with the Gram matrix K = X X^T of
the batch; given Z, what W does off the row space of X is still fresh (Bolthausen 2014). So both products are drawn
from matrices of the batch's size, exactly, whatever the width: O(batch (fan_in + fan_out)) normals in place of
fan_in fan_out. Gram matrices are float64, by Cholesky where they are well conditioned, else by their eigenvectors.

Shapes: X (trials, batch, fan_in), Z and delta (trials, batch, fan_out), r the rank of K, S (trials, batch, r).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.draws import standard_normal
from varprobe.frozen import dataclass
from varprobe.spec.laws import Law, Normal, Orthogonal

Array = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]
Streams = list[np.random.Generator]

# Eigenvalues of a Gram matrix below this share of the largest are rounding: they count as zero.
RANK_CUT = 1e-12
# Cholesky is taken where the squared diagonal of its factor spans less than this.
_WELL_CONDITIONED = 1e-7


def has_symmetry(law: Law) -> bool:
    """Whether a law is known through Gram matrices alone."""
    return isinstance(law, (Normal, Orthogonal))


@dataclass(frozen=True)
class Seen:
    """What the forward pass leaves for the backward one.

    Attributes:
        basis: Q (trials, r, fan_in), orthonormal rows that span those of X; zero rows beyond the rank.
        inner: F or G (trials, r, fan_out), with Z = S inner.
    """

    basis: Array
    inner: Array


def forward(law: Normal | Orthogonal, source: Array, fan_out: int, streams: Streams) -> tuple[Array, Seen]:
    """Z / scale and what backward needs; `scale` is the law's std or gain, which the caller multiplies in."""
    root, inverse = _roots(_gram(source), min(source.shape[1:]))
    dtype = source.dtype
    basis = np.matmul(inverse.astype(dtype), source)
    inner = _normals((root.shape[2], fan_out), streams, dtype)
    if isinstance(law, Orthogonal):
        # A trial of lower rank than the others has directions that do not exist: they must not take part.
        real = np.asarray(inverse.any(axis=2))
        inner *= real[:, :, None]
        inner = _orthonormal(inner, max(source.shape[2], fan_out) - fan_out, streams, real)
    return np.matmul(root.astype(dtype), inner), Seen(basis, inner)


def backward(law: Normal | Orthogonal, seen: Seen, delta: Array, streams: Streams) -> Array:
    """delta W / scale, given the forward pass."""
    dtype, fan_in, fan_out = delta.dtype, seen.basis.shape[2], delta.shape[2]
    fixed = np.matmul(delta, seen.inner.swapaxes(1, 2))
    if isinstance(law, Normal):
        root, _ = _roots(_gram(delta), min(delta.shape[1:]))
        fresh = np.matmul(root.astype(dtype), _normals((root.shape[2], fan_in), streams, dtype))
        along = np.matmul(fresh, seen.basis.swapaxes(1, 2))
        return fresh + np.matmul(fixed - along, seen.basis)
    size = max(fan_in, fan_out)
    whole = _gram(delta)
    # What is left of delta off the rows that the forward pass has fixed: of a rank that is known.
    free = size - seen.basis.any(axis=2).sum(axis=1)
    root = _root_of_rest(whole - _gram(fixed), free, float(np.finfo(dtype).eps) * np.trace(whole, axis1=1, axis2=2))
    fresh = _normals((root.shape[2], fan_in), streams, dtype)
    real = np.asarray(root.any(axis=1))
    fresh *= real[:, :, None]
    fresh -= np.matmul(np.matmul(fresh, seen.basis.swapaxes(1, 2)), seen.basis)
    fresh = _orthonormal(fresh, size - fan_in, streams, real)
    return np.matmul(fixed, seen.basis) + np.matmul(root.astype(dtype), fresh)


def _gram(rows: Array) -> Doubles:
    doubles = rows.astype(np.float64)
    gram: Doubles = np.matmul(doubles, doubles.swapaxes(1, 2))
    return gram


def _normals(shape: tuple[int, int], streams: Streams, dtype: np.dtype[Any]) -> Array:
    values = np.empty((len(streams), *shape), dtype)
    for out, stream in zip(values, streams, strict=True):
        standard_normal(out, stream)
    return values


def _roots(gram: Doubles, most: int) -> tuple[Array, Array]:
    """S (trials, batch, most) and its pseudo-inverse, S S^T = gram; columns beyond a trial's rank are zero.

    Each trial goes its own way and has as many columns as any, so that its draws do not hang on its neighbours.
    """
    pairs = [_root(one, most) for one in _finite(gram)]
    return np.stack([root for root, _ in pairs]), np.stack([inverse for _, inverse in pairs])


def _root(gram: Doubles, most: int) -> tuple[Array, Array]:
    if most == len(gram):
        try:
            root = np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            pass
        else:
            diagonal = np.square(np.diagonal(root))
            if diagonal.min() > _WELL_CONDITIONED * diagonal.max():
                return root, np.linalg.inv(root)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[-most:], vectors[:, -most:]
    kept = values > RANK_CUT * values[-1]
    sizes = np.sqrt(np.where(kept, values, 0.0))
    return vectors * sizes, (vectors * np.where(kept, 1 / np.where(kept, sizes, 1.0), 0.0)).T


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


def _orthonormal(inner: Array, missing: int, streams: Streams, real: NDArray[np.bool_]) -> Array:
    """(G G^T + E E^T)^(-1/2) G: rows of a Haar matrix, of which `missing` columns are not seen; zero rows stay zero."""
    gram = _gram(inner)
    if missing:
        unseen = _wishart(gram.shape[1], missing, streams)
        gram = gram + unseen * (real[:, :, None] & real[:, None, :])
    values, vectors = np.linalg.eigh(gram)
    kept = values > RANK_CUT * values[:, -1:]
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    half = np.matmul(vectors * scale[:, None], vectors.swapaxes(1, 2))
    result: Array = np.matmul(half.astype(inner.dtype), inner)
    return result


def _wishart(size: int, freedom: int, streams: Streams) -> Doubles:
    """E E^T of a (size, freedom) matrix of normals, by Bartlett's triangle where that is smaller."""
    drawn = np.zeros((len(streams), size, size))
    for out, stream in zip(drawn, streams, strict=True):
        if freedom < size:
            normals = stream.standard_normal((size, freedom))
            out[...] = normals @ normals.T
            continue
        triangle = np.tril(stream.standard_normal((size, size)), -1)
        np.fill_diagonal(triangle, np.sqrt(stream.chisquare(freedom - np.arange(size))))
        out[...] = triangle @ triangle.T
    return drawn
