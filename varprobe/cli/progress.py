"""A progress bar on stderr for what takes over a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from varprobe.formatting import printable, shortened

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0
_BETWEEN = 0.1
# Characters of a title.
_ROOM = 40


@contextmanager
def progress_bar(title: str, unit: str) -> Iterator[Callable[..., None]]:
    """Gives a function that takes how many units are done of how many.

    Where units differ in size, it takes the share of the work that is done too, for the time that is left.
    """
    bar = _Bar(title, unit)
    try:
        yield bar.update
    finally:
        bar.close()


class _Bar:
    def __init__(self, title: str, unit: str) -> None:
        self.title, self.unit = printable(shortened(title, _ROOM)), unit
        self.started = self.drawn = time.monotonic()
        self.progress: Progress | None = None

    def update(self, done: int, total: int, share: float | None = None) -> None:
        now = time.monotonic()
        if now - self.started < PATIENCE or now - self.drawn < _BETWEEN:
            return
        self.drawn = now
        left = _left(now - self.started, done / total if share is None else share)
        if self.progress is None:
            self.progress = _open(self.title, self.unit, done, total, left)
        self.progress.update(self.progress.task_ids[0], completed=done, total=total, left=left)

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()


def _open(title: str, unit: str, done: int, total: int, left: str) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

    from varprobe.reporters.console import open_console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + ", {task.fields[left]} left", markup=False),
    )
    progress = Progress(*columns, console=open_console(sys.stderr), transient=True)
    progress.add_task(title, completed=done, total=total, left=left)
    progress.start()
    return progress


def _left(passed: float, share: float) -> str:
    """The time that is left if it goes on as it went, as 0:01:05.

    >>> _left(10.0, 2 / 15)
    '0:01:05'
    """
    seconds = round(passed * (1 - share) / share) if share else 0
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
