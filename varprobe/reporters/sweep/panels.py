"""The picture of a sweep in panels, as pages lay them out: a map each, or a curve."""

from __future__ import annotations

from functools import partial

from markupsafe import Markup
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from varprobe.reporters.page.panels import INNER, draw_panel
from varprobe.reporters.page.svg import picture
from varprobe.reporters.picture import WORDS, width_of
from varprobe.reporters.sweep.figure import draw_sweep
from varprobe.reporters.sweep.maps import write_letters
from varprobe.reporters.sweep.scale import TICK_SIZE, fall, mark_axis, scale_of, tick_words
from varprobe.reporters.sweep.values import has_rates
from varprobe.reporters.sweep.words import setting_words
from varprobe.sweeps.records import Sweep

# Axes of the maps in the order in which a figure makes them, the verdict first; and of the curves: the change with its
# strip of verdicts, rates, depth scales.
_MAPS = (((2,), "the verdict"), ((0,), "the activations"), ((1,), "the gradient"), ((3,), "the depth scale"))
_CURVES = (((0, 1), "the change over the depth"), ((2,), "the rates"), ((3,), "the depth scales"))
# What of the width a bar of colours takes, and inches that words beside an axis have anyway.
_BAR, _ASIDE = 0.62, 0.4


def sweep_panels(sweep: Sweep, said: str) -> list[Markup]:
    """The pictures, each to be read alone.

    Arguments:
        said: what all of them are of, for who cannot see them.
    """
    shown = _MAPS if len(sweep.axes) == 2 else _CURVES if has_rates(sweep) else _CURVES[:1]
    return [
        picture(partial(_draw_one, places=places), sweep, f"map-{number}", f"{said} Here {what}.", keep=True)
        for number, (places, what) in enumerate(shown)
    ]


def _draw_one(sweep: Sweep, places: tuple[int, ...]) -> Figure:
    scales = [scale_of(axis) for axis in sweep.axes]
    maps = len(scales) == 2
    inner = INNER - _BAR if maps and places != (2,) else INNER
    listed = maps and scales[1].listed
    aside = max(0.0, max(width_of(word, TICK_SIZE) for word in tick_words(scales[1])) - _ASIDE) if listed else 0.0
    drawn = draw_panel(partial(draw_sweep, header=False), sweep, places, aside=aside, below=fall(scales[0], inner))
    first, last = drawn.axes[0], drawn.axes[len(places) - 1]
    if not maps:  # a heading of the panel's width, where beside its axes there is less
        first.set_title(first.get_ylabel(), fontsize=WORDS)
        first.set_ylabel("")
    elif places == (2,):
        write_letters(first, sweep, scales[0], scales[1], (INNER, first.get_position().height * drawn.get_figheight()))
    # The paper is the page's, light or dark.
    drawn.patch.set_visible(False)
    for axes in drawn.axes:
        axes.patch.set_visible(to_hex(axes.get_facecolor()) != "#ffffff")
    mark_axis(last, scales[0], "x", setting_words(sweep, sweep.axes[0]))
    return drawn
