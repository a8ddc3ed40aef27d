"""Audits in YAML: where the arrays are, how they are read, and what was meant by each.

What a config audits is one of `SOURCES`; a new kind of source is a key of the schema and an entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from varprobe.audit.tensors import Tensor
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


@dataclass(frozen=True)
class AuditConfig:
    """A config as it is written; what it leaves out has the defaults of the command line."""

    arrays: str | None = None
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


def run_audit(plan: AuditPlan, alpha: float = ALPHA) -> Audit:
    """The audit of what a config names.

    Arguments:
        alpha: where the config says none.

    Raises:
        VarprobeError: where an array cannot be read, a pattern matches nothing, or a law has no value for a tensor.
    """
    settings = plan.settings if plan.config.alpha is not None else replace(plan.settings, alpha=alpha)
    key, read = next((key, read) for key, read in SOURCES.items() if getattr(plan.config, key) is not None)
    try:
        draws = read(plan)
    except InputFileError as error:
        raise ConfigError(error.message, hint=error.hint, place=plan.root.place_of((key,)), field=key) from None
    try:
        found = audit_tensors(draws, settings, plan.name, str(getattr(plan.config, key)), plan.label)
    except VarprobeError as error:
        if error.place is None and error.field in (plan.config.weights or {}):
            raise _at_pattern(plan.root, error.field, error.message, error.hint) from None
        raise
    return _with_lines(found, plan.root)


def _read_arrays(plan: AuditPlan) -> Sequence[Iterable[Tensor]]:
    return [tensors_of(plan.folder / str(plan.config.arrays))]


# What is audited, by the key that names it: independent draws of the same tensors.
SOURCES: dict[str, Callable[[AuditPlan], Sequence[Iterable[Tensor]]]] = {"arrays": _read_arrays}


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
    if any(getattr(config, key) is not None for key in SOURCES):
        return None
    return problem("names nothing to audit", "add it, as in `arrays: model.safetensors`", (), None)


def audit_core_schema() -> CoreSchema:
    """The schema of an audit's config, for the validator and for the JSON Schema."""
    patterns, numbers = text(500), cs.dict_schema(text(500), whole(1, 1_000_000))
    return section(
        AuditConfig,
        None,
        _has_source,
        arrays=optional(text()),
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


def audit_config_schema() -> dict[str, Any]:
    """The JSON Schema of an audit's config."""
    return json_schema_of(audit_core_schema(), "varprobe audit config")
