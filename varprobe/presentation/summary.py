"""The verdict of a result as text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from varprobe.formatting import printable
from varprobe.presentation.kinds import call, shown_of

_WIDTH = 100
# Stands for the spaces of a command while its line is broken: a command stays whole, to be copied.
_KEPT = "\0"


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
    kept = re.sub(r"`[^`]*`", lambda found: found[0].replace(" ", _KEPT), line.strip())
    options: Any = {"break_long_words": False, "break_on_hyphens": False}
    parts = textwrap.wrap(kept, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", **options)
    yield from (part.replace(_KEPT, " ") for part in parts)
