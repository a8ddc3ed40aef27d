"""The whole job: a plan in, every point measured on an executor, a Sweep out."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed

import numpy as np

from varprobe.config.yaml_tree import scalar
from varprobe.engine.schedule import available_cores
from varprobe.errors import InputFileError, Place, VarprobeError
from varprobe.report.records import SettingsUsed
from varprobe.sweeps.axes import is_whole
from varprobe.sweeps.journal import Journal
from varprobe.sweeps.plan import SweepPlan, set_axes
from varprobe.sweeps.point import MeasuredPoint, Task, measure_point
from varprobe.sweeps.processes import CrashError, Processes
from varprobe.sweeps.records import SWEEP_VERSION, Axis, Made, Sweep, SweepPoint
from varprobe.version import __version__

Progress = Callable[[int, int, float], None]


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
        InputFileError: where a file that points read has changed in between.
    """
    combinations = plan.combinations
    points: dict[int, SweepPoint] = dict(journal.points) if journal else {}
    files: dict[str, str] = dict(journal.files) if journal else {}
    sizes = [_estimate_work(plan.axes, values) for values in combinations]
    cores = threads or available_cores()
    workers = min(cores, len(combinations))
    each = 1 if executor else max(1, cores // workers)
    # The largest first, so that none of them is left for the end, when other cores have nothing more to do.
    missing = sorted((index for index in range(len(combinations)) if index not in points), key=lambda i: -sizes[i])
    tasks = {
        index: Task(
            plan.config, (*plan.overrides, *set_axes(plan.axes, combinations[index])), combinations[index], each
        )
        for index in missing
    }
    reached = sum(sizes[index] for index in points)
    for index, measured in _measure(executor or Processes(workers), tasks, own=executor is None):
        points[index] = measured.point
        _check_files(files, measured.files)
        if journal is not None:
            journal.add(index, measured)
        reached += sizes[index]
        if progress is not None:
            progress(len(points), len(combinations), reached / sum(sizes))
    return _gather(plan, [points[index] for index in range(len(combinations))])


def _measure(executor: Executor, tasks: dict[int, Task], *, own: bool) -> Iterator[tuple[int, MeasuredPoint]]:
    """Points as they are finished; one whose process crashes is a failed one."""
    futures = {executor.submit(measure_point, task): index for index, task in tasks.items()}
    complete = False
    try:
        for future in as_completed(futures):
            index = futures.pop(future)
            try:
                yield index, future.result()
            except CrashError as crash:
                yield index, MeasuredPoint(SweepPoint(tasks[index].values, str(crash)))
            except Exception as error:  # whatever an engine makes of a worker that is gone
                failure = f"{type(error).__name__}: {error}"[:500]
                yield index, MeasuredPoint(SweepPoint(tasks[index].values, failure))
        complete = True
    finally:
        for future in futures:
            future.cancel()
        if own:
            executor.shutdown(wait=complete, cancel_futures=True)


def _check_files(known: dict[str, str], found: Mapping[str, str]) -> None:
    """Refuses points that read different contents under one name."""
    for path, digest in found.items():
        if known.setdefault(path, digest) != digest:
            hint = "start again: only what read it is measured anew"
            raise InputFileError("has changed since the sweep began", hint=hint, place=Place(path))


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
