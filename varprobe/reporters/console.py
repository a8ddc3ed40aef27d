"""The one console: styled text for a terminal, plain text in a pipe; text that is not ours cannot command either."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from varprobe.formatting import printable_lines
from varprobe.streams import TameStream

# Columns and lines that a terminal may say it has; beyond them it is as if it said nothing.
_MOST = 1000


class _TameConsole(Console):
    """Whatever is rendered, its text has no control characters but those that rich makes of styles."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable_lines(segment.text)
            yield segment if text is segment.text else Segment(text, segment.style)


def open_console(stream: TextIO | None = None, **options: Any) -> Console:
    """A console as wide as the terminal, which takes no markup.

    Arguments:
        stream: standard output by default.
        options: of rich's console.
    """
    around = {name: value for name, value in os.environ.items() if name not in _SIZES or _is_size(value)}
    file = cast(TextIO, TameStream(sys.stdout if stream is None else stream))
    return _TameConsole(file=file, highlight=False, markup=False, emoji=False, _environ=around, **options)


_SIZES = ("COLUMNS", "LINES")


def _is_size(value: str) -> bool:
    """Whether it is a number that a terminal may have.

    >>> [_is_size(value) for value in ("80", "0", "99999", "\\u00b2", "-1")]
    [True, False, False, False, False]
    """
    return value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= _MOST
