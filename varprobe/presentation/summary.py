"""The verdict of a result as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from varprobe.formatting import printable
from varprobe.presentation.kinds import call, shown_of
from varprobe.reporters.text import wrap

_WIDTH = 100


def summarise(result: Any) -> str:
    """The lines of the result's summary, the long ones broken."""
    lines = map(printable, call(shown_of(result).summary, result))
    return "\n".join(part for line in lines for part in _wrap(line))


def _wrap(line: str) -> Iterator[str]:
    """The line's parts; what goes on is set in.

    >>> list(_wrap(f"{'a ' * 49}`--set b=1` c"))[1]
    '  `--set b=1` c'
    """
    if len(line) <= _WIDTH:
        yield line
        return
    indent = " " * (len(line) - len(line.lstrip()))
    yield from (f"{indent}{part}" for part in wrap(line.strip(), _WIDTH - len(indent), "  "))
