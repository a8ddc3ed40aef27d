"""Report -> text or bytes, by the suffix of the file it goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from varprobe.comparison import Comparison
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


def _png(report: Report) -> bytes:
    from varprobe.reporters.figure import render_png

    return render_png(report)


def _svg(report: Report) -> bytes:
    from varprobe.reporters.figure import render_svg

    return render_svg(report)


def _pdf(report: Report) -> bytes:
    from varprobe.reporters.figure import render_pdf

    return render_pdf(report)


# A new format is one entry here; the command line finds it by its suffix.
RENDERERS: dict[str, Callable[[Report], str | bytes]] = {
    ".json": _json,
    ".csv": _csv,
    ".md": _markdown,
    ".png": _png,
    ".svg": _svg,
    ".pdf": _pdf,
}


def _compared_text(name: str) -> Callable[[Comparison], str]:
    def render(comparison: Comparison) -> str:
        from varprobe.reporters import comparison_text

        rendered: str = getattr(comparison_text, f"render_comparison_{name}")(comparison)
        return rendered

    return render


def _compared_picture(kind: str) -> Callable[[Comparison], bytes]:
    def render(comparison: Comparison) -> bytes:
        from varprobe.reporters.comparison_figure import render_comparison_figure

        return render_comparison_figure(comparison, kind)

    return render


# The same for comparisons.
COMPARERS: dict[str, Callable[[Comparison], str | bytes]] = {
    ".json": _compared_text("json"),
    ".csv": _compared_text("csv"),
    ".md": _compared_text("markdown"),
    ".png": _compared_picture("png"),
    ".svg": _compared_picture("svg"),
    ".pdf": _compared_picture("pdf"),
}

__all__ = ["COMPARERS", "RENDERERS"]
