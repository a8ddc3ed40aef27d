"""What pydantic says of a config, in our words and at the place where it is written."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import ValidationError

from varprobe.config.complaints import UNKNOWN_KEY
from varprobe.config.fields import field_name
from varprobe.config.yaml_tree import Node
from varprobe.errors import ConfigError, join_errors

_NUMBER = {"int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number"}
_TYPES = {
    **_NUMBER,
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "finite_number": "a finite number",
}
# What was meant as a whole number, and is short enough to be repeated.
_DIGITS = re.compile(r"[+-]?[0-9_]{0,30}[0-9]_*")
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}


def translate(error: ValidationError, root: Node) -> ConfigError:
    """Pydantic's complaints in our words, in the order of the file."""
    return join_errors([_translate(item, root) for item in error.errors(include_url=False)])


def _translate(item: Any, root: Node) -> ConfigError:
    path = item["loc"]
    if path and isinstance(path[-1], int) and not isinstance(root.at(path[:-1]), list):
        path = path[:-1]  # one label stands for a list of one
    message, hint = word_complaint(item, root.at(path) or root.at(path[:-1]))
    place = root.place_of(path, of_key=item["type"] == UNKNOWN_KEY)
    return ConfigError(message, hint=hint, place=place, field=field_name(path))


def word_complaint(item: Any, written: Any = None) -> tuple[str, str]:
    """Message and hint of one of pydantic's complaints; `written` is what stands in the config."""
    context = item.get("ctx") or {}
    kind, given = item["type"], _describe(item.get("input"))
    if isinstance(written, str) and isinstance(item.get("input"), (int, float)):
        given += f" ({written[:60]})"
    if "message" in context:
        return context["message"], context["hint"]
    if kind == "missing":
        return "is required", "add it; `varprobe schema config` describes every key"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, given {given}", _hint_type(kind, item.get("input"))
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:,}, given {given}", "see `varprobe schema config` for the ranges"
    if kind == "literal_error":
        return f"must be one of {context['expected']}, given {given}", "choose one of them"
    if kind == "gain":
        return f"must be a number from 0, or auto, given {given}", "auto is the exact gain of the activation before"
    if kind == "column":
        return f"must be a column's name, or its number from 0, given {given}", "for example label: quality"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']:,} characters", "shorten it"
    if kind in ("too_short", "string_too_short"):
        return "is empty", "name at least one"
    reason = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"must be {reason}, given {given}", "see `varprobe schema config`"


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if isinstance(value, str):
        return f"{value[:60]!r} (text)"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"{value}"[:60]


def _hint_type(kind: str, value: Any) -> str:
    if isinstance(value, str) and kind in _NUMBER:
        return _hint_number(value)
    if kind == "string_type":
        return "put it in quotes"
    return "see `varprobe schema config`"


def _hint_number(text: str) -> str:
    """How to write what was meant as a number and is none in YAML 1.2."""
    if _DIGITS.fullmatch(text):
        meant = int(text.replace("_", ""))
        if "_" in text:
            return f"write {meant}, without underscores"
        if text.lstrip("+-").startswith("0") and meant:
            return f"write {meant}, without the leading zero"
    return "write a number without quotes"
