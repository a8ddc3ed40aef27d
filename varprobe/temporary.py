"""Temporary files and folders beside what they become; those of processes that were killed are removed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from varprobe.frozen import dataclass

try:
    import fcntl
except ImportError:  # only where there is no such lock; then nothing is removed
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\.varprobe-[0-9a-f]{16}")


@dataclass(frozen=True)
class Temporary:
    """Something open under a temporary name, and locked for as long as its process lives."""

    path: Path
    number: int


@contextmanager
def own_temporary(target: Path, make: Callable[[Path], int]) -> Iterator[Temporary]:
    """What `make` makes beside the target, until it is renamed; whatever interrupts, nothing of it is left.

    What a killed process has left there is removed before.

    Arguments:
        make: makes a file or a folder of that name, and opens it.

    Raises:
        OSError: where it cannot be made.
    """
    _remove_abandoned(target.parent)
    # The name is known before anything of it exists.
    path = target.with_name(f".varprobe-{os.urandom(8).hex()}")
    number = -1
    try:
        while number < 0:
            number = make(path)
            if not _hold(number, path):
                os.close(number)
                number = -1
        yield Temporary(path, number)
    finally:
        if number >= 0:
            os.close(number)
        _remove(path)


def _hold(number: int, path: Path) -> bool:
    """Locks it; false where it was taken for abandoned, and removed, in the moment before."""
    if fcntl is not None:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(number, fcntl.LOCK_EX)
    return path.exists()


def _remove_abandoned(folder: Path) -> None:
    """Removes what no living process holds."""
    if fcntl is None:
        return
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if _NAME.fullmatch(entry.name) and not entry.is_symlink():
                _remove_if_free(Path(entry.path))


def _remove_if_free(path: Path) -> None:
    with suppress(OSError):  # it is held, is gone, or somebody else's
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        finally:
            os.close(number)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
