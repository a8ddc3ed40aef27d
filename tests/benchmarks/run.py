"""Measures varprobe beside a straightforward PyTorch script and writes the report.

    python3 -m venv .venv && .venv/bin/pip install '.[test,torch]'
    .venv/bin/python tests/benchmarks/run.py reports/benchmarks.md

Each piece of work runs in turn, varprobe, PyTorch, floor, several times over, every time in a process of its own; the
tables give medians, and ratios of medians with the smallest and the largest ratio within a turn.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Work:
    """A network of one width, and what is to be reached; `torch` rounds of PyTorch a turn, 0 for none."""

    title: str
    engine: str
    width: int
    depth: int
    batch: int
    trials: int = 1
    init: str = "xavier"
    turns: int = 5
    rounds: int = 2
    torch: int = 2
    torch_trials: int | None = None
    floor: bool = False
    goal: str = ""

    def arguments(self, rounds: int, threads: int, trials: int | None = None) -> list[str]:
        numbers = (self.width, self.depth, self.batch, trials or self.trials, threads, rounds)
        return [*map(str, numbers), self.init]


WORKS = (
    Work("matrix-free, 4,096 x 50, batch 64", "matrix-free", 4096, 50, 64, turns=3, torch=1, goal="15 x"),
    Work("matrix-free, 8,192 x 20, batch 64", "matrix-free", 8192, 20, 64, turns=2, torch=1, goal="40 x"),
    Work("matrix-free, 16,384 x 50, batch 64", "matrix-free", 16384, 50, 64, torch=0, goal="5 s, 1 GB"),
    Work("matrix-free, 1,000,000 x 10, batch 16", "matrix-free", 10**6, 10, 16, rounds=1, torch=0, goal="15 s, 3 GB"),
    Work("orthogonal, 4,096 x 10, batch 64", "auto", 4096, 10, 64, init="orthogonal", turns=2, torch=1, goal="100 x"),
    Work("explicit, 1,024 x 50, batch 256", "explicit", 1024, 50, 256, floor=True, goal="1.5 x, 1.4 floors"),
    Work(
        "the same, uniform weights", "explicit", 1024, 50, 256, init="xavier-uniform", floor=True, goal="1.4 x"
    ),
    Work("explicit, 256 x 20, batch 128, 20 trials", "explicit", 256, 20, 128, 20, floor=True, goal="1.5 x"),
    Work(
        "explicit, 64 x 10, batch 32, 1,000 trials",
        "explicit", 64, 10, 32, 1000, turns=3, torch=1, goal="8 x",
    ),
    Work("explicit, 128 x 10,000, batch 32", "explicit", 128, 10_000, 32, turns=2, rounds=1, torch=0, goal="1 GB"),
)  # fmt: skip

WIDTHS = (10_000, 100_000, 1_000_000)
DEPTHS = (1_250, 2_500, 5_000, 10_000)


@dataclass(frozen=True)
class Found:
    """Seconds of every round, by turn, and of measuring alone; memory of varprobe in MiB."""

    ours: list[list[float]]
    measuring: list[float]
    torch: list[list[float]]
    products: list[float]
    draws: list[float]
    peak: float
    planned: float


def child(script: str, arguments: Sequence[str]) -> list[list[float]]:
    """The numbers that a script prints, line by line."""
    command = [sys.executable, str(HERE / script), *arguments]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [[float(number) for number in line.split()] for line in printed.splitlines()]


def measured(work: Work, threads: int, *, with_torch: bool) -> Found:
    """A piece of work in turn with its rivals."""
    found = Found([], [], [], [], [], 0.0, 0.0)
    peak = planned = 0.0
    for _ in range(work.turns):
        *rounds, (peak, planned) = child("varprobe_probe.py", [*work.arguments(work.rounds, threads), work.engine])
        found.ours.append([seconds for seconds, _ in rounds])
        found.measuring.extend(seconds for _, seconds in rounds)
        if with_torch and work.torch:
            lines = child("torch_probe.py", work.arguments(work.torch, threads))
            found.torch.append([seconds for (seconds,) in lines])
        if work.floor:
            for products, draws in child("floor.py", work.arguments(work.rounds, threads)):
                found.products.append(products)
                found.draws.append(draws)
    return replace(found, peak=peak, planned=planned)


def _all(turns: list[list[float]]) -> list[float]:
    return [seconds for turn in turns for seconds in turn]


def row(work: Work, found: Found) -> str:
    """A line of the table."""
    ours = median(_all(found.ours))
    theirs = ratio = floor = "-"
    if found.torch:
        pairs = [median(b) / median(a) for a, b in zip(found.ours, found.torch, strict=True)]
        theirs = f"{median(_all(found.torch)):.3g}"
        ratio = f"{median(_all(found.torch)) / ours:.3g} ({min(pairs):.3g} to {max(pairs):.3g})"
    if found.products:
        products, draws = median(found.products), median(found.draws)
        floor = f"{products + draws:.3g} ({products:.3g} + {draws:.3g}); {ours / (products + draws):.2f}"
    memory = f"{found.peak:,.0f} / {found.planned:,.0f}"
    return f"| {work.title} | {ours:.3g} | {theirs} | {ratio} | {floor} | {memory} | {work.goal} |"


def slope(works: Sequence[Work], sizes: Sequence[int], threads: int) -> tuple[float, list[float]]:
    """The exponent of the measuring's cost in the size, by least squares on the logs, and its seconds."""
    seconds = [median(measured(work, threads, with_torch=False).measuring) for work in works]
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]), seconds


def machine() -> str:
    """What this ran on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}; Python {platform.python_version()}, NumPy {np.__version__}"


def report(
    works: Sequence[Work], widths: Sequence[int], depths: Sequence[int], threads: int, *, with_torch: bool
) -> str:
    """The whole report, as Markdown."""
    rows = []
    for work in works:
        rows.append(row(work, measured(work, threads, with_torch=with_torch)))
        print(rows[-1], file=sys.stderr, flush=True)
    wide = [Work("", "matrix-free", width, 10, 16, turns=3) for width in widths]
    deep = [Work("", "explicit", 128, depth, 32, turns=2, rounds=1) for depth in depths]
    wide_slope, wide_seconds = slope(wide, widths, threads)
    deep_slope, deep_seconds = slope(deep, depths, threads)
    torch = f", PyTorch {version('torch')}" if with_torch else ""

    def listed(sizes: Sequence[int], seconds: Sequence[float]) -> str:
        return ", ".join(f"{size:,}: {second:.3g} s" for size, second in zip(sizes, seconds, strict=True))

    return f"""# Benchmarks

{machine()}{torch}; {threads} threads, float32.

Tanh layers of one width (width x depth), one trial unless said. varprobe computes its whole report: every statistic
of every layer, theory and verdict. The PyTorch script, `tests/benchmarks/torch_probe.py`, builds the modules,
initialises them by `torch.nn.init`, takes the same statistics in hooks forward and backward, and no theory. Each takes
its turn in a process of its own; seconds are medians over all rounds, ratios of medians with the range over the turns
in brackets. The floor is the time of the explicit engine's own matrix products plus that of as many draws, with memory
in hand; after it stands how many floors varprobe took. Memory is what the process took beyond its imports, and what
was planned before it ran.

| work | varprobe (s) | PyTorch (s) | times faster | floor (s): products + draws; floors | peak / planned (MiB) | goal |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Cost of measuring by width (matrix-free, depth 10, batch 16): {listed(widths, wide_seconds)}: as the width to the
power {wide_slope:.2f}.

Cost of measuring by depth (explicit, width 128, batch 32): {listed(depths, deep_seconds)}: as the depth to the
power {deep_slope:.2f}.

Written by `python tests/benchmarks/run.py reports/benchmarks.md`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-torch", action="store_true", help="leave PyTorch out")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it runs")
    said = parser.parse_args()
    works: Sequence[Work] = WORKS
    widths: Sequence[int] = WIDTHS
    depths: Sequence[int] = DEPTHS
    if said.smoke:
        works = [
            Work("tiny", engine, 16, 3, 4, 2, turns=1, floor=engine == "explicit") for engine in ("auto", "explicit")
        ]
        widths = depths = (8, 16)
    text = report(works, widths, depths, said.threads, with_torch=not said.no_torch)
    said.output.write_text(text)


if __name__ == "__main__":
    main()
