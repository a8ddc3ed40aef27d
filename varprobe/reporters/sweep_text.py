"""Sweep -> a table of points or a map of letters for the terminal; Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.formatting import count, printable
from varprobe.reporters.report_phrases import (
    DIRECTIONS,
    LETTERS,
    direction_figures,
    escaped_markdown,
    letter,
    spreadsheet_text,
)
from varprobe.sweeps.axes import numbers
from varprobe.sweeps.records import Axis, Sweep, SweepPoint
from varprobe.sweeps.storage import sweep_to_json

_FIGURES = ("label", "rate", "rate_low", "rate_high", "total_log10", "depth_scale")
_THEORY = ("regime", "chi1", "xi_q", "xi_c", "xi_gradient", "trainable_depth")
# Failed points whose reasons are told.
_TOLD = 3
# Names that a title tells, and letters of one beside a map.
_NAMED, _ASIDE = 6, 24


def print_sweep(sweep: Sweep, console: Console) -> None:
    """The verdict of every point: a line each on one axis, a letter each on two."""
    console.print(Text(sweep_title(sweep), style="bold"))
    console.print(Text(made_line(sweep)))
    console.print()
    if len(sweep.axes) == 1:
        console.print(_table(sweep))
    else:
        console.print(Text("\n".join(letter_map(sweep, console.width))))
    console.print()
    for line in (counts_line(sweep), *failure_lines(sweep)):
        console.print(Text(line))


def sweep_title(sweep: Sweep) -> str:
    """The network and its axes in a line."""
    return (
        f"{printable(sweep.name)}: {count(len(sweep.points), 'point')} over {' and '.join(map(axis_words, sweep.axes))}"
    )


def axis_words(axis: Axis) -> str:
    """A setting and the ends of its values; names stand in no order, and are all told where they are few."""
    first, last = axis.values[0], axis.values[-1]
    if numbers(axis) is None:
        few = len(axis.values) <= _NAMED
        return printable(f"{axis.path} ({', '.join(axis.values) if few else count(len(axis.values), 'value')})")
    return printable(f"{axis.path} ({first}{f' to {last}' if len(axis.values) > 1 else ''})")


def made_line(sweep: Sweep) -> str:
    """How each point was measured."""
    s = sweep.settings
    return f"{count(s.trials, 'trial')} of batch {s.batch:,} a point, {printable(s.dtype)}, seed {s.seed}"


def counts_line(sweep: Sweep) -> str:
    """How many points have each label."""
    labels = [point.verdict.overall for point in sweep.points if point.verdict]
    failed = sum(bool(point.failure) for point in sweep.points)
    parts = [f"{labels.count(label)} {label}" for label in LETTERS if label in labels]
    return ", ".join([*parts, *([f"{failed} failed"] if failed else [])])


def failure_lines(sweep: Sweep) -> list[str]:
    """Why points failed, for the first few."""
    failed = [point for point in sweep.points if point.failure]
    lines = [printable(f"failed at {' '.join(point.values)}: {point.failure}") for point in failed[:_TOLD]]
    return lines + ([f"and {len(failed) - _TOLD:,} more"] if len(failed) > _TOLD else [])


def _table(sweep: Sweep) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(printable(sweep.axes[0].path.rsplit(".", 1)[-1]), justify="right", max_width=20, overflow="fold")
    for heading in ("forward", "", "backward", "", "signal"):
        table.add_column(heading, no_wrap=True)
    for point in sweep.points:
        table.add_row(Text(printable(point.values[0])), *_cells(point))
    return table


def _cells(point: SweepPoint) -> list[str]:
    if point.verdict is None:
        return ["failed", "", "", "", ""]
    forward, backward, signal = (getattr(point.verdict, name) for name in DIRECTIONS)
    return [
        forward.label,
        direction_figures(forward)[1],
        backward.label,
        direction_figures(backward)[1],
        signal.label,
    ]


def letter_map(sweep: Sweep, width: int) -> list[str]:
    """The overall labels by their first letters: the first axis from left to right, the second upward."""
    across, up = sweep.axes
    label = max(len(value) for value in up.values)
    label = min(label, _ASIDE)
    room = max(8, width - label - 2)
    columns = len(across.values)
    step = -(-columns // room)
    gap = " " if 2 * columns <= room else ""
    lines = [printable(f"{up.path}")]
    for row in reversed(range(len(up.values))):
        points = [sweep.points[column * len(up.values) + row] for column in range(0, columns, step)]
        lines.append(f"{printable(up.values[row])[:label]:>{label}} |{gap.join(map(letter, points))}")
    shown = (-(-columns // step)) * (1 + len(gap))
    first, last = printable(across.values[0]), printable(across.values[-1])
    lines.append(f"{'':>{label}} +{'-' * shown}")
    lines.append(f"{'':>{label}}  {first}{last:>{max(len(last) + 1, shown - len(first))}}")
    lines.append(f"{'':>{label}}  {printable(across.path)}" + (f" (one value in {step})" if step > 1 else ""))
    used = {letter(point) for point in sweep.points}
    legend = [f"{mark} {name}" for name, mark in LETTERS.items() if mark in used] + (
        ["x failed"] if "x" in used else []
    )
    return [*lines, "", ", ".join(legend)]


def render_sweep_json(sweep: Sweep) -> str:
    """Everything, to be shown again."""
    return sweep_to_json(sweep)


def render_sweep_csv(sweep: Sweep) -> str:
    """A row a point; an empty cell where nothing is known."""
    stream = io.StringIO()
    flat = (_flat(sweep, point) for point in sweep.points)
    rows = [{spreadsheet_text(key): spreadsheet_text(value) for key, value in row.items()} for row in flat]
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _flat(sweep: Sweep, point: SweepPoint) -> dict[str, Any]:
    row: dict[str, Any] = {axis.path: value for axis, value in zip(sweep.axes, point.values, strict=True)}
    row |= {"depth": point.depth, "overall": point.verdict and point.verdict.overall}
    for name in DIRECTIONS:
        direction = getattr(point.verdict, name, None)
        row |= {f"{name}.{figure}": getattr(direction, figure, None) for figure in _FIGURES}
    return (
        row | {f"theory.{name}": getattr(point.prediction, name, None) for name in _THEORY} | {"failure": point.failure}
    )


def render_sweep_markdown(sweep: Sweep) -> str:
    """A row a point, in words."""
    paths = [escaped_markdown(axis.path) for axis in sweep.axes]
    headings = [*paths, "overall", "forward", "", "backward", "", "signal"]
    lines = [
        f"# {escaped_markdown(sweep_title(sweep))}",
        "",
        escaped_markdown(made_line(sweep)),
        "",
        counts_line(sweep),
        "",
    ]
    lines += [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings)]
    for point in sweep.points:
        cells = [*point.values, point.verdict.overall if point.verdict else point.failure, *_cells(point)]
        lines.append(f"| {' | '.join(map(escaped_markdown, cells))} |")
    return "\n".join(lines) + "\n"
