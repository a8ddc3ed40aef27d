"""Audit -> CSV, a row a tensor, and Markdown, a row for siblings."""

from __future__ import annotations

from varprobe.audit.records import Audit, TensorAudit
from varprobe.reporters.audit import words
from varprobe.reporters.text import csv_table, escape_markdown, markdown_table

_HEADINGS = ("tensor", "number", "shape", "fan_in, fan_out", "mean", "sd", "kurtosis", "largest/sd", "fits", "meant")
_NUMERIC = ("number", "mean", "sd", "kurtosis", "largest/sd")


def render_csv(audit: Audit) -> str:
    """A row a tensor; an empty cell where nothing is known."""
    return csv_table([_flatten(one) for one in audit.tensors])


def _flatten(one: TensorAudit) -> dict[str, object]:
    intended = one.intended
    return {
        "name": one.name,
        "group": one.group,
        "shape": "x".join(map(str, one.shape)),
        "dtype": one.dtype,
        "fan_in": one.fan_in,
        "fan_out": one.fan_out,
        "count": one.count,
        "not_finite": one.not_finite,
        "zeros": one.zeros,
        "mean": one.mean,
        "std": one.std,
        "kurtosis": one.kurtosis,
        "largest": one.largest,
        "low": one.low,
        "high": one.high,
        "far": one.far,
        "pattern": one.pattern,
        "laws": "; ".join(one.laws),
        "nearest": one.nearest,
        "aliases": "; ".join(one.aliases),
        "intended": intended and intended.law,
        "intended_std": intended and intended.std,
        "met": intended and intended.met,
        "z": intended and intended.z,
        "ratio": intended and intended.ratio,
        "instead": intended and intended.instead,
    }


def render_markdown(audit: Audit) -> str:
    """Outcome, findings, and the table of siblings."""
    lines = [
        f"# {escape_markdown(words.title_line(audit))}",
        "",
        f"**{escape_markdown(words.outcome_line(audit))}**",
        "",
    ]
    for finding in audit.findings:
        lines.append(f"- {escape_markdown(words.finding_line(finding))}")
        lines.append(f"  - {escape_markdown(words.place_line(finding))}")
        lines.append(f"  - {escape_markdown(finding.remedy)}")
    rows = [words.tensor_row(group) for group in words.group_tensors(audit)]
    cells = (
        (
            one.name,
            f"{one.tensors}",
            one.shape,
            one.fans,
            one.mean,
            one.std,
            one.kurtosis,
            one.largest,
            one.laws,
            one.meant,
        )
        for one in rows
    )
    table = markdown_table(_HEADINGS, ([escape_markdown(cell) for cell in row] for row in cells), _NUMERIC)
    return "\n".join([*lines, *([""] if audit.findings else []), *table, "", words.law_of_errors(audit)]) + "\n"
