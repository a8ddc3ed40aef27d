"""What Python users call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from varprobe.diagnose import diagnose
from varprobe.probe.measure import measure
from varprobe.report.records import Report
from varprobe.spec.loading import load
from varprobe.spec.network import NetworkSpec, Settings

__all__ = ["load", "measure", "run"]


def run(source: str | Path | Mapping[str, Any] | NetworkSpec, settings: Settings | None = None) -> Report:
    """Measures the network that a config describes, and judges it.

    Arguments:
        source: a path, `-` for standard input, the config as a mapping, or what `load` returned.
        settings: how to measure; by default what the config says.

    Raises:
        VarprobeError: where the config does not describe a network that can be measured.
    """
    return diagnose(source if isinstance(source, NetworkSpec) else load(source), settings)
