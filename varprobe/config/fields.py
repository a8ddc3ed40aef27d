"""The fields of a config: their paths, errors that carry one, and the schemas of their values.

Schemas are given to pydantic's validator directly (`pydantic_core`), not through `BaseModel`: the same checks and
the same JSON Schema, without the import and class building that would double the start-up of a small run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

from pydantic_core import CoreSchema, ValidationError
from pydantic_core import core_schema as cs
from pydantic_core.core_schema import ValidationInfo

from varprobe.config.arithmetic import MAX_CHARACTERS, FormulaError, evaluate, is_arithmetic
from varprobe.config.complaints import check_known, problem
from varprobe.errors import MOST_TOLD
from varprobe.network.parameters import LARGEST

FieldPath = tuple[str | int, ...]


class FieldError(Exception):
    """A fact with the config path it belongs to; `loading` adds file, line and column."""

    def __init__(self, path: FieldPath, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


class SeveralFieldsError(Exception):
    """Several facts, in the order that they were found."""

    def __init__(self, found: Sequence[FieldError]) -> None:
        super().__init__(f"{len(found)} mistakes")
        self.found = tuple(found)


class Mistakes:
    """Gathers facts, so that all are told at once."""

    def __init__(self) -> None:
        self.found: list[FieldError] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """What is wrong inside ends the block, and the work goes on behind it; beyond what is told it ends."""
        try:
            yield
        except FieldError as error:
            self.found.append(error)
            if len(self.found) > MOST_TOLD:
                self.tell()

    def tell(self) -> None:
        """Raises what was gathered, if anything.

        Raises:
            SeveralFieldsError: with all of it.
        """
        if self.found:
            raise SeveralFieldsError(self.found)


def field_name(path: FieldPath) -> str:
    """The path as messages write it.

    >>> field_name(("layers", 0, "dense", "width"))
    'layers[0].dense.width'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def real(**bounds: float) -> CoreSchema:
    """A finite number, or arithmetic that gives one; `ge`, `gt`, `le` and `lt` bound it."""
    both = {"ge": -LARGEST, "le": LARGEST} | bounds
    number = cs.float_schema(strict=True, allow_inf_nan=False, **both)  # type: ignore[arg-type]  # the keys are names
    return computed(number)


def whole(low: int, high: int) -> CoreSchema:
    """A whole number from low to high, or arithmetic that gives one."""
    return computed(cs.int_schema(strict=True, ge=low, le=high))


_ARITHMETIC = cs.str_schema(
    # As the loader has it, a number in quotes is none.
    pattern=r"^(?![-+]?[0-9._]*([eE][-+]?[0-9]*)?$)[A-Za-z0-9_.+\-*/() ]+$",
    regex_engine="python-re",
    max_length=MAX_CHARACTERS,
    metadata={"pydantic_js_updates": {"description": "Arithmetic, such as sqrt(2) or 0.02/sqrt(2*depth)."}},
)


def computed(number: CoreSchema) -> CoreSchema:
    """The schema of a number, which may be written as arithmetic; the validator's context are the constants."""
    form = cs.union_schema([number, _ARITHMETIC])
    return cs.with_info_before_validator_function(_compute, number, json_schema_input_schema=form)


def _compute(value: Any, info: ValidationInfo) -> Any:
    """The number that a text stands for; what is no arithmetic stays what it is."""
    constants = info.context or {}
    if not isinstance(value, str) or not is_arithmetic(value, constants):
        return value
    try:
        found = evaluate(value, constants)
    except FormulaError as mistake:
        raise problem(mistake.message, mistake.hint, (), value) from None
    # 512/2 is a width as well as 256 is; beyond 2^53 a float may not be what was meant.
    return int(found) if isinstance(found, float) and found.is_integer() and abs(found) < 2**53 else found


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
    short, legal = schemas[shorthand] if shorthand else None, list(schemas)

    def check(data: Any, inner: Callable[[Any], Any]) -> Any:
        if isinstance(data, dict):
            return check_known(data, legal, inner)
        return inner({shorthand: data} if shorthand else data)

    return cs.no_info_wrap_validator_function(
        check, body, json_schema_input_schema=cs.union_schema([short, body]) if short else body
    )


def _checked(check: Check, record: Any) -> Any:
    trouble = check(record)
    if trouble is not None:
        raise trouble
    return record
