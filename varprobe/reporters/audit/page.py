"""Audit -> one HTML page that needs nothing else."""

from __future__ import annotations

import shlex
from functools import partial

from varprobe.audit.records import Audit, AuditFinding, AuditOutcome, TensorAudit
from varprobe.errors import OutputError, Place
from varprobe.formatting import number, printable
from varprobe.frozen import dataclass
from varprobe.reporters.audit import words
from varprobe.reporters.audit.figure import draw_audit
from varprobe.reporters.page import parts
from varprobe.reporters.page.svg import picture
from varprobe.reporters.text import Cell, Heading, Row
from varprobe.verdict.labels import Severity

_HEADINGS = (
    Heading("tensor", word=True),
    Heading("tensors"),
    Heading("shape", word=True),
    Heading("fan_in, fan_out", word=True),
    Heading("sd"),
    Heading("kurtosis"),
    Heading("largest/sd"),
    Heading("fits", word=True),
    Heading("meant", word=True),
)
_ALL = (
    Heading("tensor", word=True),
    Heading("shape", word=True),
    Heading("sd"),
    Heading("mean"),
    Heading("kurtosis"),
    Heading("z"),
    Heading("sd over meant"),
    Heading("fits", word=True),
)
# Tensors of which every one has its row.
_LISTED = 2000


@dataclass(frozen=True)
class _Found:
    head: str
    severity: str
    message: str
    remedy: str


def render_page(audit: Audit, *, lesson: bool = False) -> str:
    """The page.

    Raises:
        OutputError: for a lesson: there is no verdict to guess.
    """
    if lesson:
        raise OutputError("the page of an audit asks nothing", hint="leave it out", place=Place("lesson"))
    failed = audit.outcome is AuditOutcome.FAILED
    rows = [_row(words.tensor_row(group), group) for group in words.group_tensors(audit)]
    found = [_tell(one) for one in audit.findings if one.severity is not Severity.INFO]
    return parts.render_template(
        "audit.html",
        f"{audit.name}: the weights that were drawn",
        title=words.title_line(audit),
        tone="failed" if failed else "borderline" if found else "stable",
        sign="\u2717" if failed else "\u2713",
        outcome="failed" if failed else "passed",
        said=words.outcome_line(audit).partition(": ")[2],
        picture=picture(partial(draw_audit, header=False), audit, "spreads", words.outcome_line(audit)),
        found=found,
        notes=[_tell(one) for one in audit.findings if one.severity is Severity.INFO],
        headings=_HEADINGS,
        rows=rows,
        all_headings=_ALL,
        all_rows=list(map(_each, audit.tensors[:_LISTED])),
        unlisted=max(len(audit.tensors) - _LISTED, 0),
        law=words.law_of_errors(audit),
        command=f"varprobe audit {shlex.quote(printable(audit.config or audit.source))} -o audit.html",
        provenance=f"Made by varprobe {audit.varprobe}, NumPy {audit.numpy}; layout {audit.layout}.",
    )


def _tell(finding: AuditFinding) -> _Found:
    head = f"{finding.severity}: {finding.code}: {words.place_line(finding)}"
    return _Found(head, finding.severity, printable(finding.message), printable(finding.remedy))


def _row(row: words.TensorRow, group: tuple[TensorAudit, ...]) -> Row:
    first = group[0]
    return Row(
        (
            Cell(row.name, word=True),
            Cell(f"{row.tensors}", row.tensors),
            Cell(row.shape, word=True),
            Cell(row.fans, word=True),
            Cell(row.std, first.std),
            Cell(row.kurtosis, first.kurtosis),
            Cell(row.largest, first.largest),
            Cell(row.laws, word=True),
            Cell(row.meant, word=True),
        )
    )


def _each(one: TensorAudit) -> Row:
    intended = one.intended
    z, ratio = (intended.z, intended.ratio) if intended else (None, None)
    return Row(
        (
            Cell(printable(one.name), word=True),
            Cell("x".join(map(str, one.shape)), word=True),
            Cell(number(one.std), one.std),
            Cell(number(one.mean), one.mean),
            Cell(number(one.kurtosis), one.kurtosis),
            Cell(number(z), z),
            Cell(number(ratio), ratio),
            Cell(words.law_words((one,)), word=True),
        )
    )
