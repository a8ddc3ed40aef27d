"""Long work in a thread of its own, so that Ctrl-C is heard at once, whatever a library is busy with."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from varprobe.errors import OutputError
from varprobe.streams import say

T = TypeVar("T")
# How much is done, how much there is, and what else the work tells.
Progress = Callable[..., None]


class _GivenUpError(Exception):
    """Ends work that nobody waits for any more."""


def wait_for(
    work: Callable[[Progress], T],
    title: str,
    *,
    quiet: bool,
    unit: str = "layer passes",
    kept: Callable[[], str] = lambda: "nothing is kept",
) -> T:
    """The result of `work`, or what it raised; meanwhile there is a progress bar, where somebody would see it.

    What interrupts the wait is raised here at once, and what of the work is kept is told; the work ends by itself when
    it next reports progress, or with the process.

    Arguments:
        work: called with a function that takes how many units are done of how many, and where units differ in size,
            the share of the work that is done.
        kept: says what is kept where a signal ends the process.
    """
    try:
        if quiet or not sys.stderr.isatty():
            return _wait(work, None)
        from varprobe.cli.progress import progress_bar

        with progress_bar(title, unit) as progress:
            return _wait(work, progress)
    except SystemExit:  # by a signal
        with suppress(OSError, OutputError):  # somebody may have closed stderr
            say(f"varprobe: stopped; {kept()}", error=True)
        raise


def _wait(work: Callable[[Progress], T], progress: Progress | None) -> T:
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
