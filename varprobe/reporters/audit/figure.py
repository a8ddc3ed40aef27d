"""Audit -> a picture: the standard deviation of every tensor, siblings on a line, beside what was meant."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from varprobe.audit.records import Audit, TensorAudit
from varprobe.formatting import count, number, printable
from varprobe.reporters.audit import words
from varprobe.reporters.picture import ACTIVATION, GRADIENT, HEADING, SMALL, THEORY, WIDTH, WORDS, fit, width_of

# Lines of the picture; inches of one, of what stands above and below them, and at most of the words beside them.
_MOST, _LINE, _ABOVE, _BELOW, _WORDS = 40, 0.3, 1.35, 0.75, 3.7
_LOWEST = 4.2


def draw_audit(audit: Audit, *, header: bool = True) -> Figure:
    """The picture, to be saved or shown; without a header where the words stand beside it."""
    groups = words.group_tensors(audit)
    shown = groups[:_MOST]
    above = _ABOVE if header else 0.5
    height = max(above + _BELOW + _LINE * len(shown), _LOWEST)
    drawn = Figure(figsize=(WIDTH, height))
    names, laws = [_name(group) for group in shown], [_law(group) for group in shown]
    left, right = _room(names) / WIDTH, 1 - _room(laws) / WIDTH
    drawn.subplots_adjust(left=left, right=right, top=1 - above / height, bottom=_BELOW / height)
    axes = drawn.subplots()
    off = {name for finding in audit.findings if finding.severity != "info" for name in finding.tensors}
    for place, group in enumerate(shown):
        _draw_group(axes, place, group, off)
    _dress(axes, shown, names, laws)
    unseen = len(groups) - len(shown)
    more = f"; {count(unseen, 'more line')} not shown" if unseen else ""
    axes.set_xlabel(f"standard deviation{more}")
    if header:
        title = fit(words.title_line(audit), WIDTH - 0.4, size=HEADING, bold=True)
        drawn.text(0.2 / WIDTH, 1 - 0.36 / height, title, fontsize=HEADING, fontweight="bold")
        told = fit(words.outcome_line(audit), WIDTH - 0.4, size=WORDS)
        drawn.text(0.2 / WIDTH, 1 - 0.66 / height, told, fontsize=WORDS)
    _legend(drawn, left, 1 - (above - 0.5) / height)
    return drawn


def _draw_group(axes: Axes, place: int, group: tuple[TensorAudit, ...], off: set[str]) -> None:
    for bad, marker, color in ((False, "o", ACTIVATION), (True, "X", GRADIENT)):
        stds = [one.std for one in group if one.std and (one.name in off) == bad]
        axes.plot(stds, [place] * len(stds), linestyle="", marker=marker, markersize=6.5, alpha=0.8, color=color)
    meant = sorted({one.intended.std for one in group if one.intended and one.intended.std})
    axes.plot(meant, [place] * len(meant), linestyle="", marker="|", markersize=17, markeredgewidth=1.8, color=THEORY)


def _dress(axes: Axes, shown: list[tuple[TensorAudit, ...]], names: list[str], laws: list[str]) -> None:
    """The axes: names to the left, laws to the right, powers of ten below."""
    stds = [s for group in shown for one in group for s in (one.std, one.intended and one.intended.std) if s]
    low, high = min(stds, default=0.1), max(stds, default=1.0)
    axes.set_xscale("log")
    room = max(math.sqrt(high / low), 1.5) ** 0.2
    axes.set_xlim(low / room / 1.1, high * room * 1.1)
    few = high / low < 30
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0) if few else (1.0,), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="both", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(shown)), names)
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(shown)), laws)
    beside.tick_params(length=0)
    axes.tick_params(axis="y", length=0)
    beside.spines["right"].set_visible(False)


def _room(texts: list[str]) -> float:
    """Inches beside the axes."""
    return max((width_of(text, 11) for text in texts), default=0.0) + 0.3


def _name(group: tuple[TensorAudit, ...]) -> str:
    tail = f" ({len(group)})" if len(group) > 1 else ""
    return fit(printable(group[0].group if len(group) > 1 else group[0].name), _WORDS - 0.3, size=11, tail=tail)


def _law(group: tuple[TensorAudit, ...]) -> str:
    return fit(words.law_words(group), _WORDS - 0.3, size=11)


def _legend(drawn: Figure, left: float, top: float) -> None:
    looks = (
        (ACTIVATION, "o", 6.5, "a tensor"),
        (GRADIENT, "X", 6.5, "not as meant, or with a warning"),
        (THEORY, "|", 13.0, "what was meant"),
    )
    handles = [
        Line2D([], [], linestyle="", color=color, marker=marker, markersize=size, label=label)
        for color, marker, size, label in looks
    ]
    drawn.legend(handles=handles, loc="upper left", bbox_to_anchor=(left, top), ncols=3, frameon=False, fontsize=SMALL)
