"""A config as Python code gives it: a path, a mapping, YAML text or an experiment, and edits by keyword."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from varprobe.config.loading import ConfigText, Experiment, load, load_edited, load_text, read_config
from varprobe.config.overrides import Override, parse_assignment
from varprobe.config.rewriting import flow, write_config
from varprobe.errors import ConfigError, Place

Source = str | os.PathLike[str] | Mapping[str, Any] | Experiment
# A scheme or an activation: its name, or a mapping with the name and its own arguments.
Part = str | Mapping[str, Any]

_LABEL, _STEM = "config", "network"
_SET = 'write set={"layers.0.repeat": 50}'
_KEYWORDS = {
    "init": "defaults.init",
    "activation": "defaults.activation",
    "trials": "probe.trials",
    "batch": "probe.batch",
    "seed": "probe.seed",
    "engine": "probe.engine",
}


def read_source(source: Source, edits: Iterable[Override] = ()) -> Experiment:
    """The experiment that a source describes, its edits made.

    Arguments:
        source: a path, `-` for standard input, YAML text, the config as a mapping, or what `load` returned.

    Raises:
        VarprobeError: with file, line, column, field and a hint.
    """
    overrides = list(edits)
    if isinstance(source, Experiment):
        return _edit(source, overrides) if overrides else source
    if isinstance(source, Mapping):
        return load(_as_plain(source), overrides)
    if is_text(source):
        return load_text(ConfigText(str(source), _LABEL, Path(), _STEM), overrides)
    return load(_as_path(source), overrides)


def _edit(experiment: Experiment, overrides: list[Override]) -> Experiment:
    """The edited experiment, which is still that of its file."""
    edited = load_edited(experiment, overrides)
    return replace(edited, network=replace(edited.network, place=experiment.network.place))


def read_text(source: Source) -> ConfigText:
    """The text of a source, for what reads it again with other edits; arguments and errors as for `read_source`."""
    if isinstance(source, Experiment):
        return ConfigText(write_config(source.document), _LABEL, source.folder, source.network.name)
    if isinstance(source, Mapping):
        load(_as_plain(source))  # what is wrong is told by its field, not by a place in a text that nobody wrote
        return ConfigText(write_config(_as_plain(source)), _LABEL, Path(), _STEM)
    if is_text(source):
        return ConfigText(str(source), _LABEL, Path(), _STEM)
    return read_config(_as_path(source))


def is_text(source: Any) -> bool:
    """Whether a source is YAML text: it has a line break or `: `, and no file is called so.

    >>> is_text("layers: [{dense: 8}]"), is_text("configs/net.yaml")
    (True, False)
    """
    return isinstance(source, str) and ("\n" in source or ": " in source) and not os.path.exists(source)


def edits_of(set: Mapping[str, Any] | None = None, **settings: Any) -> list[Override]:
    """The edits that keywords ask for, in the order of the command line's options; None asks for nothing.

    >>> [edit.path for edit in edits_of({"layers.0.repeat": 20}, trials=5)]
    ['probe.trials', 'layers.0.repeat']

    Arguments:
        set: config path -> value.
        settings: of `init`, `activation`, `trials`, `batch`, `seed` and `engine`. The seed `random` is a new one each
            time; the report has it.

    Raises:
        ConfigError: for a path that cannot be read.
    """
    if settings.get("seed") == "random":
        settings["seed"] = secrets.randbelow(2**31)
    texts = {name: flow_text(value) for name, value in settings.items() if value is not None}
    named = [Override(path, texts[name], name) for name, path in _KEYWORDS.items() if name in texts]
    if set is not None and not isinstance(set, Mapping):
        raise ConfigError(f"must be a mapping from paths to values, given {set!r}", hint=_SET, place=Place("set"))
    return [*named, *(assign(path, value) for path, value in (set or {}).items())]


def assign(path: str, value: Any) -> Override:
    """The edit that `set={path: value}` asks for."""
    return parse_assignment(f"{path}={flow_text(value)}", "set", _SET)


def flow_text(value: Any) -> str:
    """A value of Python's or NumPy's as YAML.

    >>> flow_text({"name": "he", "gain": (1, 2)})
    '{name: he, gain: [1, 2]}'
    """
    return flow(_as_plain(value))


def _as_path(source: Any) -> Path | str:
    """A path as it was given, which messages show."""
    if isinstance(source, (str, Path)):
        return source
    if isinstance(source, os.PathLike):
        return Path(os.fspath(source))
    kind = type(source).__name__
    hint = "give a path, a mapping, YAML text, or what `load` returned; a report's own config is its `spec`"
    raise ConfigError(f"a value of type {kind} is no config", hint=hint, place=Place(_LABEL))


def _as_plain(value: Any) -> Any:
    """Mappings, sequences and NumPy's numbers as those that YAML is written from."""
    if isinstance(value, Mapping):
        return {key: _as_plain(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_plain(child) for child in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    plain = getattr(value, "tolist", None)  # of arrays and of their numbers
    return plain() if plain is not None else value
