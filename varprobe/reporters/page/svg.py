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
_PATH = re.compile(r'(?<= d=")[^"]+')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_ID = re.compile(r'( id="|url\(#|href="#)([^")]+)')


def picture(
    draw: Callable[[T], Figure], what: T, name: str, words: str, kind: str = "", *, keep: bool = False
) -> Markup:
    """The figure as an `svg` element.

    Arguments:
        name: of this picture, unlike any other on the page.
        words: what it shows, for who cannot see it.
        kind: `wide` or `narrow`, for screens of which it is shown; on all where it is empty.
        keep: the colours of areas, where words stand on them, are the same on every page.
    """
    text = save_figure(draw, what, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'<style type="text/css">.*?</style>', "", text, flags=re.S)
    colour = re.compile(rf"(?<!fill: ){_COLOUR.pattern}", re.I) if keep else _COLOUR
    text = colour.sub(lambda found: f"var(--{_VARIABLES[found[0].lower()]})", text)
    text = _PATH.sub(lambda found: _DECIMALS.sub(r"\1", " ".join(found[0].split())), text)
    text = _ID.sub(lambda found: f"{found[1]}{name}-{found[2]}", _once(text))
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="[^"]+"', head)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return Markup(
        f'<div class="{f"figure {kind}".strip()}"><svg class="picture" id="{name}" role="img" '
        f'aria-label="{escape(words)}" {box[0] if box else ""} {spaces}>{body}</div>'
    )


def _once(text: str) -> str:
    """Every id at its first place only: what has the same one is the same thing, written again."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        first = found[1] not in seen
        seen.add(found[1])
        return found[0] if first else ""

    return re.sub(r' id="([^"]+)"', kept, text)
