"""What a given array is to be, and whether what a file says of one agrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from varprobe.errors import InputFileError
from varprobe.formatting import size_of
from varprobe.frozen import dataclass
from varprobe.machine import free_memory

# None in it leaves an axis free.
Shape = tuple[int | None, ...]
# Share of the free memory that one array may take.
_MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class WantedArray:
    """What an array is to be; see `files.read_array`."""

    shape: Shape | None
    axes: str
    whole: bool = False

    def check(self, name: str, found: tuple[int, ...], dtype: np.dtype[Any] | None, word: str) -> int:
        """How many bytes an array has that is as it should be.

        Raises:
            InputFileError: where it is another, empty, or more than there is memory for.
        """
        is_known = dtype is not None and (
            (dtype.kind == "f" and dtype.itemsize in (4, 8)) or (self.whole and dtype.kind in "iub")
        )
        if not is_known or dtype is None:
            more = ", or as whole numbers" if self.whole else ""
            raise InputFileError(f"'{name}' holds {word}", hint=f"save it as float32 or float64{more}")
        if self.shape is None:
            matches = len(found) in (1, 2)
        else:
            pairs = zip(self.shape, found, strict=False)
            matches = len(found) == len(self.shape) and all(want in (None, have) for want, have in pairs)
        if not matches or any(type(length) is not int or length < 0 for length in found):
            wanted = "(any) or (any, any)"
            if self.shape is not None:
                wanted = "(" + ", ".join("any" if axis is None else str(axis) for axis in self.shape) + ")"
            message = f"'{name}' has shape {found}, the network needs {wanted}"
            raise InputFileError(message, hint=f"its axes are {self.axes}")
        needed = math.prod(found) * dtype.itemsize
        if needed == 0:
            raise InputFileError(f"'{name}' is empty", hint=f"its axes are {self.axes}")
        return needed


def check_memory(name: str, needed: int) -> None:
    """Refuses an array of more bytes than may be taken."""
    if needed > _MEMORY_SHARE * free_memory():
        raise InputFileError(f"'{name}' holds {size_of(needed)}, more than is free", hint="lower the widths")
