"""The benchmarks run; what they measure is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_benchmarks_run_and_write_their_report(tmp_path: Path) -> None:
    output = tmp_path / "benchmarks.md"
    script = ROOT / "tests" / "benchmarks" / "run.py"
    command = [sys.executable, str(script), "--smoke", "--no-torch", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in output.read_text().splitlines() if line.startswith("| tiny")]
    assert [float(row[2]) > 0 for row in rows] == [True, True]
    # The floor's products and draws are below what the whole takes.
    assert float(rows[1][5].split(";")[1]) > 1


def test_the_sweep_s_benchmark_runs() -> None:
    script = ROOT / "tests" / "benchmarks" / "sweep.py"
    done = subprocess.run([sys.executable, str(script), "2"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("8 points of width 128: ")
