"""The fields of a config: their paths, errors that carry one, and the schemas of their values.

Schemas are given to pydantic's validator directly (`pydantic_core`), not through `BaseModel`: the same checks and
the same JSON Schema, without the import and class building that would double the start-up of a small run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, ValidationError
from pydantic_core import core_schema as cs

from varprobe.errors import nearest
from varprobe.network.parameters import LARGEST

FieldPath = tuple[str | int, ...]


class FieldError(Exception):
    """A fact with the config path it belongs to; `loading` adds file, line and column."""

    def __init__(self, path: FieldPath, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


def field_name(path: FieldPath) -> str:
    """The path as messages write it.

    >>> field_name(("layers", 0, "dense", "width"))
    'layers[0].dense.width'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def real(**bounds: float) -> CoreSchema:
    """A finite number; `ge`, `gt`, `le` and `lt` bound it."""
    both = {"ge": -LARGEST, "le": LARGEST} | bounds
    return cs.float_schema(strict=True, allow_inf_nan=False, **both)  # type: ignore[arg-type]  # the keys are names


def whole(low: int, high: int) -> CoreSchema:
    """A whole number from low to high."""
    return cs.int_schema(strict=True, ge=low, le=high)


def choice(*names: str) -> CoreSchema:
    """One of some words."""
    return cs.literal_schema(list(names))


def text(longest: int = 4096) -> CoreSchema:
    """Text that is not empty."""
    return cs.str_schema(strict=True, min_length=1, max_length=longest)


def optional(schema: CoreSchema) -> CoreSchema:
    """The same, or null."""
    return cs.nullable_schema(schema)


REAL = real()
NOT_NEGATIVE = real(ge=0.0)
SHARE = real(ge=0.0, le=1.0)

Check = Callable[[Any], ValidationError | None]


UNKNOWN_KEY = "unknown_key"


def problem(
    message: str, hint: str, location: tuple[str | int, ...], value: object, kind: str = "varprobe"
) -> ValidationError:
    """A validation error in our own words, at `location` below the value that is being checked."""
    # pydantic cannot hold half a surrogate pair, which a mapping from Python may bring.
    words = {"message": message.encode(errors="replace").decode(), "hint": hint}
    error = PydanticCustomError(kind, "{message}", words)
    return ValidationError.from_exception_data("config", [InitErrorDetails(type=error, loc=location, input=value)])


def refuse_unknown(given: Mapping[str, Any], legal: list[str]) -> None:
    """Raises for the first key nobody knows, naming the one that was probably meant."""
    for key, value in given.items():
        if key not in legal:
            near = nearest(str(key), legal)
            known = f"the keys here are {', '.join(legal)}" if legal else "it takes none"
            hint = f"did you mean '{near}'?" if near else known
            raise problem(f"unknown key '{key}'", hint, (str(key),), value, UNKNOWN_KEY)


def shown(value: object) -> str:
    """A value as messages show it."""
    return repr(value) if isinstance(value, str) else "nothing" if value is None else f"{value}"


def section(
    record: type, shorthand: str | None = None, check: Check | None = None, **schemas: CoreSchema
) -> CoreSchema:
    """The schema of a mapping that becomes `record`; unknown keys are errors that name the nearest legal one.

    Arguments:
        shorthand: the field that a bare value stands for.
        check: looks at the finished record and returns what is wrong with it.
    """
    defaults = {field.name: field.default for field in fields(record) if field.default is not MISSING}
    arguments = [
        cs.dataclass_field(name, cs.with_default_schema(schema, default=defaults[name]) if name in defaults else schema)
        for name, schema in schemas.items()
    ]
    body: CoreSchema = cs.dataclass_schema(record, cs.dataclass_args_schema(record.__name__, arguments), list(schemas))
    if check is not None:
        body = cs.no_info_after_validator_function(partial(_checked, check), body)
    return short_form(body, schemas, shorthand)


def short_form(body: CoreSchema, schemas: Mapping[str, CoreSchema], shorthand: str | None) -> CoreSchema:
    """The schema of a mapping with these keys, or a bare value for one of them; unknown keys are errors."""
    short = schemas[shorthand] if shorthand else None
    return cs.no_info_before_validator_function(
        partial(_widened, list(schemas), shorthand),
        body,
        json_schema_input_schema=cs.union_schema([short, body]) if short else body,
    )


def _widened(legal: list[str], shorthand: str | None, data: Any) -> Any:
    if isinstance(data, dict):
        refuse_unknown(data, legal)
        return data
    return {shorthand: data} if shorthand else data


def _checked(check: Check, record: Any) -> Any:
    trouble = check(record)
    if trouble is not None:
        raise trouble
    return record
