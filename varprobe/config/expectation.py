"""The config's `expect`: its schema, and what it comes to once the layers that bounds are of have been found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs

from varprobe.config.fields import (
    NOT_NEGATIVE,
    REAL,
    SHARE,
    FieldError,
    FieldPath,
    choice,
    optional,
    problem,
    refuse_unknown,
    section,
    shown,
    text,
)
from varprobe.config.records import Expect, Sides
from varprobe.errors import nearest
from varprobe.frozen import dataclass, field
from varprobe.network.number_formats import FORMATS
from varprobe.network.spec import Step
from varprobe.network.statistics import STATISTICS
from varprobe.verdict.findings import FINDINGS

Labels = tuple[str, ...] | None
Lines = Callable[[FieldPath], int | None]
DIRECTION_LABELS = ("stable", "vanishing", "exploding", "borderline", "inconclusive", "degenerate")
SIGNAL_LABELS = ("preserved", "fading", "collapsing", "inconclusive", "undefined")


@dataclass(frozen=True)
class Range:
    """From low to high, both included; None where a side is open."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class SideRange:
    """A range of a rate or a total: `side` is forward, backward or signal."""

    side: str
    range: Range


@dataclass(frozen=True)
class LayerBound:
    """A range of a statistic, for the mean over trials at each of some layers.

    Attributes:
        key: as it is written below `expect.layers`: an index, a name, or `all`.
        rows: of the report, from 1.
        statistic: the report's own key, such as `activation.variance`.
    """

    key: str
    rows: tuple[int, ...]
    statistic: str
    range: Range


@dataclass(frozen=True)
class Expectation:
    """What a config expects; None or empty where it expects nothing.

    Attributes:
        forward, backward, overall, signal: the labels that are allowed.
        rate, total_log10: ranges of the factor per layer, and of log10 of the change over the depth.
        saturated, dead: the largest share of any layer.
        safe_in: number formats whose range draws must not leave.
        theory: whether the measurement must agree with it.
        allow: codes of error-level findings that do not count.
        lines: from a path below `expect` to its line in the config.
    """

    forward: Labels = None
    backward: Labels = None
    overall: Labels = None
    signal: Labels = None
    rate: tuple[SideRange, ...] = ()
    total_log10: tuple[SideRange, ...] = ()
    layers: tuple[LayerBound, ...] = ()
    saturated: float | None = None
    dead: float | None = None
    safe_in: tuple[str, ...] = ()
    theory: bool = False
    allow: tuple[str, ...] = ()
    lines: dict[str, int | None] = field(default_factory=dict, compare=False)


# Where a config says nothing.
HEALTHY = Expectation(forward=("stable",), backward=("stable",))


def expect_schema() -> CoreSchema:
    """The schema of what `varprobe check` holds a network to."""
    direction = _label_schema(DIRECTION_LABELS)
    return section(
        Expect,
        forward=direction,
        backward=direction,
        overall=direction,
        signal=_label_schema(SIGNAL_LABELS),
        rate=optional(_sides(NOT_NEGATIVE)),
        total_log10=optional(_sides(REAL)),
        layers=optional(_layers()),
        saturated=optional(SHARE),
        dead=optional(SHARE),
        safe_in=_names("number format", [number.name for number in FORMATS]),
        theory=optional(choice("agree")),
        allow=_names("finding", list(FINDINGS), "`varprobe list findings` shows all", shortest=0),
    )


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _label_schema(names: tuple[str, ...]) -> CoreSchema:
    return _one_or_several(choice(*names), shortest=1)


def _one_or_several(one: CoreSchema, shortest: int) -> CoreSchema:
    several = optional(cs.list_schema(one, min_length=shortest))
    return cs.no_info_before_validator_function(
        _listed, several, json_schema_input_schema=cs.union_schema([one, several])
    )


def _names(what: str, legal: list[str], where: str = "", shortest: int = 1) -> CoreSchema:
    """One or several words of a table; an unknown one is told the nearest."""

    def check(word: Any) -> Any:
        if isinstance(word, str) and word not in legal:
            near = nearest(word, legal)
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


def _sides(number: CoreSchema) -> CoreSchema:
    one = optional(_range(number))
    return section(Sides, forward=one, backward=one, signal=one)


def _layers() -> CoreSchema:
    """Ranges by layer, then by statistic."""
    known = list(STATISTICS)
    bounds = _mapping_of("statistics", cs.dict_schema(choice(*known), _range(REAL), min_length=1), known)
    return _mapping_of("layers", cs.dict_schema(text(100), bounds, min_length=1))


def _mapping_of(what: str, schema: CoreSchema, known: list[str] | None = None) -> CoreSchema:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            example = "layers: {3: {activation.variance: [0.5, 2]}}"
            raise problem(f"must be a mapping of {what}, given {shown(value)}", f"write {example}", (), value)
        if known is not None:
            refuse_unknown(value, known)
        return value

    return cs.no_info_before_validator_function(check, schema, json_schema_input_schema=schema)


def resolve_expectation(expect: Expect | None, steps: Sequence[Step], batch: int, lines: Lines) -> Expectation | None:
    """What a checked `expect` says of these steps; None where there is none.

    Raises:
        FieldError: for a layer that is not there, or has no such statistic.
    """
    if expect is None:
        return None
    rows = [step for step in steps if step.layer.is_row]
    bounds = [
        _bound(key, statistic, limits, rows, batch)
        for key, statistics in (expect.layers or {}).items()
        for statistic, limits in statistics.items()
    ]
    return Expectation(
        forward=_labels(expect.forward),
        backward=_labels(expect.backward),
        overall=_labels(expect.overall),
        signal=_labels(expect.signal),
        rate=_ranges(expect.rate),
        total_log10=_ranges(expect.total_log10),
        layers=tuple(bounds),
        saturated=expect.saturated,
        dead=expect.dead,
        safe_in=tuple(expect.safe_in or ()),
        theory=expect.theory is not None,
        allow=tuple(expect.allow or ()),
        lines={".".join(map(str, path)): lines(("expect", *path)) for path in _paths(expect)},
    )


def _labels(names: Sequence[str] | None) -> Labels:
    return tuple(names) if names else None


def _ranges(sides: Sides | None) -> tuple[SideRange, ...]:
    if sides is None:
        return ()
    named = {"forward": sides.forward, "backward": sides.backward, "signal": sides.signal}
    return tuple(SideRange(side, Range(*limits)) for side, limits in named.items() if limits is not None)


def _bound(key: str, statistic: str, limits: Sequence[Any], rows: Sequence[Step], batch: int) -> LayerBound:
    path = ("expect", "layers", key)
    found = _rows(key, rows, path)
    having = [row for row in found if STATISTICS[statistic].belongs(rows[row - 1].layer, batch)]
    if not having or (key != "all" and len(having) < len(found)):
        row = next(row for row in found if row not in having)
        message = f"layer {row} ({rows[row - 1].layer.kind}) has no {statistic}"
        hint = "bound another statistic; `all` means the layers that have it"
        raise FieldError((*path, statistic), message, hint)
    return LayerBound(key, tuple(having), statistic, Range(*limits))


def _rows(key: str, rows: Sequence[Step], path: FieldPath) -> list[int]:
    """The rows, from 1, of an index, a name or `all`."""
    if key == "all":
        return list(range(1, len(rows) + 1))
    if key.isdecimal() and len(key) < 10 and 1 <= int(key) <= len(rows):
        return [int(key)]
    named = [row for row, step in enumerate(rows, 1) if step.name == key]
    if named:
        return named
    near = nearest(key, {step.name for step in rows})
    hint = f"did you mean '{near}'? " if near else ""
    raise FieldError(
        path, f"there is no layer '{key}'", f"{hint}write an index from 1 to {len(rows):,}, a name, or all"
    )


def _paths(expect: Expect) -> list[FieldPath]:
    """Every path below `expect` that a decision may be about."""
    named = ("forward", "backward", "overall", "signal", "saturated", "dead", "safe_in", "theory", "allow")
    paths: list[FieldPath] = [(name,) for name in named if getattr(expect, name) is not None]
    for name in ("rate", "total_log10"):
        sides = getattr(expect, name)
        if sides is not None:
            paths += [(name, side) for side in ("forward", "backward", "signal") if getattr(sides, side) is not None]
    paths += [("layers", key, statistic) for key, bounds in (expect.layers or {}).items() for statistic in bounds]
    return paths
