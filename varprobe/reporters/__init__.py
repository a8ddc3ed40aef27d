"""Report -> text, by the suffix of the file it goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from varprobe.report.records import Report


# Each is imported when it is first asked for: most runs write no file.
def _json(report: Report) -> str:
    from varprobe.reporters.json_text import render_json

    return render_json(report)


def _csv(report: Report) -> str:
    from varprobe.reporters.delimited import render_csv

    return render_csv(report)


def _markdown(report: Report) -> str:
    from varprobe.reporters.markdown import render_markdown

    return render_markdown(report)


# A new format is one entry here; the command line finds it by its suffix.
RENDERERS: dict[str, Callable[[Report], str]] = {".json": _json, ".csv": _csv, ".md": _markdown}

__all__ = ["RENDERERS"]
