"""Report <-> JSON, checked by pydantic against the records' own types."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import Place
from varprobe.report.records import SCHEMA_VERSION, Histogram, Report
from varprobe.report.stored import as_stored, parsed, read_stored, refused

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapter() -> TypeAdapter[Report]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


def to_json(report: Report) -> str:
    """The report as JSON; no nan and no infinity is in it."""
    return _adapter().dump_json(report).decode()


def to_dict(report: Report) -> dict[str, Any]:
    """The report as plain data, with the keys of its JSON."""
    plain: dict[str, Any] = _adapter().dump_python(report, mode="json")
    return plain


def from_dict(data: dict[str, Any]) -> Report:
    """The report from plain data.

    Raises:
        pydantic.ValidationError: where it is no report.
    """
    return _adapter().validate_python(data)


def report_schema() -> dict[str, Any]:
    """The JSON Schema of a stored report."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter().json_schema(mode="serialization")}


def load_report(path: str | Path) -> Report:
    """A stored report.

    Raises:
        InputFileError: where the file cannot be read, is no report, or is one of another version.
    """
    return report_from_plain(parsed(read_stored(path), path), path)


def report_from_plain(plain: dict[str, Any], path: str | Path) -> Report:
    """A stored report, from its plain data; `path` is for messages.

    Raises:
        InputFileError: where it is no report, or one of another version.
    """
    report = as_stored(_adapter(), plain, path, "report", ("schema_version", SCHEMA_VERSION))
    if not report.layers:
        raise refused("report", "it has no layers", Place(str(path)), "layers")
    for number, row in enumerate(report.layers):
        if row.histogram is not None and not _counted(row.histogram):
            raise refused(
                "report", "its counts are not those of its bins", Place(str(path)), f"layers.{number}.histogram"
            )
    return report


def _counted(histogram: Histogram) -> bool:
    """Whether every bin has its counts, or none has."""
    bins = len(histogram.edges) - 1
    return all(
        len(counts) in (0, bins) and min(counts, default=0) >= 0
        for counts in (histogram.activation, histogram.gradient)
    )
