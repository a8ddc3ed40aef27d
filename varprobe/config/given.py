"""Given arrays of a config: weights, biases, norm parameters, batches, cotangents."""

from __future__ import annotations

from pathlib import Path

from varprobe.config.fields import FieldError, FieldPath
from varprobe.config.records import File
from varprobe.errors import VarprobeError
from varprobe.network.laws import FromFile


class GivenArrays:
    """Given arrays, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache: dict[tuple[str, str | None, tuple[int | None, ...]], FromFile] = {}

    def given(self, file: File, shape: tuple[int | None, ...], axes: str, path: FieldPath) -> FromFile:
        key = (file.path, file.key, shape)
        if key not in self.cache:
            from varprobe.config.arrays import read_array  # zipfile is slow to import, and few networks need it

            label = f"{file.path}[{file.key}]" if file.key else file.path
            try:
                values = read_array(self.folder / file.path, file.key, shape, axes)
            except VarprobeError as error:
                raise FieldError(path, error.message, error.hint) from None
            self.cache[key] = FromFile(values, label)
        return self.cache[key]
