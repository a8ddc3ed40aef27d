"""Runs the trials, in stacks and on threads, and gathers what the engine reports."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from varprobe.engine import blocks
from varprobe.engine.costs import check_engine, engine_of
from varprobe.engine.record import StackStatistics
from varprobe.engine.schedule import RunSchedule, make_schedule
from varprobe.engine.stack import run_stack
from varprobe.network.description import describe_rows
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.probe.measurement import Measurement

if TYPE_CHECKING:
    from concurrent.futures import Future

Progress = Callable[[int, int], None]


class _StopError(Exception):
    """Raised inside a stack when another one failed or the user gave up."""


def measure(
    spec: NetworkSpec, settings: Settings | None = None, progress: Progress | None = None, *, first: int = 0
) -> Measurement:
    """Draws, runs and measures a network.

    Arguments:
        spec: the network, from `load`.
        settings: batch, trials, seed and so on; by default those of the config.
        progress: called after every pass through a layer, forward or backward, of a stack of trials, with how many are
            done and how many there are; what it raises ends the run.
        first: the number of the first trial, from 0; those after it are `settings.trials`.

    Returns:
        Every statistic per trial and layer.

    Raises:
        ResourceError: where the network would not fit in memory.

    >>> from varprobe.config.loading import load
    >>> spec = load({"input": {"features": 8}, "layers": [{"dense": 8}], "probe": {"batch": 4, "trials": 2}}).network
    >>> measure(spec).statistics.preactivation_mean.shape
    (2, 1)
    """
    settings = settings or spec.settings
    check_engine(spec, settings)
    started = time.perf_counter()
    plan = make_schedule(spec, settings)
    statistics = _normalise(StackStatistics.join(_run(spec, settings, plan, progress, first)))
    return Measurement(
        layers=describe_rows(spec, lambda step: engine_of(step, settings)),
        statistics=statistics,
        features=spec.input.features,
        batch=settings.batch,
        trials=settings.trials,
        dtype=settings.dtype,
        objective=spec.objective.kind,
        threads=plan.threads,
        seconds=time.perf_counter() - started,
        code_density=spec.input.code_density,
        target_square=_target_square(spec),
    )


def _target_square(spec: NetworkSpec) -> float | None:
    targets = spec.objective.targets
    return float(np.square(targets).mean()) if spec.objective.kind == "mse" and targets is not None else None


def more(
    measurement: Measurement, spec: NetworkSpec, settings: Settings, progress: Progress | None = None
) -> Measurement:
    """The same measurement with more trials: `settings.trials` in all, of which only the new ones are drawn."""
    drawn = replace(settings, trials=settings.trials - measurement.trials)
    new = measure(spec, drawn, progress, first=measurement.trials)
    return replace(
        new,
        statistics=StackStatistics.join([measurement.statistics, new.statistics]),
        trials=settings.trials,
        threads=max(measurement.threads, new.threads),
        seconds=measurement.seconds + new.seconds,
    )


def _run(
    spec: NetworkSpec, settings: Settings, plan: RunSchedule, progress: Progress | None, first: int
) -> list[StackStatistics]:
    stacks = [range(stack.start + first, stack.stop + first) for stack in plan.stacks]
    stop = threading.Event()
    again = sum(step.layer.is_row for step in spec.steps[: plan.starts[-1]])
    total = (2 * len(spec.rows) + again) * len(stacks)
    done = 0
    lock = threading.Lock()

    def tick() -> None:
        nonlocal done
        if stop.is_set():
            raise _StopError
        if progress is not None:
            with lock:
                done += 1
                progress(done, total)

    run = partial(run_stack, spec, settings, keep_weights=plan.keep_weights, tick=tick, starts=plan.starts)
    with _one_blas_thread(plan):
        if plan.workers == 1:
            with blocks.threads(plan.crew):
                return [run(stack) for stack in stacks]
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

        futures: list[Future[StackStatistics]] = []
        pool = ThreadPoolExecutor(plan.workers)
        try:
            futures += [pool.submit(run, stack) for stack in stacks]
            wait(futures, return_when=FIRST_EXCEPTION)
            return [future.result() for future in futures]
        except BaseException as error:
            stop.set()
            raise _cause(futures, error) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _cause(futures: list[Future[StackStatistics]], error: BaseException) -> BaseException:
    """The failure itself, not that of a stack that was stopped because of it."""
    if not isinstance(error, _StopError):
        return error
    failures = [future.exception() for future in futures if future.done() and not future.cancelled()]
    return next((failure for failure in failures if failure and not isinstance(failure, _StopError)), error)


def _one_blas_thread(plan: RunSchedule) -> AbstractContextManager[object]:
    """The engine shares out the work itself; in a small network BLAS threads wait for each other longer than they work.

    The command line starts BLAS with one.
    """
    if plan.workers == plan.crew == 1 and os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def _normalise(statistics: StackStatistics) -> StackStatistics:
    """Gradient statistics divided by the second moment of dObjective/d(output)."""
    unit = statistics.log_output_gradient_second_moment
    unit = np.where(np.isneginf(unit), 0.0, unit)
    names = (
        "log_gradient_second_moment",
        "log_gradient_variance",
        "log_activation_gradient_second_moment",
        "log_activation_gradient_variance",
        "log_weight_gradient_second_moment",
        "log_weight_gradient_variance",
        "log_input_gradient_second_moment",
    )
    divided = {name: getattr(statistics, name) - unit for name in names}
    return replace(statistics, **divided, log_gradient_max_abs=statistics.log_gradient_max_abs - unit / 2)
