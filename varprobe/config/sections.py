"""The schema of a mapping of the config that becomes a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

from pydantic_core import CoreSchema, ValidationError
from pydantic_core import core_schema as cs

from varprobe.config.parameters import refuse_unknown

Check = Callable[[Any], ValidationError | None]


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
