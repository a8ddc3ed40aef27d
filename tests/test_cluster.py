"""Points on a real cluster of two workers on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIG = {
    "name": "net",
    "input": {"features": 12},
    "defaults": {"activation": "tanh", "init": {"name": "file", "path": "w.npz", "key": "W"}},
    "layers": [{"dense": 12}, {"dense": {"width": 12, "init": "he"}, "repeat": 5}],
    "probe": {"batch": 8, "trials": 3},
}
AXES = ("--vary", "layers.1.dense.init.gain=0.5:2:4", "--vary", "layers.1.repeat=4,6")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                 "--no-dashboard", "--scheduler-file", str(file)]  # fmt: skip
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nworkers", "2",
              "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]  # fmt: skip
    running = [subprocess.Popen(scheduler, **quiet)]  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("}")) and time.monotonic() < deadline:
            time.sleep(0.1)
        running.append(subprocess.Popen(worker, **quiet))  # type: ignore[call-overload]
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    import numpy as np

    np.savez(tmp_path / "w.npz", W=np.eye(12))
    (tmp_path / "net.json").write_text(json.dumps(CONFIG))
    return tmp_path


def sweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "varprobe", "sweep", "net.json", *AXES, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def test_a_cluster_gives_the_sweep_that_this_machine_gives(address: str, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while (done := sweep(folder, "--cluster", address, "-o", "there.json")).returncode and time.monotonic() < deadline:
        assert "no workers" in done.stderr  # they are still starting
        time.sleep(0.5)
    assert (done.returncode, done.stderr) == (0, "")
    assert sweep(folder, "-o", "here.json").returncode == 0
    assert (folder / "there.json").read_bytes() == (folder / "here.json").read_bytes()


def test_a_point_that_fails_there_is_one_failed_point(address: str, folder: Path) -> None:
    command = [sys.executable, "-m", "varprobe", "sweep", "net.json", "--vary", "layers.1.dense.width=8,0,16",
               "--cluster", address]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0
    assert "failed: width 0 (1 point)" in done.stdout
