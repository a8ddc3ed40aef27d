"""Findings about residual branches that add nothing, and those that never will."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from varprobe.formatting import count
from varprobe.frozen import dataclass
from varprobe.verdict.case import Case
from varprobe.verdict.found import Found

if TYPE_CHECKING:
    from varprobe.theory.records import RowPrediction


@dataclass(frozen=True)
class Branch:
    """An outermost residual branch: its rows, and that of its join; from 0."""

    rows: range
    join: int


def find_branches(case: Case) -> Iterator[Branch]:
    """The branches in order, none that is empty."""
    start = 0
    for row, layer in enumerate(case.layers):
        if not layer.trunk:
            continue
        if layer.kind == "residual" and row > start:
            yield Branch(range(start, row), row)
        start = row + 1


def find_zero_branches(case: Case) -> Iterator[Found]:
    """Residual branches that add nothing, measured or by theory alone."""
    if case.measurement is None:
        joins = [branch.join for branch in find_branches(case) if _adds_nothing(case, branch)]
    else:
        joins = np.flatnonzero((case.measured.statistics.zero_branch == 1).all(axis=0)).tolist()
    if joins:
        blocks = count(len(joins), "residual block")
        message = f"{blocks}: the branch adds exactly zero, the block starts as the identity."
        yield Found("zero-branch", message, joins[0] + 1, float(len(joins)), 0.0)


def find_frozen_branches(case: Case) -> Iterator[Found]:
    """Residual branches whose every weight gradient is zero, and whose output is: they never learn."""
    is_frozen = _is_foreseen_frozen if case.measurement is None else _is_frozen
    frozen = [branch.join for branch in find_branches(case) if is_frozen(case, branch)]
    if frozen:
        blocks = f"{len(frozen):,} residual block{'' if len(frozen) == 1 else 's'}"
        message = f"{blocks}: the branch is zero and so is every gradient of its weights, so it never learns."
        yield Found("frozen-branch", message, frozen[0] + 1, float(len(frozen)), 0.0)


def _is_frozen(case: Case, branch: Branch) -> bool:
    s = case.measured.statistics
    dense = [row for row in branch.rows if case.layers[row].has_weights]
    if not dense or not np.isneginf(s.log_activation_second_moment[:, branch.rows[-1]]).all():
        return False
    learns = not np.isneginf(s.log_weight_gradient_second_moment[:, dense]).all()
    return not learns and not _ends_at_a_norm(case, branch.rows)


def _ends_at_a_norm(case: Case, rows: Iterable[int]) -> bool:
    """Whether a norm makes zero of what is not: its gain is zero, and learns."""
    s = case.measured.statistics
    dies = np.isfinite(s.log_preactivation_second_moment) & np.isneginf(s.log_activation_second_moment)
    return any(case.layers[row].kind == "norm" and bool(dies[:, row].any()) for row in rows)


def _adds_nothing(case: Case, branch: Branch) -> bool:
    """Its output is zero, or its scale: no gradient comes back into it where the join has one."""
    last, join = (_rows(case)[row] for row in (branch.rows[-1], branch.join))
    is_cut = last.log_output_gradient == -np.inf and (join.log_output_gradient or 0.0) != -np.inf
    return _is_zero(case, branch.rows[-1]) or is_cut


def _is_foreseen_frozen(case: Case, branch: Branch) -> bool:
    """A weight's gradient is zero where what comes in is, or the gradient behind it."""
    dense = [row for row in branch.rows if case.layers[row].has_weights]
    if not dense or not _is_zero(case, branch.rows[-1]):
        return False
    return all(_is_zero(case, row - 1) or _rows(case)[row].log_gradient == -np.inf for row in dense)


def _rows(case: Case) -> tuple[RowPrediction, ...]:
    assert case.agreement is not None
    return case.agreement.prediction.rows


def _is_zero(case: Case, row: int) -> bool:
    """Whether theory makes what a row hands on exactly zero; of -1 the input."""
    assert case.agreement is not None
    prediction = case.agreement.prediction
    signal = prediction.input if row < 0 else prediction.rows[row].output
    return signal is not None and not signal.second_moment
