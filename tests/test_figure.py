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
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

import varprobe
from varprobe.diagnose import predict_report
from varprobe.errors import VarprobeError
from varprobe.report.records import Report
from varprobe.reporters.axes import activation_typical, find_stable_band, gradient_typical, judged_rows
from varprobe.reporters.picture import house_style, render_pdf, render_png, render_svg
from varprobe.reporters.report.figure import draw_report
from varprobe.results.kinds import render
from varprobe.results.store import load_report
from varprobe.verdict.labels import Direction


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
    assert struct.unpack(">II", png[16:24]) == (1920, 1080)
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
        [row.activation.variance.log10_typical for row in rows if row.activation]
    )
    assert lines["gradient variance"].get_ydata() == pytest.approx(
        [row.activation_gradient.variance.log10_typical for row in rows if row.activation_gradient]
    )
    assert lines["theory"].get_ydata() == pytest.approx([row.predicted.log10_activation_variance for row in rows])
    assert list(lines["theory"].get_xdata()) == [row.index for row in rows]


def test_what_the_verdict_is_not_about_is_dots() -> None:
    report = varprobe.run(_config(JOINTS))
    lines = draw_report(report).axes[0].lines
    curve = next(line for line in lines if line.get_label() == "activation variance")
    assert list(curve.get_xdata()) == [row.index for row in judged_rows(report)] == [1, 4, 7]
    dots = [line for line in lines if line.get_marker() == "."]
    assert [list(line.get_xdata()) for line in dots] == [[row.index for row in report.layers]] * 2


def test_the_band_holds_the_middle_of_the_trials() -> None:
    report = varprobe.run(_config([{"dense": 12, "repeat": 4}], probe={"trials": 40}))
    band = draw_report(report).axes[0].collections[2].get_paths()[0].vertices
    trials = np.array([row.activation.variance.trials for row in report.layers if row.activation])
    for row, layer in enumerate(report.layers):
        heights = band[np.isclose(band[:, 0], layer.index), 1]
        assert (heights.min(), heights.max()) == pytest.approx(tuple(np.percentile(trials[row], (5, 95))))


STABLE = {"name": "xavier", "gain": 1.1}


def test_stable_looks_flat_and_vanishing_falls(small: Report) -> None:
    calm = varprobe.run(_config([{"dense": 12, "repeat": 6}], defaults={"init": STABLE}))
    for report, low, high in ((calm, -3, 3), (small, -18, 3)):
        axes = draw_report(report).axes[0]
        assert axes.get_ylim() == pytest.approx((low - 0.025 * (high - low), high + 0.025 * (high - low)))
        flat = np.ptp([activation_typical(row) for row in report.layers]) / np.ptp(axes.get_ylim())
        assert (flat < 0.15) == (report is calm)


def test_the_bands_of_what_is_stable_are_drawn_and_named(small: Report) -> None:
    axes = draw_report(small).axes[0]
    for patch, way in zip(axes.collections[:2], (Direction.FORWARD, Direction.BACKWARD), strict=True):
        band = find_stable_band(small, way)
        assert band is not None
        corners = patch.get_paths()[0].vertices
        assert corners[:, 1].min() == pytest.approx(min(band.low))
        assert corners[:, 1].max() == pytest.approx(max(band.high))
    assert "stable: within a factor 100" in [text.get_text() for text in axes.get_legend().get_texts()]


def test_arrows_say_which_way_signal_and_gradient_go(small: Report) -> None:
    ways = {note.get_text(): (note.xyann[0], note.xy[0]) for note in _notes(small)}
    assert ways["activations"][0] < ways["activations"][1]
    assert ways["gradient"][0] > ways["gradient"][1]


def _notes(report: Report) -> list[Annotation]:
    return [child for child in draw_report(report).axes[0].get_children() if isinstance(child, Annotation)]


def _trouble(report: Report) -> list[Annotation]:
    return [note for note in _notes(report) if note.get_text() not in ("activations", "gradient")]


def test_trouble_is_named_where_each_direction_leaves_what_is_stable(small: Report) -> None:
    notes = _trouble(small)
    for note, way, words in zip(
        notes, ("forward", "backward"), ("activations vanish", "gradient vanishes"), strict=True
    ):
        layer = next(finding.layer for finding in small.verdict.findings if finding.code == f"{way}-vanishing")
        assert note.get_text() == f"{words} from layer {layer}"
        assert note.xy[0] == layer
        band = find_stable_band(small, Direction(way))
        assert band is not None
        outside = [
            index
            for index, low, row in zip(band.layers, band.low, small.layers, strict=True)
            if ((activation_typical if way == "forward" else gradient_typical)(row) or 0) < low
        ]
        assert layer == (outside[0] if way == "forward" else outside[-1])
    calm = varprobe.run(_config([{"dense": 12, "repeat": 3}], defaults={"init": "xavier"}, probe={"trials": 20}))
    assert not _trouble(replace(calm, verdict=replace(calm.verdict, findings=())))


def test_an_error_of_another_kind_is_named_by_its_code(small: Report) -> None:
    calm = varprobe.run(_config([{"dense": 12, "repeat": 6}], defaults={"init": STABLE}, probe={"trials": 20}))
    assert calm.verdict.overall == "stable"
    error = replace(small.verdict.findings[0], code="symmetric-units", severity="error", layer=4)
    (note,) = _trouble(replace(calm, verdict=replace(calm.verdict, findings=(error,))))
    assert (note.get_text(), note.xy[0]) == ("symmetric-units, layer 4", 4)


@pytest.mark.parametrize("name", ["nothing but zeros", "beyond doubles", "small"])
def test_notes_lie_within_the_axes_and_not_over_each_other(name: str) -> None:
    drawn = draw_report(varprobe.run({**EDGES, "small": SMALL}[name]))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    notes = [child for child in drawn.axes[0].get_children() if isinstance(child, Annotation)]
    boxes = [Text.get_window_extent(note, canvas.get_renderer()) for note in notes if "layer" in note.get_text()]
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])
    frame = drawn.axes[0].get_window_extent(canvas.get_renderer())
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


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
        counts = np.sqrt(row.histogram.activation[1:-1])
        base = len(shown) - 1
        assert first.values - base == pytest.approx(0.9 * counts / counts.max())


def test_histograms_share_an_axis_in_units_of_input_and_output_gradient(small: Report) -> None:
    calm = varprobe.run(
        _config([{"dense": 12, "repeat": 6}], input={"features": 12, "std": 4.0}, defaults={"init": STABLE})
    )
    _, activation, gradient = draw_report(calm).axes
    for axes, unit, get in ((activation, 4.0, "activation"), (gradient, 1.0, "gradient")):
        for patch, row in zip(axes.patches[::2], calm.layers, strict=True):
            size = 10 ** (getattr(row, get).second_moment.log10_typical / 2) / unit
            assert patch.get_data().edges == pytest.approx(np.linspace(-4.875, 4.875, 79) * size)
    # Of a network that vanishes the last layer's histogram is a sliver of the first one's.
    _, activation, gradient = draw_report(small).axes
    for axes in (activation, gradient):
        widths = [np.ptp(patch.get_data().edges) for patch in axes.patches[::2]]
        assert widths == sorted(widths, reverse=axes is activation)
        assert max(widths) > 4 * min(widths)
        assert np.ptp(axes.get_xlim()) >= max(widths)


def test_each_layer_s_own_scale_is_an_option(small: Report) -> None:
    _, activation, gradient = draw_report(small, own_scale=True).axes
    for axes in (activation, gradient):
        assert all(patch.get_data().edges == pytest.approx(np.linspace(-4.875, 4.875, 79)) for patch in axes.patches)
        assert "the layer's" in axes.get_xlabel()


def test_exact_zeros_are_a_bar_of_their_own_with_their_share() -> None:
    report = varprobe.run(_config([{"dense": 12, "repeat": 4}], defaults={"activation": "relu"}, probe={"batch": 50}))
    axes = draw_report(report).axes[1]
    bars = [bar.get_segments()[0] for bar in axes.collections]
    shares = [text.get_text() for text in axes.texts if "%" in text.get_text()]
    for place, row in enumerate(report.layers):
        assert row.histogram is not None
        counts, zeros = row.histogram.activation, row.histogram.activation_zeros
        # Every value is an exact zero or above it.
        assert zeros is not None
        assert sum(counts[:40]) == 0 < zeros < counts[40]
        share = zeros / sum(counts)
        assert shares[place] == f"{100 * share:.0f} %"
        assert np.ptp(bars[place][:, 1]) == pytest.approx(0.9 * share)
        rest = np.sqrt([*counts[1:40], counts[40] - zeros, *counts[41:-1]])
        drawn = axes.patches[2 * place].get_data().values - (3 - place)
        assert drawn == pytest.approx(0.9 * rest / rest.max())
    smooth = varprobe.run(SMALL)
    assert not [text for axes in draw_report(smooth).axes[1:] for text in axes.texts if "%" in text.get_text()]


def smallest_words(drawn: Figure) -> float:
    """Pixels of the smallest words where the figure fills a screen of 1280 x 720."""
    scale = min(1280 / drawn.get_figwidth(), 720 / drawn.get_figheight())
    FigureCanvasAgg(drawn).draw()
    sizes = [text.get_fontsize() for text in drawn.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return scale * min(sizes) / 72


@pytest.mark.parametrize("name", [*EDGES, "deep"])
def test_from_the_last_row_all_words_can_be_read(name: str) -> None:
    deep = _config([{"dense": 6, "repeat": 90}], defaults={"activation": "relu", "init": "he"})
    with house_style():
        assert smallest_words(draw_report(varprobe.run({**EDGES, "deep": deep}[name]))) >= 14


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
    assert axes.get_ylabel() == "variance, by theory (log scale)"
    assert axes.xaxis.get_major_formatter()(4500, 0) == "4500"


def test_the_note_keeps_off_theory_s_lines() -> None:
    steps = {"name": "small", "std": 0.2}
    report = varprobe.run(_config([{"dense": 12, "repeat": 60}], defaults={"init": steps}))
    low, high = draw_report(report).axes[0].get_ylim()
    # Theory where the note would stand otherwise.
    place = _label_place(report)
    there = low + place[1] * (high - low)
    layers = tuple(
        replace(row, predicted=replace(row.predicted, log10_activation_variance=there)) for row in report.layers
    )
    moved = _label_place(replace(report, layers=layers))
    assert abs(moved[1] - place[1]) > 0.15


def _label_place(report: Report) -> tuple[float, float]:
    x, y = _trouble(report)[0].get_position()
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


NET = "input: {features: 6}\nlayers: [{dense: 6, repeat: 4}]\nprobe: {trials: 2, batch: 4}\n"


def test_the_command_line_draws_each_layer_on_its_own_scale(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(NET)
    for arguments in (["run", "net.yaml", "-o", "r.json", "-o", "own.svg"], ["show", "r.json", "-o", "again.svg"]):
        command = [sys.executable, "-m", "varprobe", *arguments, "--own-scale"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    own = (tmp_path / "own.svg").read_text()
    assert own == (tmp_path / "again.svg").read_text()
    assert "in units of the layer" in own
    assert "in units of the layer" not in str(render(load_report(tmp_path / "r.json"), ".svg"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "net.yaml", "-o", "r.html"], "there is no picture whose histograms it could scale"),
        (["predict", "net.yaml", "-o", "r.png"], "theory alone has no histograms"),
        (
            ["sweep", "net.yaml", "--vary", "probe.seed=1,2", "-o", "r.png"],
            "the picture of a sweep has no histograms",
        ),
    ],
)
def test_without_histograms_their_scale_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "net.yaml").write_text(NET)
    command = [sys.executable, "-m", "varprobe", *arguments, "--own-scale"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"--own-scale: {words}\n  hint: " in done.stderr
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("r.")]


def test_python_draws_each_layer_on_its_own_scale(small: Report) -> None:
    assert small.plot(own_scale=True).axes[1].get_xlim() == (-5.0, 5.0)
    with pytest.raises(VarprobeError, match="own_scale: there are no histograms on given axes"):
        small.plot(Figure().subplots(), own_scale=True)
    with pytest.raises(VarprobeError, match="own_scale: there are no histograms in a picture of theory alone"):
        varprobe.predict(NET).plot(own_scale=True)


def test_a_stored_report_of_theory_alone_has_no_histograms_to_scale(tmp_path: Path) -> None:
    stored = varprobe.predict(NET)
    stored.save(tmp_path / "theory.json")
    command = [sys.executable, "-m", "varprobe", "show", "theory.json", "-o", "r.png", "--own-scale"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "r.png").exists()) == (2, False)
    assert "--own-scale: theory alone has no histograms\n  hint: " in done.stderr
