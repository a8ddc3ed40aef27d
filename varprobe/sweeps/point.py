"""One point of a sweep: what a process of its own works on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from varprobe.config.loading import ConfigText, load_text
from varprobe.config.opening import digest_file, noting_files
from varprobe.config.overrides import Override
from varprobe.diagnose import diagnose
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass, field
from varprobe.network.spec import with_threads
from varprobe.report.estimates import typical_log10
from varprobe.report.records import Estimate, Report
from varprobe.sweeps.records import Curves, Logs, SweepPoint

# Decimals of a log10 that are kept for the curves: 0.002 %.
_DECIMALS = 5
_BAND = (5.0, 95.0)


@dataclass(frozen=True)
class Task:
    """A point to measure: the config, all edits, and the values of the axes among them."""

    config: ConfigText
    overrides: tuple[Override, ...]
    values: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class MeasuredPoint:
    """A point, and the files that it read: by path from the config's folder, what tells their content from another."""

    point: SweepPoint
    files: dict[str, str] = field(default_factory=dict)


def measure_point(task: Task) -> MeasuredPoint:
    """The point, measured; what the user got wrong there is its failure."""
    with noting_files() as noted:
        point = _measure(task)
    folder = task.config.folder
    return MeasuredPoint(point, {os.path.relpath(path, folder): digest_file(path, noted[path]) for path in noted})


def _measure(task: Task) -> SweepPoint:
    try:
        experiment = load_text(task.config, task.overrides)
        settings = with_threads(experiment.network.settings, task.threads)
        report = diagnose(experiment, settings, remedies=False)
    except VarprobeError as error:
        return SweepPoint(task.values, error.message)
    return SweepPoint(task.values, "", len(report.dense), report.verdict, report.prediction, take_curves(report))


def take_curves(report: Report) -> Curves:
    """The report's curves, without what stands behind them."""
    rows = report.layers
    found: dict[str, Logs] = {}
    for kind, key in (("activation", "activation"), ("gradient", "activation_gradient")):
        estimates = [statistics and statistics.variance for statistics in (getattr(row, key) for row in rows)]
        found[kind] = _round([typical_log10(estimate) for estimate in estimates])
        found[f"{kind}_low"], found[f"{kind}_high"] = _take_band(estimates)
    return Curves(
        activation_theory=_round([row.predicted.log10_activation_variance for row in rows]),
        gradient_theory=_round([row.predicted.log10_activation_gradient_second_moment for row in rows]),
        **found,
    )


def _take_band(estimates: Sequence[Estimate | None]) -> tuple[Logs, Logs]:
    """The middle of the trials that are not zero."""
    ends = [
        _find_ends([value for value in estimate.trials if value is not None]) if estimate else None
        for estimate in estimates
    ]
    return _round([end and end[0] for end in ends]), _round([end and end[1] for end in ends])


def _find_ends(trials: Sequence[float]) -> tuple[float, float] | None:
    if len(trials) < 2:
        return None
    low, high = np.percentile(trials, _BAND)
    return float(low), float(high)


def _round(values: Sequence[Any]) -> Logs:
    return tuple(None if value is None else round(value, _DECIMALS) for value in values)
