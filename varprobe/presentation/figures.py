"""Results as figures."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from varprobe.errors import OutputError, Place
from varprobe.formatting import with_article
from varprobe.presentation.kinds import call, shown_of
from varprobe.reporters.picture import draw_tame, find_drawing, house_style
from varprobe.results.kinds import find, has_histograms, kind_of

_DPI = 100


def plot(result: Any, ax: Any = None, *, own_scale: bool = False) -> Any:
    """The figure; arguments and errors as in `Presentable.plot`."""
    shown = shown_of(result)
    if not shown.picture:
        hint = "`.summary()` has it in words; a report has a picture"
        raise OutputError(f"{with_article(shown.noun)} has no picture", hint=hint, place=Place("plot"))
    pictured = call(shown.picture, result)
    kind = kind_of(pictured)
    if ax is not None and not kind.axes:
        hint = "call it without axes: it makes a figure of its own"
        raise OutputError(f"the picture of {with_article(shown.noun)} has several axes", hint=hint, place=Place("ax"))
    if own_scale and (ax is not None or not has_histograms(pictured)):
        alone = "a picture of theory alone" if kind.histograms else f"the picture of {with_article(shown.noun)}"
        what = "on given axes" if ax is not None and kind.histograms else f"in {alone}"
        raise OutputError(f"there are no histograms {what}", hint="leave it out", place=Place("own_scale"))
    with house_style():
        if ax is not None:
            find(kind.axes)(ax, pictured)
            return ax.get_figure()
        figure: Any = draw_tame(find_drawing(pictured, own_scale=own_scale), pictured)
    # Notebooks show figures that pyplot made; this one shows itself.
    figure._repr_png_ = partial(_render, figure)
    return figure


def _render(figure: Any) -> bytes:
    stream = io.BytesIO()
    with house_style():
        figure.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()
