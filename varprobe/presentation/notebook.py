"""Results in a notebook: the page in a frame of its own, small enough to be stored with the notebook.

The frame is sandboxed: the page's scripts run, and can reach nothing of the notebook's. What shows no frames, as GitHub
does not, still shows the verdict above it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from typing import Any

from varprobe.errors import OutputError
from varprobe.presentation.kinds import call, shown_of
from varprobe.presentation.outline import outline
from varprobe.reporters.picture import save_figure
from varprobe.results.kinds import find, kind_of, render

MAX_BYTES = 200_000
# Layers whose histograms stay, where those of all are too many.
_THINNED = (4, 0)
_DPI = (100, 60)
_HEIGHT = 640


def embed(result: Any) -> str | None:
    """The result's page, or its picture where no page is small enough; None where it has neither."""
    shown = shown_of(result)
    try:
        pictured = call(shown.picture, result) if shown.picture else None
    except OutputError:  # what was not measured has none
        pictured = None
    if pictured is None:
        return None
    verdict = outline(result)
    pages = (_frame(page, verdict, note) for page, note in _pages(pictured))
    pictures = (_image(pictured, verdict, dpi) for dpi in _DPI)
    return next((html for each in (pages, pictures) for html in each if len(html.encode()) <= MAX_BYTES), None)


def _pages(result: Any) -> Iterator[tuple[str, str]]:
    """The page, and then with fewer and fewer histograms; each with what it leaves out."""
    yield str(render(result, ".html")), ""
    thin = shown_of(result).thin
    for most in _THINNED if thin else ():
        kept = f"the histograms of {most} layers" if most else "no histograms"
        yield (
            str(render(call(thin, result, most), ".html")),
            f"Here with {kept}, to be small; .save('page.html') has all.",
        )


def _frame(page: str, verdict: str, note: str) -> str:
    content = page.replace("&", "&amp;").replace('"', "&quot;")
    style = f"width:100%;height:{_HEIGHT}px;border:1px solid #8888;resize:vertical"
    return (
        f'<div><p>{escape(verdict.splitlines()[0])}</p><iframe sandbox="allow-scripts" title="varprobe" '
        f'style="{style}" srcdoc="{content}"></iframe>{f"<p>{escape(note)}</p>" if note else ""}</div>'
    )


def _image(result: Any, verdict: str, dpi: int) -> str:
    data = base64.b64encode(save_figure(find(kind_of(result).figure), result, "png", dpi)).decode()
    note = "The page is too large for a notebook: .save('page.html') writes it."
    picture = f'<img alt="{escape(verdict.splitlines()[0])}" src="data:image/png;base64,{data}">'
    return f"<div><pre>{escape(verdict)}</pre>{picture}<p>{escape(note)}</p></div>"
