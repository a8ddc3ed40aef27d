"""Which keys a config has, of what type, in what range.

Every mapping of the config is a record of `models`, and `section` makes its schema; `expect` has a module of its own.
Shorthands (`dense: 256`) are widened to their long form before checking, so that every field has one path in messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs
from pydantic_core.core_schema import ValidationInfo

from varprobe.config.arithmetic import Constants, evaluate_constants, is_arithmetic
from varprobe.config.columns import COLUMN, LABEL
from varprobe.config.complaints import UNKNOWN_KEY, check_known, problem, problems
from varprobe.config.expect_schema import expect_schema
from varprobe.config.fields import (
    NOT_NEGATIVE,
    REAL,
    choice,
    optional,
    real,
    section,
    short_form,
    shown,
    text,
    whole,
)
from varprobe.config.parts import (
    ACTIVATION_PART,
    DEFAULT_ACTIVATION,
    DEFAULT_INIT,
    INITIALIZER_PART,
    Definitions,
    domain_schema,
    mapping_schema,
)
from varprobe.config.records import Bias, Config, Defaults, Entry, File, Gradient, InputModel, Probe
from varprobe.network.layer_kinds import LAYER_KINDS, MAX_WIDTH, Fields
from varprobe.network.parameters import Domain

_ENTRY = (
    "One entry of `layers`: exactly one kind of layer, how often it is repeated, its name, and a dense layer's role: "
    "of the body, or the head."
)
_BESIDE = ("repeat", "name", "role")
_REPEAT = whole(1, 1_000_000)


def _one_bias(bias: Bias) -> ValidationError | None:
    if sum(part is not None for part in (bias.value, bias.std, bias.path)) == 1:
        return None
    hint = "write a number, {std: 0.1} or {path: weights.npz, key: b1}"
    return problem("must be a number, a std or a file, exactly one of them", hint, (), None)


def _path_belongs(record: Any) -> ValidationError | None:
    """`path` goes with the word `file`, in the input and in the gradient."""
    if isinstance(record, InputModel) and (record.distribution == "sparse") != (record.density is not None):
        hint = "write distribution: sparse and density: 0.1"
        return problem("a density and the word `sparse` belong together", hint, (), None)
    if isinstance(record, InputModel) and record.distribution == "one_hot" and (record.mean, record.std) != (0.0, 1.0):
        return problem("one_hot rows have no mean or std", "remove them", (), None)
    if isinstance(record, InputModel) and record.path is None:
        for key in ("key", "columns", "label", "standardize"):
            if getattr(record, key) is not None and getattr(record, key) is not False:
                hint = "write distribution: file and path: FILE, or remove it"
                return problem(f"{key} is of a file, and no path is given", hint, (), None)
    word = record.distribution if isinstance(record, InputModel) else record.name
    if (word == "file") == (record.path is not None):
        return None
    key = "distribution" if isinstance(record, InputModel) else "name"
    return problem("a path and the word `file` belong together", f"write {key}: file and path: FILE.npy", (), None)


def _check_entry(data: Any, inner: Callable[[Any], Entry], info: ValidationInfo) -> Entry:
    """One entry of `layers`; a bare number is a dense layer's width."""
    is_number = isinstance(data, (int, float)) and not isinstance(data, bool)
    if is_number or (isinstance(data, str) and is_arithmetic(data, info.context or {})):
        data = {"dense": data}
    legal = f"a layer is one of {', '.join(LAYER_KINDS)}, as in `- dense: 256`"
    if not isinstance(data, dict):
        from varprobe.config.vocabulary import find_layer

        meant = find_layer(data) if isinstance(data, str) else ""
        raise problem(f"must be a layer, given {shown(data)}", meant or legal, (), data)
    kinds = [kind for kind in LAYER_KINDS if kind in data]
    if not kinds and all(key in _BESIDE for key in data):
        raise problem("names no layer", legal, (), data)
    if len(kinds) > 1:
        raise problem(f"is both {kinds[0]} and {kinds[1]}", "write them as two entries", (kinds[1],), data)
    if kinds and data[kinds[0]] is None:
        raise problem("says nothing", "for example `- dense: 256`, `- norm: layer`", (kinds[0],), data)
    if not kinds:  # the unknown keys are what is wrong
        return check_known(data, [*LAYER_KINDS, *_BESIDE], inner)
    data, others = _take_out_misplaced(data, kinds[0])
    return check_known(data, [*LAYER_KINDS, *_BESIDE], inner, others)


def _take_out_misplaced(data: dict[str, Any], kind: str) -> tuple[dict[str, Any], list[ValidationError]]:
    """The entry without what stands in the wrong place, and what is wrong with that."""
    wrong, takes, given = [], LAYER_KINDS[kind].takes, data[kind]
    if isinstance(given, dict) and isinstance(takes, Fields):
        inside = ("repeat",) if LAYER_KINDS[kind].has_weights else ()
        if inside and data.get("repeat") is not None and given.get("repeat") is not None:
            wrong.append(problem("repeat stands here and beside it", "remove one", (kind, "repeat"), given["repeat"]))
        for key in (key for key in _BESIDE if key in given and key not in inside):
            hint = f"write it beside `{kind}`, not in it"
            wrong.append(problem(f"unknown key '{key}'", hint, (kind, key), given[key], UNKNOWN_KEY))
        data = {**data, kind: {key: value for key, value in given.items() if key in inside or key not in _BESIDE}}
    if data.get("role") is not None and not LAYER_KINDS[kind].has_weights:
        hint = "write it beside a `dense:`, or remove it"
        wrong.append(problem(f"a {kind} has no role", hint, ("role",), data["role"]))
        data = {**data, "role": None}
    return data, wrong


def _entry(checked: dict[str, Any]) -> Entry:
    kind = next((kind for kind in LAYER_KINDS if checked[kind] is not None), "")
    value, repeat = checked.get(kind), checked["repeat"]
    if kind and LAYER_KINDS[kind].has_weights and value is not None:
        inner = value.pop("repeat")
        repeat = repeat if inner is None else inner
    return Entry(kind, value, repeat, checked["name"], checked["role"])


def _entry_schema(defined: Definitions) -> CoreSchema:
    """One entry of `layers`, by the table of kinds."""
    schemas = {
        word: (_kind_schema(kind.takes, defined, {"repeat": (_REPEAT, None)} if kind.has_weights else {}), None)
        for word, kind in LAYER_KINDS.items()
    }
    beside = {
        "repeat": (_REPEAT, 1),
        "name": (text(100), None),
        "role": (choice("body", "head"), None),
    }
    body = _described(mapping_schema({**schemas, **beside}), _ENTRY)
    entry = cs.no_info_after_validator_function(_entry, body)
    form = cs.union_schema([whole(1, MAX_WIDTH), body])
    return cs.with_info_wrap_validator_function(_check_entry, entry, ref="entry", json_schema_input_schema=form)


def _kind_schema(
    takes: Domain | Fields, defined: Definitions, more: Mapping[str, tuple[CoreSchema, Any]]
) -> CoreSchema:
    """What stands behind a kind's word."""
    if not isinstance(takes, Fields):
        return domain_schema(takes, defined)
    schemas = {key: (domain_schema(one.domain, defined), one.default) for key, one in takes.parameters.items()}
    schemas |= more
    body = _described(mapping_schema(schemas), takes.about)
    return short_form(body, {key: schema for key, (schema, _) in schemas.items()}, takes.shorthand)


def _described(schema: CoreSchema, about: str) -> CoreSchema:
    return {**schema, "metadata": {"pydantic_js_updates": {"description": about}}}


def _same(value: Any) -> Any:
    return value


def config_core_schema() -> CoreSchema:
    """The schema of a whole config, for the validator and for the JSON Schema."""
    activations, initializers = ACTIVATION_PART, INITIALIZER_PART
    activation, init = cs.definition_reference_schema("activation"), cs.definition_reference_schema("initializer")
    bias = cs.definition_reference_schema("bias")
    bias_form = section(
        Bias,
        "value",
        _one_bias,
        value=optional(REAL),
        std=optional(NOT_NEGATIVE),
        path=optional(text()),
        key=optional(text()),
    )
    shared = [
        activations.schema("activation"),
        initializers.schema("initializer"),
        cs.no_info_before_validator_function(_same, bias_form, ref="bias", json_schema_input_schema=bias_form),
    ]
    entries = cs.list_schema(cs.definition_reference_schema("entry"), min_length=1)
    entry = _entry_schema(
        {
            "activation": activation,
            "initializer": init,
            "bias": bias,
            "file": section(File, path=text(), key=optional(text())),
            "layers": entries,
        }
    )
    defaults = section(
        Defaults,
        activation=cs.with_default_schema(activation, default_factory=partial(activations.parse, DEFAULT_ACTIVATION)),
        init=cs.with_default_schema(init, default_factory=partial(initializers.parse, DEFAULT_INIT)),
        bias=optional(bias),
    )
    source = section(
        InputModel,
        None,
        _path_belongs,
        features=whole(1, MAX_WIDTH),
        distribution=choice("normal", "uniform", "constant", "one_hot", "sparse", "file"),
        mean=REAL,
        std=NOT_NEGATIVE,
        density=optional(real(gt=0.0, le=1.0)),
        path=optional(text()),
        key=optional(text()),
        columns=optional(cs.list_schema(COLUMN, min_length=1, max_length=10_000)),
        label=optional(LABEL),
        standardize=cs.bool_schema(strict=True),
    )
    gradient = section(
        Gradient,
        "name",
        _path_belongs,
        name=choice("random", "mse", "cross_entropy", "bce", "file"),
        path=optional(text()),
    )
    probe = section(
        Probe,
        batch=whole(1, 10_000_000),
        trials=whole(1, 1_000_000),
        seed=whole(0, 2**63 - 1),
        dtype=choice("float32", "float64"),
        engine=choice("auto", "explicit", "matrix-free"),
        gradient=gradient,
    )
    config = section(
        Config,
        input=source,
        layers=entries,
        defaults=cs.with_default_schema(
            defaults,
            default_factory=lambda: Defaults(activations.parse(DEFAULT_ACTIVATION), initializers.parse(DEFAULT_INIT)),
        ),
        name=optional(text(200)),
        probe=probe,
        expect=optional(expect_schema()),
        constants=optional(cs.dict_schema(text(60), REAL)),
    )
    return cs.definitions_schema(config, [entry, *shared])


def parse_config(document: Any) -> Config:
    """A checked config.

    Raises:
        ValidationError: with the path of every field that is wrong.
    """
    constants = read_constants(document)
    config: Config = SchemaValidator(config_core_schema()).validate_python(document, context=constants)
    return config


def read_constants(document: Any) -> Constants:
    """The values of a config's `constants`, by name.

    Raises:
        ValidationError: for what is no number, names what is not there before it, or has no name of its own.
    """
    given = document.get("constants") if isinstance(document, dict) else None
    if not isinstance(given, dict):  # which the schema says
        return {}
    found, wrong = evaluate_constants(given)
    if wrong:
        raise problems([(mistake.message, mistake.hint, ("constants", name)) for name, mistake in wrong.items()])
    return found


def config_schema() -> dict[str, Any]:
    """The JSON Schema of a config file; shorthands are alternatives to the long forms."""
    return json_schema_of(config_core_schema(), "varprobe config")


def json_schema_of(schema: CoreSchema, title: str) -> dict[str, Any]:
    """The JSON Schema of what pydantic is given."""
    from pydantic.json_schema import GenerateJsonSchema

    generated = GenerateJsonSchema().generate(schema, mode="validation")
    return {**_closed(generated), "$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}


def _closed(schema: Any) -> Any:
    """The schema with every mapping closed to unknown keys, as the loader has it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed["additionalProperties"] = False
    return closed
