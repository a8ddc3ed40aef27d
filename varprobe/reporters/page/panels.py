"""Axes of a figure as pictures of their own, which a page lays out for the screen it is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

T = TypeVar("T")
# Inches: a panel, what stands around its axes, a line of its legend; and between axes that share their ticks.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _ABOVE, _BELOW, _LINE, _TOUCH = 4.6, 3.5, 0.78, 0.5, 0.4, 0.9, 0.22, 0.06
# How wide the axes are, and a bar of colours with the room before it and for its numbers.
INNER, _BAR, _BAR_GAP, _BAR_WORDS = _WIDTH - _LEFT - _RIGHT, 0.12, 0.1, 0.62


def draw_panel(
    draw: Callable[[T], Figure],
    what: T,
    places: Sequence[int],
    heading: str = "",
    *,
    aside: float = 0.0,
    below: float = 0.0,
) -> Figure:
    """Some axes of a figure, below each other, with their bars of colours; legends stay with axes that are alone.

    Arguments:
        places: of the axes, in the order in which the figure made them.
        heading: of the first, in place of its own.
        aside, below: inches more than usual that the words of the axes need.
    """
    drawn = draw(what)
    kept = [drawn.axes[place] for place in places]
    bars = {place: bar for place, axes in enumerate(kept) if (bar := _bar_of(axes)) is not None}
    for axes in set(drawn.axes) - {*kept, *bars.values()}:
        axes.remove()
    for text in list(drawn.texts):
        text.remove()
    # Axes that share their ticks with those below them are one panel with them.
    joined = [not axes.xaxis.get_tick_params()["labelbottom"] for axes in kept[:-1]] + [False]
    kept[-1].tick_params(axis="x", labelbottom=True)
    lines = _stack_legends(drawn, kept) if joined.count(False) == 1 else _drop_legends(drawn, kept)
    sizes = [axes.get_position().height for axes in kept]
    tall = [(_HEIGHT - _ABOVE - _BELOW) * size / max(sizes) for size in sizes]
    gaps = [_TOUCH if one else _BELOW for one in joined]
    left, right = _LEFT + aside, _RIGHT + (_BAR_WORDS if bars else 0.0)
    width = _WIDTH + aside
    height = _ABOVE + _LINE * lines + sum(tall) + sum(gaps) - _BELOW / 3 + below
    top = height - _ABOVE - _LINE * lines
    drawn.set_size_inches(width, height)
    across = (width - left - right) / width
    for place, axes in enumerate(kept):
        bottom = (top - tall[place]) / height
        axes.set_position((left / width, bottom, across, tall[place] / height))
        axes.tick_params(axis="y", labelleft=True)
        if place in bars:
            from_left = (width - right + _BAR_GAP) / width
            bars[place].set_position((from_left, bottom, _BAR / width, tall[place] / height))
            bars[place].set_box_aspect(None)
        top -= tall[place] + gaps[place]
    if heading:
        kept[0].set_title(heading, fontsize=11)
    return drawn


def _bar_of(axes: Axes) -> Axes | None:
    """The axes of the bar that explains the colours."""
    bars = (one.colorbar for one in axes.collections)
    return next((bar.ax for bar in bars if bar is not None), None)


def _stack_legends(drawn: Figure, kept: Sequence[Axes]) -> int:
    """The legends with their entries below each other; how many they are."""
    legends = [*drawn.legends, *(legend for axes in kept if (legend := axes.get_legend()) is not None)]
    entries = [
        (handle, text.get_text())
        for legend in legends
        for handle, text in zip(legend.legend_handles, legend.texts, strict=True)
        if handle is not None
    ]
    _drop_legends(drawn, kept)
    if entries:
        handles, words = zip(*entries, strict=True)
        drawn.legend(handles, words, loc="upper left", bbox_to_anchor=(0.1, 1.0), frameon=False, fontsize=10)
    return len(entries)


def _drop_legends(drawn: Figure, kept: Sequence[Axes]) -> int:
    for legend in [*drawn.legends, *(axes.get_legend() for axes in kept)]:
        if legend is not None:
            legend.remove()
    return 0
