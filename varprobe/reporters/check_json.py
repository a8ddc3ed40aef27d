"""CheckRun -> JSON; the form that every other output can be remade from."""

from __future__ import annotations

from varprobe.gate.records import CheckRun
from varprobe.gate.storage import check_to_json


def render_check_json(checks: CheckRun) -> str:
    """Everything, a line per config."""
    return check_to_json(checks)
