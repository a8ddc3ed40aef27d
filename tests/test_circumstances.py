"""What the surroundings refuse is told in a line, with exit code 2; sizes that no terminal has are not believed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = "input: {features: 6}\nlayers: [{dense: 6, repeat: 5}]\nprobe: {batch: 4, trials: 2}\n"


def shell(text: str, folder: Path, **around: str) -> subprocess.CompletedProcess[str]:
    (folder / "c.yaml").write_text(CONFIG)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **around}
    line = text.replace("varprobe", f"{sys.executable} -m varprobe")
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("varprobe run c.yaml 1</dev/null", "standard output: cannot be written"),
        ("varprobe run c.yaml --json >/dev/full", "standard output: cannot be written: No space left"),
        ("varprobe list findings >/dev/full", "standard output: cannot be written: No space left"),
        ("mkdir d; cd d; rmdir ../d; varprobe run $OLDPWD/c.yaml -o r.json", "the current folder is gone"),
    ],
)
def test_what_the_system_refuses_is_told_in_a_line(line: str, reason: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert done.returncode == 2, done.stderr
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_closed_standard_output_swallows(tmp_path: Path) -> None:
    done = shell("varprobe run c.yaml -q >&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("columns", ["0", "999999999", "1" * 5000, "\u00b2"])
def test_a_size_that_no_terminal_has_is_not_believed(columns: str, tmp_path: Path) -> None:
    shown, usual = (shell("varprobe list findings", tmp_path, COLUMNS=size).stdout for size in (columns, "80"))
    assert shown == usual
