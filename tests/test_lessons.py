"""The lessons: their numbers, their commands, and a folder that is there whole or not at all."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import varprobe
from varprobe.classroom.build import _measured as measured
from varprobe.classroom.build import build_lessons
from varprobe.classroom.lessons import LESSONS
from varprobe.cli.main import run
from varprobe.comparison import compare_reports
from varprobe.reporters.comparison.histograms import draw_histograms

MATERIAL = Path(varprobe.__file__).parent / "classroom" / "material"
NETWORKS = [(lesson.folder, name) for lesson in LESSONS for name in lesson.networks]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("class") / "lessons"
    assert run(["lesson", str(place), "--quiet"]) == 0
    return place


def test_every_lesson_has_its_files_and_no_other(folder: Path) -> None:
    expected = {"index.html"} | {f"{lesson.folder}/index.html" for lesson in LESSONS}
    expected |= {f"{where}/{name}.yaml" for where, name in NETWORKS}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == expected
    assert {path.parent.name for path in MATERIAL.glob("*/page.html")} == {lesson.folder for lesson in LESSONS}
    assert len(LESSONS) == 5


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
        words = re.sub(r'data-\w+="[^"]*"', "", before)
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
    assert sorted(os.listdir(tmp_path / "lessons")) == [LESSONS[0].folder, "index.html"]


def test_the_lessons_are_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from varprobe.classroom import build

    monkeypatch.setattr(build, "LESSONS", LESSONS[:1])

    def timeless() -> list[str]:
        return [re.sub(r"seed 0, [\d.]+ s", "", text) for text in build_lessons(threads=1).values()]

    assert timeless() == timeless()
