"""Report -> Markdown: verdict, findings, a table by layer."""

from __future__ import annotations

from collections.abc import Sequence

from varprobe.report.records import LayerRow, Report
from varprobe.reporters.report_phrases import (
    activation_cells,
    direction_figures,
    escaped_markdown,
    expectation_lines,
    finding_head,
    gradient_cells,
    made_with,
    marks,
    row_label,
    tested_line,
    theory_line,
    title,
)


def render_markdown(report: Report) -> str:
    """A page for a pull request or a notebook; names from the config are escaped."""
    verdict = report.verdict
    lines = [
        f"# {escaped_markdown(title(report))}",
        "",
        f"**{escaped_markdown(verdict.overall)}**. {escaped_markdown(made_with(report))}",
        "",
    ]
    lines += ["| direction | label | rate per layer (95 %) | over the depth | depth scale |", "|---|---|---|---|---|"]
    for name in ("forward", "backward", "signal"):
        direction = getattr(verdict, name)
        lines.append(_line((name, escaped_markdown(direction.label), *direction_figures(direction))))
    lines.append("")
    lines += [f"- {escaped_markdown(line)}" for line in expectation_lines(report)]
    if report.expect:
        lines.append("")
    for line in (theory_line(report), tested_line(report)):
        if line:
            lines += [escaped_markdown(line), ""]
    if verdict.findings:
        lines += ["## Findings", ""]
        lines += [
            f"- **{escaped_markdown(finding_head(f))}**: {escaped_markdown(f.message)} {escaped_markdown(f.remedy)}"
            for f in verdict.findings
        ]
        lines.append("")
    lines += ["## Layers", "", *_table(report), ""]
    return "\n".join(lines)


_HEADINGS = ("#", "layer", "kind", "width", "activation variance", "theory", "se off", "gradient variance", "theory",
             "se off", "weight std", "marks")  # fmt: skip


def _table(report: Report) -> list[str]:
    marked = marks(report)
    rule = "|" + "|".join("---" if heading in ("layer", "kind", "marks") else "---:" for heading in _HEADINGS) + "|"
    return [_line(_HEADINGS), rule, *(_line(_cells(row, marked.get(row.index, ""))) for row in report.layers)]


def _cells(row: LayerRow, mark: str) -> tuple[str, ...]:
    weights = row.weights
    std = None if weights is None else weights.std if weights.std is not None else weights.expected_std
    place = str(row.index), escaped_markdown(row_label(row)), escaped_markdown(row.kind), f"{row.fan_out:,}"
    return *place, *activation_cells(row), *gradient_cells(row), "-" if std is None else f"{std:.4g}", mark


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
