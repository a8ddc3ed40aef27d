"""Config -> Expectation: finds the layers that bounds are of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from varprobe.config.expectation import Expectation, Labels, LayerBound, Range, SideRange
from varprobe.config.fields import FieldError, FieldPath
from varprobe.config.records import Expect, Sides
from varprobe.errors import nearest
from varprobe.network.spec import Step
from varprobe.network.statistics import STATISTICS

Lines = Callable[[FieldPath], int | None]


def expectation_of(expect: Expect | None, steps: Sequence[Step], batch: int, lines: Lines) -> Expectation | None:
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
