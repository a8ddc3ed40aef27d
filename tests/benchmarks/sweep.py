"""How busy a sweep keeps the cores: `python tests/benchmarks/sweep.py [GAINS]`, needs psutil.

The sweep of `configs/depth_gain.yaml` over gain and depth; prints the wall time and the share of it that the cores
were at work, from the first process' start to the last one's end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


def busy_share(gains: int) -> tuple[float, float]:
    """Wall time in seconds, and CPU time of all processes over wall time and cores."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "varprobe", "sweep", str(ROOT / "configs" / "depth_gain.yaml"), "--quiet",
                   "--vary", f"defaults.init.gain=0.5:2:{gains}", "--vary", "layers.0.repeat=5,10,20,50",
                   "-o", f"{folder}/sweep.json"]  # fmt: skip
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        whole, spent = psutil.Process(process.pid), {}
        while process.poll() is None:
            for one in (whole, *_children(whole)):
                try:
                    times = one.cpu_times()
                except psutil.Error:
                    continue
                spent[one.pid] = times.user + times.system
            time.sleep(0.05)
        wall = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"the sweep ended with {process.returncode}")
    return wall, sum(spent.values()) / wall / cores


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


if __name__ == "__main__":
    gains = int(sys.argv[1]) if len(sys.argv) > 1 else 31
    wall, share = busy_share(gains)
    print(f"{4 * gains} points of width 128: {wall:.1f} s, {len(os.sched_getaffinity(0))} cores busy {share:.0%}")
