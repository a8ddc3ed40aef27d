"""Long work in a thread of its own, so that Ctrl-C is heard at once, whatever a library is busy with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# How much is done, how much there is, and what else the work tells.
Progress = Callable[..., None]


class _GivenUpError(Exception):
    """Ends work that nobody waits for any more."""


def wait_for(work: Callable[[Progress], T], progress: Progress | None) -> T:
    """The result of `work`, or what it raised.

    What interrupts the wait is raised here at once; the work ends by itself when it next reports progress, or with
    the process.

    Arguments:
        work: called with a function that takes what is done and what there is to do, for `progress`.
        progress: called in turn, in the work's thread.
    """
    done: list[T] = []
    failed: list[BaseException] = []
    given_up = threading.Event()

    def report(*reached: float) -> None:
        if given_up.is_set():
            raise _GivenUpError
        if progress is not None:
            progress(*reached)

    def run() -> None:
        try:
            done.append(work(report))
        except BaseException as error:  # raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.5)  # a wait without end would not hear Ctrl-C everywhere
    except BaseException:
        given_up.set()
        raise
    if failed:
        raise failed[0]
    return done[0]
