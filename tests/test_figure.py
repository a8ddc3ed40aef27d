"""The picture: what it shows is what the report says, at every size, and it is there whatever the report holds."""

from __future__ import annotations

import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation

import varprobe
from varprobe.diagnose import predict_report
from varprobe.report.records import Report
from varprobe.reporters.picture import house_style, render_pdf, render_png, render_svg
from varprobe.reporters.report.figure import draw_report
from varprobe.results.kinds import render


def _config(layers: list[Any], **parts: Any) -> dict[str, Any]:
    probe = {"batch": 8, "trials": 3, **parts.pop("probe", {})}
    defaults = {"activation": "tanh", **parts.pop("defaults", {})}
    return {"name": "net", "input": {"features": 12}, "defaults": defaults, "layers": layers, "probe": probe, **parts}


SMALL = _config([{"dense": 12, "repeat": 6}], defaults={"init": "small"})
JOINTS = [
    {"dense": 12},
    {"residual": {"layers": [{"dense": 12}, {"norm": "layer"}]}, "repeat": 2},
    {"dense": {"width": 5, "activation": "linear"}},
]
EDGES: dict[str, dict[str, Any]] = {
    "one layer": _config([{"dense": 4}]),
    "one trial": _config([{"dense": 12, "repeat": 5}], probe={"trials": 1}),
    "batch 1": _config([{"dense": 12, "repeat": 5}], probe={"batch": 1}),
    "norms and joins": _config(JOINTS),
    "nothing but zeros": _config([{"dense": {"width": 6, "init": "zeros"}, "repeat": 5}]),
    "some dead trials": _config([{"dense": {"width": 2, "activation": "relu"}, "repeat": 9}], probe={"trials": 9}),
    "beyond doubles": _config([{"dense": 12, "repeat": 200}], defaults={"init": {"name": "small", "std": 1e-8}}),
    "a name with markup": {**SMALL, "name": "$x^2$ <script>alert(1)</script> & co"},
}


@pytest.fixture(scope="module")
def small() -> Report:
    return varprobe.run(SMALL)


def test_png_svg_and_pdf_are_what_they_say(small: Report) -> None:
    png = render_png(small)
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (1280, 1440)
    assert render_pdf(small).startswith(b"%PDF")
    words = " ".join(ElementTree.fromstring(render_svg(small)).itertext())
    for word in ("net: 6 dense layers, width 12", "activation variance", "gradient variance", "theory", "vanishing"):
        assert word in words


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_one_report_gives_one_picture(small: Report, suffix: str) -> None:
    assert render(small, suffix) == render(small, suffix)


def test_the_curves_are_the_report_s(small: Report) -> None:
    lines = {str(line.get_label()): line for line in draw_report(small).axes[0].lines}
    rows = small.layers
    assert lines["activation variance"].get_ydata() == pytest.approx(
        [row.activation.variance.log10_mean for row in rows if row.activation]
    )
    assert lines["gradient variance"].get_ydata() == pytest.approx(
        [row.activation_gradient.variance.log10_mean for row in rows if row.activation_gradient]
    )
    assert lines["theory"].get_ydata() == pytest.approx([row.predicted.log10_activation_variance for row in rows])
    assert list(lines["theory"].get_xdata()) == [row.index for row in rows]


def test_the_band_holds_the_middle_of_the_trials() -> None:
    report = varprobe.run(_config([{"dense": 12, "repeat": 4}], probe={"trials": 40}))
    band = draw_report(report).axes[0].collections[0].get_paths()[0].vertices
    trials = np.array([row.activation.variance.trials for row in report.layers if row.activation])
    for row, layer in enumerate(report.layers):
        heights = band[np.isclose(band[:, 0], layer.index), 1]
        assert (heights.min(), heights.max()) == pytest.approx(tuple(np.percentile(trials[row], (5, 95))))


def test_trouble_is_pointed_at(small: Report) -> None:
    first = next(finding for finding in small.verdict.findings if finding.severity == "error" and finding.layer)
    notes = [child for child in draw_report(small).axes[0].get_children() if isinstance(child, Annotation)]
    assert [note.get_text() for note in notes] == [f"{first.code}, layer {first.layer}"]
    assert notes[0].xy[0] == first.layer
    calm = varprobe.run(_config([{"dense": 12, "repeat": 3}], defaults={"init": "xavier"}, probe={"trials": 20}))
    calm = replace(calm, verdict=replace(calm.verdict, findings=()))
    assert not [child for child in draw_report(calm).axes[0].get_children() if isinstance(child, Annotation)]


def test_norms_and_joins_are_marked_at_their_layers() -> None:
    report = varprobe.run(_config(JOINTS))
    lines = {str(line.get_label()): line for line in draw_report(report).axes[0].lines}
    for label, kind in (("norm", "norm"), ("residual join", "residual")):
        assert list(lines[label].get_xdata()) == [row.index for row in report.layers if row.kind == kind]


def test_histograms_are_the_report_s_and_few(small: Report) -> None:
    deep = varprobe.run(_config([{"dense": 12, "repeat": 30}]))
    for report, shown in ((small, [1, 2, 3, 4, 5, 6]), (deep, [1, 5, 8, 12, 15, 19, 23, 26, 30])):
        _, activation, gradient = draw_report(report).axes
        for axes in (activation, gradient):
            assert [int(tick.get_text()) for tick in reversed(axes.get_yticklabels())] == shown
        first = activation.patches[0].get_data()
        row = report.layers[0]
        assert row.histogram is not None
        counts = np.sqrt(row.histogram.activation)
        base = len(shown) - 1
        assert first.values - base == pytest.approx(0.9 * counts / counts.max())


@pytest.mark.parametrize("name", EDGES)
def test_every_report_has_a_picture(name: str) -> None:
    report = varprobe.run(EDGES[name])
    assert render_png(report).startswith(b"\x89PNG")
    ElementTree.fromstring(render_svg(report))


@pytest.mark.parametrize("name", ["W" * 300, "a name of many words " * 9, "x", "\u6f22\u5b57" * 90])
def test_a_name_of_any_length_leaves_the_size_in_sight(small: Report, name: str) -> None:
    with house_style():
        drawn = draw_report(replace(small, name=name))
        head = drawn.texts[0]
        canvas = FigureCanvasAgg(drawn)
        right = head.get_window_extent(canvas.get_renderer()).x1 / drawn.bbox.width
    assert head.get_text().endswith(": 6 dense layers, width 12")
    assert head.get_text()[0] == name[0]
    assert right <= 0.97
    assert render_png(replace(small, name=name)).startswith(b"\x89PNG")  # no warning of letters that the font has not


def test_the_axes_say_what_they_show_and_number_layers_as_findings_do() -> None:
    axes = draw_report(predict_report(varprobe.load(_config([{"dense": 12, "repeat": 5000}])))).axes[0]
    assert axes.get_xlabel() == "layer"
    assert axes.get_ylabel() == "variance (log scale)"
    assert axes.xaxis.get_major_formatter()(4500, 0) == "4500"


def test_the_label_keeps_off_theory_s_lines() -> None:
    steps = {"name": "small", "std": 0.2}
    report = varprobe.run(_config([{"dense": 12, "repeat": 60}], defaults={"init": steps}))
    lines = [row.predicted.log10_activation_variance for row in report.layers]
    assert None not in lines
    # Theory far above what was measured, where the label would stand otherwise.
    place = _label_place(report)
    low, high = draw_report(report).axes[0].get_ylim()
    there = low + place[1] * (high - low)
    layers = tuple(
        replace(row, predicted=replace(row.predicted, log10_activation_variance=there)) for row in report.layers
    )
    moved = _label_place(replace(report, layers=layers))
    assert abs(moved[1] - place[1]) > 0.15


def _label_place(report: Report) -> tuple[float, float]:
    note = next(child for child in draw_report(report).axes[0].get_children() if isinstance(child, Annotation))
    x, y = note.get_position()
    return float(x), float(y)


def test_theory_alone_has_curves_and_no_histograms() -> None:
    drawn = draw_report(predict_report(varprobe.load(SMALL)))
    assert len(drawn.axes) == 1
    assert "theory: activation variance" in [line.get_label() for line in drawn.axes[0].lines]


@pytest.mark.parametrize("depth", [200, 5000])
def test_deep_networks_stay_legible(depth: int) -> None:
    report = predict_report(varprobe.load(_config([{"dense": 12, "repeat": depth}])))
    axes = draw_report(report).axes[0]
    assert len(axes.get_xticks()) < 15
    assert {line.get_marker() for line in axes.lines if len(line.get_xdata()) == depth} == {""}
    assert render_png(report).startswith(b"\x89PNG")


def test_the_command_line_writes_and_remakes_pictures(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "input: {features: 6}\nlayers: [{dense: 6, repeat: 4}]\nprobe: {trials: 2, batch: 4}\n"
    )

    def tool(*arguments: str) -> None:
        command = [sys.executable, "-m", "varprobe", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    tool("run", "net.yaml", "--plot", "-o", "net.json", "-o", "a.png")
    tool("show", "net.json", "-o", "b.png", "-o", "b.svg")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "reports" / "net.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    ElementTree.parse(tmp_path / "b.svg")


def test_matplotlib_is_imported_for_pictures_alone(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("input: {features: 6}\nlayers: [{dense: 6}]\nprobe: {trials: 2, batch: 4}\n")
    code = (
        "import sys; from varprobe.cli.main import run; "
        "run(['run', 'net.yaml', '-o', 'r.json']); print('matplotlib' in sys.modules); "
        "run(['show', 'r.json', '-o', 'r.png']); print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if line in ("True", "False")] == ["False", "True"]
