"""The schemas of what names a column of a table, and of what names labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as cs

from varprobe.config.fields import optional, section, text
from varprobe.config.records import File

COLUMN = cs.union_schema(
    [cs.int_schema(strict=True, ge=0, le=1_000_000), text(200)],
    custom_error_type="column",
    custom_error_message="must be a column's name, or its number from 0",
)


def _label_schema() -> CoreSchema:
    """A column or a key, or a file of its own."""
    file = section(File, path=text(), key=optional(text()))

    def check(data: Any, inner: Callable[[Any], Any]) -> Any:
        return SchemaValidator(file).validate_python(data) if isinstance(data, dict) else inner(data)

    form = cs.union_schema([COLUMN, file])
    return cs.no_info_wrap_validator_function(check, COLUMN, json_schema_input_schema=form)


LABEL = _label_schema()
