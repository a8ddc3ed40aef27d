"""The words of an audit, the same in every format."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean

from varprobe.audit.records import Audit, AuditFinding, AuditOutcome, TensorAudit
from varprobe.formatting import count, number, printable
from varprobe.frozen import dataclass
from varprobe.verdict.labels import Severity

# Names of a finding's tensors that are shown.
_NAMED = 3


@dataclass(frozen=True)
class TensorRow:
    """Siblings of one shape as a row.

    Attributes:
        name: with its indices starred where there are several.
        laws: what all of them could be drawn from; or, where that is nothing, what they are nearest to.
        meant: the law that was meant, with a word for whether it is there.
    """

    name: str
    tensors: int
    shape: str
    fans: str
    std: str
    mean: str
    kurtosis: str
    largest: str
    laws: str
    meant: str


def group_tensors(audit: Audit) -> list[tuple[TensorAudit, ...]]:
    """Siblings of one shape and one intent, in the order of their first."""
    groups: dict[object, list[TensorAudit]] = defaultdict(list)
    for one in audit.tensors:
        meant = one.intended and (one.intended.law, one.intended.met)
        groups[one.group, one.shape, meant].append(one)
    return [tuple(group) for group in groups.values()]


def tensor_row(group: tuple[TensorAudit, ...]) -> TensorRow:
    """The row of some siblings; standard deviations by their geometric mean, the rest by their mean or extreme."""
    first = group[0]
    return TensorRow(
        name=printable(first.name if len(group) == 1 else first.group),
        tensors=len(group),
        shape="x".join(map(str, first.shape)) or "scalar",
        fans=f"{first.fan_in}, {first.fan_out}" if first.fan_in and len(first.shape) > 1 else "",
        std=number(_middle(group)),
        mean=number(_average([one.mean for one in group])),
        kurtosis=number(_average([one.kurtosis for one in group])),
        largest=number(max((one.largest for one in group if one.largest is not None), default=None)),
        laws=law_words(group),
        meant=meant_words(first),
    )


def law_words(group: tuple[TensorAudit, ...]) -> str:
    """What all siblings could be drawn from."""
    common = [law for law in group[0].laws if all(law in one.laws for one in group)]
    if common:
        return " or ".join(common)
    if any(one.not_finite for one in group):
        return "not finite"
    if any(one.laws for one in group):
        return "differs"
    near = {one.nearest for one in group}
    if len(near) != 1 or "" in near:
        return "none of the table"
    (nearest,) = near
    return nearest if "(" in nearest else f"{nearest}, sd {number(_middle(group))}"


def meant_words(one: TensorAudit) -> str:
    """What was meant, and whether it is there."""
    if one.intended is None:
        return ""
    if one.intended.met:
        return f"{printable(one.intended.law)}: met"
    ratio = f", x {number(one.intended.ratio)}" if one.intended.ratio else ""
    return f"{printable(one.intended.law)}: NOT met{ratio}"


def title_line(audit: Audit) -> str:
    """What was audited."""
    weights = sum(one.count + one.not_finite for one in audit.tensors)
    drawn = f", {count(audit.draws, 'draw')}" if audit.draws > 1 else ""
    return f"{printable(audit.name)}: {count(len(audit.tensors), 'tensor')}, {count(weights, 'weight')}{drawn}"


def outcome_line(audit: Audit) -> str:
    """The last line: what it comes to."""
    meant = [one for one in audit.tensors if one.intended]
    met = sum(bool(one.intended and one.intended.met) for one in meant)
    told = f"{met:,} of {count(len(meant), 'tensor')} with a law that was meant are draws from it" if meant else ""
    errors = sum(one.severity is Severity.ERROR for one in audit.findings)
    warnings = sum(one.severity is Severity.WARNING for one in audit.findings)
    parts = [told, count(errors, "error") if errors else "", count(warnings, "warning") if warnings else ""]
    said = "; ".join(part for part in parts if part) or "nothing to object to"
    word = "passed" if audit.outcome is AuditOutcome.PASSED else "FAILED"
    return f"{word}: {said}"


def finding_line(finding: AuditFinding) -> str:
    """Severity, code and the message."""
    return f"{finding.severity}: {finding.code}: {printable(finding.message)}"


def place_line(finding: AuditFinding) -> str:
    """The tensors of a finding."""
    shown = ", ".join(map(printable, finding.tensors[:_NAMED]))
    more = finding.count - min(len(finding.tensors), _NAMED)
    return f"{shown} and {more:,} more" if more > 0 else shown


def law_of_errors(audit: Audit) -> str:
    """What the outcome rests on."""
    return (
        f"A tensor is not as it was meant where it is off by more than {100 * audit.tolerance:g} %, and by more than "
        f"luck: at most {100 * audit.alpha:g} % of models that are as meant have one."
    )


def _middle(group: tuple[TensorAudit, ...]) -> float | None:
    """The geometric mean of the standard deviations."""
    stds = [one.std for one in group if one.std]
    return math.exp(fmean(map(math.log, stds))) if stds else group[0].std


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
