"""Which layers of a network a table shows: the first, the last, the noteworthy, and some between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from varprobe.frozen import dataclass
from varprobe.report.records import LayerRow, Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.axes import activation_typical, gradient_typical

# Rows up to which nothing is folded, and how many a folded table has, at most and at least.
WHOLE, MOST, FEWEST = 8, 10, 3
# Decades: a step that is noteworthy where most are by far smaller, and how far a peak must rise above both ends.
_JUMP, _PEAK = 1.0, 0.3
_Curve = Sequence[float | None]


@dataclass(frozen=True)
class Fold:
    """Layers that are left out between two that are shown.

    Attributes:
        alike: by their law the same as the one before them.
    """

    layers: int
    alike: bool


def fold_rows(report: Report, *, every_row: bool = False) -> Iterator[LayerRow | Fold]:
    """The rows to show, in order, with a fold in place of those left out."""
    rows = report.layers
    shown = set(range(len(rows))) if every_row or len(rows) <= WHOLE else _pick(report)
    # A fold takes a line, as the row does that it would hide.
    shown |= {place for place in range(1, len(rows) - 1) if {place - 1, place + 1} <= shown}
    last = -1
    for place in sorted(shown):
        if place - last > 1:
            hidden = rows[last + 1 : place]
            yield Fold(len(hidden), all(_likeness(row) == _likeness(rows[last]) for row in hidden))
        yield rows[place]
        last = place


def _likeness(row: LayerRow) -> tuple[object, ...]:
    return row.kind, row.path, row.fan_out, row.activation_function, row.init


def _pick(report: Report) -> set[int]:
    """The places, from 0, that matter most; and where they are few, some between them."""
    rows = report.layers
    ends = (0, len(rows) - 1)
    head = [len(rows) - 2] if report.verdict.head is not None else []
    marked = phrases.marks(report)
    found = sorted(
        (place for place, row in enumerate(rows) if row.index in marked), key=lambda one: -_rank(rows[one], marked)
    )
    curves = [[log10(row) for row in rows] for log10 in (activation_typical, gradient_typical)]
    places = (*ends, *found, *head, *(place for curve in curves for place in (*_jumps(curve), *_extremes(curve))))
    chosen = set(list(dict.fromkeys(places))[:MOST])
    while len(chosen) < FEWEST:
        chosen.add(_middle(chosen))
    return chosen


def _rank(row: LayerRow, marked: dict[int, str]) -> int:
    return max("i?!".find(mark) for mark in marked[row.index])


def _extremes(curve: _Curve) -> list[int]:
    """The lowest and the highest, where they are not the ends, give or take noise."""
    known = {place: value for place, value in enumerate(curve) if value is not None}
    if not known:
        return []
    ends = known[min(known)], known[max(known)]
    low, high = (pick(known, key=known.__getitem__) for pick in (min, max))
    found = [low] if known[low] < min(ends) - _PEAK else []
    return found + ([high] if known[high] > max(ends) + _PEAK else [])


def _jumps(curve: _Curve) -> list[int]:
    """Both sides of steps beyond a factor 10 that are twice as large as most steps; the largest first."""
    steps = {place: abs(here - before) for place, (before, here) in enumerate(pairwise(curve), 1)
             if before is not None and here is not None}  # fmt: skip
    usual = sorted(steps.values())[len(steps) // 2] if steps else 0.0
    large = [place for place, step in steps.items() if step > max(_JUMP, 2 * usual)]
    return [side for place in sorted(large, key=lambda one: -steps[one]) for side in (place - 1, place)]


def _middle(chosen: set[int]) -> int:
    """The middle of the widest gap."""
    order = sorted(chosen)
    gaps = [(after - before, before) for before, after in pairwise(order)]
    width, before = max(gaps, key=lambda gap: (gap[0], -gap[1]))
    return before + width // 2
