"""A tensor that is read in blocks of whole rows, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass

Array = NDArray[Any]

# Weights of a block: 8 MB in float32.
BLOCK = 2**21
FLOATS = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Tensor:
    """One tensor of a model or file.

    Attributes:
        dtype: as it is stored, one of `FLOATS`.
        read: (start, count) -> so many weights in C order from there, as they are stored; bfloat16 as its bits.
        aliases: other names of the same memory.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[int, int], Array]
    aliases: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def rows(self) -> int:
        """Of the matrix that the tensor is when its last axes are one: 1 for vectors and scalars."""
        return self.shape[0] if len(self.shape) > 1 else 1

    def blocks(self) -> Iterator[Array]:
        """The matrix (rows, columns) in float32, or float64 where it is stored so, from top to bottom."""
        if not self.size:
            return
        columns = self.size // self.rows
        height = max(BLOCK // columns, 1)
        for start in range(0, self.rows, height):
            count = min(height, self.rows - start)
            yield widen(self.read(start * columns, count * columns), self.dtype).reshape(count, columns)


def widen(raw: Array, dtype: str) -> Array:
    """Stored weights as float32, or float64 where they are that."""
    if dtype == "bfloat16":
        bits = raw.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    native = raw if raw.dtype.isnative else raw.astype(raw.dtype.newbyteorder("="))
    return native if native.dtype in (np.float32, np.float64) else native.astype(np.float32)


def of_array(name: str, values: Array) -> Tensor:
    """A tensor that lies in memory; halves and integers are not copied before they are read."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return Tensor(name, values.shape, values.dtype.name, lambda start, count: flat[start : start + count])
