"""Finished points of a sweep that is under way, on disk: each is there before the next is waited for."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import TypeAdapter, ValidationError

from varprobe.errors import OutputError, Place
from varprobe.sweeps.records import SweepPoint

try:
    import fcntl
except ImportError:  # only where there is no such lock
    fcntl = None  # type: ignore[assignment]


class Journal:
    """A line of JSON per finished point, appended and synchronised.

    A line that was cut off by the end of the process is dropped. Failed points are not in it: they get another try.

    Raises:
        OutputError: where it cannot be written, or another process is at it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.points: dict[int, SweepPoint] = {}
        self._adapter = TypeAdapter(SweepPoint)
        try:
            self._stream: IO[bytes] = open(path, "a+b")  # noqa: SIM115  # open as long as the journal is
        except OSError as error:
            raise self._refused(error) from None
        try:
            self._lock()
            self._read()
        except OSError as error:
            self._stream.close()
            raise self._refused(error) from None
        except OutputError:
            self._stream.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()
        # Not `points`: an interrupt may come between a point's way to the disk and its way there.
        with suppress(OSError):
            if not self.path.stat().st_size:
                self.path.unlink()

    def add(self, index: int, point: SweepPoint) -> None:
        """Keeps a point; on return it is on the disk."""
        if point.failure:
            return
        line = json.dumps({"index": index, "point": self._adapter.dump_python(point, mode="json")})
        try:
            self._stream.write(line.encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._refused(error) from None
        self.points[index] = point

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
        for line in self._stream:
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
                self.points[int(entry["index"])] = self._adapter.validate_json(json.dumps(entry["point"]))
            except (ValueError, KeyError, TypeError, ValidationError):
                break
            good += len(line)
        self._stream.truncate(good)

    def _refused(self, error: OSError) -> OutputError:
        hint = "check the disk's space and rights; what was finished before is kept"
        return OutputError(f"cannot be written: {error.strerror}", hint=hint, place=Place(str(self.path)))
