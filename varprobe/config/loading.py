"""From a config file, standard input or a mapping to an `Experiment`; every error gets its place here."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import ValidationError

from varprobe.config.build import build
from varprobe.config.experiment import Experiment
from varprobe.config.fields import FieldError, field_name
from varprobe.config.overrides import Override, apply_overrides
from varprobe.config.reading import read_at_most
from varprobe.config.schema import parse_config
from varprobe.config.yaml_tree import MAX_BYTES, Node, parse_yaml
from varprobe.errors import ConfigError, InputFileError, Place
from varprobe.frozen import dataclass

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


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[Override] = ()) -> Experiment:
    """The network that a config describes, and what the config expects of it.

    Arguments:
        source: a path, `-` for standard input, or the config as a mapping.
        overrides: edits made before checking, such as `parse_assignment("probe.trials=50")`.

    Raises:
        VarprobeError: with file, line, column, field and a hint.
    """
    if isinstance(source, Mapping):
        return _loaded(_tree(source, Place("config"), 0), "config", Path(), "network", overrides)
    return load_text(read_config(source), overrides)


@dataclass(frozen=True)
class ConfigText:
    """A config as it was written.

    Attributes:
        label: for messages.
        folder: where relative paths count from.
        stem: the network's name where the config does not say one.
    """

    text: str
    label: str
    folder: Path
    stem: str


def read_config(source: str | Path) -> ConfigText:
    """The text of a config file, or of standard input where the source is `-`."""
    label, text = _read(source)
    if label == "<stdin>":
        return ConfigText(text, label, Path(), "stdin")
    return ConfigText(text, label, Path(source).parent, Path(source).stem.encode(errors="replace").decode())


def load_text(config: ConfigText, overrides: Sequence[Override] = ()) -> Experiment:
    """As `load`, of a text that has been read."""
    return _loaded(parse_yaml(config.text, config.label), config.label, config.folder, config.stem, overrides)


def _loaded(root: Node, label: str, folder: Path, stem: str, overrides: Sequence[Override]) -> Experiment:
    root = apply_overrides(root, overrides)
    if not isinstance(root.value, dict):
        shown = {list: "a list", type(None): "nothing"}.get(type(root.value), "a single value")
        hint = "begin with `input:` and `layers:`; `varprobe new` writes an example"
        raise ConfigError(f"a config is a mapping, this is {shown}", hint=hint, place=root.place)
    document = root.plain()
    try:
        config = parse_config(document)
        experiment = build(config, folder, lambda path: root.place_of(path).line, stem)
    except ValidationError as error:
        raise _translated(error, root) from None
    except FieldError as error:
        place = root.place_of(error.path)
        raise ConfigError(error.message, hint=error.hint, place=place, field=field_name(error.path)) from None
    return replace(experiment, document=document, network=replace(experiment.network, place=Place(label)))


def _read(source: str | Path) -> tuple[str, str]:
    """The label for messages, and the text."""
    if str(source) == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
        return "<stdin>", _decoded(data, "<stdin>")
    path = Path(source)
    place = Place(str(source))
    try:
        if path.is_dir():
            raise InputFileError("is a directory", hint="name a config file in it", place=place)
        return str(source), _decoded(read_at_most(path, MAX_BYTES + 1), str(source))
    except InputFileError as error:
        raise InputFileError(error.message, hint=error.hint, place=error.place or place) from None
    except FileNotFoundError:
        hint = "check the path; `varprobe new` writes an example"
        raise InputFileError("no such file", hint=hint, place=place) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path and its rights", place=place) from None


def _decoded(data: bytes, label: str) -> str:
    place = Place(label)
    if len(data) > MAX_BYTES:
        hint = "use repeat for layers that are alike"
        raise InputFileError(f"is larger than {MAX_BYTES:,} bytes, too large for a config", hint=hint, place=place)
    if not data.strip():
        raise InputFileError("is empty", hint="`varprobe new` writes an example", place=place)
    if b"\0" in data:
        raise InputFileError("is a binary file, not a YAML config", hint="name a text file", place=place)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"is not UTF-8: byte 0x{data[error.start]:02x}"
        raise InputFileError(message, hint="save the file as UTF-8", place=Place(label, line)) from None


def _tree(value: Any, place: Place, depth: int) -> Node:
    if depth > 100:
        raise ConfigError("nested more than 100 deep", hint="use fewer levels", place=place)
    if isinstance(value, Mapping):
        return Node({str(key): _tree(child, place, depth + 1) for key, child in value.items()}, place)
    if isinstance(value, (list, tuple)):
        return Node([_tree(child, place, depth + 1) for child in value], place)
    return Node(value, place)


def _translated(error: ValidationError, root: Node) -> ConfigError:
    """The first of pydantic's complaints, by place, in our words."""

    def order(item: tuple[int, Any]) -> tuple[int, int, int]:
        place = root.place_of(item[1]["loc"])
        return (place.line or 0, place.column or 0, item[0])

    _, first = min(enumerate(error.errors(include_url=False)), key=order)
    path = first["loc"]
    if isinstance(path[-1], int) and not isinstance(root.at(path[:-1]), list):
        path = path[:-1]  # one label stands for a list of one
    message, hint = _words(first)
    place = root.place_of(path, of_key=message.startswith("unknown key"))
    return ConfigError(message, hint=hint, place=place, field=field_name(path))


def _words(item: Any) -> tuple[str, str]:
    context = item.get("ctx") or {}
    kind, given = item["type"], _given(item.get("input"))
    if "message" in context:
        return context["message"], context["hint"]
    if kind == "missing":
        return "is required", "add it; `varprobe schema config` describes every key"
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, given {given}", _type_hint(kind, item.get("input"))
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:,}, given {given}", "see `varprobe schema config` for the ranges"
    if kind == "literal_error":
        return f"must be one of {context['expected']}, given {given}", "choose one of them"
    if kind == "gain":
        return f"must be a number from 0, or auto, given {given}", "auto is the exact gain of the activation before"
    if kind == "string_too_long":
        return f"is longer than {context['max_length']:,} characters", "shorten it"
    if kind in ("too_short", "string_too_short"):
        return "is empty", "name at least one"
    reason = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"must be {reason}, given {given}", "see `varprobe schema config`"


def _given(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if isinstance(value, str):
        return f"{value[:60]!r} (text)"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"{value}"[:60]


def _type_hint(kind: str, value: Any) -> str:
    if isinstance(value, str) and kind in _NUMBER:
        return _number_hint(value)
    if kind == "string_type":
        return "put it in quotes"
    return "see `varprobe schema config`"


def _number_hint(text: str) -> str:
    """How to write what was meant as a number and is none in YAML 1.2."""
    if _DIGITS.fullmatch(text):
        meant = int(text.replace("_", ""))
        if "_" in text:
            return f"write {meant}, without underscores"
        if text.lstrip("+-").startswith("0") and meant:
            return f"write {meant}, without the leading zero"
    return "write a number without quotes"
