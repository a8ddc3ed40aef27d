"""The types that config values may have, and how the arguments of parts are checked.

Schemas are given to pydantic's validator directly (`pydantic_core`), not through `BaseModel`: the same checks and
the same JSON Schema, without the import and class building that would double the start-up of a small run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    SchemaValidator,
    ValidationError,
)
from pydantic_core import core_schema as cs

from varprobe.errors import nearest

_HUGE = 1e30


def real(**bounds: float) -> CoreSchema:
    """A finite number; `ge`, `gt`, `le` and `lt` bound it."""
    both = {"ge": -_HUGE, "le": _HUGE} | bounds
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
POSITIVE = cs.float_schema(strict=True, allow_inf_nan=False, gt=0.0, le=_HUGE)
SHARE = real(ge=0.0, le=1.0)
GAIN = optional(
    cs.union_schema(
        [NOT_NEGATIVE, cs.literal_schema(["auto"])],
        custom_error_type="gain",
        custom_error_message="must be a number from 0, or auto",
    )
)

Parameters = Mapping[str, tuple[CoreSchema, Any]]


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


def parameter_schema(parameters: Parameters) -> CoreSchema:
    """The schema of a part's arguments; `...` as default means that there is none."""
    fields = {
        key: cs.typed_dict_field(schema, required=True)
        if default is ...
        else cs.typed_dict_field(cs.with_default_schema(schema, default=default), required=False)
        for key, (schema, default) in parameters.items()
    }
    return cs.typed_dict_schema(fields)


def check_arguments(parameters: Parameters, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments, checked, with the defaults of those that were not given.

    Raises:
        ValidationError: with the argument's name as location.
    """
    refuse_unknown(given, list(parameters))
    checked: dict[str, Any] = SchemaValidator(parameter_schema(parameters)).validate_python(dict(given))
    return checked
