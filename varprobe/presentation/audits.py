"""An audit in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from varprobe.audit.records import Audit
from varprobe.presentation.kinds import Outline
from varprobe.reporters.audit import words


def outline_audit(audit: Audit) -> Outline:
    """The outcome, what was audited, and the findings."""
    items = (f"{words.finding_line(one)} ({words.place_line(one)})" for one in audit.findings)
    return Outline(words.outcome_line(audit), (words.title_line(audit),), tuple(items))


def summarise_audit(audit: Audit) -> Iterator[str]:
    """The same with every remedy, and the laws that siblings fit."""
    yield words.outcome_line(audit)
    yield words.title_line(audit)
    for finding in audit.findings:
        yield words.finding_line(finding)
        yield f"  {words.place_line(finding)}"
        yield f"  -> {finding.remedy}"
    for row in map(words.tensor_row, words.group_tensors(audit)):
        name = f"{row.name} ({row.tensors})" if row.tensors > 1 else row.name
        yield f"{name}: {row.shape}, sd {row.std}, {row.laws}{f'; {row.meant}' if row.meant else ''}"
