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
from varprobe.presentation.outline import outline, tell_verdict
from varprobe.reporters.picture import save_figure
from varprobe.results.kinds import find, kind_of, render

MAX_BYTES = 200_000
# Layers whose histograms stay, where those of all are too many.
_THINNED = (4, 2, 0)
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
    verdict = escape(tell_verdict(result))
    # What has no page of its own is told in full, above the page of what it was concluded from.
    head = f"<p>{verdict}</p>" if pictured is result else f"<pre>{escape(outline(result))}</pre>"
    pages = (_frame(page, head, note) for page, note in _pages(pictured))
    pictures = (_image(pictured, escape(outline(result)), verdict, dpi) for dpi in _DPI)
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


def _frame(page: str, head: str, note: str) -> str:
    content = page.replace("&", "&amp;").replace('"', "&quot;")
    style = f"width:100%;height:{_HEIGHT}px;border:1px solid #8888;resize:vertical"
    return (
        f'<div>{head}<iframe sandbox="allow-scripts" title="varprobe" '
        f'style="{style}" srcdoc="{content}"></iframe>{f"<p>{escape(note)}</p>" if note else ""}</div>'
    )


def _image(result: Any, head: str, verdict: str, dpi: int) -> str:
    data = base64.b64encode(save_figure(find(kind_of(result).figure), result, "png", dpi)).decode()
    note = "The page is too large for a notebook: .save('page.html') writes it."
    picture = f'<img alt="{verdict}" src="data:image/png;base64,{data}">'
    return f"<div><pre>{head}</pre>{picture}<p>{escape(note)}</p></div>"
