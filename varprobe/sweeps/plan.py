"""What a sweep is to measure, and what tells it from every other one."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from varprobe.config.loading import ConfigText, Experiment, load_text
from varprobe.config.overrides import Override
from varprobe.frozen import dataclass, field
from varprobe.sweeps.axes import check_axes, numbers
from varprobe.sweeps.records import SWEEP_VERSION, Axis
from varprobe.version import __version__


@dataclass(frozen=True)
class SweepPlan:
    """What is to be measured.

    Attributes:
        experiment: the network before the axes' values.
        fingerprint: the same for the same sweep: config, axes, versions, and the arithmetic of this machine. Files are
            not in it: each point that is kept has the contents of those that it read.
    """

    config: ConfigText
    overrides: tuple[Override, ...]
    axes: tuple[Axis, ...]
    experiment: Experiment = field(repr=False)
    fingerprint: str

    @cached_property
    def combinations(self) -> tuple[tuple[str, ...], ...]:
        """The values of every point; the last axis runs fastest."""
        return tuple(product(*(axis.values for axis in self.axes)))


def plan_sweep(config: ConfigText, overrides: Sequence[Override], axes: Sequence[Axis]) -> SweepPlan:
    """The plan; each value is tried once, so that a slip is found before anything is measured.

    Raises:
        VarprobeError: where a value does not fit the config.
    """
    axes = tuple(axes)
    check_axes(axes)
    config = replace(config, folder=Path(os.path.abspath(config.folder)))
    experiment = load_text(config, overrides)
    start = tuple(axis.values[0] for axis in axes)
    for place, axis in enumerate(axes):
        # Between the ends of a range nothing can go wrong that does not go wrong at one of them.
        for value in axis.values if numbers(axis) is None else (axis.values[0], axis.values[-1]):
            load_text(config, (*overrides, *set_axes(axes, (*start[:place], value, *start[place + 1 :]))))
    return SweepPlan(config, tuple(overrides), axes, experiment, _take_fingerprint(experiment, axes))


def set_axes(axes: Sequence[Axis], values: Sequence[str]) -> tuple[Override, ...]:
    """The edits that make a point of the sweep."""
    return tuple(
        Override(axis.path, value, f"--vary {axis.path}={value}") for axis, value in zip(axes, values, strict=True)
    )


def _take_fingerprint(experiment: Experiment, axes: Sequence[Axis]) -> str:
    """Threads are not in it: numbers do not depend on them."""
    settings = [(axis.path, axis.values) for axis in axes]
    parts = [_describe_arithmetic(), experiment.network.name, experiment.document, settings]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]


def _describe_arithmetic() -> list[Any]:
    """Versions, and which of their kernels NumPy and BLAS have chosen for this processor."""
    from threadpoolctl import threadpool_info

    kernels = [
        [library.get(key) for key in ("internal_api", "version", "architecture")]
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found")
    versions = [__version__, SWEEP_VERSION, np.__version__, platform.python_version(), platform.machine()]
    return [versions, sorted(kernels), found]
