"""The config as pydantic sees it: which keys there are, of what type, in what range.

The models only check; `build` turns them into a `NetworkSpec`. Shorthands (`dense: 256`) are widened to their
long form before checking, so that every field has one path in messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from varprobe.errors import nearest
from varprobe.spec.activations import ACTIVATIONS, ActivationKind
from varprobe.spec.initializers import INITIALIZERS, InitializerKind
from varprobe.spec.parameters import (
    NotNegative,
    Positive,
    Real,
    Share,
    Text,
    check_arguments,
    parameter_model,
    unknown_key,
)

MAX_WIDTH = 100_000_000
DEFAULT_INIT, DEFAULT_ACTIVATION = "xavier", "linear"

Width = Annotated[int, Field(strict=True, ge=1, le=MAX_WIDTH)]
Repeat = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Direction = Literal["stable", "vanishing", "exploding", "borderline", "inconclusive", "degenerate"]
Signal = Literal["preserved", "fading", "collapsing", "inconclusive", "undefined"]


def _problem(message: str, hint: str, location: tuple[str | int, ...], value: object) -> ValidationError:
    error = PydanticCustomError("varprobe", "{message}", {"message": message, "hint": hint})
    return ValidationError.from_exception_data("config", [InitErrorDetails(type=error, loc=location, input=value)])


class Section(BaseModel):
    """A mapping of the config: unknown keys are errors that name the nearest legal one."""

    model_config = ConfigDict(frozen=True)
    shorthand: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            legal = list(cls.model_fields)
            unknown = [unknown_key(key, legal, value) for key, value in data.items() if key not in legal]
            if unknown:
                raise ValidationError.from_exception_data(cls.__name__, unknown)
        elif cls.shorthand is not None:
            return {cls.shorthand: data}
        return data


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


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, eq=False)
class PartOf:
    """The pydantic type of a name, or of a mapping `{name, ...arguments}`, out of one of the tables."""

    kind: str
    table: Mapping[str, ActivationKind | InitializerKind]

    def parse(self, value: Any) -> Part:
        given = {"name": value} if not isinstance(value, dict) else value
        if not isinstance(given.get("name"), str):
            raise self._unnamed(given)
        name = self._resolve(given["name"], ("name",) if isinstance(value, dict) else ())
        arguments = {key: argument for key, argument in given.items() if key != "name"}
        return Part(name, check_arguments(name, self.table[name].parameters, arguments), frozenset(arguments))

    def _unnamed(self, given: Mapping[str, Any]) -> ValidationError:
        hint = f"`varprobe list {self.kind}s` shows the names"
        if "name" not in given:
            return _problem("needs a name", f"write {{name: ..., ...}}; {hint}", (), given)
        value = given["name"]
        return _problem(f"must be the name of an {self.kind}, given {_shown(value)}", hint, (), value)

    def _resolve(self, name: str, location: tuple[str, ...]) -> str:
        names = {alias: key for key, kind in self.table.items() for alias in (key, *kind.aliases)}
        lower = name.lower()
        if lower in names:
            return names[lower]
        near = nearest(name, names)
        hint = f"did you mean '{near}'? " if near else ""
        raise _problem(
            f"unknown {self.kind} '{name}'", f"{hint}`varprobe list {self.kind}s` shows all", location, name
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        names = [alias for key, kind in self.table.items() for alias in (key, *kind.aliases)]
        return {"anyOf": [{"enum": names}, *(self._object_schema(key) for key in self.table)]}

    def _object_schema(self, name: str) -> dict[str, Any]:
        kind = self.table[name]
        schema = parameter_model(name, kind.parameters).model_json_schema()
        properties = {"name": {"enum": [name, *kind.aliases]}, **schema.get("properties", {})}
        required = ["name", *schema.get("required", [])]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else "nothing" if value is None else f"{value}"


ActivationPart = Annotated[Part, PartOf("activation", ACTIVATIONS)]
InitializerPart = Annotated[Part, PartOf("initializer", INITIALIZERS)]


class File(Section):
    """An array in a .npy file, or under `key` in a .npz file; relative paths count from the config's folder."""

    path: Text
    key: Text | None = None


class Bias(Section):
    """A constant, `{std: s}` for N(0, s^2), or `{path, key}` for given values; exactly one of them."""

    shorthand = "value"
    value: Real | None = None
    std: NotNegative | None = None
    path: Text | None = None
    key: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Bias:
        if sum(part is not None for part in (self.value, self.std, self.path)) != 1:
            hint = "write a number, {std: 0.1} or {path: weights.npz, key: b1}"
            raise _problem("must be a number, a std or a file, exactly one of them", hint, (), None)
        return self


class DenseModel(Section):
    """An affine map, then its activation."""

    shorthand = "width"
    width: Width
    activation: ActivationPart | None = None
    init: InitializerPart | None = None
    bias: Bias | None = None


class NormModel(Section):
    """Layer, batch or rms normalisation, with the biased variance."""

    shorthand = "kind"
    kind: Literal["layer", "batch", "rms"]
    eps: NotNegative = 1e-5
    gamma: File | None = None
    beta: File | None = None


class ResidualModel(Section):
    """skip + scale * branch; the branch keeps the width."""

    scale: Real = 1.0
    layers: Annotated[list[Entry], Field(min_length=1)]


LAYER_KINDS = ("dense", "norm", "activation", "dropout", "block", "residual")


class Entry(Section):
    """One entry of `layers`: exactly one kind of layer, how often it is repeated, and its name."""

    dense: DenseModel | None = None
    norm: NormModel | None = None
    activation: ActivationPart | None = None
    dropout: Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)] | None = None
    block: Annotated[list[Entry], Field(min_length=1)] | None = None
    residual: ResidualModel | None = None
    repeat: Repeat = 1
    name: Annotated[str, Field(strict=True, min_length=1, max_length=100)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_kind(cls, data: Any) -> Any:
        legal = f"a layer is one of {', '.join(LAYER_KINDS)}, as in `- dense: 256`"
        if not isinstance(data, dict):
            raise _problem(f"must be a layer, given {_shown(data)}", legal, (), data)
        kinds = [kind for kind in LAYER_KINDS if kind in data]
        unknown = [key for key in data if key not in cls.model_fields]
        if not kinds and not unknown:
            raise _problem("names no layer", legal, (), data)
        if len(kinds) > 1:
            raise _problem(f"is both {kinds[0]} and {kinds[1]}", "write them as two entries", (kinds[1],), data)
        if kinds and data[kinds[0]] is None:
            raise _problem("says nothing", "for example `- dense: 256`, `- norm: layer`", (kinds[0],), data)
        return data


class InputModel(Section):
    """The batch: independent entries of one law, a constant, or the rows of a file."""

    features: Width
    distribution: Literal["normal", "uniform", "constant", "file"] = "normal"
    mean: Real = 0.0
    std: NotNegative = 1.0
    path: Text | None = None

    @model_validator(mode="after")
    def _path(self) -> InputModel:
        if (self.distribution == "file") != (self.path is not None):
            hint = "write distribution: file and path: batch.npy, or neither"
            raise _problem("a path and the distribution `file` belong together", hint, (), None)
        return self


class Defaults(Section):
    """What a dense layer takes when it does not say."""

    activation: ActivationPart = Part(DEFAULT_ACTIVATION, {}, frozenset())
    init: Annotated[Part, PartOf("initializer", INITIALIZERS), Field(validate_default=True)] = DEFAULT_INIT  # type: ignore[assignment]  # pydantic parses the default name
    bias: Bias | None = None


class Gradient(Section):
    """The probe's objective: what is propagated backward."""

    shorthand = "name"
    name: Literal["random", "mse", "cross_entropy", "file"] = "random"
    path: Text | None = None

    @model_validator(mode="after")
    def _path(self) -> Gradient:
        if (self.name == "file") != (self.path is not None):
            hint = "write {name: file, path: cotangent.npy}"
            raise _problem("a path and the name `file` belong together", hint, (), None)
        return self


class Probe(Section):
    """How the network is measured."""

    batch: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] = 128
    trials: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 20
    seed: Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)] = 0
    dtype: Literal["float32", "float64"] = "float32"
    engine: Literal["auto", "explicit", "matrix-free"] = "auto"
    gradient: Gradient = Gradient()


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _labels(label: Any) -> Any:
    """One label or a list of them."""
    return Annotated[
        list[label] | None, BeforeValidator(_listed, json_schema_input_type=label | list[label] | None)
    ]


class Expect(Section):
    """What `varprobe check` holds the network to: a label, or a list of labels of which one must hold."""

    forward: _labels(Direction) = None  # type: ignore[valid-type]  # pydantic builds the type
    backward: _labels(Direction) = None  # type: ignore[valid-type]
    overall: _labels(Direction) = None  # type: ignore[valid-type]
    signal: _labels(Signal) = None  # type: ignore[valid-type]


class Config(Section):
    """A whole config file."""

    name: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    input: InputModel
    defaults: Defaults = Defaults()
    layers: Annotated[list[Entry], Field(min_length=1)]
    probe: Probe = Probe()
    expect: Expect | None = None


