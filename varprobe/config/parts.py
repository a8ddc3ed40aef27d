"""Naming a part: an activation or initialiser by its name, or as a mapping with arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from varprobe.config.arithmetic import Constants
from varprobe.config.complaints import check_known, problem
from varprobe.config.fields import choice, computed, optional, real, shown, text, whole
from varprobe.errors import nearest
from varprobe.frozen import dataclass
from varprobe.network.activations import ACTIVATIONS, ActivationKind
from varprobe.network.initializers import INITIALIZERS, InitializerKind
from varprobe.network.parameters import LARGEST, Choice, Defined, Domain, Gain, Number, Parameters, Text, Whole

Definitions = Mapping[str, CoreSchema]

DEFAULT_INIT, DEFAULT_ACTIVATION = "xavier", "linear"
_GAIN = computed(
    cs.union_schema(
        [cs.float_schema(strict=True, allow_inf_nan=False, ge=0.0, le=LARGEST), cs.literal_schema(["auto"])],
        custom_error_type="gain",
        custom_error_message="must be a number from 0, or auto",
    )
)


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
        return cs.with_info_plain_validator_function(
            lambda value, info: self.parse(value, info.context),
            ref=ref,
            json_schema_input_schema=cs.union_schema(list(forms)),
        )

    def _mapping(self, key: str) -> CoreSchema:
        kind = self.table[key]
        arguments = _arguments_schema(kind.parameters)
        name = cs.typed_dict_field(cs.literal_schema([key, *kind.aliases]), required=True)
        return cs.typed_dict_schema({"name": name, **arguments["fields"]})

    def parse(self, value: Any, constants: Constants | None = None) -> Part:
        """The part that a checked or unchecked value of the config names.

        Raises:
            ValidationError: where it names none.
        """
        given = value if isinstance(value, dict) else {"name": value}
        if not isinstance(given.get("name"), str):
            raise self._unnamed(given)
        name = self._resolve(given["name"], ("name",) if given is value else ())
        arguments = {key: argument for key, argument in given.items() if key != "name"}
        parameters = self.table[name].parameters
        validator = SchemaValidator(_arguments_schema(parameters))
        checked = check_known(
            arguments, list(parameters), lambda known: validator.validate_python(known, context=constants)
        )
        return Part(name, checked, frozenset(arguments))

    def _unnamed(self, given: Mapping[str, Any]) -> ValidationError:
        hint = f"`varprobe list {self.kind}s` shows the names"
        example = "{name: he, gain: 1.2}" if self.kind == "initializer" else "{name: leaky_relu, slope: 0.2}"
        if "name" not in given:
            return problem("needs a name", f"write it as {example}; {hint}", (), given)
        value = given["name"]
        if self.kind == "initializer" and isinstance(value, float):
            hint = f"normal weights are {{name: normal, std: {value}}}; {hint}"
        return problem(f"must be the name of an {self.kind}, given {shown(value)}", hint, (), value)

    @staticmethod
    def _way_out(name: str) -> str:
        from varprobe.config.vocabulary import find_way_out

        way = find_way_out(name)
        return f"{way}; " if way else ""

    def _resolve(self, name: str, location: tuple[str, ...]) -> str:
        names = {alias: key for key, kind in self.table.items() for alias in (key, *kind.aliases)}
        if name.lower() in names:
            return names[name.lower()]
        near = nearest(name.removeprefix("nn.").removesuffix("()"), names)
        hint = f"did you mean '{near}'? " if near else self._way_out(name)
        raise problem(f"unknown {self.kind} '{name}'", f"{hint}`varprobe list {self.kind}s` shows all", location, name)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _arguments_schema(parameters: Parameters) -> CoreSchema:
    return mapping_schema({key: (domain_schema(one.domain, {}), one.default) for key, one in parameters.items()})


def mapping_schema(fields: Mapping[str, tuple[CoreSchema, Any]]) -> CoreSchema:
    """The schema of a mapping, by keys: what each may be, and its default; see `network.parameters.Parameter`."""
    return cs.typed_dict_schema({key: _field(schema, default) for key, (schema, default) in fields.items()})


def _field(schema: CoreSchema, default: Any) -> cs.TypedDictField:
    if default is ...:
        return cs.typed_dict_field(schema, required=True)
    known = optional(schema) if default is None else schema
    return cs.typed_dict_field(cs.with_default_schema(known, default=default), required=False)


def domain_schema(domain: Domain, defined: Definitions) -> CoreSchema:
    """What a parameter may be, as a schema; `defined` are the config's own definitions."""
    match domain:
        case Number(low, high, above, below):
            bounds = {"le": LARGEST, "gt" if above else "ge": low, "lt" if below else "le": high}
            return real(**{key: bound for key, bound in bounds.items() if abs(bound) < LARGEST})
        case Whole(low, high):
            return whole(low, high)
        case Choice(words):
            return choice(*words)
        case Text():
            return text()
        case Gain():
            return _GAIN
        case Defined(name):
            return defined[name]


ACTIVATION_PART = PartOf("activation", ACTIVATIONS)
INITIALIZER_PART = PartOf("initializer", INITIALIZERS)
