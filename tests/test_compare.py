"""Networks side by side, and what changed between two reports of one."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from rich.console import Console
from scipy import stats

import varprobe
from varprobe.comparison import Comparison, _welch, compare_reports
from varprobe.diagnose import predict_report
from varprobe.errors import InputFileError
from varprobe.report.records import LayerRow, Report
from varprobe.reporters.comparison.changes import change_lines
from varprobe.reporters.comparison.figure import draw_comparison
from varprobe.reporters.comparison.terminal import print_comparison
from varprobe.reporters.picture import house_style
from varprobe.results.kinds import RESULTS, render
from varprobe.results.store import from_json


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
    return compare_reports(("small", "large", "xavier"), [_report(init=init) for init in ("small", "large", "xavier")])


def _printed(comparison: Comparison, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_comparison(comparison, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    return str(text)


def test_the_table_says_what_the_reports_say(three: Comparison) -> None:
    text = _printed(three)
    assert all(len(line) <= 80 for line in text.splitlines())
    for name, report in zip(three.names, three.reports, strict=True):
        (row,) = [line.split() for line in text.splitlines() if line.startswith(f"{name} ")]
        verdict = report.verdict
        assert [row[1], row[4], row[7]] == [getattr(verdict, way).label for way in ("forward", "backward", "signal")]
        (told,) = [line for line in text.splitlines() if line.startswith(f"{verdict.overall}: ") and name in line]
        assert told in text.splitlines()[-len(three.names) :]
    assert three.tested == 0
    assert change_lines(three) == []


def test_csv_and_json_carry_the_verdicts(three: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(str(render(three, ".csv")))))
    networks = json.loads(render(three, ".json"))["networks"]
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


@pytest.mark.parametrize("suffix", RESULTS["comparison"].formats)
def test_every_format_is_what_it_says_and_the_same_each_time(three: Comparison, suffix: str) -> None:
    rendered = render(three, suffix)
    assert (rendered if isinstance(rendered, bytes) else rendered.encode()).startswith(SIGNS[suffix])
    assert render(three, suffix) == rendered


def test_two_reports_of_one_law_differ_by_noise() -> None:
    # A family-wise error of 1 % each: that 2 of 40 pairs are called changed has a chance of 6 %, 4 of 0.07 %.
    reports = [_report(seed) for seed in range(41)]
    alarms = [bool(compare_reports(("a", "b"), pair).changes) for pair in pairwise(reports)]
    assert sum(alarms) < 4
    assert compare_reports(("a", "b"), reports[:2]).tested > 20


def test_a_report_has_not_changed_against_itself() -> None:
    report = _report()
    comparison = compare_reports(("a", "b"), (report, report))
    assert not comparison.changes
    assert change_lines(comparison)[0].startswith("Nothing changed beyond noise (")


def test_what_changed_is_named_from_its_layer_on() -> None:
    plain = _report(1, 50)
    third = {"dense": {"width": 24, "init": {"name": "xavier", "gain": 1.5}}}
    changed = _report(2, 50, [{"dense": 24, "repeat": 2}, third, {"dense": 24, "repeat": 3}])
    found = compare_reports(("a", "b"), (plain, changed)).changes
    forward = [change.layer for change in found if change.statistic == "preactivation.second_moment"]
    assert min(forward) == 3
    change = next(change for change in found if (change.layer, change.statistic) == (3, "preactivation.second_moment"))
    assert 10**change.log10 == pytest.approx(1.5**2, rel=0.15)
    lines = change_lines(compare_reports(("a", "b"), (plain, changed)))
    assert any(
        line.startswith("  preactivation.second_moment: 4 layers, x 2") and "at layer 3," in line for line in lines
    )
    backward = [change.layer for change in found if change.statistic == "gradient.second_moment"]
    assert 2 in backward


def test_the_test_is_welchs() -> None:
    random = np.random.default_rng(8)
    for sizes in ((2, 2), (5, 30), (30, 5)):
        before, after = random.normal(0.0, 1.0, sizes[0]), random.normal(0.5, 3.0, sizes[1])
        change, deviation, freedom = _welch(before.tolist(), after.tolist())
        wanted = stats.ttest_ind(after, before, equal_var=False)
        assert change == pytest.approx(after.mean() - before.mean())
        assert deviation == pytest.approx(wanted.statistic)
        assert freedom == max(1, math.floor(wanted.df))
    # Constants: nothing, or without any doubt.
    assert _welch([1.0] * 4, [1.0] * 3) == (0.0, 0.0, 2)
    assert _welch([1.0] * 3, [1.0 + 1e-9] * 4)[1] == 0.0
    assert _welch([1.0] * 3, [0.5] * 4) == (-0.5, -math.inf, 2)


def _with_logs(report: Report, rows: dict[int, list[float | None]]) -> Report:
    """The report, all of whose second moments of z vary alike from trial to trial, but for these rows (from 1)."""
    usual = np.random.default_rng(9).normal(0.0, 0.1, report.settings.trials).tolist()

    def changed(row: LayerRow) -> LayerRow:
        assert row.preactivation is not None
        trials = tuple(rows.get(row.index, usual))
        moment = replace(row.preactivation.second_moment, trials=trials)
        return replace(row, preactivation=replace(row.preactivation, second_moment=moment))

    return replace(report, layers=tuple(map(changed, report.layers)))


def test_a_change_is_told_from_what_to_what() -> None:
    report = _report(trials=6)
    other = [1.5, 1.6, 1.55, 1.45, 1.5, 1.4]
    before, after = _with_logs(report, {}), _with_logs(report, {3: other})
    comparison = compare_reports(("a", "b"), (before, after))
    (change,) = comparison.changes
    first = before.layers[2].preactivation
    assert first is not None
    start = np.array(first.second_moment.trials, dtype=float)
    wanted = stats.ttest_ind(other, start, equal_var=False)
    assert (change.layer, change.name, change.statistic) == (3, "dense3", "preactivation.second_moment")
    assert (change.before, change.after) == pytest.approx((start.mean(), np.mean(other)))
    assert (change.log10, change.deviation) == pytest.approx((np.mean(other) - start.mean(), wanted.statistic))
    # 6 layers of 5 statistics.
    assert (comparison.tested, comparison.reason) == (30, "")


def test_the_level_is_shared_by_all_that_is_tested() -> None:
    report = _report(trials=6)
    before = _with_logs(report, {})
    first = before.layers[2].preactivation
    assert first is not None
    start = np.array(first.second_moment.trials, dtype=float)
    # Equal spreads: 10 degrees of freedom, or 9 by rounding, where the edge lies 4 % further. One-sided, or for 29
    # tests, it would lie 14 % or 0.5 % nearer.
    edge = float(stats.t.isf(0.01 / 2 / 30, 10)) * float(start.std(ddof=1)) * math.sqrt(2 / 6)
    for factor, found in ((1.06, 1), (0.94, 0), (-1.06, 1), (-0.94, 0)):
        after = _with_logs(report, {3: (start + factor * edge).tolist()})
        assert len(compare_reports(("a", "b"), (before, after)).changes) == found


def test_two_trials_that_are_no_zeros_are_enough() -> None:
    report = _report(trials=6)
    few: list[float | None] = [None, None, 0.1, 0.2, None, None]
    one: list[float | None] = [None, None, 0.1, None, None, None]
    whole = compare_reports(("a", "b"), (report, report)).tested
    assert compare_reports(("a", "b"), (_with_logs(report, {2: few}), _with_logs(report, {2: few}))).tested == whole
    assert compare_reports(("a", "b"), (_with_logs(report, {2: one}), _with_logs(report, {2: few}))).tested == whole - 1
    assert compare_reports(("a", "b"), (_with_logs(report, {2: few}), _with_logs(report, {2: one}))).tested == whole - 1
    two = _report(trials=2)
    assert compare_reports(("a", "b"), (two, two)).tested == whole


def test_a_stored_comparison_of_two_holds_two(tmp_path: Path) -> None:
    report = _report(trials=2)
    pair = compare_reports(("a", "b"), (report, report))
    text = str(render(pair, ".json")).encode()
    assert from_json(text, "c.json") == pair
    body = json.loads(text)
    for damage in (
        {"networks": body["networks"][:1], "reports": body["reports"][:1]},
        {"reports": body["reports"][:1]},
    ):
        with pytest.raises(InputFileError) as caught:
            from_json(json.dumps(body | damage).encode(), "c.json")
        names = len((body | damage)["networks"])
        assert str(caught.value) == (
            f"c.json: reports: is no varprobe comparison: {names} networks and 1 reports\n"
            "  hint: name a file that `varprobe compare -o comparison.json` wrote"
        )


def test_what_cannot_be_tested_says_why() -> None:
    report = _report(trials=3)
    theory = predict_report(varprobe.load(report.spec))
    for other, reason in (
        (_report(layers=[{"dense": 24}]), "their layers differ"),
        (theory, "theory alone has no noise"),
        (_report(trials=1), "one trial says nothing about noise"),
    ):
        comparison = compare_reports(("a", "b"), (report, other))
        assert (comparison.reports, comparison.reason) == ((report, other), reason)
        assert change_lines(comparison) == [f"Not tested for changes: {reason}."]
        assert render(comparison, ".png").startswith(b"\x89PNG")  # type: ignore[arg-type]  # bytes


def test_the_picture_holds_every_network(three: Comparison) -> None:
    drawn = draw_comparison(three)
    for axes, get in zip(drawn.axes[:2], ("activation", "activation_gradient"), strict=True):
        assert [str(line.get_label()) for line in axes.lines] == list(three.names)
        for line, report in zip(axes.lines, three.reports, strict=True):
            rows = [getattr(row, get).variance.log10_typical for row in report.layers]
            assert line.get_ydata() == pytest.approx(rows)
    assert len(drawn.axes) == 2 + 2 * 3
    ElementTree.fromstring(render(three, ".svg"))


def test_the_legend_names_every_network_with_its_verdict_and_fits(three: Comparison) -> None:
    names = tuple(f"{number}: {'a name of many words ' * 5}" for number in range(9))
    many = compare_reports(names, [three.reports[number % 3] for number in range(9)])
    for one in (three, many):
        drawn = draw_comparison(one)
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
    stored.write_text(str(render(three, ".json")))
    again = from_json(stored.read_bytes(), stored)
    assert again == three
    files = [tmp_path / f"again{suffix}" for suffix in RESULTS["comparison"].formats]
    command = [sys.executable, "-m", "varprobe", "show", str(stored), *(f"-o{file}" for file in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in three.names)
    for file in files:
        made = render(three, file.suffix)
        assert file.read_bytes() == (made if isinstance(made, bytes) else made.encode())


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ({"comparison_version": 99}, "reads version 2"),
        ({"reports": []}, "3 networks and 0 reports"),
        ({"networks": [{}]}, "networks.0.name"),
        ({"reports": [{}]}, "reports.0"),
    ],
)
def test_a_damaged_comparison_is_refused(three: Comparison, damage: dict[str, Any], word: str) -> None:
    body = json.loads(render(three, ".json")) | damage
    with pytest.raises(InputFileError) as caught:
        from_json(json.dumps(body).encode(), "c.json")
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


def test_all_networks_have_the_same_axes(three: Comparison) -> None:
    drawn = draw_comparison(three)
    activation, gradient = drawn.axes[:2]
    assert activation.get_ylim() == gradient.get_ylim()
    shown = [line.get_ydata() for axes in (activation, gradient) for line in axes.lines]
    assert activation.get_ylim()[0] <= min(map(min, shown))
    assert activation.get_ylim()[1] >= max(3, *map(max, shown))
    for line in (drawn.axes[2:5], drawn.axes[5:8]):
        assert len({axes.get_xlim() for axes in line}) == 1
    own = draw_comparison(three, own_scale=True)
    assert {axes.get_xlim() for axes in own.axes[2:]} == {(-5.0, 5.0)}


@pytest.mark.parametrize("count", [2, 3, 6])
def test_from_the_last_row_all_words_of_a_comparison_can_be_read(three: Comparison, count: int) -> None:
    reports = [three.reports[number % 3] for number in range(count)]
    with house_style():
        drawn = draw_comparison(compare_reports([f"network {number}" for number in range(count)], reports))
        FigureCanvasAgg(drawn).draw()
    sizes = [text.get_fontsize() for text in drawn.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert (drawn.get_figwidth(), drawn.get_figheight()) == (12.8, 7.2)
    assert min(sizes) * 100 / 72 >= 14
