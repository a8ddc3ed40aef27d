"""The schema of the config's `expect`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs
from pydantic_core.core_schema import ValidationInfo

from varprobe.config.arithmetic import is_arithmetic
from varprobe.config.complaints import check_known, problem
from varprobe.config.fields import (
    NOT_NEGATIVE,
    REAL,
    SHARE,
    choice,
    optional,
    real,
    section,
    shown,
    text,
)
from varprobe.config.records import Expect, HeadRanges, SaturationLimit, Sides
from varprobe.config.vocabulary import find_meant
from varprobe.network.number_formats import FORMATS
from varprobe.network.statistics import STATISTICS
from varprobe.verdict.findings import FINDINGS
from varprobe.verdict.labels import Label, SignalLabel, Word


def expect_schema() -> CoreSchema:
    """The schema of what `varprobe check` holds a network to."""
    direction = _label_schema(tuple(reversed(Label)))
    return section(
        Expect,
        forward=direction,
        backward=direction,
        overall=direction,
        signal=_label_schema(tuple(SignalLabel)),
        rate=optional(_sides(NOT_NEGATIVE)),
        total_log10=optional(_sides(REAL)),
        layers=optional(_layers()),
        head=optional(section(HeadRanges, scale=optional(_range(NOT_NEGATIVE)))),
        initial_loss=optional(_range(REAL)),
        effective_rank=optional(_at_least(NOT_NEGATIVE)),
        saturated=optional(section(SaturationLimit, "share", share=SHARE, above=real(gt=0.0, lt=1.0))),
        dead=optional(SHARE),
        safe_in=_names("number format", [number.name for number in FORMATS]),
        theory=optional(choice("agree")),
        allow=_names("finding", list(FINDINGS), "`varprobe list findings` shows all", shortest=0),
    )


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _label_schema(labels: Sequence[Word]) -> CoreSchema:
    return _one_or_several(choice(*(label.value for label in labels)), shortest=1)


def _one_or_several(one: CoreSchema, shortest: int) -> CoreSchema:
    several = optional(cs.list_schema(one, min_length=shortest))
    return cs.no_info_before_validator_function(
        _listed, several, json_schema_input_schema=cs.union_schema([one, several])
    )


def _names(what: str, legal: list[str], where: str = "", shortest: int = 1) -> CoreSchema:
    """One or several words of a table; an unknown one is told the nearest."""

    def check(word: Any) -> Any:
        if isinstance(word, str) and word not in legal:
            near = find_meant(word, legal)
            others = where or f"known are {', '.join(legal)}"
            hint = f"did you mean '{near}'? {others}" if near else others
            raise problem(f"unknown {what} '{word}'", hint, (), word)
        return word

    one = choice(*legal)
    checked = cs.no_info_before_validator_function(check, one, json_schema_input_schema=one)
    return _one_or_several(checked, shortest)


def _range(number: CoreSchema) -> CoreSchema:
    """`[low, high]`; null leaves a side open."""
    pair = cs.list_schema(optional(number), min_length=2, max_length=2)

    def check_pair(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != 2:
            given = f"a list of {len(value)}" if isinstance(value, list) else shown(value)
            hint = "write it as [0.5, 2]; null leaves a side open, as in [null, 2]"
            raise problem(f"must be a range [low, high], given {given}", hint, (), value)
        return value

    def check_order(value: list[float | None]) -> list[float | None]:
        low, high = value
        if low is None and high is None:
            raise problem("bounds nothing: both sides are open", "give at least one side a number", (), value)
        if low is not None and high is not None and low > high:
            raise problem(f"is empty: {low:g} is above {high:g}", "write the smaller number first", (), value)
        return value

    checked = cs.no_info_after_validator_function(check_order, pair)
    return cs.no_info_before_validator_function(check_pair, checked, json_schema_input_schema=pair)


def _at_least(number: CoreSchema) -> CoreSchema:
    """A range; a bare number is its low end."""

    def widened(value: Any, info: ValidationInfo) -> Any:
        alone = isinstance(value, (int, float)) and not isinstance(value, bool)
        alone |= isinstance(value, str) and is_arithmetic(value, info.context or {})
        return [value, None] if alone else value

    pair = _range(number)
    return cs.with_info_before_validator_function(
        widened, pair, json_schema_input_schema=cs.union_schema([number, pair])
    )


def _sides(number: CoreSchema) -> CoreSchema:
    one = optional(_range(number))
    return section(Sides, forward=one, backward=one, signal=one)


def _layers() -> CoreSchema:
    """Ranges by layer, then by statistic."""
    known = list(STATISTICS)
    bounds = _mapping_of("statistics", cs.dict_schema(choice(*known), _range(REAL), min_length=1), known)
    return _mapping_of("layers", cs.dict_schema(text(100), bounds, min_length=1))


def _mapping_of(what: str, schema: CoreSchema, known: list[str] | None = None) -> CoreSchema:
    def check(value: Any, inner: Callable[[Any], Any]) -> Any:
        if not isinstance(value, dict):
            example = "layers: {3: {activation.variance: [0.5, 2]}}"
            raise problem(f"must be a mapping of {what}, given {shown(value)}", f"write {example}", (), value)
        return inner(value) if known is None else check_known(value, known, inner)

    return cs.no_info_wrap_validator_function(check, schema, json_schema_input_schema=schema)
