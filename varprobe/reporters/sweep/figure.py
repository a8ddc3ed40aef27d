"""Sweep -> a picture: curves over one axis, maps over two, theory's lines over both."""

from __future__ import annotations

from matplotlib.figure import Figure

from varprobe.formatting import count, printable
from varprobe.reporters.picture import HEADING, WORDS
from varprobe.reporters.sweep.curves import draw_curves
from varprobe.reporters.sweep.maps import draw_maps
from varprobe.sweeps.records import Sweep


def draw_sweep(sweep: Sweep, *, header: bool = True) -> Figure:
    """The picture, to be saved or shown; without a header where the words stand beside it."""
    drawn = draw_curves(sweep) if len(sweep.axes) == 1 else draw_maps(sweep)
    if header:
        _header(drawn, sweep)
    return drawn


def _header(drawn: Figure, sweep: Sweep) -> None:
    height, left = drawn.get_figheight(), drawn.subplotpars.left
    s = sweep.settings
    made = f"{count(len(sweep.points), 'point')}, {count(s.trials, 'trial')} of batch {s.batch:,} each, seed {s.seed}"
    drawn.text(left, 1 - 0.36 / height, printable(sweep.name), fontsize=HEADING, fontweight="bold")
    drawn.text(left, 1 - 0.66 / height, made, fontsize=WORDS)
