"""The whole job: a config and axes in, every point measured on an executor, a Sweep out."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from varprobe.config.loading import ConfigText, Experiment, load_text
from varprobe.config.overrides import Override
from varprobe.config.yaml_tree import scalar
from varprobe.engine.schedule import available_cores
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass, field
from varprobe.report.records import SettingsUsed
from varprobe.sweeps.axes import check_axes, is_whole, numbers
from varprobe.sweeps.journal import Journal
from varprobe.sweeps.point import Task, measure_point
from varprobe.sweeps.processes import CrashError, Processes
from varprobe.sweeps.records import SWEEP_VERSION, Axis, Made, Sweep, SweepPoint
from varprobe.version import __version__

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class SweepPlan:
    """What is to be measured.

    Attributes:
        experiment: the network before the axes' values.
        fingerprint: the same for the same sweep: config, files that it names, axes and versions.
    """

    config: ConfigText
    overrides: tuple[Override, ...]
    axes: tuple[Axis, ...]
    experiment: Experiment = field(repr=False)
    fingerprint: str

    @property
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
            load_text(config, (*overrides, *_set_axes(axes, (*start[:place], value, *start[place + 1 :]))))
    return SweepPlan(config, tuple(overrides), axes, experiment, _take_fingerprint(experiment, config.folder, axes))


def sweep_points(
    plan: SweepPlan,
    *,
    executor: Executor | None = None,
    threads: int | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Measures every point that the journal does not hold.

    Arguments:
        executor: where points run, each on one thread; by default processes of this machine, one per core.
        threads: cores of this machine to use; default: all.
        journal: holds and takes finished points.
        progress: called with how many points are done, how many there are, and the share of the work that is done.

    Raises:
        VarprobeError: where no point could be measured, for the first one's reason.
    """
    combinations = plan.combinations
    points: dict[int, SweepPoint] = dict(journal.points) if journal else {}
    sizes = [_estimate_work(plan.axes, values) for values in combinations]
    cores = threads or available_cores()
    workers = min(cores, len(combinations))
    each = 1 if executor else max(1, cores // workers)
    # The largest first, so that none of them is left for the end, when other cores have nothing more to do.
    missing = sorted((index for index in range(len(combinations)) if index not in points), key=lambda i: -sizes[i])
    tasks = {
        index: Task(
            plan.config, (*plan.overrides, *_set_axes(plan.axes, combinations[index])), combinations[index], each
        )
        for index in missing
    }
    reached = sum(sizes[index] for index in points)
    for index, point in _measure(executor or Processes(workers), tasks, own=executor is None):
        points[index] = point
        if journal is not None:
            journal.add(index, point)
        reached += sizes[index]
        if progress is not None:
            progress(len(points), len(combinations), reached / sum(sizes))
    return _gather(plan, [points[index] for index in range(len(combinations))])


def _measure(executor: Executor, tasks: dict[int, Task], *, own: bool) -> Iterator[tuple[int, SweepPoint]]:
    """Points as they are finished; one whose process crashes is a failed one."""
    futures = {executor.submit(measure_point, task): index for index, task in tasks.items()}
    complete = False
    try:
        for future in as_completed(futures):
            index = futures.pop(future)
            try:
                yield index, future.result()
            except CrashError as crash:
                yield index, SweepPoint(tasks[index].values, str(crash))
            except Exception as error:  # whatever an engine makes of a worker that is gone
                yield index, SweepPoint(tasks[index].values, f"{type(error).__name__}: {error}"[:500])
        complete = True
    finally:
        for future in futures:
            future.cancel()
        if own:
            executor.shutdown(wait=complete, cancel_futures=True)


def _set_axes(axes: Sequence[Axis], values: Sequence[str]) -> tuple[Override, ...]:
    return tuple(
        Override(axis.path, value, f"--vary {axis.path}={value}") for axis, value in zip(axes, values, strict=True)
    )


def _estimate_work(axes: Sequence[Axis], values: Sequence[str]) -> float:
    """How much work a point is, compared with the others, as far as its own values say."""
    sizes = [
        scalar(value)
        for axis, value in zip(axes, values, strict=True)
        if is_whole(axis.path) and not axis.path.endswith("seed")
    ]
    return math.prod(max(float(size), 1.0) for size in sizes if isinstance(size, (int, float)))


def _gather(plan: SweepPlan, points: Sequence[SweepPoint]) -> Sweep:
    if all(point.failure for point in points):
        raise VarprobeError(
            f"no point could be measured: {points[0].failure}", hint="try one of them by `varprobe run`"
        )
    s = plan.experiment.network.settings
    return Sweep(
        sweep_version=SWEEP_VERSION,
        name=plan.experiment.network.name,
        spec=plan.experiment.document,
        settings=SettingsUsed(s.batch, s.trials, s.seed, s.dtype, s.engine),
        provenance=Made(__version__, np.__version__, platform.python_version(), s.seed),
        axes=plan.axes,
        points=tuple(points),
    )


def _take_fingerprint(experiment: Experiment, folder: Path, axes: Sequence[Axis]) -> str:
    files = {path: _digest(folder / path) for path in sorted(set(find_paths(experiment.document)))}
    settings = [(axis.path, axis.values) for axis in axes]
    whole = json.dumps(
        [__version__, np.__version__, experiment.network.name, experiment.document, settings, files], default=str
    )
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def find_paths(value: Any) -> Iterator[str]:
    """Files that a config names, as it names them: `value` is its document, or a part of it."""
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "path" and isinstance(child, str):
                yield child
            yield from find_paths(child)
    elif isinstance(value, list):
        for child in value:
            yield from find_paths(child)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
