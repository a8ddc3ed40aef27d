"""Report -> Markdown: verdict, findings, a table by layer."""

from __future__ import annotations

import re

from varprobe.report.records import LayerRow, Report
from varprobe.reporters.wordlist import (
    direction_figures,
    estimate,
    expectation_lines,
    finding_head,
    made_with,
    marks,
    row_label,
    title,
)


def render_markdown(report: Report) -> str:
    """A page for a pull request or a notebook; names from the config are escaped."""
    verdict = report.verdict
    lines = [f"# {_escape(title(report))}", "", f"**{verdict.overall}**. {_escape(made_with(report))}", ""]
    lines += ["| direction | label | rate per layer (95 %) | over the depth | depth scale |", "|---|---|---|---|---|"]
    for name in ("forward", "backward", "signal"):
        direction = getattr(verdict, name)
        lines.append("| " + " | ".join((name, direction.label, *direction_figures(direction))) + " |")
    lines.append("")
    lines += [f"- {line}" for line in expectation_lines(report)]
    if report.expect:
        lines.append("")
    if verdict.findings:
        lines += ["## Findings", ""]
        lines += [f"- **{finding_head(f)}**: {_escape(f.message)} {_escape(f.remedy)}" for f in verdict.findings]
        lines.append("")
    lines += ["## Layers", "", *_table(report), ""]
    return "\n".join(lines)


def _table(report: Report) -> list[str]:
    marked = marks(report)
    head = "| # | layer | kind | width | activation variance | gradient variance | weight std | marks |"
    rule = "|---:|---|---|---:|---:|---:|---:|---|"
    return [head, rule, *(_row(row, marked.get(row.index, "")) for row in report.layers)]


def _row(row: LayerRow, mark: str) -> str:
    std = "-" if row.weights is None or row.weights.std is None else f"{row.weights.std:.4g}"
    cells = (
        str(row.index),
        _escape(row_label(row)),
        _escape(row.kind),
        f"{row.fan_out:,}",
        estimate(row.activation.variance),
        estimate(row.gradient.variance),
        std,
        mark,
    )
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#!&~])", r"\\\1", text.replace("\n", " "))
