"""What all pictures share: style, colours, axes, text that fits; and a result's figure as PNG, SVG and PDF.

Drawn for a projector and for print: two colours that colour-blind readers tell apart, and lines and markers that
differ without colour.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from threading import RLock
from typing import Any, TypeVar

import numpy as np
from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from varprobe.formatting import power, printable, printable_lines, shortened
from varprobe.reporters.axes import find_y_range
from varprobe.results.kinds import find, kind_of

T = TypeVar("T")
Values = NDArray[np.float64]
# Of Okabe and Ito's palette: blue and vermillion.
ACTIVATION, GRADIENT, THEORY = "#0072B2", "#D55E00", "#222222"
# Layers up to which every one has its marker.
MARKED = 60
# Inches of a slide: at 1280 x 720 a point is 1.39 pixels, and the smallest words have 14.
WIDTH, HEIGHT = 12.8, 7.2
HEADING, WORDS, SMALL = 15.0, 12.0, 10.5
_STYLE: dict[str, Any] = {
    "font.size": 11.5,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "varprobe",
    "svg.fonttype": "none",
    "text.usetex": False,
    # Names come from configs: a dollar sign is a dollar sign.
    "text.parse_math": False,
}
_METADATA: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
_CUT = "..."
# Characters of a line that are drawn; longer ones go far beyond any edge.
_LONGEST = 400
# What a figure is shown in, and where matplotlib keeps its files: the user's affair, whatever is drawn.
_SURROUNDINGS = re.compile(
    r"backend|interactive|toolbar|timezone|tk\.|webagg|keymap|docstring|savefig\.directory|_internal"
)
# Settings of matplotlib are the process's: whoever draws in several threads takes turns.
_TURN = RLock()


def render_png(result: Any, *, own_scale: bool = False) -> bytes:
    """A PNG at 150 dots per inch: 1920 pixels wide."""
    return save_figure(find_drawing(result, own_scale=own_scale), result, "png")


def render_svg(result: Any, *, own_scale: bool = False) -> bytes:
    """An SVG; its words are text."""
    return save_figure(find_drawing(result, own_scale=own_scale), result, "svg")


def render_pdf(result: Any, *, own_scale: bool = False) -> bytes:
    """A PDF of one page."""
    return save_figure(find_drawing(result, own_scale=own_scale), result, "pdf")


def find_drawing(result: Any, *, own_scale: bool) -> Callable[[Any], Figure]:
    """What draws a result; with `own_scale` each histogram in units of its own layer's root mean square."""
    draw: Callable[..., Figure] = find(kind_of(result).figure)
    return partial(draw, own_scale=True) if own_scale else draw


def save_figure(draw: Callable[[T], Figure], what: T, form: str, dpi: int = 150) -> bytes:
    """What `draw` draws, in the house's style, as png, svg or pdf; the same bytes each time."""
    with house_style():
        stream = io.BytesIO()
        draw_tame(draw, what).savefig(stream, format=form, dpi=dpi, metadata=_METADATA[form])
        # Labels of ticks are made while it is drawn.
        return printable_lines(stream.getvalue().decode()).encode() if form == "svg" else stream.getvalue()


def draw_tame(draw: Callable[[T], Figure], what: T) -> Figure:
    """What `draw` draws in the house's style, its texts without control characters and of bounded length."""
    with house_style(), np.errstate(all="ignore"):  # a forged report may hold what has no logarithm
        drawn = draw(what)
        for text in drawn.findobj(Text):
            text.set_text("\n".join(shortened(printable(line), _LONGEST) for line in text.get_text().split("\n")))
        return drawn


@contextmanager
def house_style() -> Iterator[None]:
    """The house's style and no setting of the user's, for what is drawn and saved within, a thread at a time.

    What a name has and the font has not becomes a box.
    """
    with _TURN, rc_context(_whole_style()), warnings.catch_warnings():  # type: ignore[arg-type]  # its stub lists all
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from font")
        yield


@cache
def _whole_style() -> dict[str, Any]:
    """Every setting of matplotlib that decides on what is drawn: its own default, where the house has none."""
    own: dict[str, Any] = {str(name): value for name, value in rcParamsDefault.items() if not _SURROUNDINGS.match(name)}
    return {**own, **_STYLE}


def log_values(values: Any) -> Values:
    """log10 values with gaps for exact zeros."""
    return np.array([math.nan if value is None else value for value in values])


def mark_layers(axes: Axes, deepest: int) -> None:
    """Layers along the axis, with their numbers as they stand in tables and findings."""
    axes.set_xlabel("layer")
    axes.set_xlim(0.5, deepest + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def mark_powers(axes: Axes, logs: Iterable[float | None] | None = None) -> None:
    """Powers of ten over the range that the shared rule gives these log10 values, or else the limits of the axes."""
    low, high = find_y_range(axes.get_ylim() if logs is None else logs)
    room = 0.025 * (high - low)
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=2))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(round(value)).replace(".00e", "e")))


def draw_grid(axes: Axes) -> None:
    """Lines across, behind the curves."""
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of text is, in inches."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    shown = shortened(printable(text), _LONGEST)
    return float(text_to_path.get_text_width_height_descent(shown, font, ismath=False)[0]) / 72


def width_of_axes(axes: Axes) -> float:
    """How wide axes are, in inches."""
    figure = axes.get_figure(root=True)
    return axes.get_position().width * (figure.get_figwidth() if figure is not None else 1.0)


def fit(text: str, room: float, *, size: float, bold: bool = False, tail: str = "") -> str:
    """The text and its tail, the text cut where both are wider than there is room for.

    Arguments:
        room: in inches.
        size: of the font, in points.
    """

    def fits(shown: str) -> bool:
        return width_of(shown, size, bold=bold) <= room

    text = text[:_LONGEST]
    if fits(text + tail):
        return text + tail
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(text[:middle].rstrip() + _CUT + tail) else (low, middle)
    return text[:low].rstrip() + _CUT + tail
