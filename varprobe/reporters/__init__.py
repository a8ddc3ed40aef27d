"""Report -> text, by the suffix of the file it goes to."""

from __future__ import annotations

from collections.abc import Callable

from varprobe.report.records import Report
from varprobe.reporters.delimited import render_csv
from varprobe.reporters.json_text import render_json
from varprobe.reporters.markdown import render_markdown

# A new format is one entry here; the command line finds it by its suffix.
RENDERERS: dict[str, Callable[[Report], str]] = {
    ".json": render_json,
    ".csv": render_csv,
    ".md": render_markdown,
}

__all__ = ["RENDERERS"]
