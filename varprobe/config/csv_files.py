"""Batches and labels from .csv files: read within limits, and never evaluated."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from varprobe.config.opening import open_ordinary
from varprobe.errors import InputFileError, nearest
from varprobe.formatting import shortened, size_of
from varprobe.frozen import dataclass

MAX_CSV_BYTES, MAX_CSV_LINES, MAX_CSV_COLUMNS = 16 * 2**20, 1_000_000, 100_000
# Columns that messages name.
_NAMED = 12


@dataclass(frozen=True, eq=False)
class CsvTable:
    """What was asked for of a table.

    Attributes:
        rows: (rows, columns), finite.
        labels: the label of each row as it is written; None where none was asked for.
    """

    rows: NDArray[np.float64]
    labels: tuple[str, ...] | None


def read_csv(path: Path, columns: Sequence[str | int] | None, label: str | int | None) -> CsvTable:
    """The numeric columns of a table, or those that are named, and its labels.

    The first row is a header where one of its cells is no number. Columns are named by the header, or by their number
    from 0.

    Raises:
        InputFileError: without place or field, which the caller knows.
    """
    lines = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    try:
        first = next((row for row in lines if row), None)
        if first is None:
            raise InputFileError(f"'{path}' is empty", hint="save it again")
        if len(first) > MAX_CSV_COLUMNS:
            hint = "save the array as .npy"
            raise InputFileError(f"'{path}' has more than {MAX_CSV_COLUMNS:,} columns", hint=hint)
        has_header = any(_number(cell) is None for cell in first)
        names = [cell.strip() for cell in first] if has_header else [str(at) for at in range(len(first))]
        body = next((row for row in lines if row), None) if has_header else first
        if body is None:
            raise InputFileError(f"'{path}' has a header and no rows", hint="save it again")
        at_label = None if label is None else _find(label, names, path)
        taken = (
            [at for at, cell in enumerate(body) if at != at_label and _number(cell) is not None]
            if columns is None
            else [_find(column, names, path) for column in columns]
        )
        if not taken:
            raise InputFileError(f"'{path}' has no numeric columns", hint="name some by columns")
        values, labels = array("d"), list[str]()
        while body is not None:
            where = f"'{path}', line {lines.line_num}"
            if lines.line_num > MAX_CSV_LINES:
                hint = "save fewer rows, or the array as .npy"
                raise InputFileError(f"'{path}' has more than {MAX_CSV_LINES:,} lines", hint=hint)
            if len(body) != len(names):
                hint = "every line needs as many cells as the first"
                raise InputFileError(f"{where}: has {len(body)} cells, not {len(names)}", hint=hint)
            for at in taken:
                value = _number(body[at])
                if value is None:
                    shown, hint = shortened(body[at], 40), "leave the column out by columns, or mend it"
                    raise InputFileError(f"{where}: '{shown}' in column {names[at]} is no finite number", hint=hint)
                values.append(value)
            if at_label is not None:
                labels.append(body[at_label].strip())
            body = next((row for row in lines if row), None)
    except csv.Error as error:
        message = f"'{path}', line {lines.line_num}: is no table: {error}"
        raise InputFileError(message, hint="save it as .csv with commas") from None
    return CsvTable(np.frombuffer(values).reshape(-1, len(taken)), None if at_label is None else tuple(labels))


def _read_text(path: Path) -> str:
    away = "relative paths count from the config's folder"
    try:
        with open_ordinary(path) as stream:
            data = stream.read(MAX_CSV_BYTES + 1)
    except FileNotFoundError:
        raise InputFileError(f"file '{path}' does not exist", hint=away) from None
    except InputFileError as error:
        raise InputFileError(f"file '{path}' {error.message}", hint=away) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot read '{path}': {reason}", hint="check the file") from None
    if len(data) > MAX_CSV_BYTES:
        hint = "save fewer rows, or the array as .npy"
        raise InputFileError(f"'{path}' is larger than {size_of(MAX_CSV_BYTES)}", hint=hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputFileError(f"'{path}' is not UTF-8", hint="save it as UTF-8") from None


def _number(cell: str) -> float | None:
    """The finite number of a cell; None where it is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= 1e30 and "_" not in cell else None


def _find(column: str | int, names: Sequence[str], path: Path) -> int:
    if isinstance(column, int):
        if 0 <= column < len(names):
            return column
        raise InputFileError(f"'{path}' has no column {column}", hint=f"they count from 0 to {len(names) - 1}")
    if column in names:
        return names.index(column)
    near = nearest(column, [name for name in names[:1000] if len(name) <= 60])
    hint = f"did you mean '{near}'? " if near else ""
    known = ", ".join(shortened(name, 40) for name in names[:_NAMED])
    raise InputFileError(f"'{path}' has no column '{column}'", hint=f"{hint}its columns are {known}")
