"""The table by layer: both variances, each with its bar on one scale, and further columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from varprobe.frozen import dataclass
from varprobe.report.records import LayerRow, Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.report.columns import COLUMNS
from varprobe.reporters.report.folding import Fold, fold_rows

# Decades that every scale has, so that what is stable looks flat.
LOWEST, HIGHEST = -3, 3
LEAST_BAR, LONGEST_BAR = 12, 36
_LABEL = 13
_EIGHTHS = " ▏▎▍▌▋▊▉"
_BAD, _ACTIVATION, _GRADIENT = "bold red", "blue", "yellow"
OUTSIDE = "*"


@dataclass(frozen=True)
class _Column:
    """Two lines of a heading, and a cell for each row."""

    heading: tuple[str, str]
    cells: tuple[str, ...]
    right: bool = True
    style: str = ""

    @property
    def width(self) -> int:
        return max(map(cell_len, (*self.heading, *self.cells)))

    def pad(self, text: str) -> str:
        filled = " " * (self.width - cell_len(text))
        return filled + text if self.right else text + filled


def layer_lines(
    report: Report, width: int, *, every_row: bool = False, names: Sequence[str] = (), ascii_only: bool = False
) -> list[Text]:
    """The lines of the table, and below it those of another one for further columns that do not fit beside it.

    Arguments:
        width: of the terminal, in characters.
        names: further columns, keys of `COLUMNS`.
    """
    folded = list(fold_rows(report, every_row=every_row))
    rows = [row for row in folded if isinstance(row, LayerRow)]
    place, values, marks = _place(report, rows), _values(report, rows), _marks(report, rows)
    tables: list[list[_Column]] = [[*place, *values]]
    for name in names:
        further = _further(name, rows)
        if _taken([*tables[-1], *further, *marks]) > width and len(tables[-1]) > len(place):
            tables.append(list(place))
        tables[-1] += further
    room = width - _taken([*tables[0], *marks])
    tables[0] = _with_bars(report, rows, tables[0], len(place), room, ascii_only=ascii_only)
    lines = [Text()]
    for number, columns in enumerate(tables):
        said = "" if number else f"{phrases.whose_variance(report)}:"
        lines += [*([Text()] if number else []), *_table(folded, [*columns, *marks], said)]
    if any(any(phrases.outside_theory(row)) for row in rows):
        lines.append(Text(f"{OUTSIDE} outside theory's band"))
    return lines[1:]


def _place(report: Report, rows: Sequence[LayerRow]) -> list[_Column]:
    return [
        _Column(("", "#"), tuple(f"{row.index}" for row in rows)),
        _Column(("", "layer"), tuple(map(_label, rows)), right=False),
        _Column(("", "width"), tuple(f"{row.fan_out:,}" for row in rows)),
    ]


def _label(row: LayerRow) -> str:
    label = phrases.row_label(row)
    return label if cell_len(label) <= _LABEL else set_cell_size(label, _LABEL - 3) + "..."


def _values(report: Report, rows: Sequence[LayerRow]) -> list[_Column]:
    return [
        _Column((what, "variance"), tuple(f"{cell}{OUTSIDE if outside else ''}" for cell, outside in cells))
        for what, cells in (
            ("activation", [(phrases.activation_value(row), phrases.outside_theory(row)[0]) for row in rows]),
            ("gradient", [(phrases.gradient_value(row), phrases.outside_theory(row)[1]) for row in rows]),
        )
    ]


def _marks(report: Report, rows: Sequence[LayerRow]) -> list[_Column]:
    marked = phrases.marks(report)
    cells = tuple(marked.get(row.index, "") for row in rows)
    return [_Column(("", ""), cells, right=False, style=_BAD)] if any(cells) else []


def _further(name: str, rows: Sequence[LayerRow]) -> list[_Column]:
    cells = zip(*(COLUMNS[name].cells(row) for row in rows), strict=True)
    return [_Column(heading, cell) for heading, cell in zip(COLUMNS[name].headings, cells, strict=True)]


def _taken(columns: Sequence[_Column]) -> int:
    return sum(column.width + 1 for column in columns) - 1


def _table(folded: Sequence[LayerRow | Fold], columns: Sequence[_Column], said: str) -> Iterator[Text]:
    """The lines; `said` stands over the names of the layers."""
    above = _line(columns, [column.heading[0] for column in columns], heading=True)
    yield Text(said, style="bold").append_text(above[len(said) :]) if above.plain[: len(said)].isspace() else above
    yield _line(columns, [column.heading[1] for column in columns], heading=True)
    place, told = 0, False
    for row in folded:
        if isinstance(row, Fold):
            words = f"... {row.layers:,} more{' alike' if row.alike else ''}"
            yield Text(f"{'':{columns[0].width}} {words}{'' if told else '; --all shows them'}", style="dim")
            told = True
        else:
            yield _line(columns, [column.cells[place] for column in columns])
            place += 1


def _line(columns: Sequence[_Column], cells: Sequence[str], *, heading: bool = False) -> Text:
    line = Text()
    for number, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        line.append(" " if number else "")
        line.append(column.pad(cell), style="bold" if heading else column.style)
    line.rstrip()
    return line


def _with_bars(
    report: Report, rows: Sequence[LayerRow], columns: list[_Column], at: int, room: int, *, ascii_only: bool
) -> list[_Column]:
    """The same with a bar behind each of the two values that begin at `at`, where there is room for bars."""
    long = min(LONGEST_BAR, room // 2 - 2)
    if long < LEAST_BAR:
        return columns
    pairs = [(phrases.activation_logs(row), phrases.gradient_logs(row)) for row in rows]
    scale = _Scale.over([log for pair in pairs for logs in pair for log in logs], long, ascii_only=ascii_only)
    legend = "" if phrases.is_predicted(report) else f"{scale.tick} theory"
    bars = [
        _Column((legend, scale.axis()), tuple(scale.bar(*logs) for logs in track), right=False, style=style)
        for track, style in zip(zip(*pairs, strict=True), (_ACTIVATION, _GRADIENT), strict=True)
    ]
    return [*columns[: at + 1], bars[0], columns[at + 1], bars[1], *columns[at + 2 :]]


@dataclass(frozen=True)
class _Scale:
    """A logarithmic scale in whole decades, common to all bars of a table.

    Attributes:
        low, high: log10 of its ends.
        long: characters of a bar.
    """

    low: int
    high: int
    long: int
    ascii_only: bool

    @classmethod
    def over(cls, logs: Sequence[float | None], long: int, *, ascii_only: bool) -> _Scale:
        """One that holds all of these log10, and `LOWEST` to `HIGHEST`."""
        known = [log for log in logs if log is not None]
        return cls(math.floor(min([LOWEST, *known])), math.ceil(max([HIGHEST, *known])), long, ascii_only)

    @property
    def tick(self) -> str:
        """Where theory is."""
        return "|" if self.ascii_only else "│"

    def axis(self) -> str:
        """The labels of both ends, and of 1 between them where there is room."""
        low, high = _decade(self.low), _decade(self.high)
        middle = round(self._share(0.0) * (self.long - 1))
        line = f"{low}{high:>{self.long - len(low)}}"
        if len(low) < middle < self.long - len(high) - 1:
            line = f"{line[:middle]}1{line[middle + 1 :]}"
        return line

    def bar(self, value: float | None, theory: float | None) -> str:
        """From the left end to the value; with a tick in the character where theory is."""
        eighths = 0 if value is None else max(1, round(self._share(value) * self.long * 8))
        if self.ascii_only:
            cells = "#" * max(bool(eighths), round(eighths / 8))
        else:
            whole, rest = divmod(eighths, 8)
            cells = "█" * whole + (_EIGHTHS[rest] if rest else "")
        if theory is None:
            return cells
        at = min(self.long - 1, math.floor(self._share(theory) * self.long))
        cells = cells.ljust(at + 1)
        return cells[:at] + self.tick + cells[at + 1 :]

    def _share(self, log: float) -> float:
        return (log - self.low) / (self.high - self.low)


def _decade(exponent: int) -> str:
    """A power of ten, short.

    >>> _decade(-3), _decade(3), _decade(-32)
    ('0.001', '1000', '1e-32')
    """
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else f"1e{exponent:+d}"
