"""`--show`: a window where there is a screen, and a clear refusal where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = "{name: net, input: {features: 6}, layers: [{dense: 6, repeat: 4}], probe: {batch: 4, trials: 2}}"
# A toolkit that writes down what is shown, in place of a screen.
TOOLKIT = """
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

class FigureManager(FigureManagerBase):
    def show(self):
        pass

    @classmethod
    def pyplot_show(cls, *, block=None):
        from matplotlib import _pylab_helpers
        for manager in _pylab_helpers.Gcf.get_all_fig_managers():
            words = [text.get_text() for text in manager.canvas.figure.texts]
            open("shown.txt", "a").write(" | ".join(words) + "\\n")

class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
"""


def tool(folder: Path, *arguments: str, backend: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "MPLBACKEND": backend, "PYTHONPATH": path}
    command = [sys.executable, "-m", "varprobe", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "toolkit.py").write_text(TOOLKIT)
    (tmp_path / "net.yaml").write_text(CONFIG)
    return tmp_path


def test_every_kind_of_result_opens_a_window(folder: Path) -> None:
    backend = "module://toolkit"
    for arguments in (
        ("run", "net.yaml", "--show", "-o", "report.json"),
        ("predict", "net.yaml", "--show"),
        ("show", "report.json", "--show"),
        ("sweep", "net.yaml", "--vary", "probe.seed=1,2", "--show", "--quiet"),
        ("compare", "net.yaml", "--init", "small,he", "--show"),
    ):
        done = tool(folder, *arguments, backend=backend)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    shown = (folder / "shown.txt").read_text().splitlines()
    assert len(shown) == 5
    assert all("net" in re.split(r" [|] |:", line) for line in shown[:4])


@pytest.mark.parametrize("backend", ["agg", "svg"])
def test_without_a_screen_it_says_so_before_it_measures(folder: Path, backend: str) -> None:
    done = tool(folder, "run", "net.yaml", "--show", "-o", "report.json", backend=backend)
    assert done.returncode == 2
    assert "--show: no window can be opened here" in done.stderr
    assert "-o plot.png" in done.stderr
    assert not (folder / "report.json").exists()
