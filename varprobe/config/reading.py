"""Files that a user names, opened so that reading them neither hangs nor grows without end."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import BinaryIO

from varprobe.errors import InputFileError

# Seconds that a named pipe may be without a writer.
PATIENCE = 2.0


def open_ordinary(path: Path) -> BinaryIO:
    """An ordinary file, open for reading.

    Raises:
        InputFileError: without place, for a folder, a device, a pipe.
        OSError: where it cannot be opened.
    """
    _check_ordinary(os.stat(path).st_mode)  # before it is opened: for some devices that alone does something
    stream = open(path, "rb", opener=_at_once)  # noqa: SIM115  # the caller closes it
    try:
        _check_ordinary(os.fstat(stream.fileno()).st_mode)  # by now something else may stand there
    except InputFileError:
        stream.close()
        raise
    return stream


def read_at_most(path: Path, most: int) -> bytes:
    """The first bytes of a file, a device, or a pipe that somebody writes to.

    Raises:
        InputFileError: without place, for a pipe that nobody writes to.
        OSError: where it cannot be opened or read.
    """
    with open(path, "rb", opener=_at_once) as stream:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
        begun = _first_written(number, most) if stat.S_ISFIFO(mode) else b""
        if not stat.S_ISREG(mode) and hasattr(os, "set_blocking"):
            os.set_blocking(number, True)
        # Nothing at all is read where a file of the kernel's would have to be waited for.
        return begun + (stream.read(most - len(begun)) or b"")


def _at_once(path: str, flags: int) -> int:
    """Opens without waiting, as a pipe without a writer would have it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_ordinary(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InputFileError("is a directory", hint="name a file in it")
    if not stat.S_ISREG(mode):
        raise InputFileError("is no ordinary file", hint="save it as a file, and name that")


def _first_written(number: int, most: int) -> bytes:
    """What a pipe holds so far; nothing where its writer has not begun."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            begun = os.read(number, most)
        except BlockingIOError:  # there is a writer
            return b""
        if begun:
            return begun
        time.sleep(0.01)
    raise InputFileError("is a pipe that nobody writes to", hint="start its writer first, or name a file")
