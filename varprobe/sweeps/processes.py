"""Points on processes of their own, through the standard executor interface.

Unlike `ProcessPoolExecutor`, a process that dies fails the one call that it was at, and the others go on. Little is
imported here, so that a new process is soon deaf to Ctrl-C.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")


class CrashError(Exception):
    """The process that was at it ended."""


class Processes(Executor):
    """An executor of so many processes. They end with this one, however that ends."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._here = threading.local()
        self._children: list[_Child] = []

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
        if child is None or not child.process.is_alive():
            child = self._here.child = _Child()
            self._children.append(child)
        result: T = child.call(fn, args, kwargs)
        return result


class _Child:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads that are at work
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()

    def call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            self.connection.send((fn, args, kwargs))
            fine, value = self.connection.recv()
        except (EOFError, OSError):  # also in the middle of an answer
            self.process.join()
            raise CrashError(_tell_ending(self.process.exitcode)) from None
        if fine:
            return value
        raise value

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _tell_ending(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        short = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{short}"
    return f"its process ended with exit code {code}"


def _serve(connection: Connection) -> None:
    """The other side: one call after the other, until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, calls), daemon=True).start()
    while True:
        fn, args, kwargs = calls.get()
        try:
            answer = True, fn(*args, **kwargs)
        except Exception as error:  # goes back to who asked
            answer = False, error
        try:
            connection.send(answer)
        except OSError:  # nobody is there to take it
            os._exit(1)


def _listen(connection: Connection, calls: queue.SimpleQueue[Any]) -> None:
    """Ends the process at once when the other side is gone, also in the middle of a call."""
    try:
        while True:
            calls.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)
