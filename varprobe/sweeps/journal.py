"""Finished points of a sweep that is under way, on disk: each is there before the next is waited for."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from varprobe.config.opening import digest_file
from varprobe.errors import OutputError, Place
from varprobe.sweeps.plan import SweepPlan
from varprobe.sweeps.point import MeasuredPoint
from varprobe.sweeps.records import SweepPoint

try:
    import fcntl
except ImportError:  # only where there is no such lock
    fcntl = None  # type: ignore[assignment]

# More than the longest point has: of the deepest network, and eight curves of it.
_MOST_BYTES = 64 * 2**20
_DIGEST = 16


class Journal:
    """A line of which sweep it is, then one per finished point: what tells that it is whole, and JSON.

    The JSON is its number, the files that it read with what tells their contents, and the point. What is no such line,
    belongs to no point of the plan, or read a file that is another by now, is passed over. Failed points are not in it:
    they get another try.

    Attributes:
        points: by number.
        files: contents of the files that these read.

    Raises:
        OutputError: where it cannot be written, is something else, or another process is at it.
    """

    def __init__(self, path: Path, plan: SweepPlan) -> None:
        self.path = path
        self.points: dict[int, SweepPoint] = {}
        self.files: dict[str, str] = {}
        self._adapter = TypeAdapter(tuple[int, dict[str, str], SweepPoint])
        self._head = f"varprobe sweep {plan.fingerprint}\n".encode()
        self._passed_over = 0
        try:
            with ExitStack() as undo:
                self._stream: IO[bytes] = undo.enter_context(open(path, "a+b", opener=self._open))
                self._lock()
                self._read(plan)
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

    def add(self, index: int, measured: MeasuredPoint) -> None:
        """Keeps a point; on return it is on the disk."""
        if measured.point.failure:
            return
        body = self._adapter.dump_json((index, measured.files, measured.point))
        head = b"" if self._stream.tell() else self._head
        try:
            self._stream.write(head + self._sign(body) + b" " + body + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._explain(error) from None
        self.points[index] = measured.point

    def count_kept(self) -> int:
        """How many points are on the disk: perhaps one more than are in `points`, where work was interrupted."""
        try:
            with self.path.open("rb") as stream:
                lines = sum(piece.count(b"\n") for piece in iter(lambda: stream.read(2**20), b""))
        except OSError:
            return 0
        return max(0, lines - 1 - self._passed_over)

    def _open(self, path: str, flags: int) -> int:
        """Opens what is no link, and has no other name: behind one is a file that is none of a sweep's."""
        with suppress(FileNotFoundError):
            self._check_kind(os.lstat(path))  # before it is opened, which for some devices does something
        number = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
        try:
            self._check_kind(os.fstat(number))
        except OutputError:
            os.close(number)
            raise
        return number

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise self._refuse("is a link, or no ordinary file")

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait for it, or write to another file by -o"
            raise OutputError("the same sweep is under way", hint=hint, place=Place(str(self.path))) from None

    def _read(self, plan: SweepPlan) -> None:
        self._stream.seek(0)
        head = self._stream.readline(len(self._head))
        if head != self._head and not (self._head.startswith(head) and not self._stream.read(1)):
            raise self._refuse("is no journal of this sweep")
        end = len(head) if head == self._head else 0
        for line in self._lines():
            end += len(line)
            found = self._parse(line, plan)
            if found is None:
                self._passed_over += 1
                continue
            index, files, self.points[index] = found
            self.files |= files
        self._stream.truncate(end)  # what was cut off by the end of the process
        self._stream.seek(end)

    def _lines(self) -> Iterator[bytes]:
        while (line := self._stream.readline(_MOST_BYTES)).endswith(b"\n"):
            yield line

    def _parse(self, line: bytes, plan: SweepPlan) -> tuple[int, dict[str, str], SweepPoint] | None:
        """What a line holds, where that is a point of the plan, and the files that it read are what they were."""
        signature, _, body = line[:-1].partition(b" ")
        if signature != self._sign(body):
            return None
        try:
            index, files, point = self._adapter.validate_json(body)
        except ValidationError:
            return None
        if not 0 <= index < len(plan.combinations) or point.values != plan.combinations[index]:
            return None
        if point.failure or not point.is_sound:
            return None
        same = all(digest and digest_file(plan.config.folder / path) == digest for path, digest in files.items())
        return (index, files, point) if same else None

    def _sign(self, body: bytes) -> bytes:
        return hashlib.sha256(self._head + body).hexdigest()[:_DIGEST].encode()

    def _refuse(self, message: str) -> OutputError:
        return OutputError(message, hint="delete it, or name another file", place=Place(str(self.path)))

    def _explain(self, error: OSError) -> OutputError:
        hint = "check the disk's space and rights; what was finished before is kept"
        return OutputError(f"cannot be written: {error.strerror}", hint=hint, place=Place(str(self.path)))
