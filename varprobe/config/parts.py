"""Naming a part: an activation or initialiser by its name, or as a mapping with arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import CoreSchema, ValidationError
from pydantic_core import core_schema as cs

from varprobe.config.parameters import check_arguments, parameter_schema, problem
from varprobe.errors import nearest
from varprobe.frozen import dataclass
from varprobe.network.activations import ACTIVATIONS, ActivationKind
from varprobe.network.initializers import INITIALIZERS, InitializerKind

DEFAULT_INIT, DEFAULT_ACTIVATION = "xavier", "linear"


@dataclass(frozen=True)
class Part:
    """An activation or initialiser as the config names it: the table's name, and all its arguments, checked."""

    name: str
    arguments: Mapping[str, Any]
    given: frozenset[str]

    @property
    def label(self) -> str:
        """The name with the arguments that were given, such as `he(mode=fan_out)`."""
        inner = ", ".join(f"{key}={_text(value)}" for key, value in self.arguments.items() if key in self.given)
        return f"{self.name}({inner})" if inner else self.name


@dataclass(frozen=True)
class PartOf:
    """A name, or a mapping `{name, ...arguments}`, out of one of the tables."""

    kind: str
    table: Mapping[str, ActivationKind | InitializerKind]

    def schema(self, ref: str) -> CoreSchema:
        """Accepts both forms and gives a `Part`."""
        names = [alias for key, kind in self.table.items() for alias in (key, *kind.aliases)]
        forms: list[CoreSchema] = [cs.literal_schema(names), *(self._mapping(key) for key in self.table)]
        return cs.no_info_plain_validator_function(
            self.parse, ref=ref, json_schema_input_schema=cs.union_schema(list(forms))
        )

    def _mapping(self, key: str) -> CoreSchema:
        kind = self.table[key]
        arguments = parameter_schema(kind.parameters)
        name = cs.typed_dict_field(cs.literal_schema([key, *kind.aliases]), required=True)
        return cs.typed_dict_schema({"name": name, **arguments["fields"]})

    def parse(self, value: Any) -> Part:
        given = value if isinstance(value, dict) else {"name": value}
        if not isinstance(given.get("name"), str):
            raise self._unnamed(given)
        name = self._resolve(given["name"], ("name",) if given is value else ())
        arguments = {key: argument for key, argument in given.items() if key != "name"}
        return Part(name, check_arguments(self.table[name].parameters, arguments), frozenset(arguments))

    def _unnamed(self, given: Mapping[str, Any]) -> ValidationError:
        hint = f"`varprobe list {self.kind}s` shows the names"
        if "name" not in given:
            return problem("needs a name", f"write {{name: ..., ...}}; {hint}", (), given)
        value = given["name"]
        return problem(f"must be the name of an {self.kind}, given {shown(value)}", hint, (), value)

    def _resolve(self, name: str, location: tuple[str, ...]) -> str:
        names = {alias: key for key, kind in self.table.items() for alias in (key, *kind.aliases)}
        if name.lower() in names:
            return names[name.lower()]
        near = nearest(name, names)
        hint = f"did you mean '{near}'? " if near else ""
        raise problem(f"unknown {self.kind} '{name}'", f"{hint}`varprobe list {self.kind}s` shows all", location, name)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(value: object) -> str:
    """A value as messages show it."""
    return repr(value) if isinstance(value, str) else "nothing" if value is None else f"{value}"


ACTIVATION_PART = PartOf("activation", ACTIVATIONS)
INITIALIZER_PART = PartOf("initializer", INITIALIZERS)
