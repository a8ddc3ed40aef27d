"""Sweep <-> JSON, checked by pydantic against the records' own types."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import Place
from varprobe.report.stored import as_stored, parsed, refused
from varprobe.sweeps.records import SWEEP_VERSION, Curves, Sweep, SweepPoint

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
    reason = _trouble(sweep)
    if reason:
        raise refused("sweep", reason, Place(str(path)), "points")
    return sweep


def _trouble(sweep: Sweep) -> str:
    """What the types of a sweep's fields do not say: its points are those of its axes, each measured or failed."""
    if not 1 <= len(sweep.axes) <= 2 or not all(axis.values for axis in sweep.axes):
        return "it has no axes, more than two, or one without values"
    count = math.prod(len(axis.values) for axis in sweep.axes)
    if len(sweep.points) != count:
        return f"{len(sweep.points):,} points where its axes make {count:,}"
    expected = product(*(axis.values for axis in sweep.axes))
    if any(point.values != values for point, values in zip(sweep.points, expected, strict=True)):
        return "a point lies elsewhere than its axes say"
    if not all(_whole(point) for point in sweep.points):
        return "a point is neither measured nor failed"
    return ""


def _whole(point: SweepPoint) -> bool:
    if point.failure:
        return point.verdict is None and point.curves is None
    if point.verdict is None or point.curves is None:
        return False
    return len({len(getattr(point.curves, curve.name)) for curve in fields(Curves)}) == 1
