"""Points on processes of their own, through the standard executor interface.

Unlike `ProcessPoolExecutor`, a process that dies fails the one call that it was at, and the others go on. A process
imports nothing from the folder that it is started in, nor the script that started it, and shares this process's memory
with its siblings.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from varprobe.machine import free_memory, keep_to

T = TypeVar("T")

# Where modules are found besides, behind the interpreter's own places, so that nothing there hides one of these.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "sys.path += [each for each in {places!r} if each not in sys.path]; "
    "from varprobe.sweeps.processes import serve; serve({memory})"
)
# This interpreter's own flags that say where modules are looked for.
_FLAGS = {"isolated": "-I", "ignore_environment": "-E", "no_user_site": "-s", "no_site": "-S"}


class CrashError(Exception):
    """The process that was at it ended."""


class Processes(Executor):
    """An executor of so many processes. They end with this one, however that ends."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._here = threading.local()
        self._children: list[_Child] = []
        self._memory = free_memory() // count

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As `Executor.submit`; function, arguments and result are pickled.

        The future raises CrashError where the process ended.
        """
        return self._threads.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `Executor.shutdown`; without waiting, processes are ended in the middle of their work."""
        if not wait:
            self._end()
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._end()

    def _end(self) -> None:
        for child in self._children:
            child.end()

    def _call(self, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        child: _Child | None = getattr(self._here, "child", None)
        if child is None or child.process.poll() is not None:
            child = self._here.child = _Child(self._memory)
            self._children.append(child)
        result: T = child.call(fn, args, kwargs)
        return result


class _Child:
    def __init__(self, memory: int) -> None:
        start = _START.format(places=_find_places(), memory=memory)
        flags = [flag for name, flag in _FLAGS.items() if getattr(sys.flags, name)]
        command = [sys.executable, "-P", *flags, "-c", start]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.calls, self.answers = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)

    def call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        asked = pickle.dumps((fn, args, kwargs))
        try:
            self.calls.write(asked)
            self.calls.flush()
            fine, value = pickle.load(self.answers)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):  # also in the middle of an answer
            self.process.kill()
            raise CrashError(_tell_ending(self.process.wait())) from None
        if fine:
            return value
        raise value

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.calls, self.answers):
            with suppress(OSError):  # what was not sent is for nobody
                stream.close()


def _find_places() -> list[str]:
    """Where this process finds modules, the folder that it stands in aside; varprobe's own place is the last."""
    places = [each for each in sys.path if each and not _is_here(each)]
    return [*places, str(Path(__file__).parents[2])]


def _is_here(folder: str) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:  # it is not there, as an archive of the interpreter's may be
        return False


def _tell_ending(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        short = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{short}"
    return f"its process ended with exit code {code}"


def serve(memory: int) -> None:
    """The other side: one call after the other on standard input, until nobody is there to ask.

    Arguments:
        memory: bytes that this process may use.
    """
    keep_to(memory)
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, calls), daemon=True).start()
    while True:
        fn, args, kwargs = calls.get()
        try:
            answer = True, fn(*args, **kwargs)
        except Exception as error:  # goes back to who asked
            answer = False, error
        try:
            answers.write(pickle.dumps(answer))
            answers.flush()
        except OSError:  # nobody is there to take it
            os._exit(1)


def _listen(asked: IO[bytes], calls: queue.SimpleQueue[Any]) -> None:
    """Ends the process at once when the other side is gone, also in the middle of a call."""
    try:
        while True:
            calls.put(pickle.load(asked))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)
