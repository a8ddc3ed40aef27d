"""A sweep in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from varprobe.presentation.kinds import Outline
from varprobe.reporters.sweep.words import counts_line, failure_lines, made_line, sweep_title, verdict_cells
from varprobe.sweeps.records import Sweep


def outline_sweep(sweep: Sweep) -> Outline:
    """How many points have each label, how they were measured, and the points."""
    return Outline(counts_line(sweep), (sweep_title(sweep), made_line(sweep)), (*failure_lines(sweep), *_points(sweep)))


def summarise_sweep(sweep: Sweep) -> Iterator[str]:
    """The same, with every point."""
    yield from (counts_line(sweep), sweep_title(sweep), made_line(sweep))
    yield from failure_lines(sweep)
    yield from _points(sweep)


def _points(sweep: Sweep) -> Iterator[str]:
    for point in sweep.points:
        forward, onward, backward, back, signal = verdict_cells(point)
        told = f"forward {forward} {onward}, backward {backward} {back}, signal {signal}" if point.verdict else "failed"
        yield f"{', '.join(point.values)}: {told}"
