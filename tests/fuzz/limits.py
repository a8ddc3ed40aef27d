"""What one input may take: seconds of processor time, seconds in all, and memory."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

CPU_SECONDS = 5.0
# In all: a read that waits for ever takes no processor time, and others may use the machine.
WALL_SECONDS = 60.0
MEMORY = 2**30


class OvertimeError(BaseException):
    """Past the limit; not an Exception, so that nothing takes it for a fact about a file."""


class Watch:
    """Raises `OvertimeError` where what runs inside takes too long.

    Attributes:
        seconds: processor time that was taken.
        memory: the most bytes that were resident at once, beyond those before.
    """

    def __init__(self) -> None:
        self.seconds, self.memory = 0.0, 0

    def __enter__(self) -> Self:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins here
        self._before, self._started = _resident(), time.process_time()
        signal.signal(signal.SIGPROF, _over("processor time"))
        signal.signal(signal.SIGALRM, _over("time"))
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS, 1.0)
        signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS, 1.0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.seconds = time.process_time() - self._started
        self.memory = _resident() - self._before


def limit_memory() -> None:
    """From here on this process may take 1 GiB more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _over(what: str) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise OvertimeError(f"too much {what}")

    return stop


def _resident() -> int:
    """The high-water mark of resident memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
