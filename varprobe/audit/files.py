"""The tensors of a file, each read when it is asked for: .npy, .npz, .safetensors and its index, torch checkpoints."""

from __future__ import annotations

import io
import json
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from varprobe.audit.tensors import FLOATS, Array, Tensor, of_array
from varprobe.errors import InputFileError

SUFFIXES = (".npz", ".npy", ".safetensors", ".safetensors.index.json", ".pt", ".pth", ".bin", ".ckpt")
# Types of safetensors that hold weights, and the longest header that is read.
_SAFE = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_STORED = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2"}
_HEADER = 100 * 2**20


def tensors_of(path: Path) -> list[Tensor]:
    """The floating tensors of a file, in its order; others are left out.

    Raises:
        InputFileError: where the file cannot be read, is of no kind that is known, or holds no weights.
    """
    name = path.name.lower()
    readers: dict[str, Callable[[Path], Iterator[Tensor]]] = {
        ".safetensors.index.json": _of_index,
        ".safetensors": _of_safetensors,
        ".npz": _of_archive,
        ".npy": _of_array_file,
        **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), _of_checkpoint),
    }
    reader = next((each for suffix, each in readers.items() if name.endswith(suffix)), None)
    if reader is None:
        hint = f"it reads {', '.join(readers)}"
        raise InputFileError(f"'{path}' is of no kind that audit reads", hint=hint)
    if path.is_dir():
        raise InputFileError(f"'{path}' is a directory", hint="name a file in it")
    try:
        found = list(reader(path))
    except FileNotFoundError:
        raise InputFileError(f"file '{path}' does not exist", hint="relative paths count from here") from None
    except InputFileError:
        raise
    except OSError as error:
        raise InputFileError(f"cannot read '{path}': {error.strerror or error}", hint="check the file") from None
    except Exception as error:  # a broken file can make the readers raise nearly anything
        reason = str(error).split("\n")[0][:200]
        raise InputFileError(f"'{path}' cannot be read: {reason}", hint="save it again") from None
    if not found:
        raise InputFileError(
            f"'{path}' holds no floating tensors", hint="weights are float16, bfloat16, float32 or float64"
        )
    return found


def _read_at(path: Path, offset: int, dtype: str, shape: tuple[int, ...]) -> Callable[[int, int], Array]:
    """Reads weights in C order from a place in an ordinary file."""
    stored = np.dtype(dtype)

    def read(start: int, count: int) -> Array:
        values = np.fromfile(path, stored, count, offset=offset + start * stored.itemsize)
        if len(values) < count:
            raise InputFileError(f"'{path}' is cut short", hint="save it again")
        return values

    return read


def _of_array_file(path: Path) -> Iterator[Tensor]:
    with path.open("rb") as stream:
        shape, fortran, dtype, offset = _read_header(stream)
    if dtype.name not in FLOATS:
        return
    _check_length(path, offset, math.prod(shape) * dtype.itemsize)
    if fortran and len(shape) > 1:
        values = np.memmap(path, dtype, "r", offset, shape, order="F")
        yield of_array(path.stem, np.ascontiguousarray(values))
        return
    yield Tensor(path.stem, shape, dtype.name, _read_at(path, offset, dtype.str, shape))


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    head = io.BytesIO(stream.read(12 + 10_000))
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(head)
    if any(length < 0 for length in shape):
        raise InputFileError("has a negative length", hint="save it again")
    return shape, fortran, dtype, head.tell()


def _check_length(path: Path, offset: int, needed: int) -> None:
    if os.stat(path).st_size < offset + needed:
        raise InputFileError(f"'{path}' is cut short", hint="save it again")


def _of_archive(path: Path) -> Iterator[Tensor]:
    """Members of an .npz file; each is read whole when it is asked for, and forgotten with the next."""
    from zipfile import ZipFile

    from varprobe.config.files import read_array

    with ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        headers = {}
        for name in members:
            with archive.open(name) as member:
                headers[name.removesuffix(".npy")] = _read_header(member)
    held: dict[str, Array] = {}

    def reader(key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[int, int], Array]:
        def read(start: int, count: int) -> Array:
            if key not in held:
                held.clear()
                if dtype.name == "float16":
                    with np.load(path) as stored:
                        held[key] = stored[key].reshape(-1)
                else:
                    held[key] = read_array(path, key, shape, "as stored").reshape(-1)
            return held[key][start : start + count]

        return read

    for key, (shape, _, dtype, _) in headers.items():
        if dtype.name in FLOATS and 0 not in shape:
            yield Tensor(key, shape, dtype.name, reader(key, shape, dtype))


def _of_safetensors(path: Path) -> Iterator[Tensor]:
    """Checked by the format's own library where it is installed; the values are read from their places in the file."""
    try:
        from safetensors import safe_open
    except ImportError:
        hint = "pip install 'varprobe[models]'"
        raise InputFileError(f"'{path}' needs the safetensors library", hint=hint) from None
    with safe_open(path, framework="numpy"):  # refuses what is malformed, overlaps, or is cut short
        pass
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > _HEADER:
            raise InputFileError(f"'{path}' has a header of {length} bytes", hint="save it again")
        header: Mapping[str, Any] = json.loads(stream.read(length))
    for name, entry in sorted(header.items(), key=lambda each: each[1].get("data_offsets", [0])[0]):
        dtype = _SAFE.get(entry.get("dtype", ""))
        if name == "__metadata__" or dtype is None or 0 in entry["shape"]:
            continue
        offset = 8 + length + entry["data_offsets"][0]
        shape = tuple(entry["shape"])
        yield Tensor(name, shape, dtype, _read_at(path, offset, _STORED[dtype], shape))


def _of_index(path: Path) -> Iterator[Tensor]:
    """The shards that an index names, which must lie beside it."""
    mapping = json.loads(path.read_text())["weight_map"]
    for shard in dict.fromkeys(mapping.values()):
        if Path(shard).name != shard:
            raise InputFileError(
                f"'{path}' names the shard '{shard}' outside its folder", hint="put the shards beside it"
            )
        if not (path.parent / shard).is_file():
            raise InputFileError(f"the shard '{shard}' of '{path}' does not exist", hint="put the shards beside it")
        found = {one.name: one for one in _of_safetensors(path.parent / shard)}
        for name in (each for each, where in mapping.items() if where == shard):
            if name in found:
                yield found[name]


def _of_checkpoint(path: Path) -> Iterator[Tensor]:
    """A state dict, or a mapping that holds one; only tensors are ever unpickled."""
    try:
        import torch
    except ImportError:
        raise InputFileError(f"'{path}' needs PyTorch", hint="pip install 'varprobe[torch]'") from None
    path.open("rb").close()
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # files of the old format cannot be mapped
        stored = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(stored, dict):
        raise InputFileError(f"'{path}' holds a {type(stored).__name__}, no state dict", hint="save model.state_dict()")
    nested = ("state_dict", "model_state_dict", "model")
    inner = next((stored[key] for key in nested if isinstance(stored.get(key), dict)), stored)
    from varprobe.audit.torch_tensors import tensors_of_state

    yield from tensors_of_state(inner)


def tensors_of_arrays(arrays: Mapping[str, Any]) -> list[Tensor]:
    """Tensors from arrays in memory, by name; anything that numpy takes, torch tensors too.

    Raises:
        InputFileError: where there is none.
    """
    found = []
    for name, values in arrays.items():
        if hasattr(values, "detach"):
            from varprobe.audit.torch_tensors import tensor_of

            found.append(tensor_of(name, values))
            continue
        array = np.asarray(values)
        if array.dtype.name == "bfloat16":
            array = array.astype(np.float32)
        if array.dtype.name in FLOATS and array.size:
            found.append(of_array(name, array))
    if not found:
        raise InputFileError("there are no floating arrays to audit", hint="give a mapping of names to arrays")
    return found
