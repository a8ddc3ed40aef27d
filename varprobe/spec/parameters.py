"""The types that arguments of activations and initialisers may have, and how they are checked.

A part lists its parameters as `{"slope": (Real, 0.01)}`: type and default. pydantic checks the values; the
model is built when a part is first used, so that start-up pays only for what a config names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from varprobe.errors import nearest

Real = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e30, le=1e30)]
NotNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e30)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1e30)]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
Gain = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e30)] | Literal["auto"] | None
Text = Annotated[str, Field(strict=True, min_length=1)]

Parameters = Mapping[str, tuple[Any, Any]]


@cache
def _model(name: str, parameters: tuple[tuple[str, tuple[Any, Any]], ...]) -> type[BaseModel]:
    fields: dict[str, Any] = dict(parameters)
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def parameter_model(name: str, parameters: Parameters) -> type[BaseModel]:
    """The pydantic model of a part's arguments, for checking and for the JSON Schema."""
    return _model(name, tuple(parameters.items()))


def unknown_key(key: object, legal: list[str], value: object) -> InitErrorDetails:
    """The error that names a key nobody knows and the one that was probably meant."""
    near = nearest(str(key), legal)
    hint = f"did you mean '{near}'?" if near else f"the keys here are {', '.join(legal)}" if legal else "it takes none"
    error = PydanticCustomError("unknown_key", "{message}", {"message": f"unknown key '{key}'", "hint": hint})
    return InitErrorDetails(type=error, loc=(str(key),), input=value)


def check_arguments(name: str, parameters: Parameters, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments, checked, with the defaults of those that were not given.

    Raises:
        ValidationError: with the argument's name as location.
    """
    unknown = [unknown_key(key, list(parameters), value) for key, value in given.items() if key not in parameters]
    if unknown:
        raise ValidationError.from_exception_data(name, unknown)
    checked = parameter_model(name, parameters).model_validate(dict(given))
    return {key: getattr(checked, key) for key in parameters}
