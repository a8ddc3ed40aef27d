"""How the work is cut into stacks of trials, and how much memory it takes; decided before anything is drawn."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

from varprobe.engine.choice import MATRIX_FREE, engine_of
from varprobe.errors import ResourceError
from varprobe.frozen import dataclass
from varprobe.spec.network import Dense, Dropout, Join, NetworkSpec, Norm, Settings, Step

# Values of one layer that a stack may hold: enough to hide Python, and for threads not to wait for its lock.
STACK_VALUES = 262_144
# Values of one layer, or its weights, from which a pass is worth sharing among threads.
LARGE = 131_072
# Weights are kept between forward and backward up to this many bytes a stack, and drawn twice beyond it.
KEPT_WEIGHTS = 256 * 2**20
# Share of the free memory that a run may plan for.
MEMORY_SHARE = 0.8
# float64 tables per trial and row, and the lists of the report made from them.
_TABLE_BYTES = 24 * 8 * 4


@dataclass(frozen=True)
class Plan:
    """How a run is cut.

    Attributes:
        stacks: their trials, in order.
        workers: how many stacks run at once.
        crew: threads that a stack shares its passes among.
        threads: that the run may use.
        keep_weights: whether weights are held until backward has used them, in place of drawn again.
        memory: in bytes, at the peak.
    """

    stacks: tuple[range, ...]
    workers: int
    crew: int
    threads: int
    keep_weights: bool
    memory: int


def make_plan(spec: NetworkSpec, settings: Settings, available: int | None = None) -> Plan:
    """The plan for a run.

    Arguments:
        available: bytes that may be used; None asks the machine.

    Raises:
        ResourceError: where not even one trial at a time would fit; says what is needed and what to lower.
    """
    size = 4 if settings.dtype == "float32" else 8
    widest = max(max(step.fan_in, step.fan_out) for step in spec.steps)
    per_stack = max(1, min(settings.trials, STACK_VALUES // (settings.batch * widest)))
    weights = _weight_bytes(spec, settings, size)
    keep = sum(weights) * per_stack <= KEPT_WEIGHTS
    kept = sum(weights) if keep else max(weights)
    free = sum(settings.batch * (step.fan_in + step.fan_out) * size for step in _free(spec, settings))
    one = (
        _signal_bytes(spec, settings.batch, size)
        + free
        + settings.batch * widest * (3 * 8 + 2 * size)
        + kept
        + max(weights)
    )
    tables = _TABLE_BYTES * settings.trials * len(spec.rows)
    budget = int((available if available is not None else free_memory()) * MEMORY_SHARE)
    _refuse(spec, settings, one, tables, budget, weights)
    per_stack = max(1, min(per_stack, (budget - tables) // one))
    threads = settings.threads or available_cores()
    stacks = _stacks(settings.trials, per_stack, threads)
    workers = max(1, min(threads, len(stacks), (budget - tables) // (one * per_stack)))
    large = max(settings.batch * widest, max(weights, default=0) // size) >= LARGE
    crew = max(1, threads // workers) if large else 1
    return Plan(stacks, workers, crew, threads, keep, one * per_stack * workers + tables)


def _stacks(trials: int, most: int, threads: int) -> tuple[range, ...]:
    """Stacks of nearly one size, as many for every thread."""
    count = -(-trials // most)
    if count > 1:
        count = min(trials, -(-count // threads) * threads)
    edges = [number * trials // count for number in range(count + 1)]
    return tuple(range(start, stop) for start, stop in pairwise(edges))


def _refuse(spec: NetworkSpec, settings: Settings, one: int, tables: int, budget: int, weights: list[int]) -> None:
    if one + tables <= budget:
        return
    needs, has = (one + tables) / 2**30, budget / 2**30
    if tables > one:
        way = f"lower probe.trials ({settings.trials:,}) or the depth ({len(spec.rows):,} layers)"
    elif max(weights) * 2 > one // 2:
        way = "lower the widths: one layer's weights are the largest part"
    else:
        way = f"lower probe.batch ({settings.batch:,}), the widths or the depth ({len(spec.rows):,} layers)"
    message = f"this network needs about {needs:,.1f} GiB for one trial, and {has:,.1f} GiB may be used"
    raise ResourceError(message, hint=way, place=spec.place)


def _weight_bytes(spec: NetworkSpec, settings: Settings, size: int) -> list[int]:
    """Of the layers whose weights are drawn; 0 for those that do without."""
    dense = [step for step in spec.steps if isinstance(step.layer, Dense)]
    return [0 if engine_of(step, settings) == MATRIX_FREE else size * step.fan_in * step.fan_out for step in dense]


def _free(spec: NetworkSpec, settings: Settings) -> list[Step]:
    """The layers without weights: they keep a basis of their input and what it was multiplied with."""
    return [step for step in spec.steps if engine_of(step, settings) == MATRIX_FREE]


def _signal_bytes(spec: NetworkSpec, batch: int, size: int) -> int:
    """What forward keeps for backward in one trial."""
    values = spec.input.features
    for step in spec.steps:
        match step.layer:
            case Dense(activation=activation):
                values += step.fan_out * (1 if activation.name == "linear" else 2)
            case Dropout():
                values += 2 * step.fan_out
            case Norm(gamma=gamma):
                values += step.fan_out * (1 if gamma is None else 2)
            case Join():
                values += step.fan_out
            case _:
                values += step.fan_out
    return values * batch * size


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Bytes that this process may still take: the machine's, or its control group's if that is less."""
    found = [_meminfo(), _control_group()]
    known = [value for value in found if value is not None]
    if known:
        return min(known)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 * 2**30


def _meminfo() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None


def _control_group() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        return max(0, int(limit) - int(used)) if limit != "max" else None
    except (OSError, ValueError):
        return None
