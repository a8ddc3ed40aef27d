"""Tables: their cells, and as CSV and Markdown, in which text from a config stays text."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from varprobe.config.yaml_tree import scalar
from varprobe.formatting import printable
from varprobe.frozen import dataclass

# What begins a formula; some spreadsheets take full-width signs for the others.
_FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"


@dataclass(frozen=True)
class Heading:
    """A column's heading.

    Attributes:
        word: whether the column holds words.
        spoken: what a screen reader says, where two headings look alike or the text is a sign; it holds the text.
    """

    text: str
    word: bool = False
    spoken: str = ""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and what it is sorted by: its text where it holds a word, else the key."""

    text: str
    key: float | None = None
    word: bool = False


# Stands for the spaces of a command while its line is broken: a command stays whole, to be copied.
_KEPT = "\0"


@dataclass(frozen=True)
class Row:
    """Cells, and the sweep's point that they tell of."""

    cells: tuple[Cell, ...]
    point: int | None = None


def wrap(line: str, width: int, indent: str = "") -> list[str]:
    """The line in parts of that width; what goes on is set in by `indent`.

    Commands in backticks stay whole, and so do factors.

    >>> wrap("first `--set a=b c` last", 12, "  ")
    ['first', '  `--set a=b c`', '  last']
    """
    kept = re.sub(r"`[^`]*`|\bx (?=\d)", lambda found: found[0].replace(" ", _KEPT), line)
    options: Any = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": indent}
    return [part.replace(_KEPT, " ") for part in textwrap.wrap(kept, width, **options)]


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header and a line per row; all rows have the first one's keys, and None is an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(spreadsheet_text, rows[0]))
    writer.writerows(map(spreadsheet_text, row.values()) for row in rows)
    return stream.getvalue()


def spreadsheet_text(value: Any) -> Any:
    """A cell of a CSV file, without control characters; what a spreadsheet would take for a formula begins with `'`.

    >>> spreadsheet_text("=1+1"), spreadsheet_text("-0.5"), spreadsheet_text(-0.5), spreadsheet_text("\\x1b[2J")
    ("'=1+1", '-0.5', -0.5, '?[2J')
    """
    if not isinstance(value, str):
        return value
    shown = printable(value)
    begin = shown.lstrip(" ")[:1]
    if not begin or begin not in _FORMULA or isinstance(scalar(value), (int, float)):
        return shown
    return f"'{shown}"


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], numeric: Collection[str] = ()) -> list[str]:
    """Lines of a table whose cells are Markdown; columns with a heading in `numeric` are set to the right."""
    rule = "".join(f"|{'---:' if heading in numeric else '---'}" for heading in headings)
    head, *body = (f"| {' | '.join(cells)} |" for cells in (headings, *rows))
    return [head, f"{rule}|", *body]


def escape_markdown(text: str) -> str:
    """Text from a config as Markdown that shows it as it is; addresses in it become no links.

    >>> escape_markdown("a|b_c")
    'a\\\\|b\\\\_c'
    """
    marked = re.sub(r"([\\`*_\[\]<>|#!&~${}])", r"\\\1", printable(" ".join(text.splitlines())))
    return marked.replace("://", ":\\//").replace("www.", "www\\.")
