"""Arrays from .safetensors files, by the library of that name, which is an extra."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from varprobe.errors import InputFileError

SUFFIX = ".safetensors"
# As the library calls them.
_DTYPES = {
    "F32": "float32",
    "F64": "float64",
    **{f"{sign}{bits}": f"{'u' * (sign == 'U')}int{bits}" for sign in "IU" for bits in (8, 16, 32, 64)},
    "BOOL": "bool",
}


class TensorFile:
    """A .safetensors file: shapes and types are known before values are read."""

    def __init__(self, path: Path) -> None:
        """Opens an ordinary file.

        Raises:
            InputFileError: without place, where the library is missing or the file is none of its own.
        """
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError:
            message = f"reading '{path}' needs safetensors, which is not installed"
            raise InputFileError(message, hint="pip install 'varprobe[models]'") from None
        try:
            self.file = cast(Any, safe_open(path, framework="numpy"))
        except (SafetensorError, OSError, ValueError) as error:
            reason = str(error).split("\n")[0][:200]
            message = f"'{path}' is no readable .safetensors file: {reason}"
            raise InputFileError(message, hint="save it again") from None
        self.keys: list[str] = sorted(self.file.keys())

    def describe(self, key: str) -> tuple[tuple[int, ...], np.dtype[Any] | None, str]:
        """Shape, type, and the type in the file's words; None for a type that NumPy has not."""
        found = self.file.get_slice(key)
        word = str(found.get_dtype())
        return tuple(found.get_shape()), np.dtype(_DTYPES[word]) if word in _DTYPES else None, word

    def read(self, key: str) -> NDArray[Any]:
        """The values, in a copy of their own."""
        shape = self.describe(key)[0]
        values: NDArray[Any] = np.ascontiguousarray(self.file.get_tensor(key))
        assert values.size == math.prod(shape)
        return values
