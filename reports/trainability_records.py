"""The records of `trainability_study.py` as a table, small enough to be shipped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trainability_scores import Record

# Of the relative gradient only what the tables need.
LEFT_OUT = ("relative.h", "relative.spread", "relative.mean", "relative.draws")


def pack(records: Sequence[Record]) -> dict[str, list[Any]]:
    """A table of a row for each record; numbers to three decimals."""
    flat = [{path: rounded(value) for path, value in flattened(record)} for record in records]
    columns = sorted({path for one in flat for path in one})
    return {"columns": columns, "rows": [[one.get(path) for path in columns] for one in flat]}


def unpack(table: dict[str, Any]) -> list[Record]:
    """The records of a table."""
    records = []
    for row in table["rows"]:
        record: Record = {"cells": {}}
        for path, value in zip(table["columns"], row, strict=True):
            *over, key = path.split(".")
            if over[:1] == ["cells"] and value is None:
                continue
            place = record
            for name in over:
                place = place.setdefault(name, {})
            place[key] = value
        records.append(record)
    return records


def flattened(record: Record, over: str = "") -> Iterable[tuple[str, Any]]:
    """Every value with the path of its keys."""
    for key, value in record.items():
        path = f"{over}{key}"
        if isinstance(value, dict):
            yield from flattened(value, f"{path}.")
        elif path not in LEFT_OUT:
            yield path, value


def rounded(value: Any) -> Any:
    """Numbers to three decimals."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 3) if isinstance(value, float) else value
