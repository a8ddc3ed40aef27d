"""Results <-> JSON, checked by pydantic against the records' own types."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import InputFileError, Place
from varprobe.formatting import with_article
from varprobe.results.kinds import RESULTS, ResultKind, find, kind_of
from varprobe.results.reading import parse, read_bytes, refuse

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    from varprobe.report.records import Report

_HARDER: dict[Any, dict[str, Any]] = {"tuple": {"fail_fast": True}, "int": {"ge": -(2**63), "le": 2**63 - 1}}


def to_json(result: Any) -> str:
    """A result as JSON, from which every other format can be made again; no nan and no infinity is in it."""
    text: str = find(kind_of(result).write)(result)
    return text


def render_json(result: Any) -> str:
    """The same as a file: with an end of line."""
    return to_json(result) + "\n"


def to_dict(result: Any) -> dict[str, Any]:
    """A record as plain data, with the keys of its JSON."""
    plain: dict[str, Any] = _adapter_of(result).dump_python(result, mode="json")
    return plain


def dump_whole(result: Any) -> str:
    """A record as one line."""
    return escape_json(_adapter_of(result).dump_json(result).decode())


def dump_lines(result: Any) -> str:
    """A record with a line for each item of its last field."""
    plain, last = to_dict(result), fields(result)[-1].name
    items = plain.pop(last)
    return f'{_line(plain)[:-1]}, "{last}": [\n' + ",\n".join(map(_line, items)) + "\n]}"


def _line(plain: dict[str, Any]) -> str:
    # Bytes in a file's name that are no text become `?`: readers refuse half a surrogate pair.
    return escape_json(json.dumps(plain, allow_nan=False, ensure_ascii=False).encode(errors="replace").decode())


def escape_json(text: str) -> str:
    """The same JSON in ASCII, and nothing in it is a command to a terminal or, as `##[error]`, a build server."""
    return re.sub(r"[^ -~\n]|(?<=#)#(?=\w*\[)", lambda found: _escape(found[0]), text, flags=re.ASCII)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"


def load_result(path: str | Path, wanted: str = "") -> Any:
    """A stored result.

    Arguments:
        wanted: a key of `RESULTS`; by default the kind that the file says it is.

    Raises:
        InputFileError: where the file cannot be read, holds no such result, or one of another version.
    """
    return from_json(read_bytes(path), path, wanted)


def load_report(path: str | Path) -> Report:
    """A stored report; errors as for `load_result`."""
    report: Report = load_result(path, "report")
    return report


def from_json(text: bytes, path: str | Path, wanted: str = "") -> Any:
    """As `load_result`, of what is in the file; `path` is for messages."""
    noun = wanted or "report"
    plain = parse(text, Place(str(path)), noun, RESULTS[noun].command)
    if not wanted:
        noun = next((name for name, kind in RESULTS.items() if kind.version[0] in plain), "report")
    return from_plain(plain, path, noun)


def from_plain(plain: dict[str, Any], path: str | Path, noun: str) -> Any:
    """As `load_result`, of data that have been parsed."""
    from pydantic import ValidationError

    kind, place = RESULTS[noun], Place(str(path))
    _check_version(kind, plain, noun, place)
    try:
        stored = _validator(_stored_class(kind)).validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        raise refuse(noun, kind.command, first["msg"], place, field) from None
    return find(kind.read)(stored, place)


def _check_version(kind: ResultKind, plain: dict[str, Any], noun: str, place: Place) -> None:
    key, known = kind.version[0], find(kind.version[1])
    if key in plain and plain[key] != known:
        message = f"is {with_article(noun)} of version {str(plain[key])[:20]}, this varprobe reads version {known}"
        raise InputFileError(message, hint="measure again with this varprobe", place=place)


def json_schema(noun: str) -> dict[str, Any]:
    """The JSON Schema of a stored result; `noun` is a key of `RESULTS`."""
    schema = adapter_of(_stored_class(RESULTS[noun])).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _stored_class(kind: ResultKind) -> type:
    found: type = find(kind.stored or kind.record)
    return found


def _adapter_of(result: Any) -> TypeAdapter[Any]:
    record: Any = type(result)
    return adapter_of(record)


@cache
def adapter_of(record: Any) -> TypeAdapter[Any]:
    """Pydantic's view of a record."""
    from pydantic import TypeAdapter

    return TypeAdapter(record)


@cache
def _validator(record: Any) -> SchemaValidator:
    """A validator that leaves a list at the first wrong item, and takes no whole number beyond 64 bits."""
    from pydantic_core import SchemaValidator

    return SchemaValidator(_harden(adapter_of(record).core_schema))


def _harden(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_harden(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _harden(value) for key, value in schema.items()}
    return changed | _HARDER.get(schema.get("type"), {}) if isinstance(schema.get("type"), str) else changed
