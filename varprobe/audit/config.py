"""Audits in YAML: where the arrays are, how they are read, and what was meant by each.

What a config audits is a file of `arrays`, or a `model` that a factory builds. The latter is code, and reading a config
runs none: `run_audit` refuses it unless it is handed the function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.fans import Layout, Reading
from varprobe.audit.files import tensors_of
from varprobe.audit.intent import read_intent
from varprobe.audit.records import ALPHA, TOLERANCE, Audit
from varprobe.config.arithmetic import Constants
from varprobe.config.complaints import problem
from varprobe.config.fields import choice, optional, real, section, text, whole
from varprobe.config.loading import ConfigText, read_config
from varprobe.config.overrides import Override, apply_overrides
from varprobe.config.schema import json_schema_of, read_constants
from varprobe.config.translation import translate
from varprobe.config.yaml_tree import Node, parse_yaml, plant
from varprobe.errors import ConfigError, InputFileError, Place, VarprobeError, join_errors
from varprobe.frozen import dataclass

# Draws of a model, and seconds that all of them may take.
DRAWS, MOST_DRAWS, TIMEOUT = 3, 100, 600.0


@dataclass(frozen=True)
class ModelConfig:
    """A model that a factory builds, as it is written.

    Attributes:
        factory: `pkg.mod:function`.
        args: plain data, passed by keyword.
        path: folders of modules, relative to the config.
    """

    factory: str
    args: Mapping[str, Any] | None = None
    path: Sequence[str] = ()
    draws: int = DRAWS
    seed: int = 0
    timeout: float = TIMEOUT


@dataclass(frozen=True)
class AuditConfig:
    """A config as it is written; what it leaves out has the defaults of the command line."""

    arrays: str | None = None
    model: ModelConfig | None = None
    vary: Mapping[str, Sequence[float]] | None = None
    name: str | None = None
    weights: Mapping[str, str] | None = None
    constants: Mapping[str, Any] | None = None
    layout: str | None = None
    transposed: Sequence[str] = ()
    packed: Mapping[str, int] | None = None
    groups: Mapping[str, int] | None = None
    alpha: float | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class AuditPlan:
    """An audit that was asked for in YAML.

    Attributes:
        root: the config with its places.
        folder: where its relative paths count from.
        label: the config's file, for messages.
    """

    config: AuditConfig
    settings: AuditSettings
    name: str
    root: Node
    folder: Path
    label: str


def load_audit(source: str | Path | Mapping[str, Any], overrides: Sequence[Override] = ()) -> AuditPlan:
    """The audit that a config asks for.

    Arguments:
        source: a path, `-` for standard input, or the config as a mapping.

    Raises:
        VarprobeError: with file, line, column, field and a hint.
    """
    if isinstance(source, Mapping):
        return _plan(plant(source, Place("config")), "config", Path(), "arrays", overrides)
    return plan_audit(read_config(source), overrides)


def plan_audit(config: ConfigText, overrides: Sequence[Override] = ()) -> AuditPlan:
    """As `load_audit`, of a text that has been read."""
    return _plan(parse_yaml(config.text, config.label), config.label, config.folder, config.stem, overrides)


ModelAudit = Callable[[AuditPlan, AuditSettings], Audit]


def refuse_model(plan: AuditPlan, settings: AuditSettings) -> Audit:
    """Imports nothing.

    Raises:
        ConfigError: says which module the config would import.
    """
    assert plan.config.model
    module = plan.config.model.factory.partition(":")[0]
    raise ConfigError(
        f"it would import the module '{module}', and run its code as you",
        hint="--allow-import lets it: look at the module first, if the config is not yours",
        place=plan.root.place_of(("model", "factory")),
        field="model.factory",
    )


def run_audit(plan: AuditPlan, alpha: float = ALPHA, audit_model: ModelAudit = refuse_model) -> Audit:
    """The audit of what a config names.

    Arguments:
        alpha: where the config says none.
        audit_model: what runs the code of a model that the config names.

    Raises:
        VarprobeError: where an array cannot be read, a pattern matches nothing, or a law has no value for a tensor.
    """
    settings = plan.settings if plan.config.alpha is not None else replace(plan.settings, alpha=alpha)
    try:
        found = audit_model(plan, settings) if plan.config.model else _audit_arrays(plan, settings)
    except VarprobeError as error:
        if error.place is None and error.field in (plan.config.weights or {}):
            raise _at_pattern(plan.root, error.field, error.message, error.hint) from None
        raise
    return _with_lines(found, plan.root)


def _audit_arrays(plan: AuditPlan, settings: AuditSettings) -> Audit:
    path = str(plan.config.arrays)
    try:
        tensors = tensors_of(plan.folder / path)
    except InputFileError as error:
        place = plan.root.place_of(("arrays",))
        raise ConfigError(error.message, hint=error.hint, place=place, field="arrays") from None
    return audit_tensors([tensors], settings, plan.name, path, plan.label)


def _plan(root: Node, label: str, folder: Path, stem: str, overrides: Sequence[Override]) -> AuditPlan:
    if overrides:
        root = apply_overrides(root, overrides)
    if not isinstance(root.value, dict):
        raise ConfigError("an audit is a mapping", hint="write `arrays: model.npz` and `weights:`", place=root.place)
    document = root.plain()
    try:
        constants = read_constants(document)
        config: AuditConfig = SchemaValidator(audit_core_schema()).validate_python(document, context=constants)
    except ValidationError as error:
        raise translate(error, root) from None
    return AuditPlan(config, _settings(config, constants, root), config.name or stem, root, folder, label)


def _settings(config: AuditConfig, constants: Constants, root: Node) -> AuditSettings:
    wrong = []
    for pattern, law in (config.weights or {}).items():
        try:
            read_intent({pattern: law}, constants)
        except VarprobeError as error:
            wrong.append(_at_pattern(root, pattern, error.message, error.hint, of_key=False))
    if wrong:
        raise join_errors(wrong)
    readings = {pattern: Reading(pattern, transposed=True) for pattern in config.transposed}
    for pattern, packed in (config.packed or {}).items():
        readings[pattern] = replace(readings.get(pattern, Reading(pattern)), packed=packed)
    for pattern, groups in (config.groups or {}).items():
        readings[pattern] = replace(readings.get(pattern, Reading(pattern)), groups=groups)
    return AuditSettings(
        Layout(config.layout) if config.layout else None,
        tuple(readings.values()),
        read_intent(config.weights or {}, constants),
        ALPHA if config.alpha is None else config.alpha,
        config.tolerance,
    )


def _at_pattern(root: Node, pattern: str, message: str, hint: str, *, of_key: bool = True) -> ConfigError:
    place = root.place_of(("weights", pattern), of_key=of_key)
    return ConfigError(message, hint=hint, place=place, field=f"weights.{pattern}")


def _with_lines(audit: Audit, root: Node) -> Audit:
    """The audit with the lines of its patterns."""

    def line(pattern: str) -> int | None:
        return root.place_of(("weights", pattern), of_key=True).line

    tensors = tuple(
        replace(one, intended=replace(one.intended, line=line(one.intended.pattern))) if one.intended else one
        for one in audit.tensors
    )
    return replace(audit, tensors=tensors)


def _has_source(config: AuditConfig) -> ValidationError | None:
    if config.arrays and config.model:
        return problem("names arrays and a model", "leave one of them out", ("model",), None)
    if config.model is None and config.vary is not None:
        return problem(
            "varies an argument of no factory", "it goes with `model: {factory: pkg.mod:build}`", ("vary",), None
        )
    if config.vary is not None and len(config.vary) != 1:
        return problem("varies one argument at a time", "write `vary: {std: [0.02, 0.05]}`", ("vary",), None)
    if config.arrays or config.model:
        return None
    hint = "add it, as in `arrays: model.safetensors` or `model: {factory: pkg.mod:build}`"
    return problem("names nothing to audit", hint, (), None)


def audit_core_schema() -> CoreSchema:
    """The schema of an audit's config, for the validator and for the JSON Schema."""
    patterns, numbers = text(500), cs.dict_schema(text(500), whole(1, 1_000_000))
    return section(
        AuditConfig,
        None,
        _has_source,
        arrays=optional(text()),
        model=optional(_model_schema()),
        vary=optional(cs.dict_schema(text(60), cs.list_schema(real(), min_length=2, max_length=2), min_length=1)),
        name=optional(text(200)),
        weights=optional(cs.dict_schema(patterns, text(500))),
        constants=optional(cs.dict_schema(text(60), real())),
        layout=optional(choice(*Layout)),
        transposed=cs.list_schema(patterns),
        packed=optional(numbers),
        groups=optional(numbers),
        alpha=optional(real(gt=0.0, lt=1.0)),
        tolerance=real(ge=0.0, lt=1.0),
    )


def _model_schema() -> CoreSchema:
    return section(
        ModelConfig,
        factory=text(500),
        args=optional(cs.dict_schema(text(60), cs.any_schema())),
        path=cs.list_schema(text()),
        draws=whole(1, MOST_DRAWS),
        seed=whole(0, 2**63 - 1),
        timeout=real(gt=0.0),
    )


def audit_config_schema() -> dict[str, Any]:
    """The JSON Schema of an audit's config."""
    return json_schema_of(audit_core_schema(), "varprobe audit config")
