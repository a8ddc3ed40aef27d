"""Comparisons <-> JSON: the reports under their names, and beside them the figures that follow from these."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from varprobe.comparison import COMPARISON_VERSION, Comparison, compare_reports
from varprobe.errors import Place
from varprobe.frozen import record
from varprobe.report.records import Report
from varprobe.results.reading import refuse
from varprobe.results.sound import check_reports
from varprobe.results.store import dump_whole, escape_json, to_dict

WAYS = ("forward", "backward", "signal")
_FIGURES = ("label", "total_log10", "error_log10", "rate", "rate_low", "rate_high")
_KEYS = ["name", "overall", *(f"{way}.{figure}" for way in WAYS for figure in _FIGURES)]
NetworkFigures = Annotated[dict[str, str | float | None], Field(json_schema_extra={"required": _KEYS})]


@record(frozen=True)
class StoredChange:
    """A change; `deviation` is None where neither report has noise."""

    layer: int
    name: str
    statistic: str
    log10: float
    deviation: float | None


@record(frozen=True)
class StoredComparison:
    """A comparison as its JSON has it; it is made again from the reports and the networks' names.

    Attributes:
        networks: flat: `name`, `overall`, and figures such as `forward.rate`.
    """

    comparison_version: int
    networks: tuple[NetworkFigures, ...]
    changes: tuple[StoredChange, ...]
    tested: int
    reason: str
    reports: tuple[Report, ...]


def network_figures(comparison: Comparison) -> list[dict[str, Any]]:
    """A flat mapping a network: its name and the figures of its verdict."""
    rows = []
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        row: dict[str, Any] = {"name": name, "overall": report.verdict.overall}
        for way in WAYS:
            row |= {f"{way}.{figure}": getattr(getattr(report.verdict, way), figure) for figure in _FIGURES}
        rows.append(row)
    return rows


def dump_comparison(comparison: Comparison) -> str:
    """The networks' figures and the changes; and a line per report."""
    changes = [
        StoredChange(
            one.layer, one.name, one.statistic, one.log10, one.deviation if abs(one.deviation) < 1e300 else None
        )
        for one in comparison.changes
    ]
    head = {
        "comparison_version": COMPARISON_VERSION,
        "networks": network_figures(comparison),
        "changes": list(map(to_dict, changes)),
        "tested": comparison.tested,
        "reason": comparison.reason,
    }
    reports = ",\n".join(map(dump_whole, comparison.reports))
    return f'{escape_json(json.dumps(head, indent=2))[:-2]},\n  "reports": [\n{reports}\n]}}'


def read_comparison(stored: StoredComparison, place: Place) -> Comparison:
    """The comparison of the stored reports; refuses one whose networks have no names, or no reports."""
    names = [network.get("name") for network in stored.networks]
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise refuse("comparison", "compare", "Field required", place, f"networks.{number}.name")
    if not len(names) == len(stored.reports) > 1:
        reason = f"{len(names)} networks and {len(stored.reports)} reports"
        raise refuse("comparison", "compare", reason, place, "reports")
    check_reports(stored.reports, place)
    return compare_reports([str(name) for name in names], stored.reports)
