"""An audit held to a stored one: laws that drifted beyond noise, tensors that were added, removed or reshaped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from varprobe.audit.deviation import score_of_student, score_of_variances
from varprobe.audit.findings import make_finding
from varprobe.audit.intent import is_beyond, score_limit
from varprobe.audit.law_moments import scatter_of_kurtosis
from varprobe.audit.records import Audit, AuditFinding, AuditOutcome, TensorAudit
from varprobe.audit.tensor_checks import Remark
from varprobe.formatting import number
from varprobe.frozen import dataclass
from varprobe.verdict.labels import Severity

# A kurtosis that changes by less is no other law in practice.
_SHAPE_TOLERANCE = 0.1
# Weights of each from which on a kurtosis says something.
_SHAPE_COUNT = 100
_REMEDY = "If the change is meant, write the baseline anew by --update-baseline."


@dataclass(frozen=True)
class _Change:
    """Of one tensor: what changed, and by how many standard errors."""

    name: str
    what: str
    message: str
    ratio: float | None


def hold_to_baseline(audit: Audit, stored: Audit, path: str) -> Audit:
    """The audit with what has changed since a stored one among its findings.

    A tensor's standard deviation, mean and kurtosis are each held to the stored ones by a two-sample test, at the
    audit's family-wise alpha, and beyond its tolerance.
    """
    before = {one.name: one for one in stored.tensors}
    after = {one.name: one for one in audit.tensors}
    both = [(before[name], one) for name, one in after.items() if name in before]
    found = [
        *_tell_names(
            "removed", "it is in the baseline alone", [one for name, one in before.items() if name not in after]
        ),
        *_tell_names("added", "it is not in the baseline", [one for name, one in after.items() if name not in before]),
        *_tell_shapes([(old, new) for old, new in both if old.shape != new.shape]),
        *_tell_drift([(old, new) for old, new in both if old.shape == new.shape], audit),
    ]
    errors = any(one.severity is Severity.ERROR for one in found)
    outcome = AuditOutcome.FAILED if errors else audit.outcome
    return replace(audit, baseline=path, findings=(*found, *audit.findings), outcome=outcome)


def _tell_names(code: str, message: str, tensors: list[TensorAudit]) -> Iterator[AuditFinding]:
    groups: dict[str, list[str]] = {}
    for one in tensors:
        groups.setdefault(one.group, []).append(one.name)
    for names in groups.values():
        yield make_finding(code, Remark(tuple(names), message), _REMEDY)


def _tell_shapes(pairs: list[tuple[TensorAudit, TensorAudit]]) -> Iterator[AuditFinding]:
    groups: dict[tuple[object, ...], list[str]] = {}
    for old, new in pairs:
        groups.setdefault((new.group, old.shape, new.shape), []).append(new.name)
    for (_, old_shape, new_shape), names in groups.items():
        message = f"its shape went from {_shape(old_shape)} to {_shape(new_shape)}"
        yield make_finding("reshaped", Remark(tuple(names), message), _REMEDY)


def _shape(shape: object) -> str:
    return "x".join(map(str, shape)) if isinstance(shape, tuple) and shape else "a scalar"


def _tell_drift(pairs: list[tuple[TensorAudit, TensorAudit]], audit: Audit) -> Iterator[AuditFinding]:
    limit = score_limit(len(pairs), audit.alpha)
    groups: dict[tuple[object, ...], list[_Change]] = {}
    for old, new in pairs:
        change = _find_change(old, new, limit, audit.tolerance)
        if change:
            groups.setdefault((new.group, new.shape, change.what), []).append(change)
    for changes in groups.values():
        typical = sorted(changes, key=lambda one: abs(math.log(one.ratio or 1.0)))[len(changes) // 2]
        names = tuple(one.name for one in changes)
        limits = None if typical.ratio is None else 1.0
        yield make_finding("drifted", Remark(names, typical.message, typical.ratio, limits), _REMEDY)


def _find_change(old: TensorAudit, new: TensorAudit, limit: float, tolerance: float) -> _Change | None:
    if old.std is None or new.std is None or old.mean is None or new.mean is None:
        same = (old.std is None) == (new.std is None)
        return None if same else _Change(new.name, "finite", "its weights are finite in one of the two alone", None)
    if old.pattern != new.pattern:
        message = f"its rows went from {old.pattern or 'no pattern'} to {new.pattern or 'no pattern'}"
        return _Change(new.name, "pattern", message, None)
    if not old.std or not new.std:
        return _find_constant(new.name, (old.mean, old.std), (new.mean, new.std))
    kurtosis = _kurtosis(old, new)
    ratio = new.std / old.std
    spread = score_of_variances(ratio, (old.count, new.count), kurtosis)
    if is_beyond(spread, ratio - 1, limit, tolerance):
        message = f"its standard deviation went from {number(old.std)} to {number(new.std)}, {_errors(spread)}"
        return _Change(new.name, "spread", message, ratio)
    error = math.hypot(old.std / math.sqrt(old.count), new.std / math.sqrt(new.count))
    centre = score_of_student((new.mean - old.mean) / error, old.count + new.count - 2)
    if is_beyond(centre, (new.mean - old.mean) / old.std, limit, tolerance):
        message = f"its mean went from {number(old.mean)} to {number(new.mean)}, {_errors(centre)}"
        return _Change(new.name, "centre", message, None)
    shape, difference = _shape_change(old, new)
    if is_beyond(shape, difference, limit, _SHAPE_TOLERANCE):
        message = f"its kurtosis went from {number(old.kurtosis)} to {number(new.kurtosis)}, {_errors(shape)}"
        return _Change(new.name, "shape", message, None)
    return None


def _find_constant(name: str, old: tuple[float, float], new: tuple[float, float]) -> _Change | None:
    """Where one of the two is constant."""
    if not old[1] and not new[1]:
        if math.isclose(old[0], new[0], rel_tol=1e-6):
            return None
        return _Change(name, "value", f"its weights went from {number(old[0])} to {number(new[0])}, all alike", None)
    if old[1]:
        return _Change(name, "constant", f"its weights are all {number(new[0])}, and were not alike", None)
    return _Change(name, "constant", f"its weights were all {number(old[0])}, and are no longer alike", None)


def _kurtosis(old: TensorAudit, new: TensorAudit) -> float:
    """That of both; of few weights at least a normal law's, since samples show too small a one."""
    found = max(old.kurtosis or 3.0, new.kurtosis or 3.0)
    return found if min(old.count, new.count) >= _SHAPE_COUNT else max(found, 3.0)


def _shape_change(old: TensorAudit, new: TensorAudit) -> tuple[float, float]:
    if old.kurtosis is None or new.kurtosis is None or min(old.count, new.count) < _SHAPE_COUNT:
        return 0.0, 0.0
    scatter = scatter_of_kurtosis((old.kurtosis + new.kurtosis) / 2)
    difference = new.kurtosis - old.kurtosis
    return difference / math.sqrt(scatter * (1 / old.count + 1 / new.count)), difference


def _errors(score: float) -> str:
    return f"{abs(score):.1f} standard errors"
