"""The lessons: their numbers, their commands, and a folder that is there whole or not at all."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest

import varprobe
from varprobe.classroom.build import _measured as measured
from varprobe.classroom.build import build_lessons
from varprobe.classroom.lessons import LESSONS, Lesson
from varprobe.classroom.moves import MOVES, Move
from varprobe.classroom.training import CHANCE, train
from varprobe.cli.main import run
from varprobe.comparison import compare_reports
from varprobe.config.loading import load
from varprobe.lab.states import address_of
from varprobe.lab.tables import SCHEMES
from varprobe.network.activations import ACTIVATIONS
from varprobe.reporters.comparison.histograms import draw_histograms

MATERIAL = Path(varprobe.__file__).parent / "classroom" / "material"
NETWORKS = [(lesson.folder, name) for lesson in LESSONS for name in lesson.networks]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("class") / "lessons"
    assert run(["lesson", str(place), "--quiet"]) == 0
    return place


def test_every_lesson_has_its_files_and_no_other(folder: Path) -> None:
    expected = {"index.html", "lab.html", "worksheet.html", "teacher/plan.html", "teacher/key.html"}
    expected |= {f"{lesson.folder}/index.html" for lesson in LESSONS}
    expected |= {f"{where}/{name}.yaml" for where, name in NETWORKS}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == expected
    assert {path.parent.name for path in MATERIAL.glob("*/page.html")} == {lesson.folder for lesson in LESSONS}
    assert len(LESSONS) == 7
    assert set(MOVES) == {lesson.folder for lesson in LESSONS}


@pytest.mark.parametrize(("where", "name"), NETWORKS)
def test_theory_and_measurement_of_a_lesson_agree(where: str, name: str) -> None:
    _, network = measured(name, (MATERIAL / where / f"{name}.yaml").read_text(), None)
    assert [way.theory_label for way in network.ways] == [way.label for way in network.ways]


def test_glorot_and_bengio_s_networks_change_as_their_theory_says() -> None:
    where = MATERIAL / "3-xavier"
    found = {name: measured(name, (where / f"{name}.yaml").read_text(), None)[1] for name in ("standard", "normalised")}
    # Four steps of the recursions at large width, and what they measured: -5.03 and -4.98.
    assert found["standard"].forward_ln.measured == pytest.approx(-5.03, abs=0.1)
    assert found["standard"].backward_ln.measured == pytest.approx(-4.98, abs=0.1)
    for network in found.values():
        for ratio in (network.forward_ln, network.backward_ln):
            assert ratio.theory is not None
            # Five half intervals are ten standard errors: theory leaves out 1/width = 0.001 a layer.
            assert ratio.measured == pytest.approx(ratio.theory, abs=5 * ratio.error)
            assert ratio.error < 0.02


def test_histograms_of_the_standard_network_narrow_as_figure_6_shows() -> None:
    reports = [varprobe.run(MATERIAL / "3-xavier" / f"{name}.yaml") for name in ("standard", "normalised")]
    drawn = draw_histograms(compare_reports(("standard", "normalised"), reports))
    activations, normalised = drawn.axes[0], drawn.axes[1]
    heights = [max(step.get_data().values) for step in activations.patches]
    assert heights == sorted(heights)
    assert heights[-1] / heights[0] > 8
    assert max(max(step.get_data().values) for step in normalised.patches) < 2
    for step in activations.patches:
        densities, edges, _ = step.get_data()
        # A density: what is beyond five root mean squares and in the two end bins is less than a hundredth.
        assert float(densities @ np.diff(edges)) == pytest.approx(1.0, abs=0.01)


def commands(lesson: str) -> list[str]:
    text = (MATERIAL / lesson / "page.html").read_text()
    return [html.unescape(line) for block in re.findall(r"<pre>(.*?)</pre>", text, re.S) for line in block.splitlines()]


@pytest.mark.parametrize("lesson", [lesson.folder for lesson in LESSONS])
def test_what_a_lesson_says_to_try_runs(lesson: str, folder: Path) -> None:
    found = commands(lesson)
    assert len(found) >= 3
    for command in found:
        words = shlex.split(command)
        assert words[0] == "varprobe"
        # What tune proposes is confirmed by draws, which two are too few for.
        fewer = [] if words[1] in ("predict", "gain", "tune") else ["--trials", "2"]
        line = [sys.executable, "-m", "varprobe", *words[1:], *fewer]
        done = subprocess.run(line, cwd=folder / lesson, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command


def test_configs_on_the_page_do_not_give_the_answer_away(folder: Path) -> None:
    for lesson in LESSONS:
        before = (folder / lesson.folder / "index.html").read_text().split('id="results"')[0].split("</style>")[1]
        words = re.sub(r'data-\w+="[^"]*"|<p class="does">.*?</p>', "", before)
        words = re.sub(r"<fieldset.*?</fieldset>", "", words, flags=re.S)
        assert not re.search(r"vanish|explod|stable|saturate", words.lower())


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    (tmp_path / "file").write_text("keep")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "file", "link", "absent/lessons"):
        assert run(["lesson", str(tmp_path / name)]) == 2
        assert "hint: " in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["file", "full", "link"]
    assert (tmp_path / "full" / "mine").read_text() == "keep"


def test_an_empty_folder_is_filled_and_nothing_else_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from varprobe.classroom import build

    monkeypatch.setattr(build, "LESSONS", LESSONS[:1])
    (tmp_path / "lessons").mkdir()
    assert run(["lesson", str(tmp_path / "lessons"), "--quiet"]) == 0
    assert os.listdir(tmp_path) == ["lessons"]
    files = [LESSONS[0].folder, "index.html", "lab.html", "teacher", "worksheet.html"]
    assert sorted(os.listdir(tmp_path / "lessons")) == files


def test_the_lessons_are_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from varprobe.classroom import build

    monkeypatch.setattr(build, "LESSONS", LESSONS[:1])

    def timeless() -> list[str]:
        return [re.sub(r"seed 0, [\d.]+ s", "", text) for text in build_lessons(threads=1).values()]

    assert timeless() == timeless()


# --- the lab in the lessons -----------------------------------------------------------------------------------------

EVERY_MOVE = [(folder, move) for folder, moves in MOVES.items() for move in moves]


@pytest.mark.parametrize(("where", "move"), EVERY_MOVE)
def test_a_move_has_one_right_answer_among_its_choices(where: str, move: Move) -> None:
    assert move.right in move.choices
    assert len(set(move.choices)) == len(move.choices) >= 3


@pytest.mark.parametrize("address", [move.address for _, move in EVERY_MOVE] + [one.opening for one in LESSONS])
def test_an_address_is_one_that_the_lab_reads(address: str) -> None:
    said = {key: values[0] for key, values in parse_qs(address, strict_parsing=True).items()}
    known = {"activation", "scheme", "width", "batch", "depth", "axes", "norm", "residual", "bias"}
    assert set(said) <= known
    assert said["activation"] in ACTIVATIONS
    assert said["scheme"] in SCHEMES
    assert 1 <= int(said["depth"]) <= 100
    assert int(said["width"]) in range(8, 513, 4)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.folder)
def test_a_lesson_asks_every_network_and_every_move_once(lesson: Lesson) -> None:
    places = [one for one in lesson.order if isinstance(one, int)]
    assert places == list(range(len(MOVES[lesson.folder])))
    assert sorted(one for one in lesson.order if isinstance(one, str)) == sorted(lesson.networks)


@pytest.mark.parametrize(("where", "name"), [("1-small-weights", "small"), ("2-large-weights", "large_tanh")])
def test_the_lab_opens_at_the_lesson_s_own_setting(where: str, name: str) -> None:
    opening = parse_qs(next(one for one in LESSONS if one.folder == where).opening)
    own = parse_qs(address_of(load(MATERIAL / where / f"{name}.yaml").network))
    assert {key: opening[key] for key in ("activation", "scheme", "width", "batch")} == {
        key: own[key] for key in ("activation", "scheme", "width", "batch")
    }


def test_students_pages_do_not_lead_to_the_teacher_s(folder: Path) -> None:
    for path in folder.rglob("*.html"):
        if path.parent.name != "teacher":
            assert "teacher/" not in path.read_text(), path
            assert "key.html" not in path.read_text(), path
    assert "key.html" in (folder / "teacher" / "plan.html").read_text()


def test_every_link_of_the_pages_leads_somewhere(folder: Path) -> None:
    for path in folder.rglob("*.html"):
        if path.name != "lab.html":
            for target in re.findall(r'(?:href|src)="([^"#][^"]*)"', path.read_text()):
                assert (path.parent / target.partition("#")[0]).is_file(), (path, target)


def test_the_plan_s_minutes_are_fifty_without_a_gap(folder: Path) -> None:
    rows = re.findall(r"<td>(\d+) to (\d+)</td><td>(\d+)</td>", (folder / "teacher" / "plan.html").read_text())
    minutes = [tuple(map(int, row)) for row in rows]
    assert (minutes[0][0], minutes[-1][1], sum(long for _, _, long in minutes)) == (0, 50, 50)
    assert all(one[1] == other[0] for one, other in pairwise(minutes))


def test_the_key_answers_what_the_pages_ask(folder: Path) -> None:
    key = html.unescape((folder / "teacher" / "key.html").read_text())
    for _, move in EVERY_MOVE:
        assert move.because in key
        assert f">{move.right}</td>" in key
    sheet = html.unescape((folder / "worksheet.html").read_text())
    assert all(move.asks in sheet and move.because not in sheet for _, move in EVERY_MOVE)


# --- answers that moves say are right, by theory or by the tool ------------------------------------------------------


def labels_at(activation: str, gain: float, depth: int) -> set[str]:
    net = {
        "input": {"features": 256},
        "defaults": {"activation": activation, "init": {"name": "lecun", "gain": gain}},
        "layers": [{"dense": 256, "repeat": depth}],
    }
    verdict = varprobe.predict(net).verdict
    return {str(verdict.forward.label), str(verdict.backward.label)}


def test_the_edges_that_moves_ask_for_are_where_theory_has_them() -> None:
    assert labels_at("tanh", 0.80, 10) == {"borderline"}
    assert labels_at("tanh", 0.85, 10) == {"stable"}
    assert labels_at("tanh", 3, 10) == {"stable", "borderline"}
    assert labels_at("tanh", 4, 10) == {"stable", "exploding"}
    assert labels_at("relu", 2**0.5, 20) == {"stable"}
    assert labels_at("relu", 1, 20) == {"vanishing"}
    assert (1 + 0.5**2) ** 19 < 100 < (1 + 0.53**2) ** 19


def test_published_statements_are_contradicted_by_what_is_measured() -> None:
    where = MATERIAL / "7-contradictions"
    selu = varprobe.run(where / "selu.yaml", set={"probe.trials": 6, "layers.0.repeat": 300}).verdict
    assert (selu.forward.label, selu.backward.label) == ("stable", "exploding")
    assert selu.backward.rate is not None
    # Theory 1.0716 at infinite width; at 128 units a typical draw has 2 to 3 in a thousand less.
    assert selu.backward.rate == pytest.approx(1.0716, abs=0.006)
    tanh = varprobe.run(where / "tanh_gain.yaml", set={"probe.trials": 6}).verdict
    assert (tanh.forward.label, tanh.backward.label) == ("stable", "exploding")
    relu = varprobe.run(where / "relu_normal.yaml").verdict.forward
    assert relu.mean_log10 is not None
    assert relu.total_log10 is not None
    # 49 steps: 50^49 in the mean; a typical draw loses 49 * 5/200 = 1.225 of ln, within 4 standard errors.
    assert relu.total_log10 == pytest.approx(83.25 - 1.225 / np.log(10), abs=2 * relu.error_log10 + 0.05)
    assert relu.mean_log10 - relu.total_log10 > 2 * relu.error_log10


# --- learning -------------------------------------------------------------------------------------------------------


def test_what_the_verdict_says_is_what_learning_shows() -> None:
    where = MATERIAL / "6-learning"
    found = {name: train(name, load(where / f"{name}.yaml").network) for name in ("small", "large", "xavier")}
    assert {round(loss, 3) for _, loss in found["small"].rates} == {round(CHANCE, 3)}
    assert found["xavier"].high[-1] < found["large"].low[-1] < CHANCE
    assert found["xavier"].last < 0.2
    again = train("xavier", load(where / "xavier.yaml").network)
    assert np.array_equal(again.losses, found["xavier"].losses)


def test_a_step_of_training_goes_down_the_loss_s_own_slope() -> None:
    from varprobe.classroom import training

    spec = load(MATERIAL / "6-learning" / "xavier.yaml").network
    losses = training._descend(spec).reshape(training.STEPS, len(training.RATES), training.DRAWS)
    # The first losses are those of the untrained weights: the same at every step size.
    assert np.ptp(losses[0], axis=0).max() == 0
    assert np.ptp(losses[1], axis=0).min() > 0
