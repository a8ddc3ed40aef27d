"""Checks -> JSON; the form that every other output can be remade from."""

from __future__ import annotations

from varprobe.gate.records import Checks
from varprobe.gate.storage import check_to_json


def render_check_json(checks: Checks) -> str:
    """Everything, a line per config."""
    return check_to_json(checks)
