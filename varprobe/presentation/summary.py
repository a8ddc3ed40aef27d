"""The verdict of a result as text."""

from __future__ import annotations

from typing import Any

from varprobe.formatting import printable
from varprobe.presentation.kinds import call, shown_of


def summarise(result: Any) -> str:
    """The lines of the result's summary."""
    return "\n".join(map(printable, call(shown_of(result).summary, result)))
