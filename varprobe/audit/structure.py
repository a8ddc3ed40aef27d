"""What a matrix shows beyond its moments: orthogonal rows, missing rank, rows that are copies of others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.audit.tensors import Tensor
from varprobe.frozen import dataclass

Array = NDArray[Any]

# Rows, or columns where these are fewer, that are held against each other.
GRAM_ROWS = 64
# Off the diagonal, the Gram matrix of independent rows is 1/sqrt(n) of the diagonal: a tenth of it is orthogonal.
# Rounding to bfloat16 leaves a thousandth.
_ORTHOGONAL = 0.1
# Singular values below this share of the largest count as zero: what rounding of float32 leaves of a product of low
# rank. A random square matrix has one such value in 10^4 draws, and two in 10^8: two are asked for.
_SINGULAR, _MISSING = 1e-6, 2


@dataclass(frozen=True)
class Structure:
    """Of the matrix (first axis, all others).

    Attributes:
        pattern: `orthogonal`, `identity` or empty.
        rank: of the rows looked at; `looked` where it is full.
        looked: so many rows or columns were held against each other.
        copies: rows that repeat an earlier row, none of them zero.
    """

    pattern: str = ""
    rank: int = 0
    looked: int = 0
    copies: int = 0

    @property
    def is_deficient(self) -> bool:
        """Whether so much rank is missing that no random matrix lacks it by luck."""
        return self.rank <= self.looked - _MISSING


class RowTally:
    """Gathers the structure of a tensor, block by block."""

    def __init__(self, tensor: Tensor) -> None:
        self.rows = tensor.rows
        self.columns = tensor.size // max(self.rows, 1)
        self.matrix = len(tensor.shape) > 1 and self.rows > 1 and self.columns > 1
        self.upright = self.rows > self.columns
        self.strips: list[Array] = []
        self.kept = 0
        self.marks: list[Array] = []
        self.probe = np.random.default_rng(0).standard_normal(self.columns) if self.matrix else np.zeros(0)

    def see(self, block: Array) -> None:
        """Takes in the next rows."""
        if not self.matrix:
            return
        if self.upright:
            self.strips.append(block[:, :GRAM_ROWS].astype(np.float64))
        elif self.kept < GRAM_ROWS:
            self.strips.append(block[: GRAM_ROWS - self.kept].astype(np.float64))
            self.kept += len(block)
        with np.errstate(all="ignore"):
            self.marks.append(block @ self.probe.astype(block.dtype))

    def structure(self, tensor: Tensor) -> Structure:
        """What was seen; rows that look alike are read again to be sure."""
        if not self.matrix:
            return Structure()
        strip = np.concatenate(self.strips)
        if not np.isfinite(strip).all():
            return Structure()
        vectors = strip.T if self.upright else strip
        with np.errstate(all="ignore"):
            gram = vectors @ vectors.T
            values = np.linalg.eigvalsh(gram) if np.isfinite(gram).all() else np.ones(len(gram))
        rank = int(np.count_nonzero(values > _SINGULAR**2 * values[-1])) if values[-1] > 0 else 0
        return Structure(self._pattern(strip, gram), rank, len(gram), self._copies(tensor))

    def _pattern(self, strip: Array, gram: Array) -> str:
        if len(gram) < 4:
            return ""
        diagonal = np.diag(gram)
        scale = float(diagonal.mean())
        length = max(self.rows, self.columns)
        rest = gram - np.diag(diagonal)
        spread = float(np.sqrt(np.square(rest).sum() / (len(gram) * (len(gram) - 1))))
        if not scale or spread > _ORTHOGONAL / np.sqrt(length) * scale or diagonal.std() > 1e-2 * scale:
            return ""
        eye = np.eye(*strip.shape) * strip[0, 0]
        return "identity" if np.array_equal(strip, eye) else "orthogonal"

    def _copies(self, tensor: Tensor) -> int:
        marks = np.concatenate(self.marks)
        size = np.abs(marks).max() if marks.size else 0.0
        if not np.isfinite(size) or not size:
            return 0
        order = np.argsort(marks, kind="stable")
        near = np.abs(np.diff(marks[order])) <= 1e-6 * np.abs(marks[order][1:])
        near &= marks[order][1:] != 0
        if not near.any():
            return 0
        picked = np.zeros(len(marks), bool)
        picked[order[:-1][near]] = picked[order[1:][near]] = True
        seen: set[bytes] = set()
        copies = start = 0
        for block in tensor.blocks():
            for row in block[picked[start : start + len(block)]]:
                raw = row.tobytes()
                copies += raw in seen
                seen.add(raw)
            start += len(block)
        return copies
