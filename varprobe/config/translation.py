"""What pydantic says of a config, in our words and at the place where it is written."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

from pydantic_core import ValidationError

from varprobe.config.complaints import UNKNOWN_KEY
from varprobe.config.fields import field_name
from varprobe.config.vocabulary import EXAMPLES, find_meant, find_way_out
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
_WRITTEN = {
    **dict.fromkeys(("int_type", "int_from_float"), "write a whole number, as 8"),
    "float_type": "write a number, as 0.5",
    "finite_number": "write a finite number, as 0.5",
    "string_type": "write a word",
    "list_type": "write a list, as [1, 2]",
    **dict.fromkeys(("dict_type", "dataclass_type"), "write a mapping, as {key: value}"),
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
        example = EXAMPLES.get(_key(item))
        return "is required", f"add it, as in `{example}`" if example else "add it; `varprobe schema config` has all"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, given {given}", _hint_type(kind, item)
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:,}, given {given}", _hint_bound(words, context[key], item.get("input"))
    if kind == "literal_error":
        return f"must be one of {context['expected']}, given {given}", _hint_word(item)
    if kind == "gain":
        return f"must be a number from 0, or auto, given {given}", "auto is the exact gain of the activation before"
    if kind == "column":
        return f"must be a column's name, or its number from 0, given {given}", "for example label: quality"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']:,} characters", "shorten it"
    if kind in ("too_short", "string_too_short"):
        example = EXAMPLES.get(_key(item))
        return "is empty", f"name at least one, as in `{example}`" if example else "name at least one"
    if kind == "bool_type":
        return f"must be true or false, given {given}", "write true or false"
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


_INNER = (["bias", "value"], ["dropout", "rate"])


def _key(item: Any) -> str:
    """The last word of the field's path; of a bias's value and a dropout's rate the one before."""
    words = [step for step in item["loc"] if isinstance(step, str)]
    return str(words[-2] if words[-2:] in _INNER else words[-1]) if words else ""


def _hint_type(kind: str, item: Any) -> str:
    value, example = item.get("input"), EXAMPLES.get(_key(item))
    if isinstance(value, str) and kind in _NUMBER:
        hint = _hint_number(value)
        if hint:
            return hint
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if example:
        return f"write it as in `{example}`"
    return _WRITTEN.get(kind, "`varprobe schema config` describes every key")


def _hint_bound(words: str, bound: float, value: Any) -> str:
    if words in ("at most", "below") and bound == 1 and isinstance(value, (int, float)) and 2 <= value <= 100:
        return f"it is a share: {value:g} % is {value / 100:g}"
    return f"write a number that is {words} {bound:,}"


def _hint_word(item: Any) -> str:
    value = item.get("input")
    if not isinstance(value, str):
        return "choose one of them"
    near = find_meant(value, re.findall(r"'([^']*)'", item["ctx"]["expected"]))
    return f"did you mean '{near}'?" if near else find_way_out(value) or "choose one of them"


def _hint_number(text: str) -> str:
    """How to write what was meant as a number and is none in YAML 1.2; empty where it is no number at all."""
    per_cent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%", text)
    if per_cent:
        return f"write {float(per_cent[1]) / 100:g}"
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3}){1,5}", text):
        return f"write {text.replace(',', '')}, without commas"
    if _DIGITS.fullmatch(text):
        meant = int(text.replace("_", ""))
        if "_" in text:
            return f"write {meant}, without underscores"
        if text.lstrip("+-").startswith("0") and meant:
            return f"write {meant}, without the leading zero"
    with suppress(ValueError):
        if math.isfinite(float(text)):
            return f"write {text[:40]}, a number without quotes"
        return "write a finite number"
    return ""
