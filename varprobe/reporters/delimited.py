"""Report -> CSV, a row per layer; columns carry the report's own keys."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import Any

from varprobe.report.records import (
    ActivationStatistics,
    Estimate,
    GradientStatistics,
    LayerRow,
    Predicted,
    Report,
    SignalStatistics,
)
from varprobe.reporters.report_phrases import spreadsheet_text

_PLACE = (
    "index",
    "name",
    "kind",
    "path",
    "line",
    "repeat_index",
    "fan_in",
    "fan_out",
    "activation_function",
    "init",
    "engine",
)
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
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=_columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_cells(row) for row in report.layers)
    return out.getvalue()


def _columns() -> list[str]:
    statistics = [f"{group}.{field.name}" for group, record in _GROUPS.items() for field in fields(record)]
    return [
        *_PLACE,
        "weights.expected_std",
        "weights.std",
        *(f"{statistic}.{figure}" for statistic in statistics for figure in _FIGURES),
        *(f"predicted.{field.name}" for field in fields(Predicted)),
    ]


def _cells(row: LayerRow) -> dict[str, Any]:
    cells: dict[str, Any] = {key: spreadsheet_text(getattr(row, key)) for key in _PLACE}
    if row.weights:
        cells |= {"weights.expected_std": row.weights.expected_std, "weights.std": row.weights.std}
    for group, record in _GROUPS.items():
        statistics = getattr(row, group)
        for field in fields(record):
            estimate: Estimate | None = getattr(statistics, field.name, None)
            cells |= {f"{group}.{field.name}.{figure}": getattr(estimate, figure, None) for figure in _FIGURES}
    return cells | {f"predicted.{field.name}": getattr(row.predicted, field.name) for field in fields(Predicted)}
