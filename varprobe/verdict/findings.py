"""A finding, with the severity that the table gives its code."""

from __future__ import annotations

from varprobe.findings import FINDINGS
from varprobe.verdict.records import Finding


def finding(
    code: str,
    message: str,
    remedy: str,
    *,
    layer: int | None = None,
    measured: float | None = None,
    limit: float | None = None,
) -> Finding:
    """A finding with the severity of its code."""
    return Finding(code, FINDINGS[code].severity, layer, message, remedy, measured, limit)
