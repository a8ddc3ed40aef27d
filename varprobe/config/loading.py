"""From a config file, standard input or a mapping to an `Experiment`; every error gets its place here."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import ValidationError

from varprobe.config.build import build
from varprobe.config.expectation import Expectation, resolve_expectation
from varprobe.config.fields import FieldError, FieldPath, SeveralFieldsError, field_name
from varprobe.config.opening import read_at_most
from varprobe.config.overrides import Override, apply_overrides
from varprobe.config.schema import parse_config
from varprobe.config.yaml_tree import MAX_BYTES, Node, parse_yaml, plant
from varprobe.errors import ConfigError, InputFileError, Place, VarprobeError, join_errors
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec

# What the config of an audit has, and that of a network has not.
AUDIT_KEYS = ("arrays", "weights", "model")
_MENTIONED = re.compile(rf"\b({'|'.join(AUDIT_KEYS)})\b")


@dataclass(frozen=True, repr=False)
class Experiment:
    """A network as a config asks for it.

    Attributes:
        expect: what `varprobe check` holds it to; None where the config does not say.
        document: the config as plain data, overrides applied: enough to build this again.
        folder: where its relative paths count from.
    """

    network: NetworkSpec
    expect: Expectation | None = None
    document: dict[str, Any] = field(default_factory=dict, repr=False)
    folder: Path = field(default=Path(), repr=False, compare=False)

    def __repr__(self) -> str:
        size = f"{len(self.network.rows)} rows, {self.network.input.features} features"
        return f"Experiment({self.network.name!r}: {size}, expect={self.expect})"


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


def names_audit(config: ConfigText) -> bool:
    """Whether a config is of an audit of weights, and not of a network; what is no YAML is neither."""
    if not _MENTIONED.search(config.text):
        return False
    try:
        root = parse_yaml(config.text, config.label)
    except VarprobeError:
        return False
    return isinstance(root.value, dict) and "layers" not in root.value and any(key in root.value for key in AUDIT_KEYS)


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[Override] = ()) -> Experiment:
    """The network that a config describes, and what the config expects of it.

    Arguments:
        source: a path, `-` for standard input, or the config as a mapping.
        overrides: edits made before checking, such as `parse_assignment("probe.trials=50")`.

    Raises:
        VarprobeError: with file, line, column, field and a hint.
    """
    if isinstance(source, Mapping):
        return _load_tree(plant(source, Place("config")), "config", Path(), "network", overrides)
    return load_text(read_config(source), overrides)


def load_text(config: ConfigText, overrides: Sequence[Override] = ()) -> Experiment:
    """As `load`, of a text that has been read."""
    return _load_tree(parse_yaml(config.text, config.label), config.label, config.folder, config.stem, overrides)


def load_edited(experiment: Experiment, overrides: Sequence[Override]) -> Experiment:
    """An experiment with edits of its config."""
    root = plant(experiment.document, Place("config"))
    return _load_tree(root, "config", experiment.folder, experiment.network.name, overrides)


def read_config(source: str | Path) -> ConfigText:
    """The text of a config file, or of standard input where the source is `-`."""
    if str(source) == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin else b""
        return ConfigText(_decode(data, "<stdin>"), "<stdin>", Path(), "stdin")
    path, place = Path(source), Place(str(source))
    try:
        if path.is_dir():
            raise InputFileError("is a directory", hint="name a config file in it")
        data = read_at_most(path, MAX_BYTES + 1)
    except InputFileError as error:
        raise InputFileError(error.message, hint=error.hint, place=place) from None
    except FileNotFoundError:
        hint = "check the path; `varprobe new` writes an example"
        raise InputFileError("no such file", hint=hint, place=place) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path and its rights", place=place) from None
    stem = (path.stem.removesuffix(".varprobe") or path.stem).encode(errors="replace").decode()
    return ConfigText(_decode(data, str(source)), str(source), path.parent, stem)


def _decode(data: bytes, label: str) -> str:
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


def _load_tree(root: Node, label: str, folder: Path, stem: str, overrides: Sequence[Override]) -> Experiment:
    if overrides:
        root = apply_overrides(root, overrides)
    if not isinstance(root.value, dict):
        shown = {list: "a list", type(None): "nothing"}.get(type(root.value), "a single value")
        hint = "begin with `input:` and `layers:`; `varprobe new` writes an example"
        raise ConfigError(f"a config is a mapping, this is {shown}", hint=hint, place=root.place)
    document = root.plain()

    def line_of(path: FieldPath) -> int | None:
        return root.place_of(path).line

    try:
        config = parse_config(document)
        network = build(config, folder, line_of, stem, Place(label))
        expect = resolve_expectation(config.expect, network, line_of)
    except ValidationError as error:
        from varprobe.config.translation import translate

        raise translate(error, root) from None
    except FieldError as error:
        raise _placed(error, root) from None
    except SeveralFieldsError as errors:
        raise join_errors([_placed(error, root) for error in errors.found]) from None
    return Experiment(network, expect, document, folder)


def _placed(error: FieldError, root: Node) -> ConfigError:
    place = root.place_of(error.path)
    return ConfigError(error.message, hint=error.hint, place=place, field=field_name(error.path))
