"""Report -> CSV, a row per layer with the report's own keys; and Markdown: verdict, findings and a table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from varprobe.report.records import (
    ActivationStatistics,
    GradientStatistics,
    LayerRow,
    Predicted,
    Report,
    SignalStatistics,
)
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.report.layers import HEADINGS, layer_cells
from varprobe.reporters.text import csv_table, escape_markdown, markdown_table
from varprobe.reporters.verdict_phrases import DIRECTIONS, FIGURES, direction_figures, verdict_lines

_PLACE = ("index", "name", "kind", "path", "line", "repeat_index", "fan_in", "fan_out", "activation_function", "init",
          "engine")  # fmt: skip
_GROUPS = {
    "preactivation": SignalStatistics,
    "activation": ActivationStatistics,
    "gradient": GradientStatistics,
    "activation_gradient": GradientStatistics,
    "weight_gradient": GradientStatistics,
}
_FIGURES = ("mean", "typical", "low", "high", "log10_mean", "log10_typical")


def render_csv(report: Report) -> str:
    """A header and a row per layer; an empty cell where the report has null."""
    return csv_table([_flatten(row) for row in report.layers])


def _flatten(row: LayerRow) -> dict[str, Any]:
    cells: dict[str, Any] = {key: getattr(row, key) for key in _PLACE}
    cells |= {f"weights.{key}": getattr(row.weights, key, None) for key in ("expected_std", "std")}
    for group, record in _GROUPS.items():
        for field in fields(record):
            estimate = getattr(getattr(row, group), field.name, None)
            cells |= {f"{group}.{field.name}.{figure}": getattr(estimate, figure, None) for figure in _FIGURES}
    return cells | {f"predicted.{field.name}": getattr(row.predicted, field.name) for field in fields(Predicted)}


def render_markdown(report: Report) -> str:
    """A page for a pull request or a notebook; names from the config are escaped."""
    verdict, marked = report.verdict, phrases.marks(report)
    ways = [(way, getattr(verdict, way)) for way in DIRECTIONS]
    made = f"**{escape_markdown(verdict.overall)}**. {escape_markdown(phrases.made_with(report))}"
    lines = [f"# {escape_markdown(phrases.title(report))}", "", made, ""]
    lines += markdown_table(
        ("direction", "label", *FIGURES),
        [(way, escape_markdown(one.label), *direction_figures(one)) for way, one in ways],
    )
    lines.append("")
    lines += [f"- {escape_markdown(line)}" for line in phrases.expectation_lines(report)]
    if report.expect:
        lines.append("")
    for line in (*verdict_lines(verdict), phrases.theory_line(report), phrases.tested_line(report)):
        if line:
            lines += [escape_markdown(line), ""]
    if verdict.findings:
        heads = [(phrases.finding_head(finding), finding) for finding in verdict.findings]
        told = [
            f"- **{escape_markdown(head)}**: {escape_markdown(f.message)} {escape_markdown(f.remedy)}"
            for head, f in heads
        ]
        lines += ["## Findings", "", *told, ""]
    numeric = {heading.text for heading in HEADINGS if not heading.word}
    rows = (_cells(row, marked.get(row.index, "")) for row in report.layers)
    table = markdown_table([heading.text for heading in HEADINGS], rows, numeric)
    return "\n".join([*lines, "## Layers", "", *table, ""])


def _cells(row: LayerRow, mark: str) -> list[str]:
    return [*(escape_markdown(cell.text) for cell in layer_cells(row, mark)[:-1]), mark]
