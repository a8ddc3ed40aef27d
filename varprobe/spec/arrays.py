"""Reading given arrays: .npy files and members of .npz files, headers checked before any memory is taken."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from varprobe.errors import InputFileError, nearest

Shape = tuple[int | None, ...]


def read_array(path: Path, key: str | None, shape: Shape, axes: str) -> NDArray[np.floating[Any]]:
    """The array in `path`, of exactly that shape; None in `shape` leaves an axis free.

    Arguments:
        key: the member of a .npz file; not needed where it holds only one.
        axes: what the axes mean, for messages, such as `(fan_out, fan_in)`.

    Raises:
        InputFileError: without place or field, which the caller knows.
    """
    try:
        if not path.is_file():
            reason = "is a directory" if path.is_dir() else "does not exist"
            raise InputFileError(f"file '{path}' {reason}", hint="relative paths count from the config's folder")
        if zipfile.is_zipfile(path):
            return _from_archive(path, key, shape, axes)
        if key is not None:
            raise InputFileError(f"'{path}' is no .npz file, so it has no key '{key}'", hint="remove the key")
        with path.open("rb") as stream:
            return _checked(stream, str(path), shape, axes, path.stat().st_size)
    except OSError as error:
        raise InputFileError(f"cannot read '{path}': {error.strerror or error}", hint="check the file") from None
    except InputFileError:
        raise
    except Exception as error:  # a broken file can make the readers raise nearly anything
        reason = str(error).split("\n")[0][:200]
        raise InputFileError(f"'{path}' is no readable .npy or .npz file: {reason}", hint="save it again") from None


def _from_archive(path: Path, key: str | None, shape: Shape, axes: str) -> NDArray[np.floating[Any]]:
    with zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        if key is None and len(members) == 1:
            key = next(iter(members))
        if key not in members:
            near = nearest(key or "", members)
            known = ", ".join(sorted(members)[:12]) or "none"
            hint = f"did you mean '{near}'? " if near else ""
            what = f"has no key '{key}'" if key else "has several arrays, and no key is given"
            if not members:
                what = "holds no arrays"
            raise InputFileError(f"'{path}' {what}", hint=f"{hint}its keys are {known}")
        info = archive.getinfo(members[key])
        with archive.open(info) as stream:
            return _checked(stream, f"{path}[{key}]", shape, axes, info.file_size)


def _checked(stream: IO[bytes], name: str, shape: Shape, axes: str, size: int) -> NDArray[np.floating[Any]]:
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    found, fortran, dtype = read_header(stream)
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise InputFileError(f"'{name}' holds {dtype}", hint="save it as float32 or float64")
    matches = len(found) == len(shape) and all(want in (None, have) for want, have in zip(shape, found, strict=True))
    if not matches:
        wanted = "(" + ", ".join("any" if axis is None else str(axis) for axis in shape) + ")"
        raise InputFileError(f"'{name}' has shape {found}, the network needs {wanted}", hint=f"its axes are {axes}")
    count = math.prod(found)
    if count == 0:
        raise InputFileError(f"'{name}' is empty", hint=f"its axes are {axes}")
    data = stream.read(count * dtype.itemsize) if count * dtype.itemsize <= size else b""
    if len(data) < count * dtype.itemsize:
        raise InputFileError(f"'{name}' is cut short", hint="save it again")
    values = np.frombuffer(data, dtype=dtype)
    ordered = values.reshape(found, order="F" if fortran else "C")
    return np.ascontiguousarray(ordered, dtype=dtype.newbyteorder("="))
