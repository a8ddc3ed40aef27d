"""The same work again whenever a file changes that it reads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from varprobe.config.loading import load
from varprobe.config.opening import noting_files
from varprobe.config.overrides import Override
from varprobe.errors import VarprobeError
from varprobe.streams import say

# Seconds between two looks, and for how long files must stay as they are before the work begins.
LOOK, QUIET = 0.25, 0.3
_Stamps = dict[Path, tuple[int, int, int] | None]


class WatchedConfig:
    """A config and the files that it reads, as far as it could be read last."""

    def __init__(self, config: str, overrides: Sequence[Override]) -> None:
        self._config, self._overrides = Path(config), overrides
        self._named: list[Path] = []

    def files(self) -> list[Path]:
        """The config first; where it cannot be read, the files that it read before, and the one that is amiss."""
        try:
            with noting_files() as noted:
                load(self._config, self._overrides)
        except VarprobeError as error:
            amiss = [*noted, *([Path(error.place.source)] if error.place else [])]
            return list(dict.fromkeys((self._config, *self._named, *amiss)))
        self._named = list(noted)
        return list(dict.fromkeys((self._config, *self._named)))


def repeat_on_change(work: Callable[[], None], files: Callable[[], Iterable[Path]]) -> None:
    """Works now, and again when one of the files has changed and been left alone for a moment; for ever.

    A mistake of the user's is told, and the next change tried. What interrupts it goes through. A terminal shows the
    last turn alone.

    Arguments:
        files: what to watch, asked before each turn; it raises nothing.
    """
    while True:
        before = _stamp(files())
        try:
            work()
        except VarprobeError as error:
            say(f"varprobe: {error}", error=True)
        sys.stdout.flush()
        say(f"watching {_tell(before)}; Ctrl-C ends", error=True)
        _wait_for_change(before)
        if sys.stdout.isatty():
            from varprobe.reporters.console import open_console

            open_console().clear()
        say(f"changed at {datetime.now():%H:%M:%S}", error=True)


def _stamp(files: Iterable[Path]) -> _Stamps:
    """Of each file its time, size and number; None where there is none."""
    found: _Stamps = {}
    for file in files:
        try:
            status = os.stat(file)
            found[file] = status.st_mtime_ns, status.st_size, status.st_ino
        except (OSError, ValueError):
            found[file] = None
    return found


def _wait_for_change(before: _Stamps) -> None:
    """Returns when the stamps are others, and have been the same for `QUIET` seconds; editors write in steps."""
    last, since = before, time.monotonic()
    while True:
        time.sleep(LOOK)
        now = _stamp(before)
        if now != last:
            last, since = now, time.monotonic()
        elif now != before and time.monotonic() - since >= QUIET:
            return


def _tell(stamps: _Stamps) -> str:
    first, *others = map(str, stamps)
    return first if not others else f"{first} and {len(others):,} more" if len(others) > 1 else f"{first}, {others[0]}"
