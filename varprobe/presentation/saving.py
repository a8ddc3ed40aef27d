"""Results as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from varprobe.errors import OutputError, Place
from varprobe.output import check_targets, write_file
from varprobe.presentation.kinds import call, shown_of
from varprobe.results.kinds import render

_PAGE = ".html"


def save(result: Any, path: str | os.PathLike[str], *, lesson: bool = False) -> None:
    """Writes the result; arguments and errors as in `Presentable.save`."""
    target, shown = Path(path), shown_of(result)
    check_targets([target], shown.formats)
    suffix = target.suffix.lower()
    if lesson and suffix != _PAGE:
        hint = "save a page.html: pages ask before they show"
        raise OutputError("there is no page to ask in", hint=hint, place=Place("lesson"))
    write_file(target, render(result, _PAGE, lesson=True) if lesson else call(shown.formats[suffix], result, target))


def render_file(result: Any, target: Path) -> str | bytes:
    """What a file of that suffix holds."""
    return render(result, target.suffix.lower())
