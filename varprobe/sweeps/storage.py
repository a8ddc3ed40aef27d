"""Sweep <-> JSON, checked by pydantic against the records' own types."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import InputFileError, Place
from varprobe.report.stored import as_stored, parsed
from varprobe.sweeps.records import SWEEP_VERSION, Sweep

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapter() -> TypeAdapter[Sweep]:
    from pydantic import TypeAdapter

    return TypeAdapter(Sweep)


def sweep_to_json(sweep: Sweep) -> str:
    """The sweep as JSON, a line per point."""
    import json

    plain: dict[str, Any] = _adapter().dump_python(sweep, mode="json")
    points = plain.pop("points")
    head = json.dumps(plain)
    return f'{head[:-1]}, "points": [\n' + ",\n".join(map(json.dumps, points)) + "\n]}\n"


def sweep_schema() -> dict[str, Any]:
    """The JSON Schema of a stored sweep."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter().json_schema(mode="serialization")}


def sweep_from_json(text: bytes, path: str | Path) -> Sweep:
    """A stored sweep; `path` is for messages.

    Raises:
        InputFileError: where the text is no sweep, or one of another version.
    """
    return sweep_from_plain(parsed(text, path, "sweep"), path)


def sweep_from_plain(plain: dict[str, Any], path: str | Path) -> Sweep:
    """As `sweep_from_json`, of data that have been parsed."""
    sweep = as_stored(_adapter(), plain, path, "sweep", ("sweep_version", SWEEP_VERSION))
    count = 1
    for axis in sweep.axes:
        count *= len(axis.values)
    if len(sweep.points) != count:
        hint = "name a file that `varprobe sweep -o sweep.json` wrote"
        message = f"is no varprobe sweep: {len(sweep.points):,} points where its axes make {count:,}"
        raise InputFileError(message, hint=hint, place=Place(str(path)), field="points")
    return sweep
