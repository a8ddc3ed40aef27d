"""Axes of a figure as pictures of their own, which a page lays out for the screen it is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from matplotlib.figure import Figure

T = TypeVar("T")
# Inches: a panel, what stands around its axes, a line of its legend.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _ABOVE, _BELOW, _LINE = 4.6, 3.5, 0.78, 0.5, 0.4, 0.9, 0.22


def draw_panel(draw: Callable[[T], Figure], what: T, places: Sequence[int], heading: str = "") -> Figure:
    """Some axes of a figure, below each other; the figure's legend stays with one alone.

    Arguments:
        places: of the axes, in the order in which the figure made them.
        heading: of the first, in place of its own.
    """
    drawn = draw(what)
    kept = [drawn.axes[place] for place in places]
    for axes in set(drawn.axes) - set(kept):
        axes.remove()
    for text in list(drawn.texts):
        text.remove()
    lines = _stack_legend(drawn) if len(kept) == 1 else _drop_legend(drawn)
    head = _ABOVE + _LINE * lines
    height = head + len(kept) * (_HEIGHT - _ABOVE) - _BELOW / 3
    drawn.set_size_inches(_WIDTH, height)
    for place, axes in enumerate(kept):
        top = height - head - place * (_HEIGHT - _ABOVE)
        bottom = top - (_HEIGHT - _ABOVE - _BELOW)
        axes.set_position((_LEFT / _WIDTH, bottom / height, 1 - (_LEFT + _RIGHT) / _WIDTH, (top - bottom) / height))
        axes.tick_params(axis="y", labelleft=True)
    if heading:
        kept[0].set_title(heading, fontsize=11)
    return drawn


def _stack_legend(drawn: Figure) -> int:
    """The legend with its entries below each other; how many they are."""
    found = [(legend.legend_handles, [text.get_text() for text in legend.texts]) for legend in drawn.legends]
    _drop_legend(drawn)
    for handles, words in found:
        shown = [handle for handle in handles if handle is not None]
        drawn.legend(shown, words, loc="upper left", bbox_to_anchor=(0.1, 1.0), frameon=False, fontsize=10)
    return sum(len(words) for _, words in found)


def _drop_legend(drawn: Figure) -> int:
    for legend in list(drawn.legends):
        legend.remove()
    return 0
