"""How the work is cut into stacks of trials, and how much memory it takes; decided before anything is drawn."""

from __future__ import annotations

import os
from itertools import pairwise

from varprobe.engine.costs import footprint_of, table_bytes, value_bytes, weight_bytes
from varprobe.errors import ResourceError
from varprobe.formatting import size_of
from varprobe.frozen import dataclass
from varprobe.machine import free_memory
from varprobe.network.spec import NetworkSpec, Settings

# Values of one layer that a stack may hold: enough to hide Python, and for threads not to wait for its lock.
STACK_VALUES = 262_144
# Values of one layer, or its weights, from which a pass is worth sharing among threads.
LARGE = 131_072
# Weights are kept between forward and backward up to this many bytes, and drawn twice beyond it.
KEPT_WEIGHTS = 256 * 2**20
# Share of the free memory that a run may plan for.
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class RunSchedule:
    """How a run is cut.

    Attributes:
        stacks: their trials, in order.
        workers: how many stacks run at once.
        crew: threads that a stack shares its passes among.
        threads: that the run may use.
        keep_weights: whether weights are held until backward has used them, in place of drawn again.
        memory: in bytes, at the peak.
        starts: the steps at which segments begin: forward keeps only the last, and backward computes the others again.
    """

    stacks: tuple[range, ...]
    workers: int
    crew: int
    threads: int
    keep_weights: bool
    memory: int
    starts: tuple[int, ...] = (0,)


def make_schedule(spec: NetworkSpec, settings: Settings, available: int | None = None) -> RunSchedule:
    """The plan for a run.

    Where memory is short, fewer stacks run at once, then smaller ones, then segments of one trial.

    Arguments:
        available: bytes that may be used; None asks the machine.

    Raises:
        ResourceError: where not even that would fit; says what is needed and what to lower.
    """
    widest = max(max(step.fan_in, step.fan_out) for step in spec.steps)
    weights = weight_bytes(spec, settings)
    threads = settings.threads or available_cores()
    tables = table_bytes(spec, settings)
    budget = int((available if available is not None else free_memory()) * MEMORY_SHARE) - tables
    large = max(settings.batch * widest, max(weights) // value_bytes(settings)) >= LARGE
    most = max(1, min(settings.trials, STACK_VALUES // (settings.batch * widest)))
    while True:
        stacks = _stacks(settings.trials, most, threads)
        size, workers = len(stacks[-1]), min(threads, len(stacks))
        keep = sum(weights) * size * workers <= KEPT_WEIGHTS
        crew = threads // workers if large else 1
        peak = footprint_of(spec, settings, size, crew, keep_weights=keep).peak()
        if workers * peak > budget:
            workers = budget // peak
            crew = max(1, threads // max(1, workers)) if large else 1
            peak = footprint_of(spec, settings, size, crew, keep_weights=keep).peak()
        if 0 < workers * peak <= budget:
            together = sum(sorted(len(stack) for stack in stacks)[-workers:])
            return RunSchedule(stacks, workers, crew, threads, keep, peak * together // size + tables)
        if most == 1:
            break
        most //= 2
    crew = threads if large else 1
    one = footprint_of(spec, settings, 1, crew, keep_weights=False)
    starts = one.segments(budget)
    if one.peak(starts) > budget:
        raise _refusal(spec, settings, one.peak(starts), tables, budget + tables)
    return RunSchedule(_stacks(settings.trials, 1, 1), 1, crew, threads, False, one.peak(starts) + tables, starts)


def _stacks(trials: int, most: int, threads: int) -> tuple[range, ...]:
    """Stacks of nearly one size, as many for every thread."""
    count = -(-trials // most)
    if count > 1:
        count = min(trials, -(-count // threads) * threads)
    edges = [number * trials // count for number in range(count + 1)]
    return tuple(range(start, stop) for start, stop in pairwise(edges))


def _refusal(spec: NetworkSpec, settings: Settings, one: int, tables: int, budget: int) -> ResourceError:
    if tables > one:
        way = f"lower probe.trials ({settings.trials:,}) or the depth ({len(spec.rows):,} layers)"
    elif max(weight_bytes(spec, settings)) > one // 4:
        way = "lower the widths: one layer's weights are the largest part"
    else:
        way = f"lower probe.batch ({settings.batch:,}), the widths or the depth ({len(spec.rows):,} layers)"
    message = f"this network needs about {size_of(one + tables)} for one trial, and {size_of(budget)} may be used"
    return ResourceError(message, hint=way, place=spec.place)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
