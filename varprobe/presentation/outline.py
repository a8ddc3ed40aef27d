"""The `repr` of a result: the verdict first, ten lines at most."""

from __future__ import annotations

import textwrap
from typing import Any

from varprobe.formatting import printable
from varprobe.presentation.kinds import Outline, call, shown_of

MOST_LINES, WIDTH = 10, 100
# Lines of the verdict.
_VERDICT = 3


def outline(result: Any) -> str:
    """The verdict, what it is about, the first findings, and what else there is."""
    shown = shown_of(result)
    told: Outline = call(shown.outline, result)
    lines = textwrap.wrap(printable(told.verdict), WIDTH, max_lines=_VERDICT, placeholder=" ...")
    lines += [_cut(fact) for fact in told.facts]
    room = MOST_LINES - len(lines) - 1
    items = [f"  {_cut(item)}" for item in told.items]
    if len(items) > room:
        items = [*items[: room - 1], f"  and {len(items) - room + 1:,} more"]
    return "\n".join(
        [*lines, *items, f".summary() says all; {'.plot(), ' if shown.picture else ''}.to_frame(), .save(path)"]
    )


def tell_verdict(result: Any) -> str:
    """The verdict alone, in a line."""
    told: Outline = call(shown_of(result).outline, result)
    return printable(told.verdict)


def _cut(text: str) -> str:
    return textwrap.shorten(printable(" ".join(text.split())), WIDTH - 2, placeholder=" ...")
