"""The plan: every trial once, and memory known before it is taken."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from varprobe import machine
from varprobe.config.loading import load
from varprobe.engine.costs import footprint_of
from varprobe.engine.record import StackStatistics
from varprobe.engine.schedule import RunSchedule, available_cores, make_schedule
from varprobe.engine.stack import run_stack
from varprobe.errors import ResourceError
from varprobe.machine import free_memory
from varprobe.network.spec import NetworkSpec
from varprobe.probe.measure import measure


def _net(
    width: int,
    depth: int,
    batch: int,
    trials: int,
    layers: list[Any] | None = None,
    init: Any = "xavier",
    **probe: Any,
) -> NetworkSpec:
    layers = layers or [{"dense": width, "repeat": depth}]
    settings = {"batch": batch, "trials": trials, "engine": "explicit", **probe}
    defaults = {"activation": "tanh", "init": init}
    return load({"input": {"features": width}, "defaults": defaults, "layers": layers, "probe": settings}).network


@pytest.mark.parametrize("trials", [1, 2, 7, 20, 1001])
@pytest.mark.parametrize(("width", "batch"), [(1, 1), (16, 8), (64, 128), (700, 300)])
@pytest.mark.parametrize("threads", [1, 2, 9])
def test_the_stacks_hold_every_trial_once_and_in_order(trials: int, width: int, batch: int, threads: int) -> None:
    spec = _net(width, 3, batch, trials)
    plan = make_schedule(spec, replace(spec.settings, threads=threads))
    assert [trial for stack in plan.stacks for trial in stack] == list(range(trials))
    assert 1 <= plan.workers <= min(threads, len(plan.stacks))
    assert plan.threads == threads


def test_threads_are_those_of_the_machine_unless_said() -> None:
    spec = _net(16, 3, 8, 4)
    assert make_schedule(spec, spec.settings).threads == available_cores() >= 1
    assert free_memory() > 0


V1 = "4:memory:/jobs/mine\n3:cpu,cpuacct:/jobs\n1:name=systemd:/\n"
MOUNTED_V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
MOUNTED_V2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
CONTAINER = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
MIB = 2**20
GROUPS: dict[str, tuple[str, str, dict[str, tuple[int | str, int, int]]]] = {
    "version 1": (V1, MOUNTED_V1, {"memory/jobs/mine": (300 * MIB, 50 * MIB, 20 * MIB)}),
    "version 1, of a group around": (
        V1, MOUNTED_V1, {"memory/jobs/mine": (2**63 - 4096, 9, 0), "memory/jobs": (400 * MIB, 130 * MIB, 0)}),
    "version 1, in a container": ("4:memory:/docker/abc\n", CONTAINER, {"memory": (270 * MIB, 0, 0)}),
    "version 1, in a container's own space": ("4:memory:/\n", CONTAINER, {"memory": (270 * MIB, 0, 0)}),
    "version 2": ("0::/a.slice/mine.scope\n", MOUNTED_V2, {"a.slice/mine.scope": (300 * MIB, 50 * MIB, 20 * MIB)}),
    "version 2, of a group around": (
        "0::/a/b/c\n", MOUNTED_V2, {"a/b/c": ("max", 9, 0), "a/b": (280 * MIB, 10 * MIB, 0), "a": (900 * MIB, 0, 0)}),
    "version 2, in a container": ("0::/\n", MOUNTED_V2, {"": (270 * MIB, 0, 0)}),
    "both": (V1 + "0::/\n", MOUNTED_V1 + MOUNTED_V2.replace("/cgroup ", "/cgroup/unified "),
             {"memory/jobs/mine": (270 * MIB, 0, 0)}),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_what_a_control_group_leaves_is_all_that_is_free(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, mounts, files = GROUPS[name]
    names = ("memory.max", "memory.current") if "2" in name else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 4194304 kB\nMemAvailable:    3145728 kB\n")
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(mounts)
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    assert free_memory() == 3 * 2**30
    for group, (limit, used, passing) in files.items():
        folder = tmp_path / "sys" / "fs" / "cgroup" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / names[0]).write_text(f"{limit}\n")
        (folder / names[1]).write_text(f"{used}\n")
        key = "inactive_file" if "2" in name else "total_inactive_file"
        (folder / "memory.stat").write_text(f"cache 77\n{key} {passing}\n")
    assert free_memory() == 270 * MIB
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    assert free_memory() == 90 * MIB
    monkeypatch.setattr(machine, "_share", 7 * MIB)
    assert free_memory() == 7 * MIB


def test_a_limit_of_the_address_space_is_all_that_is_free() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); "
        "from varprobe.machine import free_memory; print(free_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 2**30


def test_less_memory_gives_fewer_workers_then_smaller_stacks_then_segments() -> None:
    spec = _net(256, 20, 256, 16)
    settings = replace(spec.settings, threads=4)
    free = make_schedule(spec, settings, 2**40)
    one = free.memory / free.workers / len(free.stacks[-1])
    fewer = make_schedule(spec, settings, int(free.memory * 0.9 / 0.8))
    smaller = make_schedule(spec, settings, int(one * 1.5 / 0.8))
    segments = make_schedule(spec, settings, int(one * 0.5 / 0.8))
    for plan, available in ((fewer, free.memory * 0.9), (smaller, one * 1.5), (segments, one * 0.5)):
        assert plan.memory <= available
        assert [trial for stack in plan.stacks for trial in stack] == list(range(16))
    assert free.workers == 4
    assert 1 <= fewer.workers < 4
    assert fewer.stacks == free.stacks
    assert len(smaller.stacks) > len(free.stacks)
    assert smaller.starts == fewer.starts == free.starts == (0,)
    assert len(segments.starts) > 1
    assert len(segments.stacks) == 16


NORMED = [{"block": [{"dense": {"width": 128, "activation": "linear"}}, {"norm": "batch"}, {"activation": "relu"}]}]
RESIDUAL = [{"residual": {"layers": [{"dense": 128}, {"dense": 128}]}, "repeat": 12}]
SEGMENTED: dict[str, Callable[[], NetworkSpec]] = {
    "drawn weights": lambda: _net(256, 40, 256, 1),
    "no weights": lambda: _net(1024, 40, 64, 1, engine="matrix-free"),
    "orthogonal and lsuv": lambda: _net(
        64, 0, 256, 1, [{"dense": {"width": 64, "init": init}, "repeat": 8} for init in ("orthogonal", "lsuv")]
    ),
    "residual": lambda: _net(128, 0, 512, 1, RESIDUAL),
    "norms and dropout": lambda: _net(
        128, 0, 512, 1, [{"block": [*NORMED[0]["block"], {"dropout": 0.2}], "repeat": 16}]
    ),
}


@pytest.mark.parametrize("name", SEGMENTED)
def test_segments_computed_again_take_less_memory_and_change_nothing(name: str) -> None:
    spec = SEGMENTED[name]()
    settings = replace(spec.settings, threads=1)
    whole = run_stack(spec, settings, [0], keep_weights=False, tick=lambda: None)
    unsegmented = footprint_of(spec, settings, 1, 1, keep_weights=False).peak()
    for share in (0.75, 0.6):
        plan = make_schedule(spec, settings, int(share * unsegmented / 0.8))
        assert len(plan.starts) > 1
        tracemalloc.start()
        found = run_stack(spec, settings, [0], keep_weights=False, tick=lambda: None, starts=plan.starts)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0.8 * peak <= plan.memory <= 1.2 * peak + 2**20
        assert plan.memory <= share * unsegmented
        for field in fields(StackStatistics):
            assert np.array_equal(getattr(found, field.name), getattr(whole, field.name), equal_nan=True), field.name


@pytest.mark.parametrize(
    ("spec", "available", "lower"),
    [
        (_net(4096, 2, 8, 2, init="orthogonal"), 2**26, "widths"),
        (_net(64, 50, 4096, 2), 2**25, "probe.batch (4,096)"),
        (_net(8, 200, 2, 100_000), 2**30, "probe.trials (100,000)"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(spec: NetworkSpec, available: int, lower: str) -> None:
    with pytest.raises(ResourceError) as caught:
        make_schedule(spec, spec.settings, available)
    assert lower in caught.value.hint
    number, unit = caught.value.message.split("about ")[1].split()[:2]
    needed = (float(number.replace(",", "")) + 0.06) * {"MiB": 2**20, "GiB": 2**30}[unit]
    # The figure is true: with that much (a quarter more, as four fifths may be used, and its rounding) it fits.
    make_schedule(spec, spec.settings, int(needed / 0.8))


def test_nothing_of_the_size_is_allocated_before_the_refusal() -> None:
    spec = _net(100_000, 50, 1000, 20)
    tracemalloc.start()
    with pytest.raises(ResourceError):
        make_schedule(spec, spec.settings, 2**30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def _peak(spec: NetworkSpec, threads: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, RunSchedule]:
    settings = replace(spec.settings, threads=threads)
    plan = make_schedule(spec, settings)
    if plan.workers > 1:
        monkeypatch.setattr("varprobe.probe.measure.run_stack", _in_step(plan))
    tracemalloc.start()
    measure(spec, settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, plan


def _in_step(plan: RunSchedule) -> Callable[..., StackStatistics]:
    """`run_stack` with stacks that wait for each other after every pass: left alone, a busy machine may run one stack
    after the other, and the memory of both at once, which the plan must allow for, is never seen."""
    assert len(plan.stacks) % plan.workers == 0
    meeting = threading.Barrier(plan.workers)

    def run(*arguments: Any, tick: Callable[[], None], **options: Any) -> StackStatistics:
        def met() -> None:
            tick()
            meeting.wait(timeout=60)

        return run_stack(*arguments, tick=met, **options)

    return run


SIZES = {
    "batch much larger than the width": lambda: _net(48, 12, 2048, 4),
    "width much larger than the batch": lambda: _net(800, 6, 16, 3),
    "deep, narrow and many trials": lambda: _net(16, 150, 16, 60),
    "float64": lambda: _net(128, 10, 256, 4, dtype="float64"),
    "weights drawn twice": lambda: _net(2500, 12, 64, 1),
    "no weights": lambda: _net(4096, 20, 64, 1, engine="matrix-free"),
    "no weights, large batch": lambda: _net(2048, 6, 256, 1, engine="matrix-free"),
    "no weights, orthogonal": lambda: _net(4096, 8, 64, 1, init="orthogonal", engine="matrix-free"),
    "orthogonal weights": lambda: _net(700, 4, 64, 1, init="orthogonal"),
    "truncated weights, large": lambda: _net(1500, 4, 64, 1, init={"name": "he", "distribution": "truncated_normal"}),
    "a thousand trials": lambda: _net(48, 8, 32, 1000),
    "norms": lambda: _net(128, 0, 512, 2, [{**NORMED[0], "repeat": 8}]),
    "residual": lambda: _net(128, 0, 512, 2, RESIDUAL),
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_estimate_is_what_a_run_takes(name: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # NumPy reports its arrays to tracemalloc; BLAS's own buffers are small. A twentieth of the smallest is a MiB.
    peak, plan = _peak(SIZES[name](), threads, monkeypatch)
    assert 0.8 * peak - 2**20 <= plan.memory <= 1.2 * peak + 2**20, (peak / 2**20, plan.memory / 2**20)


@pytest.mark.parametrize("threads", [None, 1, 2])
@pytest.mark.parametrize("width", [8, 512])
def test_blas_keeps_to_one_thread_while_the_engine_is_at_work(
    threads: int | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    seen: list[int] = []

    def watched(*given: Any, **named: Any) -> Any:
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return run_stack(*given, **named)

    monkeypatch.setattr("varprobe.probe.measure.run_stack", watched)
    spec = _net(width, 1, batch=256, trials=2)
    with threadpool_limits(2, user_api="blas"):
        measure(spec, replace(spec.settings, threads=threads))
    assert set(seen) == {1}


def test_the_command_line_starts_blas_with_one_thread() -> None:
    code = (
        "import sys, threadpoolctl; from varprobe.cli.main import main; sys.argv[1:] = ['gain', 'relu']\n"
        "try: main()\n"
        "except SystemExit: import numpy; print(*(one['num_threads'] for one in threadpoolctl.threadpool_info()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "1"
