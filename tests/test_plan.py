"""The plan: every trial once, and memory known before it is taken."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from varprobe.engine.plan import Plan, available_cores, free_memory, make_plan
from varprobe.errors import ResourceError
from varprobe.probe.measure import measure
from varprobe.spec.loading import load
from varprobe.spec.network import NetworkSpec


def _net(width: int, depth: int, batch: int, trials: int, layers: list[Any] | None = None, **probe: Any) -> NetworkSpec:
    layers = layers or [{"dense": width, "repeat": depth}]
    settings = {"batch": batch, "trials": trials, "engine": "explicit", **probe}
    return load({"input": {"features": width}, "defaults": {"activation": "tanh"}, "layers": layers, "probe": settings})


@pytest.mark.parametrize("trials", [1, 2, 7, 20, 1001])
@pytest.mark.parametrize(("width", "batch"), [(1, 1), (16, 8), (64, 128), (700, 300)])
@pytest.mark.parametrize("threads", [1, 2, 9])
def test_the_stacks_hold_every_trial_once_and_in_order(trials: int, width: int, batch: int, threads: int) -> None:
    spec = _net(width, 3, batch, trials)
    plan = make_plan(spec, replace(spec.settings, threads=threads))
    assert [trial for stack in plan.stacks for trial in stack] == list(range(trials))
    assert 1 <= plan.workers <= min(threads, len(plan.stacks))
    assert plan.threads == threads


def test_threads_are_those_of_the_machine_unless_said() -> None:
    spec = _net(16, 3, 8, 4)
    assert make_plan(spec, spec.settings).threads == available_cores() >= 1
    assert free_memory() > 0


def test_less_memory_gives_fewer_workers_and_then_smaller_stacks() -> None:
    spec = _net(32, 20, 64, 64)
    settings = replace(spec.settings, threads=4)
    free = make_plan(spec, settings, 2**40)
    plans = []
    for available in (free.memory * 1.3, free.memory * 0.9, free.memory * 0.4):
        plan = make_plan(spec, settings, int(available))
        assert plan.memory <= 0.8 * available
        assert [trial for stack in plan.stacks for trial in stack] == list(range(64))
        plans.append(plan)
    assert plans[0] == free
    assert plans[1].workers < free.workers
    assert len(plans[2].stacks) > len(free.stacks)


@pytest.mark.parametrize(
    ("spec", "available", "lower"),
    [
        (_net(4096, 2, 8, 2), 2**26, "widths"),
        (_net(64, 50, 4096, 2), 2**25, "probe.batch (4,096)"),
        (_net(8, 200, 2, 100_000), 2**30, "probe.trials (100,000)"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(spec: NetworkSpec, available: int, lower: str) -> None:
    with pytest.raises(ResourceError) as caught:
        make_plan(spec, spec.settings, available)
    assert lower in caught.value.hint
    assert "GiB" in caught.value.message
    needed = float(caught.value.message.split("about ")[1].split(" GiB")[0].replace(",", ""))
    # The figure is true: with that much (a quarter more, as four fifths may be used, and its rounding) it fits.
    make_plan(spec, spec.settings, int((needed + 0.06) * 2**30 / 0.8))


def test_nothing_of_the_size_is_allocated_before_the_refusal() -> None:
    spec = _net(100_000, 50, 1000, 20)
    tracemalloc.start()
    with pytest.raises(ResourceError):
        make_plan(spec, spec.settings, 2**30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def _peak(spec: NetworkSpec, threads: int) -> tuple[int, Plan]:
    settings = replace(spec.settings, threads=threads)
    tracemalloc.start()
    measure(spec, settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, make_plan(spec, settings)


NORMED = [{"block": [{"dense": {"width": 128, "activation": "linear"}}, {"norm": "batch"}, {"activation": "relu"}]}]
RESIDUAL = [{"residual": {"layers": [{"dense": 128}, {"dense": 128}]}, "repeat": 12}]
SIZES = {
    "batch much larger than the width": lambda: _net(48, 12, 2048, 3),
    "width much larger than the batch": lambda: _net(800, 6, 16, 3),
    "deep, narrow and many trials": lambda: _net(16, 150, 16, 60),
    "float64": lambda: _net(128, 10, 256, 4, dtype="float64"),
    "weights drawn twice": lambda: _net(2500, 12, 8, 1),
    "norms": lambda: _net(128, 0, 512, 2, [{**NORMED[0], "repeat": 8}]),
    "residual": lambda: _net(128, 0, 512, 2, RESIDUAL),
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_estimate_is_what_a_run_takes(name: str, threads: int) -> None:
    # NumPy reports its arrays to tracemalloc; BLAS's own buffers are small.
    peak, plan = _peak(SIZES[name](), threads)
    assert 0.8 * peak <= plan.memory <= 2 * peak + 2**20, (peak / 2**20, plan.memory / 2**20)
