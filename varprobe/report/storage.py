"""Report <-> JSON, checked by pydantic against the records' own types."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from varprobe.errors import InputFileError, Place
from varprobe.report.records import SCHEMA_VERSION, Report

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
MAX_BYTES = 2**30


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
    return report_from_json(read_stored(path), path)


def report_from_json(text: bytes, path: str | Path) -> Report:
    """A stored report, from its text; `path` is for messages.

    Raises:
        InputFileError: where it is no report, or one of another version.
    """
    return as_stored(_adapter(), text, path, "report", ("schema_version", SCHEMA_VERSION))


def stored_kind(text: bytes) -> str:
    """What a stored record is: `report` (also where it is nothing that is known), `sweep` or `comparison`."""
    from pydantic_core import from_json

    try:
        keys = from_json(text)
        return next((kind for kind in ("sweep", "comparison") if f"{kind}_version" in keys), "report")
    except (ValueError, TypeError):
        return "report"


def as_stored(adapter: TypeAdapter[T], text: bytes, path: str | Path, noun: str, version: tuple[str, int]) -> T:
    """A stored record, checked; `version` is the key and the number that this varprobe reads.

    Raises:
        InputFileError: where the text is none, or one of another version.
    """
    from pydantic import ValidationError

    place = Place(str(path))
    _check_version(text, place, noun, *version)
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        command = {"report": "run", "comparison": "compare"}.get(noun, noun)
        hint = f"name a file that `varprobe {command} -o {noun}.json` wrote"
        raise InputFileError(f"is no varprobe {noun}: {first['msg']}", hint=hint, place=place, field=field) from None


def read_stored(path: str | Path) -> bytes:
    """The bytes of a stored record.

    Raises:
        InputFileError: where the file cannot be read or is far too large.
    """
    path, place = Path(path), Place(str(path))
    try:
        if path.is_dir():
            raise InputFileError("is a directory", hint="name a report in it", place=place)
        if path.exists() and not path.is_file():
            raise InputFileError("is no ordinary file", hint="name a report", place=place)
        if path.stat().st_size > MAX_BYTES:
            raise InputFileError("is larger than 1 GiB", hint="no report is that large", place=place)
        return path.read_bytes()
    except FileNotFoundError:
        hint = "`varprobe run CONFIG -o report.json` writes one"
        raise InputFileError("no such file", hint=hint, place=place) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path and its rights", place=place) from None


def _check_version(text: bytes, place: Place, noun: str, key: str, known: int) -> None:
    from pydantic_core import from_json

    try:
        version = from_json(text)[key]
    except (ValueError, KeyError, TypeError):
        return
    if version != known:
        message = f"is a {noun} of version {str(version)[:20]}, this varprobe reads version {known}"
        raise InputFileError(message, hint="measure again with this varprobe", place=place)
