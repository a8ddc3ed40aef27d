"""The arrays that a config takes from .npy, .npz and .safetensors files.

Reading them neither hangs nor grows without end. Nothing that an array file claims about itself takes memory: headers
are checked first, and values are read in pieces into an array whose pages exist once they are written to. No object is
ever unpickled.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from varprobe.config.fields import FieldError, FieldPath
from varprobe.config.opening import open_ordinary
from varprobe.config.records import File
from varprobe.config.tensor_files import SUFFIX, TensorFile
from varprobe.config.wanted import Shape, WantedArray, check_memory
from varprobe.errors import InputFileError, VarprobeError, nearest
from varprobe.formatting import size_of
from varprobe.network.laws import FromFile

if TYPE_CHECKING:  # slow to import, and few networks need it
    from zipfile import ZipInfo

# Magic, version, length, and the longest header that NumPy reads.
_HEADER_BYTES = 12 + 10_000
# What is read at once: of values, and of an archive's own tables.
_PIECE, _TABLES = 2**20, 2**22
# The most that deflate can pack, and from where on what is packed by more than `_PLAUSIBLE` is taken for a trap.
_DEFLATE, _PLAUSIBLE, _LARGE = 1040, 100, 2**28
# Names of an archive's members that messages look through, and their longest.
_NAMES, _NAME_LENGTH = 1000, 60


class GivenArrays:
    """Given arrays of a config, each read once: weights, biases, norm parameters, batches, cotangents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache: dict[tuple[str, str | None, Shape], FromFile] = {}

    def given(self, file: File, shape: Shape, axes: str, path: FieldPath) -> FromFile:
        """The array as a law; arguments as of `read_array`, and the field that names it.

        Raises:
            FieldError: where there is no such array.
        """
        key = (file.path, file.key, shape)
        if key not in self.cache:
            label = f"{file.path}[{file.key}]" if file.key else file.path
            try:
                values = read_array(self.folder / file.path, file.key, shape, axes)
            except VarprobeError as error:
                raise FieldError(path, error.message, error.hint) from None
            self.cache[key] = FromFile(values, label)
        return self.cache[key]


def read_array(
    path: Path, key: str | None, shape: Shape | None, axes: str, *, whole: bool = False
) -> NDArray[np.floating[Any]]:
    """The array in `path`, of exactly that shape; None in `shape` leaves an axis free.

    Arguments:
        key: the member of a .npz or .safetensors file; not needed where it holds only one.
        shape: without one, of one or two axes.
        axes: what the axes mean, for messages, such as `(fan_out, fan_in)`.
        whole: whole numbers and true and false will do as well.

    Raises:
        InputFileError: without place or field, which the caller knows.
    """
    away = "relative paths count from the config's folder"
    try:
        stream = open_ordinary(path)
    except FileNotFoundError:
        raise InputFileError(f"file '{path}' does not exist", hint=away) from None
    except InputFileError as error:
        raise InputFileError(f"file '{path}' {error.message}", hint=away) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    with stream:
        try:
            if path.suffix.lower() == SUFFIX:
                return _read_tensor(path, key, WantedArray(shape, axes, whole))
            return _read(stream, path, key, WantedArray(shape, axes, whole))
        except OSError as error:
            raise _unreadable(path, error) from None
        except (InputFileError, MemoryError):
            raise
        except Exception as error:  # a broken file can make the readers raise nearly anything
            reason = str(error).split("\n")[0][:200]
            raise InputFileError(f"'{path}' is no readable .npy or .npz file: {reason}", hint="save it again") from None


def _unreadable(path: Path, error: OSError | ValueError) -> InputFileError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputFileError(f"cannot read '{path}': {reason}", hint="check the file")


def _read_tensor(path: Path, key: str | None, wanted: WantedArray) -> NDArray[np.floating[Any]]:
    file = TensorFile(path)
    if key is None and len(file.keys) == 1:
        key = file.keys[0]
    if key not in file.keys:
        raise _no_member(path, key, dict.fromkeys(file.keys, ""))
    assert key is not None
    name = f"{path}[{key}]"
    check_memory(name, wanted.check(name, *file.describe(key)))
    return file.read(key)


def _read(stream: BinaryIO, path: Path, key: str | None, wanted: WantedArray) -> NDArray[np.floating[Any]]:
    from zipfile import is_zipfile

    size = os.fstat(stream.fileno()).st_size
    if not size:
        raise InputFileError(f"'{path}' is empty", hint="save it again")
    if is_zipfile(stream):
        return _read_member(_ShortReads(stream.fileno(), closefd=False), path, key, wanted)
    if key is not None:
        raise InputFileError(f"'{path}' is no .npz file, so it has no key '{key}'", hint="remove the key")
    stream.seek(0)
    return _read_values(stream, str(path), wanted, size)


class _ShortReads(io.FileIO):
    """A file that gives only so much at once: zipfile asks for as many bytes as an archive says that it has."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(_TABLES if size is None or size < 0 else min(size, _TABLES))


def _read_member(stream: _ShortReads, path: Path, key: str | None, wanted: WantedArray) -> NDArray[np.floating[Any]]:
    from zipfile import ZipFile

    with ZipFile(stream) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        if key is None and len(members) == 1:
            key = next(iter(members))
        if key not in members:
            raise _no_member(path, key, members)
        info = archive.getinfo(members[key])
        name = f"{path}[{key}]"
        _check_packing(info, name)
        with archive.open(info) as member:
            return _read_values(member, name, wanted, min(info.file_size, info.compress_size * _DEFLATE))


def _no_member(path: Path, key: str | None, members: dict[str, str]) -> InputFileError:
    if not members:
        return InputFileError(f"'{path}' holds no arrays", hint="its keys are none")
    near = nearest(key, [name for name in islice(members, _NAMES) if len(name) <= _NAME_LENGTH]) if key else None
    hint = f"did you mean '{near}'? " if near else ""
    known = ", ".join(name[:_NAME_LENGTH] for name in sorted(members)[:12])
    what = f"has no key '{key}'" if key else "has several arrays, and no key is given"
    return InputFileError(f"'{path}' {what}", hint=f"{hint}its keys are {known}")


def _check_packing(info: ZipInfo, name: str) -> None:
    """Refuses members that NumPy does not write: of other packings nobody knows how far a few bytes may expand."""
    from zipfile import ZIP_DEFLATED, ZIP_STORED

    hint = "save it by numpy.savez, which does not pack"
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise InputFileError(f"'{name}' is packed in a way that NumPy does not use", hint=hint)
    if info.file_size > _LARGE and info.file_size > _PLAUSIBLE * info.compress_size:
        packed, whole = size_of(info.compress_size), size_of(info.file_size)
        raise InputFileError(f"'{name}' would unpack from {packed} to {whole}", hint=hint)


def _read_values(stream: IO[bytes], name: str, wanted: WantedArray, size: int) -> NDArray[np.floating[Any]]:
    found, fortran, dtype, start = _read_header(stream)
    needed = wanted.check(name, found, dtype, str(dtype))
    if start + needed > size:
        raise _cut_short(name)
    check_memory(name, needed)
    stream.seek(start)
    values = np.empty(math.prod(found), dtype)
    _fill(values, stream, name)
    native = values if dtype.isnative else values.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return np.ascontiguousarray(native.reshape(found, order="F" if fortran else "C"))


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether in Fortran's order, type, and where the values begin."""
    head = io.BytesIO(stream.read(_HEADER_BYTES))  # however long a header it announces
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a header that Python 2 wrote, or nonsense in it
        found, fortran, dtype = read(head)
    return found, fortran, dtype, head.tell()


def _fill(values: NDArray[np.floating[Any]], stream: IO[bytes], name: str) -> None:
    raw, done = values.view(np.uint8), 0
    while done < len(raw):
        piece = stream.read(min(_PIECE, len(raw) - done))
        if not piece:
            raise _cut_short(name)
        raw[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)


def _cut_short(name: str) -> InputFileError:
    return InputFileError(f"'{name}' is cut short", hint="save it again")
