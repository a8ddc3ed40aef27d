"""The table of what an audit finds: code, severity, meaning, remedy, and the check that needs no intent.

A new finding is an entry in `AUDIT_FINDINGS`, and its check in `varprobe.audit.tensor_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from varprobe.audit.records import AuditFinding
from varprobe.audit.tensor_checks import (
    Looked,
    Remark,
    find_constant,
    find_copies,
    find_defaults,
    find_identical,
    find_missing_rank,
    find_not_finite,
    find_odd,
    find_off_centre,
    find_outliers,
    find_zero,
)
from varprobe.formatting import shortened
from varprobe.frozen import dataclass
from varprobe.verdict.labels import Severity

_LISTED = 1000


@dataclass(frozen=True)
class AuditFindingKind:
    """An entry of the table."""

    severity: Severity
    meaning: str
    remedy: str
    check: Callable[[Sequence[Looked]], Iterable[Remark]] | None = None


_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
AUDIT_FINDINGS: dict[str, AuditFindingKind] = {
    "non-finite": AuditFindingKind(
        _ERROR,
        "weights are nan or infinite",
        "Look for arithmetic on the weights before they are stored.",
        find_not_finite,
    ),
    "uninitialised": AuditFindingKind(
        _ERROR, "a tensor was allocated and nobody wrote to it", "Initialise it: its values are whatever was in memory."
    ),
    "not-as-intended": AuditFindingKind(_ERROR, "a tensor is no draw from the law that was meant for it", ""),
    "drifted": AuditFindingKind(_ERROR, "a tensor's law is another than in the baseline", ""),
    "removed": AuditFindingKind(_ERROR, "a tensor of the baseline is no longer there", ""),
    "added": AuditFindingKind(_ERROR, "a tensor is not in the baseline", ""),
    "reshaped": AuditFindingKind(_ERROR, "a tensor has another shape than in the baseline", ""),
    "same-in-every-trial": AuditFindingKind(
        _ERROR, "a tensor is the same under every seed", "Do not set a seed in the factory: its draws are no trials."
    ),
    "ignores-argument": AuditFindingKind(
        _WARNING,
        "a tensor does not answer to an argument that scales others",
        "Pass the argument on to its initialiser.",
    ),
    "identical-tensors": AuditFindingKind(
        _WARNING,
        "tensors in different memory hold the same draw",
        "Draw each anew: `copy.deepcopy`, and with it `nn.TransformerEncoder`, copies weights too.",
        find_identical,
    ),
    "outliers": AuditFindingKind(
        _WARNING,
        "a few weights lie where no draw of the others' law puts one",
        "Look at how the law is cut: absolute bounds, or a draw in half precision, leave such weights.",
        find_outliers,
    ),
    "odd-one-out": AuditFindingKind(
        _WARNING, "a tensor has another scale than its siblings", "Initialise it as its siblings are.", find_odd
    ),
    "not-centred": AuditFindingKind(
        _WARNING,
        "a matrix has a mean that is not zero",
        "Centre its law: `normal_(w, std)` sets the mean, and `uniform_(w)` draws from 0 to 1.",
        find_off_centre,
    ),
    "left-at-default": AuditFindingKind(
        _INFO,
        "a minority of the matrices has the framework's default law",
        "Initialise it as the others are, if that was meant.",
        find_defaults,
    ),
    "truncation-never-acts": AuditFindingKind(
        _WARNING,
        "the bounds of a cut law lie beyond 5 standard deviations",
        "Give the bounds in units of the standard deviation: `trunc_normal_(w, std=s, a=-2*s, b=2*s)`.",
    ),
    "constant": AuditFindingKind(
        _WARNING, "a matrix has one value throughout", "Draw it: alike units learn alike.", find_constant
    ),
    "rank-deficient": AuditFindingKind(
        _WARNING,
        "a matrix has a lower rank than its shape",
        "Draw it whole, unless the low rank is meant.",
        find_missing_rank,
    ),
    "duplicate-rows": AuditFindingKind(
        _WARNING,
        "rows of a matrix repeat others",
        "Draw each row: units with the same weights learn alike.",
        find_copies,
    ),
    "zero": AuditFindingKind(
        _INFO,
        "a matrix is zero",
        "Leave it where it is the last of a residual branch, or a head; draw it elsewhere.",
        find_zero,
    ),
}


def find_all(tensors: Sequence[Looked]) -> list[AuditFinding]:
    """What the tensors show by themselves, in the order of the table."""
    return [
        make_finding(code, seen)
        for code, kind in AUDIT_FINDINGS.items()
        if kind.check is not None
        for seen in kind.check(tensors)
    ]


def make_finding(code: str, seen: Remark, remedy: str = "") -> AuditFinding:
    """A finding with the severity and the remedy of its entry."""
    kind = AUDIT_FINDINGS[code]
    return AuditFinding(
        code,
        kind.severity,
        seen.tensors[:_LISTED],
        len(seen.tensors),
        shortened(seen.message),
        remedy or kind.remedy,
        seen.measured,
        seen.limit,
    )
