"""Report -> text or bytes, by the suffix of the file it goes to; and the same for comparisons, sweeps and checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from varprobe.comparison import Comparison
    from varprobe.gate.records import CheckRun
    from varprobe.report.records import Report
    from varprobe.sweeps.records import Sweep


def _later(module: str, name: str) -> Callable[[Any], Any]:
    """A function of a module of this room, which is imported when it is first called: most runs write no file."""

    def render(what: Any, **options: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{module}"), name)(what, **options)

    return render


# A new format is one entry here; the command line finds it by its suffix.
RENDERERS: dict[str, Callable[[Report], str | bytes]] = {
    ".json": _later("json_text", "render_json"),
    ".csv": _later("delimited", "render_csv"),
    ".md": _later("markdown", "render_markdown"),
    ".png": _later("figure", "render_png"),
    ".svg": _later("figure", "render_svg"),
    ".pdf": _later("figure", "render_pdf"),
    ".html": _later("report_page", "render_report_page"),
}
COMPARERS: dict[str, Callable[[Comparison], str | bytes]] = {
    ".json": _later("comparison_text", "render_comparison_json"),
    ".csv": _later("comparison_text", "render_comparison_csv"),
    ".md": _later("comparison_text", "render_comparison_markdown"),
    ".png": _later("comparison_figure", "render_comparison_png"),
    ".svg": _later("comparison_figure", "render_comparison_svg"),
    ".pdf": _later("comparison_figure", "render_comparison_pdf"),
    ".html": _later("comparison_page", "render_comparison_page"),
}

SWEEPERS: dict[str, Callable[[Sweep], str | bytes]] = {
    ".json": _later("sweep_text", "render_sweep_json"),
    ".csv": _later("sweep_text", "render_sweep_csv"),
    ".md": _later("sweep_text", "render_sweep_markdown"),
    ".png": _later("sweep_figure", "render_sweep_png"),
    ".svg": _later("sweep_figure", "render_sweep_svg"),
    ".pdf": _later("sweep_figure", "render_sweep_pdf"),
    ".html": _later("sweep_page", "render_sweep_page"),
}

CHECKERS: dict[str, Callable[[CheckRun], str]] = {
    ".json": _later("check_json", "render_check_json"),
    ".md": _later("check_markdown", "render_check_markdown"),
    ".xml": _later("check_junit", "render_check_junit"),
    ".sarif": _later("check_sarif", "render_check_sarif"),
}
# The same by name, for standard output.
FORMATS: dict[str, Callable[[CheckRun], str]] = {
    "github": _later("check_github", "render_check_github"),
    "json": CHECKERS[".json"],
    "junit": CHECKERS[".xml"],
    "markdown": CHECKERS[".md"],
    "sarif": CHECKERS[".sarif"],
}

__all__ = ["CHECKERS", "COMPARERS", "FORMATS", "RENDERERS", "SWEEPERS"]
