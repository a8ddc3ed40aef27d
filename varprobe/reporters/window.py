"""A figure in a window, where there is a screen; the only place that needs pyplot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from matplotlib.figure import Figure

from varprobe.errors import OutputError, Place
from varprobe.reporters.picture import draw_tame, house_style
from varprobe.reporters.plotting import opens_windows

T = TypeVar("T")


def check_screen() -> None:
    """Refuses where no window can be opened.

    Raises:
        OutputError: with the way out.
    """
    from matplotlib import pyplot

    try:
        backend = pyplot.get_backend()
    except (ImportError, ValueError):  # one is named, and its toolkit is missing, or there is none of that name
        backend = "agg"
    if not opens_windows(backend):
        hint = "write a file by -o plot.png; a window needs a screen and a toolkit such as Tk or Qt"
        raise OutputError("no window can be opened here", hint=hint, place=Place("--show"))


def show_window(draw: Callable[[T], Figure], what: T) -> None:
    """Opens a window with what `draw` draws, and waits until it is closed."""
    from matplotlib import pyplot

    def made(*_: Any, **__: Any) -> Figure:
        return draw_tame(draw, what)

    with house_style():
        pyplot.figure(FigureClass=made)  # type: ignore[arg-type]  # what makes the figure need be no class
        pyplot.show()
