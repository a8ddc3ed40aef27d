"""Networks side by side, and what changed between two reports of one."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console

import varprobe
from varprobe.comparison import Comparison, compared, comparison_from_json
from varprobe.diagnose import foretell
from varprobe.errors import InputFileError
from varprobe.report.records import Report
from varprobe.reporters import COMPARERS
from varprobe.reporters.comparison_figure import comparison_figure
from varprobe.reporters.comparison_text import change_lines, print_comparison


def _report(seed: int = 0, trials: int = 20, layers: list[Any] | None = None, **defaults: Any) -> Report:
    config = {
        "name": "net",
        "input": {"features": 24},
        "defaults": {"activation": "tanh", **defaults},
        "layers": layers or [{"dense": 24, "repeat": 6}],
        "probe": {"batch": 16, "trials": trials, "seed": seed},
    }
    return varprobe.run(config)


@pytest.fixture(scope="module")
def three() -> Comparison:
    return compared(("small", "large", "xavier"), [_report(init=init) for init in ("small", "large", "xavier")])


def _printed(comparison: Comparison, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_comparison(comparison, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return str(text)


def test_the_table_says_what_the_reports_say(three: Comparison) -> None:
    text = _printed(three)
    assert all(len(line) <= 80 for line in text.splitlines())
    for name, report in zip(three.names, three.reports, strict=True):
        after = text.split(name, 1)[1]
        for direction in ("forward", "backward", "signal"):
            line = next(line for line in f"{name}{after}".splitlines() if direction in line)
            assert getattr(report.verdict, direction).label in line
    assert three.tested == 0
    assert change_lines(three) == []


def test_csv_and_json_carry_the_verdicts(three: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(str(COMPARERS[".csv"](three)))))
    networks = json.loads(COMPARERS[".json"](three))["networks"]
    for name, report, row, network in zip(three.names, three.reports, rows, networks, strict=True):
        assert (row["name"], row["overall"]) == (name, report.verdict.overall) == (network["name"], network["overall"])
        assert network["backward.total_log10"] == report.verdict.backward.total_log10


SIGNS = {
    ".json": b"{",
    ".csv": b"name,overall,",
    ".md": b"| network |",
    ".png": b"\x89PNG",
    ".svg": b"<?xml",
    ".pdf": b"%PDF",
    ".html": b"<!DOCTYPE html>",
}


@pytest.mark.parametrize("suffix", COMPARERS)
def test_every_format_is_what_it_says_and_the_same_each_time(three: Comparison, suffix: str) -> None:
    rendered = COMPARERS[suffix](three)
    assert (rendered if isinstance(rendered, bytes) else rendered.encode()).startswith(SIGNS[suffix])
    assert COMPARERS[suffix](three) == rendered


def test_two_reports_of_one_law_differ_by_noise() -> None:
    # A family-wise error of 1 % each: that 2 of 40 pairs are called changed has a chance of 6 %, 4 of 0.07 %.
    reports = [_report(seed) for seed in range(41)]
    alarms = [bool(compared(("a", "b"), pair).changes) for pair in pairwise(reports)]
    assert sum(alarms) < 4
    assert compared(("a", "b"), reports[:2]).tested > 20


def test_a_report_has_not_changed_against_itself() -> None:
    report = _report()
    comparison = compared(("a", "b"), (report, report))
    assert not comparison.changes
    assert change_lines(comparison)[0].startswith("Nothing changed beyond noise (")


def test_what_changed_is_named_from_its_layer_on() -> None:
    plain = _report(1, 50)
    third = {"dense": {"width": 24, "init": {"name": "xavier", "gain": 1.5}}}
    changed = _report(2, 50, [{"dense": 24, "repeat": 2}, third, {"dense": 24, "repeat": 3}])
    found = compared(("a", "b"), (plain, changed)).changes
    forward = [change.layer for change in found if change.statistic == "preactivation.second_moment"]
    assert min(forward) == 3
    change = next(change for change in found if (change.layer, change.statistic) == (3, "preactivation.second_moment"))
    assert 10**change.log10 == pytest.approx(1.5**2, rel=0.15)
    lines = change_lines(compared(("a", "b"), (plain, changed)))
    assert any(
        line.startswith("  preactivation.second_moment: 4 layers, x 2") and "at layer 3," in line for line in lines
    )
    backward = [change.layer for change in found if change.statistic == "gradient.second_moment"]
    assert 2 in backward


def test_what_cannot_be_tested_says_why() -> None:
    report = _report(trials=3)
    theory = foretell(varprobe.load(report.spec))
    for other, reason in (
        (_report(layers=[{"dense": 24}]), "their layers differ"),
        (theory, "theory alone has no noise"),
        (_report(trials=1), "one trial says nothing about noise"),
    ):
        comparison = compared(("a", "b"), (report, other))
        assert change_lines(comparison) == [f"Not tested for changes: {reason}."]
        assert COMPARERS[".png"](comparison).startswith(b"\x89PNG")  # type: ignore[arg-type]  # bytes


def test_the_picture_holds_every_network(three: Comparison) -> None:
    drawn = comparison_figure(three)
    for axes, get in zip(drawn.axes[:2], ("activation", "gradient"), strict=True):
        assert [str(line.get_label()) for line in axes.lines] == list(three.names)
        for line, report in zip(axes.lines, three.reports, strict=True):
            rows = [getattr(row, get).variance.log10_mean for row in report.layers]
            assert line.get_ydata() == pytest.approx(rows)
    assert len(drawn.axes) == 2 + 2 * 3
    ElementTree.fromstring(COMPARERS[".svg"](three))


def test_the_legend_names_every_network_with_its_verdict_and_fits(three: Comparison) -> None:
    names = tuple(f"{number}: {'a name of many words ' * 5}" for number in range(9))
    many = compared(names, [three.reports[number % 3] for number in range(9)])
    for one in (three, many):
        drawn = comparison_figure(one)
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        legend = drawn.legends[0]
        words = [text.get_text() for text in legend.get_texts()]
        for text, name, report in zip(words, one.names, one.reports, strict=True):
            assert text.startswith(name[:10])
            assert text.endswith(f": {report.verdict.overall}")
        box = legend.get_window_extent(canvas.get_renderer())
        assert box.x1 <= drawn.bbox.width
        assert box.y0 >= max(axes.title.get_window_extent(canvas.get_renderer()).y1 for axes in drawn.axes[:2])
        looks = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in drawn.axes[0].lines}
        assert len(looks) == len(one.names)


def test_every_format_is_made_from_a_stored_comparison(three: Comparison, tmp_path: Path) -> None:
    stored = tmp_path / "c.json"
    stored.write_text(str(COMPARERS[".json"](three)))
    again = comparison_from_json(stored.read_bytes(), stored)
    assert again == three
    files = [tmp_path / f"again{suffix}" for suffix in COMPARERS]
    command = [sys.executable, "-m", "varprobe", "show", str(stored), *(f"-o{file}" for file in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in three.names)
    for file in files:
        made = COMPARERS[file.suffix](three)
        assert file.read_bytes() == (made if isinstance(made, bytes) else made.encode())


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ({"comparison_version": 99}, "reads version 1"),
        ({"reports": []}, "3 networks and 0 reports"),
        ({"networks": [{}]}, "networks.0.name"),
        ({"reports": [{}]}, "reports.0"),
    ],
)
def test_a_damaged_comparison_is_refused(three: Comparison, damage: dict[str, Any], word: str) -> None:
    body = json.loads(COMPARERS[".json"](three)) | damage
    with pytest.raises(InputFileError) as caught:
        comparison_from_json(json.dumps(body).encode(), "c.json")
    assert word in str(caught.value)


def test_the_command_compares_schemes_and_stored_reports(tmp_path: Path) -> None:
    probe = "probe: {trials: 5, batch: 4}\n"
    layers = "defaults: {activation: tanh}\nlayers: [{dense: 8, repeat: 4}]\n"
    (tmp_path / "net.yaml").write_text(f"input: {{features: 8}}\n{layers}{probe}")

    def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "varprobe", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = tool("compare", "net.yaml", "--init", "small, large", "-o", "c.png", "-o", "c.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert "net, small" in done.stdout
    assert "net, large" in done.stdout
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "| net, large |" in (tmp_path / "c.md").read_text()
    for seed in ("0", "1"):
        assert tool("run", "net.yaml", "--seed", seed, "-o", f"{seed}.json").returncode == 0
    done = tool("compare", "0.json", "1.json", "--json")
    assert [network["name"] for network in json.loads(done.stdout)["networks"]] == ["1: net", "2: net"]
    assert json.loads(done.stdout)["tested"] > 0
    assert tool("compare", "0.json", "1.json", "-o", "-").stdout == done.stdout
    for arguments, word in (
        (("compare", "net.yaml"), "one network"),
        (("compare", "0.json", "missing.json"), "missing.json"),
        (("compare", "0.json", "1.json", "-o", "c.txt"), ".txt"),
        (("compare", "net.yaml", "--init", "small,nonsense"), "nonsense"),
    ):
        failed = tool(*arguments)
        assert failed.returncode == 2
        assert word in failed.stderr
        assert "Traceback" not in failed.stderr
