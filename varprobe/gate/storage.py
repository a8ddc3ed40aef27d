"""CheckRun <-> JSON, checked by pydantic against the records' own types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import InputFileError, Place
from varprobe.gate.records import CHECK_VERSION, OUTCOMES, CheckResult, CheckRun
from varprobe.report.stored import as_stored, parsed

if TYPE_CHECKING:
    from pydantic import TypeAdapter

DECIDED = ("met", "failed", "undecided")


@cache
def _adapter() -> TypeAdapter[CheckRun]:
    from pydantic import TypeAdapter

    return TypeAdapter(CheckRun)


def check_to_json(checks: CheckRun) -> str:
    """The checks as JSON, a line per config."""
    plain: dict[str, Any] = _adapter().dump_python(checks, mode="json")
    checked = plain.pop("checked")
    head = _line(plain)
    return f'{head[:-1]}, "checked": [\n' + ",\n".join(map(_line, checked)) + "\n]}\n"


def _line(plain: dict[str, Any]) -> str:
    import json

    # Bytes in a file's name that are no text become `?`: readers refuse half a surrogate pair. Then all is ASCII.
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False).encode(errors="replace").decode()
    return re.sub(r"[^ -~]", lambda found: json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f", text)


def check_schema() -> dict[str, Any]:
    """The JSON Schema of stored checks."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter().json_schema(mode="serialization")}


def check_from_json(text: bytes, path: str | Path) -> CheckRun:
    """Stored checks; `path` is for messages.

    Raises:
        InputFileError: where the text is none, or of another version.
    """
    return check_from_plain(parsed(text, path, "check"), path)


def check_from_plain(plain: dict[str, Any], path: str | Path) -> CheckRun:
    """As `check_from_json`, of data that have been parsed."""
    checks = as_stored(_adapter(), plain, path, "check", ("check_version", CHECK_VERSION))
    for field, found, legal in _outcomes(checks):
        if found not in legal:
            hint = f"known are {', '.join(legal)}; name a file that `varprobe check -o check.json` wrote"
            message = f"is no varprobe check: unknown outcome '{found[:40]}'"
            raise InputFileError(message, hint=hint, place=Place(str(path)), field=field)
    return checks


def _outcomes(checks: CheckRun) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield "outcome", checks.outcome, OUTCOMES
    for number, checked in enumerate(checks.checked):
        yield f"checked.{number}.outcome", checked.outcome, OUTCOMES
        yield from _decided(checked, f"checked.{number}")


def _decided(checked: CheckResult, field: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for number, decision in enumerate(checked.decisions):
        yield f"{field}.decisions.{number}.outcome", decision.outcome, DECIDED
