"""Report -> JSON; the form that every other output can be remade from."""

from __future__ import annotations

from varprobe.report.records import Report
from varprobe.report.storage import to_json


def render_json(report: Report) -> str:
    """The whole report on one line."""
    return to_json(report) + "\n"
