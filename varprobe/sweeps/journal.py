"""Finished points of a sweep that is under way, on disk: each is there before the next is waited for."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from varprobe.errors import OutputError, Place
from varprobe.sweeps.records import SweepPoint

try:
    import fcntl
except ImportError:  # only where there is no such lock
    fcntl = None  # type: ignore[assignment]


class Journal:
    """A line of JSON per finished point, its index first, appended and synchronised.

    A line that was cut off by the end of the process is dropped. Failed points are not in it: they get another try.

    Raises:
        OutputError: where it cannot be written, or another process is at it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.points: dict[int, SweepPoint] = {}
        self._adapter = TypeAdapter(tuple[int, SweepPoint])
        try:
            with ExitStack() as undo:
                self._stream: IO[bytes] = undo.enter_context(open(path, "a+b"))
                self._lock()
                self._read()
                undo.pop_all()
        except OSError as error:
            raise self._explain(error) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        # Not `points`: an interrupt may come between a point's way to the disk and its way there.
        with suppress(OSError):
            if not self.path.stat().st_size:
                self.path.unlink()

    def add(self, index: int, point: SweepPoint) -> None:
        """Keeps a point; on return it is on the disk."""
        if point.failure:
            return
        try:
            self._stream.write(self._adapter.dump_json((index, point)) + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._explain(error) from None
        self.points[index] = point

    def count_kept(self) -> int:
        """How many points are on the disk: perhaps one more than are in `points`, where work was interrupted."""
        try:
            return self.path.read_bytes().count(b"\n")
        except OSError:
            return 0

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait for it, or write to another file by -o"
            raise OutputError("the same sweep is under way", hint=hint, place=Place(str(self.path))) from None

    def _read(self) -> None:
        self._stream.seek(0)
        good = 0
        with suppress(ValidationError):
            for line in self._stream:
                if not line.endswith(b"\n"):
                    break
                index, point = self._adapter.validate_json(line)
                self.points[index] = point
                good += len(line)
        self._stream.truncate(good)

    def _explain(self, error: OSError) -> OutputError:
        hint = "check the disk's space and rights; what was finished before is kept"
        return OutputError(f"cannot be written: {error.strerror}", hint=hint, place=Place(str(self.path)))
