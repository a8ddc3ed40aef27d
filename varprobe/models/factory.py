"""A factory by its name, `pkg.mod:function`: read, imported, and called with plain arguments.

Names are dotted names and never expressions, and nothing is imported before `find_factory` is called.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any

from varprobe.config.overrides import parse_assignment
from varprobe.config.yaml_tree import parse_yaml
from varprobe.errors import ConfigError, Place, VarprobeError, nearest
from varprobe.frozen import dataclass

Factory = Callable[..., object]
_HINT = "write it as pkg.mod:function; what it returns is audited"
_ARGUMENT = "write --arg name=value, for example --arg n_layer=12"
_VARY = "write --vary name=value,value, for example --vary initializer_range=0.02,0.05"
# An argument of these names that nobody gives gets the seed of the draw.
SEED, STREAMS = "seed", "rngs"


@dataclass(frozen=True)
class Varied:
    """An argument of the factory, and the two numbers that it takes."""

    name: str
    values: tuple[float, float]


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Attributes:
        factory: `pkg.mod:function`.
        args: plain data, passed by keyword.
        path: folders that modules are looked for in, before the installed ones.
    """

    factory: str
    args: Mapping[str, Any]
    path: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.factory.partition(":")[0]


def names_factory(text: str) -> bool:
    """Whether a text is meant as a factory and not as a file.

    >>> names_factory("pkg.mod:build"), names_factory("model.npz"), names_factory("C:/model.npz")
    (True, False, False)
    """
    head, colon, _ = text.partition(":")
    return bool(colon) and len(head) > 1 and not Path(text).exists()


def check_name(text: str, place: Place | None = None) -> str:
    """The text, where it is a dotted name of a module, a colon, and a dotted name in it.

    Raises:
        ConfigError: with the name that was probably meant.
    """
    parts = re.split(r"[.:]", text)
    file, _, attribute = text.partition(":")
    dotted = text.count(":") == 1 and all(part.isidentifier() and not iskeyword(part) for part in parts)
    if dotted and not file.endswith(".py"):
        return text
    meant = re.sub(r"[/\\]", ".", file.removesuffix(".py").lstrip("./\\")) + f":{attribute}"
    known = file != meant.partition(":")[0] and all(one.isidentifier() for one in re.split(r"[.:]", meant))
    raise ConfigError(f"'{text}' names no factory", hint=f"did you mean {meant}?" if known else _HINT, place=place)


def read_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """What `--arg name=value` gives, values read as YAML.

    >>> read_arguments(["n_layer=12", "act=gelu", "sizes=[3, 4]"])
    {'n_layer': 12, 'act': 'gelu', 'sizes': [3, 4]}

    Raises:
        ConfigError: where a text is no assignment, or a name comes twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        one = parse_assignment(text, "--arg", _ARGUMENT)
        if not one.path.isidentifier():
            raise ConfigError(f"'{one.path}' is no name of an argument", hint=_ARGUMENT, place=Place("--arg"))
        if one.path in found:
            raise ConfigError(f"the argument '{one.path}' comes twice", hint="leave one out", place=Place("--arg"))
        found[one.path] = parse_yaml(one.text, one.option).plain()
    return found


def read_variation(text: str) -> Varied:
    """What `--vary name=value,value` asks for.

    >>> read_variation("std=0.02,0.05")
    Varied(name='std', values=(0.02, 0.05))

    Raises:
        ConfigError: where it is no name with two numbers that differ.
    """
    one = parse_assignment(text, "--vary", _VARY)
    return check_variation(one.path, parse_yaml(f"[{one.text}]", one.option).plain(), Place("--vary"))


def check_variation(name: str, values: object, place: Place | None = None) -> Varied:
    """A name and two different numbers.

    Raises:
        ConfigError: where it is something else.
    """
    if not name.isidentifier():
        raise ConfigError(f"'{name}' is no name of an argument", hint=_VARY, place=place)
    numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    if not numbers or len(values) != 2 or values[0] == values[1]:  # type: ignore[arg-type,index]  # mypy: a list
        raise ConfigError(f"{name} takes two numbers that differ, given {values}", hint=_VARY, place=place)
    return Varied(name, (values[0], values[1]))  # type: ignore[index]


def find_factory(name: str) -> Factory:
    """Imports the module, and gives what the name stands for in it.

    Raises:
        VarprobeError: where there is no such module, or nothing in it that can be called.
    """
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise _missing_module(module_name, error.name) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise _missing_name(found, name, part)
        found = getattr(found, part)
    if _is_model(found):
        raise VarprobeError(
            f"{name} is a model, and no factory",
            hint="name a function that builds it: an audit wants several draws",
        )
    if not callable(found):
        raise VarprobeError(f"{name} cannot be called: it is a {type(found).__name__}", hint=_HINT)
    return found


def _missing_module(name: str, missing: str) -> VarprobeError:
    parent, _, last = missing.rpartition(".")
    where = getattr(import_module(parent), "__path__", []) if parent else None
    near = nearest(last, [one.name for one in pkgutil.iter_modules(where)])
    meant = f"did you mean {parent}{'.' if parent else ''}{near}? " if near else ""
    return VarprobeError(
        f"there is no module '{missing}'" + (f", which {name} is in" if missing != name else ""),
        hint=f"{meant}modules are looked for in the current folder, and in `path` of a config",
    )


def _missing_name(where: Any, name: str, part: str) -> VarprobeError:
    public = [one for one in vars(where) if not one.startswith("_") and callable(getattr(where, one, None))]
    near = nearest(part, public)
    holder = where.__name__ if isinstance(where, (ModuleType, type)) else name.rpartition(".")[0]
    hint = f"did you mean '{near}'?" if near else f"it has {', '.join(sorted(public)[:8]) or 'nothing to call'}"
    return VarprobeError(f"{holder} has no '{part}'", hint=hint)


def _is_model(found: object) -> bool:
    return not isinstance(found, type) and (hasattr(found, "named_parameters") or hasattr(found, "trainable_weights"))


def parameters_of(factory: Factory) -> Mapping[str, inspect.Parameter]:
    """The arguments of a factory by name; none where it does not tell."""
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}


def check_arguments(factory: Factory, name: str, args: Mapping[str, Any]) -> None:
    """The factory takes these arguments, and wants no others.

    Raises:
        VarprobeError: with the nearest name.
    """
    parameters = parameters_of(factory)
    if not parameters and not args:
        return
    taken = {one.name: one for one in parameters.values() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    if parameters and not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        for key in args:
            if key not in taken:
                near = nearest(key, taken)
                hint = f"did you mean '{near}'?" if near else f"it takes {', '.join(taken) or 'none'}"
                raise VarprobeError(f"{name} takes no argument '{key}'", hint=hint)
    given = {*args, SEED, STREAMS}
    for one in parameters.values():
        if one.default is one.empty and one.name not in given and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            raise VarprobeError(f"{name} needs the argument '{one.name}'", hint=f"give --arg {one.name}=VALUE")


def numbers_of(factory: Factory, args: Mapping[str, Any]) -> dict[str, float]:
    """The arguments that are numbers, given or by default: names in laws that are meant."""
    values = {key: one.default for key, one in parameters_of(factory).items()} | dict(args)
    return {key: value for key, value in values.items() if type(value) in (int, float)}
