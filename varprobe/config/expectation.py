"""What the config's `expect` comes to once the layers, the head and the loss that it is about have been found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from varprobe.config.fields import FieldError, FieldPath, Mistakes
from varprobe.config.records import Expect, SaturationLimit, Sides
from varprobe.errors import nearest
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec, Step
from varprobe.network.statistics import STATISTICS

Labels = tuple[str, ...] | None
Lines = Callable[[FieldPath], int | None]


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
        head_scale: range of the second moment of the head's output over that of the body's.
        initial_loss: range of the objective's value per sample.
        effective_rank: range for the mean over trials at each judged layer.
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
    head_scale: Range | None = None
    initial_loss: Range | None = None
    effective_rank: Range | None = None
    saturated: SaturationLimit | None = None
    dead: float | None = None
    safe_in: tuple[str, ...] = ()
    theory: bool = False
    allow: tuple[str, ...] = ()
    lines: dict[str, int | None] = field(default_factory=dict, compare=False)


# Where a config says nothing.
HEALTHY = Expectation(forward=("stable",), backward=("stable",))


def resolve_expectation(expect: Expect | None, spec: NetworkSpec, lines: Lines) -> Expectation | None:
    """What a checked `expect` says of this network; None where there is none.

    Raises:
        SeveralFieldsError: for a layer that is not there or has no such statistic, a head or a loss that is not there.
    """
    if expect is None:
        return None
    mistakes, bounds = Mistakes(), []
    for check in (_check_head, _check_loss, _check_rank):
        with mistakes.gathered():
            check(expect, spec)
    for key, statistics in (expect.layers or {}).items():
        for statistic, limits in statistics.items():
            with mistakes.gathered():
                bounds.append(_bound(key, statistic, limits, spec.rows, spec.settings.batch))
    mistakes.tell()
    return Expectation(
        forward=_labels(expect.forward),
        backward=_labels(expect.backward),
        overall=_labels(expect.overall),
        signal=_labels(expect.signal),
        rate=_ranges(expect.rate),
        total_log10=_ranges(expect.total_log10),
        layers=tuple(bounds),
        head_scale=_range_of(expect.head.scale if expect.head else None),
        initial_loss=_range_of(expect.initial_loss),
        effective_rank=_range_of(expect.effective_rank),
        saturated=expect.saturated,
        dead=expect.dead,
        safe_in=tuple(expect.safe_in or ()),
        theory=expect.theory is not None,
        allow=tuple(expect.allow or ()),
        lines={".".join(map(str, path)): lines(("expect", *path)) for path in _paths(expect)},
    )


def _check_head(expect: Expect, spec: NetworkSpec) -> None:
    if expect.head is not None and spec.head is None:
        hint = "write role: head beside its last dense layer, or remove it"
        raise FieldError(("expect", "head"), "this network has no head", hint)


def _check_loss(expect: Expect, spec: NetworkSpec) -> None:
    kind = spec.objective.kind
    if expect.initial_loss is not None and kind in ("random", "file"):
        given = "given gradients have" if kind == "file" else "the random gradient has"
        hint = "set probe.gradient to mse, cross_entropy or bce, or remove it"
        raise FieldError(("expect", "initial_loss"), f"{given} no loss", hint)


def _check_rank(expect: Expect, spec: NetworkSpec) -> None:
    if expect.effective_rank is not None and spec.settings.batch == 1:
        hint = "raise probe.batch to 2 or more, or remove it"
        raise FieldError(("expect", "effective_rank"), "a batch of 1 has no effective rank", hint)


def _range_of(limits: Sequence[float | None] | None) -> Range | None:
    return Range(*limits) if limits else None


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
    nested = ("rate", "total_log10", "layers", "head")
    alone = [field.name for field in fields(Expect) if field.name not in nested]
    paths: list[FieldPath] = [(name,) for name in alone if getattr(expect, name) is not None]
    for name in ("rate", "total_log10"):
        sides = getattr(expect, name)
        if sides is not None:
            paths += [(name, side) for side in ("forward", "backward", "signal") if getattr(sides, side) is not None]
    paths += [("head", "scale")] if expect.head and expect.head.scale else []
    paths += [("layers", key, statistic) for key, bounds in (expect.layers or {}).items() for statistic in bounds]
    return paths
