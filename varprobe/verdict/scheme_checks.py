"""Findings about schemes that count something else than is meant: a fan, or the branches of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator

from varprobe.formatting import number
from varprobe.network.description import LayerDescription
from varprobe.verdict.case import Case
from varprobe.verdict.found import Found

# fan_in over fan_out from which on the wrong one of them is told.
FAN_LIMIT = 10.0
# Of the MLP of a transformer: its first map widens so many times.
_MLP = 4


def find_fan_mode(case: Case) -> Iterator[Found]:
    """The layer that narrows most, where its scheme goes by fan_out: its variance does, with that of all its like."""
    dense = [row for row, layer in enumerate(case.layers) if layer.has_weights and layer.expected_std]
    found = [row for row in dense if _ratio(case.layers[row]) >= FAN_LIMIT and _goes_by_fan_out(case, row, dense)]
    if found:
        row = max(found, key=lambda row: _ratio(case.layers[row]))
        layer, more = case.layers[row], f" So it is in {len(found) - 1:,} more." if len(found) > 1 else ""
        message = (
            f"The scheme takes fan_out, {layer.fan_out:,}, where fan_in, {layer.fan_in:,}, keeps the forward variance: "
            f"its second moment is {number(_ratio(layer))} times as large.{more}"
        )
        yield Found("fan-mode", message, row + 1, _ratio(layer), FAN_LIMIT)


def _ratio(layer: LayerDescription) -> float:
    return layer.fan_in / layer.fan_out


def _goes_by_fan_out(case: Case, row: int, dense: list[int]) -> bool:
    """Whether std^2 fan_out is that of the others of its scheme, of which one at least has another fan_out."""
    here = case.layers[row]
    others = [case.layers[each] for each in dense if each != row and case.layers[each].init == here.init]
    moments = [(layer.expected_std or 0.0) ** 2 * layer.fan_out for layer in [here, *others]]
    same = all(math.isclose(moment, moments[0], rel_tol=1e-6) for moment in moments)
    return same and any(layer.fan_out != here.fan_out for layer in others)


def find_branch_count(case: Case) -> Iterator[Found]:
    """Blocks that look like the MLP half of a transformer under gpt2, which has a branch of attention for each."""
    branches, start = 0, 0
    for row, layer in enumerate(case.layers):
        if not layer.trunk:
            continue
        if layer.kind == "residual":
            inside = [each for each in case.layers[start:row] if each.has_weights]
            if not _is_half(inside):
                return
            branches += 1
        start = row + 1
    if branches > 1:
        message = (
            f"gpt2 divides by sqrt({branches:,}): these {branches:,} branches look like the MLPs of a transformer, "
            f"which with its attention has {2 * branches:,}."
        )
        yield Found("branch-count", message, measured=float(branches), limit=2.0 * branches)


def _is_half(dense: list[LayerDescription]) -> bool:
    """Two maps under gpt2 that count the branches themselves, four times as wide between them."""
    if len(dense) != 2 or any(layer.init is None for layer in dense):
        return False
    schemes = [layer.init or "" for layer in dense]
    counted = all(scheme.split("(")[0] == "gpt2" and "branches=" not in scheme for scheme in schemes)
    first, last = dense
    return counted and first.fan_out == _MLP * first.fan_in and last.fan_out == first.fan_in
