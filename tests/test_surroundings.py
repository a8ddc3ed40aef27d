"""Pictures are the same whatever matplotlib finds around it, and drawing leaves nothing of it changed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import pytest

from varprobe.reporters.picture import render_png, render_svg
from varprobe.results.store import load_report

ROOT = Path(__file__).parents[1]
CONFIG = "name: net\ninput: {features: 6}\nlayers: [{dense: 6, repeat: 5}]\nprobe: {batch: 4, trials: 2}\n"
STYLE = """\
backend: nonsense
text.usetex: True
figure.facecolor: red
axes.facecolor: blue
lines.linewidth: 9
font.size: 40
savefig.bbox: tight
figure.autolayout: True
path.sketch: 5, 100, 2
axes.prop_cycle: cycler(color=['red'])
"""


def command(folder: Path, *line: str, **around: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **around}
    return subprocess.run(
        [sys.executable, "-m", "varprobe", *line], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored report and its pictures."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "c.yaml").write_text(CONFIG)
    done = command(folder, "run", "c.yaml", "-o", "r.json", "-o", "r.svg", "-o", "r.png", "-o", "r.html")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("style", "around"),
    [
        (STYLE, {}),
        ("\ud800 \udcff".encode(errors="replace").decode() + "\x00 : :", {}),
        ("", {"MPLBACKEND": "nonsense"}),
        ("", {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}),
        ("", {"MPLBACKEND": "TkAgg", "DISPLAY": ""}),
        ("", {"MATPLOTLIBRC": "given"}),
    ],
    ids=["style", "nonsense", "no such backend", "inline", "no screen", "named"],
)
def test_pictures_depend_on_our_own_settings_alone(
    plain: Path, tmp_path: Path, style: str, around: dict[str, str]
) -> None:
    (tmp_path / "matplotlibrc").write_bytes(style.encode() + (b"\xff\xfe" if "\x00" in style else b""))
    (tmp_path / "given").write_text(STYLE)
    names = ("r.svg", "r.png", "r.html")
    done = command(
        tmp_path, "show", str(plain / "r.json"), *(part for name in names for part in ("-o", name)), **around
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in names:
        assert (tmp_path / name).read_bytes() == (plain / name).read_bytes(), name


def test_a_pipe_called_matplotlibrc_is_not_waited_for(plain: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "matplotlibrc")
    assert command(tmp_path, "show", str(plain / "r.json"), "-o", "r.png").returncode == 0


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "agg", "gtk-nonsense"])
def test_a_backend_without_windows_opens_none(plain: Path, tmp_path: Path, backend: str) -> None:
    done = command(tmp_path, "show", str(plain / "r.json"), "--show", MPLBACKEND=backend)
    assert done.returncode == 2
    assert "no window can be opened here" in done.stderr


def test_the_user_s_settings_in_python_are_not_ours(plain: Path) -> None:
    report = load_report(plain / "r.json")
    with matplotlib.rc_context({"font.size": 40, "figure.facecolor": "red", "text.usetex": True}):
        assert render_svg(report) == (plain / "r.svg").read_bytes()
        assert matplotlib.rcParams["font.size"] == 40
        shown = report.plot()
    assert shown.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_drawing_in_threads_is_the_same_and_leaves_settings_alone(plain: Path) -> None:
    report = load_report(plain / "r.json")
    alone, settings, filters = render_png(report), dict(matplotlib.rcParams), list(warnings.filters)
    with ThreadPoolExecutor(6) as pool:
        pictures = list(pool.map(render_png, [report] * 12))
    assert all(picture == alone for picture in pictures)
    assert dict(matplotlib.rcParams) == settings
    assert list(warnings.filters) == filters
