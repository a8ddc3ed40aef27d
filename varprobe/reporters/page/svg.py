"""A figure -> SVG that stands in a page: its colours follow the page's, its ids are its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from varprobe.reporters.picture import save_figure

T = TypeVar("T")
# What the page's style sheet calls the colours that our figures use.
_VARIABLES = {
    "#0072b2": "activation",
    "#d55e00": "gradient",
    "#222222": "theory",
    "#555555": "mark",
    "#999999": "mark",
    "#dddddd": "grid",
    "#000000": "ink",
    "#ffffff": "paper",
}
_COLOUR = re.compile(r"(?<=[: ])#(?:" + "|".join(name[1:] for name in _VARIABLES) + r")\b", re.I)
_ID = re.compile(r'( id="|url\(#|href="#)([^")]+)')


def picture(draw: Callable[[T], Figure], what: T, name: str, words: str) -> Markup:
    """The figure as an `svg` element, in a box that scrolls where the screen is too narrow to read it.

    Arguments:
        name: of this picture, unlike any other on the page.
        words: what it shows, for who cannot see it.
    """
    text = save_figure(draw, what, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'<style type="text/css">.*?</style>', "", text, flags=re.S)
    text = _COLOUR.sub(lambda found: f"var(--{_VARIABLES[found[0].lower()]})", text)
    text = _ID.sub(lambda found: f"{found[1]}{name}-{found[2]}", _once(text))
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="[^"]+"', head)
    return Markup(
        f'<div class="figure"><svg class="picture" id="{name}" role="img" aria-label="{escape(words)}" '
        f'{box[0] if box else ""} xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}</div>'
    )


def _once(text: str) -> str:
    """Every id at its first place only: what has the same one is the same thing, written again."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        first = found[1] not in seen
        seen.add(found[1])
        return found[0] if first else ""

    return re.sub(r' id="([^"]+)"', kept, text)
