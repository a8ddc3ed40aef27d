"""Pages in a real browser. Needs the extra `browser`, and Chromium; without them it says so loudly and is skipped."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import varprobe
from varprobe.classroom.build import build_lessons
from varprobe.comparison import compare_reports
from varprobe.results.kinds import render

# Where this is set, as in CI, a missing browser is a failure.
REQUIRED = bool(os.environ.get("VARPROBE_BROWSER_REQUIRED"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _missing(reason: str) -> None:
    if REQUIRED:
        pytest.fail(f"the pages cannot be tested: {reason}")
    pytest.skip(f"PAGES ARE NOT TESTED IN A BROWSER: {reason}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        _missing("install the extra `browser`")
    with sync_playwright() as play:
        installed = next(filter(None, map(shutil.which, NAMES)), None)
        try:
            found = play.chromium.launch(executable_path=installed, args=FLAGS)
        except Error:
            got = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True)
            if got.returncode:
                _missing("there is no Chromium, and none could be installed")
            found = play.chromium.launch(args=FLAGS)
        yield found
        found.close()


def config(depth: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "name": "net",
        "input": {"features": 8},
        "defaults": {"activation": "tanh", "init": "xavier"},
        "layers": [{"dense": 8, "repeat": depth}],
        "probe": {"batch": 4, "trials": 3},
        **changes,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of page, as files."""
    place = tmp_path_factory.mktemp("pages")
    for depth in (3, 50, 1000):
        (place / f"run{depth}.html").write_text(str(render(varprobe.run(config(depth)), ".html")))
    small = varprobe.run(config(10, defaults={"activation": "tanh", "init": "small"}))
    (place / "lesson.html").write_text(str(render(small, ".html", lesson=True)))  # type: ignore[call-arg]
    comparison = compare_reports(("one", "two"), (varprobe.run(config()), small))
    (place / "compare.html").write_text(str(render(comparison, ".html")))
    sweep = varprobe.sweep(config(12), {"defaults.init.gain": "0.5:2:4", "layers.0.repeat": [6, 12]}, threads=2)
    (place / "sweep.html").write_text(str(render(sweep, ".html")))
    (place / "sweep_lesson.html").write_text(str(render(sweep, ".html", lesson=True)))  # type: ignore[call-arg]
    (place / "sweep.json").write_text(str(render(sweep, ".json")))
    return place


class Tab:
    """A page in a tab, with what it complained about and what it asked the network for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1100, "height": 900}, **options})
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_text_contents()]


@pytest.fixture
def tab(browser: Any, folder: Path) -> Iterator[Any]:
    opened = []

    def open_tab(name: str, **options: Any) -> Tab:
        opened.append(Tab(browser, folder / name, **options))
        return opened[-1]

    yield open_tab
    for one in opened:
        assert one.complaints == []
        assert len(one.asked) == 1
        one.page.close()


PAGES = ["run3.html", "run50.html", "run1000.html", "lesson.html", "compare.html", "sweep.html", "sweep_lesson.html"]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_loads_without_complaints_in_light_and_dark(tab: Any, name: str, scheme: str) -> None:
    page = tab(name, color_scheme=scheme).page
    assert page.locator("h1").inner_text().strip()
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in back.removeprefix("rgb(").removesuffix(")").split(",")) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60
    ink = page.evaluate("getComputedStyle(document.querySelector('.picture text') || document.body).fill")
    assert (sum(int(part) for part in ink.removeprefix("rgb(").removesuffix(")").split(",")) > 380) == (
        scheme == "dark"
    )


# Elements whose text or picture reaches beyond the screen, or is cut by a box that must be scrolled sideways.
_CUT = """() => [...document.querySelectorAll('body *')].filter((one) => {
  const box = one.getBoundingClientRect();
  if (!box.width || !box.height || one.closest('.skip, thead, #gloss, math, svg *')) return false;
  const sideways = one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible';
  return box.right > innerWidth + 1 || box.left < -1 || sideways;
}).map((one) => `${one.tagName}.${one.className.baseVal ?? one.className}`)"""


@pytest.mark.parametrize("name", PAGES)
def test_on_a_narrow_screen_nothing_is_cut(tab: Any, name: str) -> None:
    page = tab(name, viewport={"width": 400, "height": 800}).page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate(_CUT) == []


@pytest.mark.parametrize(("name", "layers"), [("run3.html", 3), ("run50.html", 50), ("run1000.html", 1000)])
def test_a_table_sorts_by_a_click_and_back_by_another(tab: Any, name: str, layers: int) -> None:
    shown = tab(name)
    page = shown.page
    heading = page.locator("table.sortable th", has_text="activation variance")
    column = "table.sortable tbody td:nth-child(5)"
    before = [float(text) for text in shown.texts(column)]
    assert len(before) == layers
    for order, down in (("ascending", False), ("descending", True)):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == order
        assert [float(text) for text in shown.texts(column)] == sorted(before, reverse=down)
    page.locator("table.sortable th", has_text="#").locator("button").focus()
    page.keyboard.press("Enter")
    assert [int(text) for text in shown.texts("table.sortable tbody td:nth-child(1)")] == list(range(1, layers + 1))


def test_words_are_sorted_as_words_and_missing_numbers_stay_last(tab: Any) -> None:
    shown = tab("compare.html")
    shown.page.locator("[aria-label=Networks] th", has_text="overall").locator("button").click()
    words = shown.texts("[aria-label=Networks] tbody td:nth-child(2)")
    assert len(words) == 2
    assert words == sorted(words)


def test_the_slider_moves_the_curve(tab: Any, folder: Path) -> None:
    shown = tab("sweep.html")
    page = shown.page
    points = json.loads((folder / "sweep.json").read_text())["points"]
    slider = page.locator("#axis-0")
    slider.focus()
    page.keyboard.press("Home")
    seen, told_any = set(), []
    for place in range(4):
        curve = page.locator("#curve-activation").get_attribute("d")
        seen.add(curve)
        index = place * 2 + 1
        assert page.locator("#value-0").inner_text() == points[index]["values"][0]
        assert slider.get_attribute("aria-valuetext") == points[index]["values"][0]
        assert points[index]["verdict"]["overall"] in page.locator("#said-of-point").inner_text()
        assert page.locator("tr.here").get_attribute("data-point") == str(index)
        told = [one for one in points[index]["verdict"]["findings"] if one["severity"] != "info"]
        findings = page.locator("#findings-of-point").inner_text()
        assert page.locator("#findings-of-point h4").count() == len(told)
        assert all(one["message"] in findings and one["remedy"] in findings for one in told)
        assert told or findings.strip() == "None."
        told_any.append(bool(told))
        values = points[index]["values"]
        command = f"varprobe run net.yaml --set defaults.init.gain={values[0]} --set layers.0.repeat={values[1]}"
        assert page.locator("#command-of-point").inner_text() == command
        data = json.loads(page.locator("#points").text_content())
        (x0, x1), (y0, y1) = data["scale"]["x"], data["scale"]["y"]
        drawn = [tuple(map(float, pair.split())) for pair in curve[1:].split("L")]
        stored = points[index]["curves"]["activation"]
        expected = [(x0 + x1 * (i + 1), y0 + y1 * value) for i, value in enumerate(stored)]
        # The path has two decimals, the data on the page three of a decade.
        room = 0.006 + abs(y1) * 0.0006
        assert len(drawn) == len(expected)
        assert all(math.dist(a, b) <= room for a, b in zip(drawn, expected, strict=True))
        page.keyboard.press("ArrowRight")
    assert len(seen) == 4
    assert any(told_any)


def test_curves_lie_within_the_axes(tab: Any) -> None:
    page = tab("sweep.html").page
    box = page.locator("#curves").bounding_box()
    for name in ("activation", "gradient"):
        curve = page.locator(f"#curve-{name}").bounding_box()
        assert box["x"] <= curve["x"]
        assert curve["x"] + curve["width"] <= box["x"] + box["width"]
        assert box["y"] <= curve["y"]
        assert curve["y"] + curve["height"] <= box["y"] + box["height"]


def test_a_row_chooses_its_point(tab: Any) -> None:
    page = tab("sweep.html").page
    page.locator("tr[data-point='2'] td").first.click()
    assert page.locator("#axis-0").input_value() == "1"
    assert page.locator("#axis-1").input_value() == "0"
    assert page.locator("tr.here").get_attribute("data-point") == "2"


def shown_questions(page: Any) -> Any:
    return page.locator(".question:visible")


@pytest.mark.parametrize("choice", ["vanishing", "stable"])
def test_a_lesson_asks_one_question_after_the_other_and_marks_each(tab: Any, choice: str) -> None:
    page = tab("lesson.html").page
    for asked in (1, 2):
        assert shown_questions(page).count() == asked
        question = shown_questions(page).last
        assert question.locator("input:checked").count() == 0
        assert page.locator("#results").is_hidden()
        question.locator("button").click()
        assert question.locator(".reason").inner_text() == ""  # nothing is chosen yet
        question.locator(f"input[value={choice}]").check()
        question.locator("button").focus()
        page.keyboard.press("Enter")
        right = choice == "vanishing"
        reason = question.locator(".reason").inner_text()
        assert reason.startswith("Right. It is vanishing, x " if right else "Wrong. It is vanishing, x ")
        assert question.locator("label.right").inner_text().split() == (
            ["vanishing", "\u2713", "right"] if right else ["vanishing", "\u2713", "this", "is", "it"]
        )
        assert question.locator("label.wrong").count() == (not right)
        assert question.locator("input").first.is_disabled()
        assert shown_questions(page).count() == asked
        page.keyboard.press("Enter")  # the focus is on what leads on
    assert page.locator("#results").is_visible()
    assert page.locator("#said").inner_text().startswith("2 of 2" if choice == "vanishing" else "0 of 2")
    assert page.evaluate("document.activeElement.id") == "answer"


def test_a_question_stands_beside_what_it_asks_about(tab: Any) -> None:
    page = tab("lesson.html").page
    shown, asked = page.locator(".quiz pre").bounding_box(), shown_questions(page).first.bounding_box()
    assert shown["x"] + shown["width"] <= asked["x"]
    assert shown["y"] < asked["y"] + asked["height"]


def test_a_lesson_without_scripts_shows_everything(browser: Any, folder: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto((folder / "lesson.html").as_uri())
    assert page.locator("#results").is_visible()
    assert page.locator(".question").first.is_hidden()
    assert page.locator("#present").is_hidden()
    assert page.locator("[role=tablist]").first.is_hidden()
    assert all(page.locator(".form").nth(place).is_visible() for place in range(page.locator(".form").count()))
    page.close()


def test_pages_print(tab: Any) -> None:
    for name in ("run50.html", "sweep.html"):
        page = tab(name, color_scheme="dark").page
        page.emulate_media(media="print", color_scheme="dark")
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert back == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflow") == "visible"
        assert page.pdf().startswith(b"%PDF")


def test_everything_that_can_be_operated_has_a_name(tab: Any) -> None:
    for name in PAGES:
        page = tab(name).page
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('input, button, [role=region]')].filter(
                (one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))).length"""
        )
        assert nameless == 0


def test_the_lessons_load_and_lead_to_each_other(browser: Any, tmp_path: Path) -> None:
    for name, text in build_lessons(threads=2).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "index.html").as_uri())
    page.locator("ol a").first.click()
    visited = []
    while True:
        visited.append(page.locator("h1").inner_text())
        assert page.locator("#results").is_hidden()
        for _ in range(page.locator(".question").count()):
            question = page.locator(".question:visible:not(.answered)")
            assert question.count() == 1
            question.locator("input").first.check()
            question.locator("button").click()
            page.locator(".question.answered button:visible").click()
        assert page.locator("#results").is_visible()
        assert page.locator("math").count() > 3
        heights = page.evaluate(
            "[...document.querySelectorAll('math')].map((one) => one.getBoundingClientRect().height)"
        )
        assert min(heights) > 5
        forward = page.locator("footer a", has_text="Next")
        if not forward.count():
            break
        forward.click()
    assert [name[0] for name in visited] == list("12345")
    assert complaints == []
    page.close()
