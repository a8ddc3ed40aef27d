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
    wider = config(input={"features": 32}, layers=[{"dense": 32, "repeat": 10}])
    broken = varprobe.run({**wider, "defaults": {"activation": "tanh", "init": "small"}})
    (place / "small.html").write_text(str(render(broken, ".html")))
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


PAGES = ["run3.html", "run50.html", "run1000.html", "small.html", "lesson.html", "compare.html", "sweep.html",
         "sweep_lesson.html"]  # fmt: skip


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


# Texts that are on the screen, or on paper.
_SEEN = """() => [...document.querySelectorAll('pre, dd, h3, .form')].filter(
    (one) => one.getClientRects().length && one.checkVisibility({ contentVisibilityAuto: true })).length"""


def test_what_is_folded_is_printed_with_every_form_of_a_remedy(tab: Any) -> None:
    page = tab("small.html").page
    folded = page.evaluate(_SEEN)
    page.emulate_media(media="print")
    everything = page.evaluate("() => document.querySelectorAll('pre, dd, h3, .form').length")
    assert folded < page.evaluate(_SEEN) == everything
    assert page.locator("#present").is_hidden()
    assert page.locator("[role=tablist]").first.is_hidden()


def test_an_unanswered_lesson_prints_its_questions_and_no_answer(tab: Any) -> None:
    page = tab("lesson.html").page
    page.emulate_media(media="print")
    assert page.locator(".question:visible").count() == page.locator(".question").count() == 2
    assert page.locator("#results").is_hidden()
    assert page.locator(".question button:visible").count() == 0


def now(page: Any) -> str:
    return page.locator("#presenter output").inner_text()


@pytest.mark.parametrize("name", ["small.html", "compare.html", "sweep.html"])
def test_p_presents_one_idea_a_screen(tab: Any, name: str) -> None:
    page = tab(name, viewport={"width": 1280, "height": 720}).page
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    plain = page.evaluate(size)
    page.keyboard.press("p")
    assert page.evaluate(size) >= 1.3 * plain
    count = int(now(page).split(":")[0].split(" of ")[1])
    assert count > 3
    seen = []
    for place in range(1, count + 1):
        assert now(page).startswith(f"{place} of {count}: ")
        assert page.locator(".now").count() == 1
        assert page.locator(".now").is_visible()
        seen.append(page.locator(".now").inner_text())
        # All of it is on the screen, but where a sweep's point has much to tell.
        tall = page.evaluate("document.documentElement.scrollHeight")
        assert tall <= 720 or name == "sweep.html"
        others = page.locator("[data-slide]:not(.now, .now *):visible")
        assert others.count() == 0
        page.keyboard.press("ArrowRight")
    assert now(page).startswith(f"{count} of {count}")  # there is no further one
    assert len(set(seen)) == count
    page.keyboard.press("ArrowLeft")
    assert now(page).startswith(f"{count - 1} of ")
    page.keyboard.press("Home")
    assert now(page).startswith("1 of ")
    assert page.locator("h1").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#presenter").is_hidden()
    assert page.locator(".now, .apart").count() == 0
    assert page.evaluate(size) == plain
    assert page.locator("table").first.is_visible()


def test_the_presenter_leaves_the_arrows_to_a_slider(tab: Any) -> None:
    page = tab("sweep.html").page
    page.keyboard.press("p")
    while not page.locator("#axis-0").is_visible():
        page.keyboard.press("ArrowRight")
    here, value = now(page), page.locator("#axis-0").input_value()
    page.locator("#axis-0").focus()
    page.keyboard.press("ArrowRight")
    assert now(page) == here
    assert page.locator("#axis-0").input_value() != value


def test_a_presented_lesson_goes_from_question_to_question(tab: Any) -> None:
    page = tab("lesson.html").page
    page.locator("#present").click()
    page.locator("#presenter button").last.click()
    assert now(page).startswith("2 of 2")
    for _ in range(2):
        assert page.locator(".question:visible").count() == 1
        page.locator(".question:visible input").first.check()
        page.locator(".question:visible button").click()
        page.locator(".question:visible button").click()
    assert page.locator(".banner.now").is_visible()
    assert now(page).startswith("3 of ")


def test_a_gloss_is_shown_on_hover_and_on_focus_and_put_away_by_escape(tab: Any) -> None:
    page = tab("small.html").page
    word = page.locator("a.gloss").first
    told = page.evaluate("(one) => document.getElementById(one.dataset.gloss).textContent", word.element_handle())
    box = page.locator("#gloss")
    assert box.is_hidden()
    word.hover()
    assert box.inner_text() == told
    page.mouse.move(1, 1)
    assert box.is_hidden()
    word.focus()
    assert box.is_visible()
    page.keyboard.press("Escape")
    assert box.is_hidden()
    assert word.get_attribute("aria-describedby") == word.get_attribute("data-gloss")
    heading = page.locator("th button[data-gloss]").first
    heading.focus()
    assert box.is_visible()
    edges = page.evaluate(
        "(({ left, right }) => [left, right])(document.getElementById('gloss').getBoundingClientRect())"
    )
    assert 0 <= edges[0] < edges[1] <= 1100


def test_tabs_show_one_form_of_a_remedy_at_a_time(tab: Any) -> None:
    page = tab("small.html").page
    tabs = page.locator("[role=tab]")
    assert tabs.all_inner_texts()[:6] == ["--set", "YAML", "PyTorch", "Keras", "Flax", "NumPy"]
    forms = page.locator(".finding").first.locator(".form")
    for place in (0, 1):
        assert [forms.nth(k).is_visible() for k in range(2)] == [place == 0, place == 1]
        assert tabs.nth(place).get_attribute("aria-selected") == "true"
        tabs.nth(place).focus()
        page.keyboard.press("ArrowRight")


# Pairs of colours below 4.5 to 1, 3 to 1 for large type, of texts that are on the screen.
_FAINT = """() => {
  const rgb = (colour) => {
    const found = colour.match(/[\\d.]+/g).map(Number);
    return colour.startsWith('color(') ? found.map((part, place) => (place < 3 ? part * 255 : part)) : found;
  };
  const light = (colour) => colour.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const back = (one) => {
    for (; one; one = one.parentElement) {
      const colour = rgb(getComputedStyle(one).backgroundColor);
      if ((colour[3] ?? 1) > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    const text = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || one.closest('svg, script, :disabled') || !one.checkVisibility()) continue;
    const style = getComputedStyle(one);
    const [low, high] = [light(rgb(style.color)), light(back(one))].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if ((high + 0.05) / (low + 0.05) < (large ? 3 : 4.5)) faint.push(`${one.tagName}.${one.className}: ${style.color}`);
  }
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(tab: Any, scheme: str) -> None:
    for name in ("small.html", "compare.html", "sweep.html", "lesson.html"):
        page = tab(name, color_scheme=scheme).page
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        if name == "lesson.html":
            page.locator("input[value=stable]").first.check()
            page.locator(".question button").first.click()
        assert page.evaluate(_FAINT) == []


def test_words_in_figures_can_be_read_on_a_narrow_screen(tab: Any) -> None:
    for name in ("small.html", "compare.html", "sweep.html"):
        page = tab(name, viewport={"width": 400, "height": 800}).page
        sizes = page.evaluate(
            """() => [...document.querySelectorAll('.picture text')].filter((one) => one.getClientRects().length)
                .map((one) => [one, one.getScreenCTM()])
                .map(([one, { a, b }]) => parseFloat(getComputedStyle(one).fontSize) * Math.hypot(a, b))"""
        )
        assert len(sizes) > 20
        assert min(sizes) >= 8


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
    assert [name[0] for name in visited] == list("1234567")
    assert complaints == []
    page.close()
