"""A progress bar on stderr for what takes over a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0
_BETWEEN = 0.1


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Gives a function that takes the share that is done; None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(title)
    try:
        yield bar.update
    finally:
        bar.close()


class _Bar:
    def __init__(self, title: str) -> None:
        self.title = title
        self.started = self.drawn = time.monotonic()
        self.progress: Progress | None = None

    def update(self, share: float) -> None:
        now = time.monotonic()
        if now - self.started < PATIENCE or now - self.drawn < _BETWEEN:
            return
        self.drawn = now
        if self.progress is None:
            self._open()
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], completed=share)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self.progress.add_task(self.title, total=1.0)
        self.progress.start()

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()
