"""How files that a user names are opened: nothing hangs, and what was opened can be told afterwards."""

from __future__ import annotations

import hashlib
import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from varprobe.errors import InputFileError

# Seconds that a named pipe may be without a writer, and a device without anything to read.
PATIENCE = 2.0
_PIECE = 2**20
# Device, number, size and times of a file: another content has another one.
Stamp = tuple[int, int, int, int, int]

_opened: ContextVar[dict[Path, Stamp | None] | None] = ContextVar("_opened", default=None)


@contextmanager
def noting_files() -> Iterator[dict[Path, Stamp | None]]:
    """Ordinary files that this thread opens meanwhile, as they were then; None for what could not be opened."""
    found: dict[Path, Stamp | None] = {}
    token = _opened.set(found)
    try:
        yield found
    finally:
        _opened.reset(token)


def open_ordinary(path: Path) -> BinaryIO:
    """An ordinary file, open for reading.

    Raises:
        InputFileError: without place, for a folder, a device, a pipe.
        OSError: where it cannot be opened.
    """
    noted = _opened.get()
    if noted is not None:
        noted[path] = None
    mode = os.stat(path).st_mode  # before it is opened: for some devices that alone does something
    if stat.S_ISDIR(mode):
        raise InputFileError("is a directory", hint="name a file in it")
    if not stat.S_ISREG(mode):
        raise InputFileError("is no ordinary file", hint="save it as a file, and name that")
    stream = open(path, "rb", opener=_open_at_once)  # noqa: SIM115  # the caller closes it
    if noted is not None:
        noted[path] = _stamp(stream)
    return stream


def digest_file(path: Path, stamp: Stamp | None = None) -> str:
    """What tells a file's content from another; empty where it cannot be read, or is no longer as it was at `stamp`."""
    try:
        with open_ordinary(path) as stream:
            now = _stamp(stream)
            return _digest(path, now) if stamp in (None, now) else ""
    except (OSError, ValueError, InputFileError):
        return ""


@lru_cache(1024)
def _digest(path: Path, stamp: Stamp) -> str:
    with open_ordinary(path) as stream:
        found = hashlib.sha256()
        while piece := stream.read(_PIECE):
            found.update(piece)
        if _stamp(stream) != stamp:
            raise InputFileError("changes while it is read")
        return found.hexdigest()[:32]


def _stamp(stream: BinaryIO) -> Stamp:
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_at_most(path: Path, most: int) -> bytes:
    """The first bytes of a file, of a device, or of a pipe that somebody writes to.

    Raises:
        InputFileError: without place, for a pipe that nobody writes to, and a device that gives nothing.
        OSError: where it cannot be opened or read.
    """
    with open(path, "rb", opener=_open_at_once, buffering=0) as stream:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
        if stat.S_ISFIFO(mode):
            begun = _wait_for_writer(number, most)
            os.set_blocking(number, True)
            return begun + _read_on(number, most - len(begun))
        return _read_on(number, most, patience=None if stat.S_ISREG(mode) else PATIENCE)


def _read_on(number: int, most: int, patience: float | None = None) -> bytes:
    """Up to so many bytes; a device may keep one waiting only so many seconds."""
    found = bytearray()
    while len(found) < most:
        if patience is not None and not select.select([number], [], [], patience)[0]:
            raise InputFileError("is a device that gives nothing", hint="name a file")
        try:
            piece = os.read(number, min(most - len(found), _PIECE))
        except BlockingIOError:  # of a file of the kernel's that would have to be waited for
            break
        if not piece:
            break
        found += piece
    return bytes(found)


def _open_at_once(path: str, flags: int) -> int:
    """Opens without waiting, as a pipe without a writer would have it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def _wait_for_writer(number: int, most: int) -> bytes:
    """What a pipe holds so far; nothing where its writer has not begun."""
    select.select([number], [], [], PATIENCE)
    try:
        begun = os.read(number, most)
    except BlockingIOError:  # there is a writer
        return b""
    if not begun:
        raise InputFileError("is a pipe that nobody writes to", hint="start its writer first, or name a file")
    return begun
