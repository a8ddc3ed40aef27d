"""Reading what a varprobe stored: JSON of any size and content, into checked records or one message.

A damaged or hostile file must not take many times its size: its brackets are counted before it is parsed, a mapping
with more keys than any record has is refused, and of a list only the first wrong item is looked at.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from varprobe.config.files import open_ordinary
from varprobe.errors import InputFileError, Place
from varprobe.formatting import size_of
from varprobe.machine import free_memory

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

T = TypeVar("T")
# Bytes that a file may have, and what it may become in memory per byte of it.
MAX_BYTES, GROWTH = 2**30, 12
# Bytes per list or mapping that a large file has at least; records have over 40.
_BYTES_PER_BRACKET, _FEW = 20, 100_000
# More than any record has; a config, which a report holds under that key, may name as many layers as it likes.
_KEYS, _FREE = 64, "spec"
_HARDER: dict[Any, dict[str, Any]] = {"tuple": {"fail_fast": True}, "int": {"ge": -(2**63), "le": 2**63 - 1}}


def read_stored(path: str | Path) -> bytes:
    """The bytes of a stored record.

    Raises:
        InputFileError: where the file cannot be read or is far too large.
    """
    path, place = Path(path), Place(str(path))
    try:
        with open_ordinary(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES or size * GROWTH > free_memory():
                raise InputFileError(f"is too large with {size_of(size)}", hint="name a report of fewer layers")
            return stream.read(size) or b""  # no more, should it grow while it is read
    except InputFileError as error:
        raise InputFileError(error.message, hint=error.hint, place=place) from None
    except FileNotFoundError:
        hint = "`varprobe run CONFIG -o report.json` writes one"
        raise InputFileError("no such file", hint=hint, place=place) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path and its rights", place=place) from None


def parsed(text: bytes, path: str | Path, noun: str = "report") -> dict[str, Any]:
    """The plain data of a stored record; `path` and `noun` are for messages.

    Raises:
        InputFileError: where the text is no JSON, or none that a record could be.
    """
    from pydantic_core import from_json

    place = Place(str(path))
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > max(_FEW, len(text) // _BYTES_PER_BRACKET):
        raise refused(noun, f"it has {brackets:,} lists and mappings", place)
    try:
        plain = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise refused(noun, f"Invalid JSON: {error}", place) from None
    if not isinstance(plain, dict):
        raise refused(noun, "it is no mapping", place)
    for key, value in plain.items():
        if key != _FREE and type(value) in (dict, list) and _widest(value) > _KEYS:
            raise refused(noun, "a mapping has too many keys", place, key)
    if len(plain) > _KEYS:
        raise refused(noun, "it has too many keys", place)
    return plain


def _widest(value: Any) -> int:
    """The most keys that a mapping in it has, configs aside."""
    children = [child for key, child in value.items() if key != _FREE] if isinstance(value, dict) else value
    own = len(value) if isinstance(value, dict) else 0
    return max([own, *(_widest(child) for child in children if type(child) in (dict, list))])


def as_stored(
    adapter: TypeAdapter[T], plain: dict[str, Any], path: str | Path, noun: str, version: tuple[str, int]
) -> T:
    """A stored record, checked; `version` is the key and the number that this varprobe reads.

    Raises:
        InputFileError: where the data are none, or of another version.
    """
    from pydantic import ValidationError

    place = Place(str(path))
    key, known = version
    if key in plain and plain[key] != known:
        message = f"is a {noun} of version {str(plain[key])[:20]}, this varprobe reads version {known}"
        raise InputFileError(message, hint="measure again with this varprobe", place=place)
    try:
        record: T = _validator(adapter).validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise refused(noun, first["msg"], place, ".".join(str(step) for step in first["loc"])) from None
    return record


@cache
def _validator(adapter: TypeAdapter[Any]) -> SchemaValidator:
    """A validator that leaves a list at the first wrong item, and takes no whole number beyond 64 bits."""
    from pydantic_core import SchemaValidator

    return SchemaValidator(_hardened(adapter.core_schema))


def _hardened(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_hardened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _hardened(value) for key, value in schema.items()}
    return changed | _HARDER.get(schema.get("type"), {}) if isinstance(schema.get("type"), str) else changed


def refused(noun: str, reason: str, place: Place, field: str = "") -> InputFileError:
    """What is said of a file that holds no such record."""
    command = {"report": "run", "comparison": "compare"}.get(noun, noun)
    hint = f"name a file that `varprobe {command} -o {noun}.json` wrote"
    return InputFileError(f"is no varprobe {noun}: {reason}", hint=hint, place=place, field=field)
