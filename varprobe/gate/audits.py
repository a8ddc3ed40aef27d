"""An audit as a check: what was meant by weights is what they are held to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from varprobe.audit.records import Audit, AuditFinding, AuditOutcome, Intended, TensorAudit
from varprobe.formatting import count
from varprobe.gate.records import CheckOutcome, CheckResult, Decision
from varprobe.verdict.labels import Outcome, Severity

# Findings that decisions of their own tell.
NOT_INTENDED, SINCE_BASELINE = "not-as-intended", ("drifted", "added", "removed", "reshaped")


def check_of(audit: Audit, seconds: float = 0.0) -> CheckResult:
    """The audit as a config that was checked: a decision a law that was meant, one for errors of any other kind."""
    return CheckResult(
        config=audit.config or audit.source,
        name=audit.name,
        outcome=CheckOutcome.PASSED if audit.outcome is AuditOutcome.PASSED else CheckOutcome.FAILED,
        decisions=tuple(_decide(audit)),
        trials=audit.draws,
        looks=1,
        alpha=audit.alpha,
        max_trials=audit.draws,
        seconds=seconds,
        audit=audit,
    )


def _decide(audit: Audit) -> Iterator[Decision]:
    meant: dict[tuple[str, str], list[tuple[TensorAudit, Intended]]] = {}
    for one in audit.tensors:
        if one.intended:
            meant.setdefault((one.intended.pattern, one.intended.law), []).append((one, one.intended))
    tensors = sum(map(len, meant.values()))
    for (pattern, law), found in meant.items():
        yield _of_law(pattern, law, found, audit.alpha * len(found) / tensors)
    errors = [one for one in audit.findings if one.severity is Severity.ERROR and one.code != NOT_INTENDED]
    drift = [one for one in errors if one.code in SINCE_BASELINE]
    yield _of_errors("findings", "no errors", "none", [one for one in errors if one not in drift])
    if audit.baseline:
        same = f"none in {count(len(audit.tensors), 'tensor')}"
        yield _of_errors("baseline", "no drift beyond noise", same, drift)


def _of_law(pattern: str, law: str, found: Sequence[tuple[TensorAudit, Intended]], level: float) -> Decision:
    off = [(one, intended) for one, intended in found if not intended.met]
    line = found[0][1].line
    if not off:
        told = f"{count(len(found), 'draw')} from it"
        return Decision(f"weights.{pattern}", law, Outcome.MET, told, level=level, line=line)
    typical, intended = sorted(off, key=lambda each: _distance(each[1]))[len(off) // 2]
    told = f"{len(off):,} of {count(len(found), 'tensor')} {'is' if len(off) == 1 else 'are'} no draw from it"
    return Decision(
        f"weights.{pattern}",
        law,
        Outcome.FAILED,
        f"{told}; {typical.name}: {intended.instead}",
        f"Initialise {'it' if len(off) == 1 else 'them'} by {law}.",
        line=line,
        value=intended.ratio,
        level=level,
    )


def _of_errors(what: str, wanted: str, none: str, errors: Sequence[AuditFinding]) -> Decision:
    if not errors:
        return Decision(what, wanted, Outcome.MET, none)
    first = errors[0]
    more = f"; and {count(len(errors) - 1, 'more error')}" if len(errors) > 1 else ""
    found = f"{first.code}: {first.tensors[0]}: {first.message}{more}"
    return Decision(what, wanted, Outcome.FAILED, found, first.remedy)


def _distance(intended: Intended) -> float:
    return abs(math.log(intended.ratio)) if intended.ratio else math.inf
