"""Sweep -> the terminal: a table of points, or a map of letters."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.formatting import printable
from varprobe.reporters.report.terminal import put
from varprobe.reporters.sweep import words
from varprobe.reporters.verdict_phrases import SUBJECTS
from varprobe.sweeps.records import Sweep

# Points up to which all are shown, and none is folded.
_WHOLE = 16
# Letters of a value beside a map.
_ASIDE = 24


def print_sweep(sweep: Sweep, console: Console) -> None:
    """The verdict of the points: a line each on one axis, folded where they are alike, a letter each on two.

    The last lines say for which values each label holds.
    """
    console.print(Text(words.sweep_title(sweep), style="bold"))
    console.print(Text(words.made_line(sweep)))
    console.print()
    if len(sweep.axes) == 1:
        console.print(_table(sweep))
    else:
        console.print(Text("\n".join(letter_map(sweep, console.width))))
    console.print()
    for line in words.failure_lines(sweep):
        console.print(Text(line))
    for line in words.label_lines(sweep) if len(sweep.axes) == 1 else [words.counts_line(sweep)]:
        put(console, line)


def _table(sweep: Sweep) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(printable(sweep.axes[0].path.rsplit(".", 1)[-1]), justify="right", max_width=20, overflow="fold")
    for heading in (SUBJECTS["forward"], "", SUBJECTS["backward"], "", SUBJECTS["signal"]):
        table.add_column(heading, no_wrap=True)
    cells = [words.verdict_cells(point) for point in sweep.points]
    labels = [(forward, backward, signal) for forward, _, backward, _, signal in cells]
    shown = {0, len(cells) - 1} | {
        place
        for place in range(1, len(cells) - 1)
        if len(cells) <= _WHOLE or not labels[place - 1] == labels[place] == labels[place + 1]
    }
    # A fold takes a line, as the point does that it would hide.
    shown |= {place for place in range(1, len(cells) - 1) if {place - 1, place + 1} <= shown}
    last = -1
    for place in sorted(shown):
        if place - last > 1:
            table.add_row("...", Text(f"{place - last - 1:,} more alike"))
        table.add_row(Text(printable(sweep.points[place].values[0])), *cells[place])
        last = place
    return table


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
        lines.append(f"{printable(up.values[row])[:label]:>{label}} |{gap.join(map(words.letter, points))}")
    shown = (-(-columns // step)) * (1 + len(gap))
    first, last = printable(across.values[0]), printable(across.values[-1])
    lines.append(f"{'':>{label}} +{'-' * shown}")
    lines.append(f"{'':>{label}}  {first}{last:>{max(len(last) + 1, shown - len(first))}}")
    lines.append(f"{'':>{label}}  {printable(across.path)}" + (f" (one value in {step})" if step > 1 else ""))
    return [*lines, "", words.letter_words(sweep)]
