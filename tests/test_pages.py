"""Pages: one file that needs nothing else, says what the report says, and shows names as they are."""

from __future__ import annotations

import html
import json
import math
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import varprobe
from varprobe.comparison import Comparison, compare_reports
from varprobe.config.loading import ConfigText, load_text
from varprobe.config.rewriting import write_config
from varprobe.diagnose import predict_report
from varprobe.report.records import Report
from varprobe.reporters.axes import activation_typical, gradient_typical
from varprobe.reporters.code.names import FrameworkName
from varprobe.reporters.code.write import code_of_report
from varprobe.reporters.glossary import GLOSSARY
from varprobe.reporters.page.quizzes import CHOICES, Question
from varprobe.reporters.report_phrases import (
    activation_cells,
    gradient_cells,
)
from varprobe.reporters.verdict_phrases import verdict_sentences, verdict_words
from varprobe.results.kinds import render
from varprobe.results.store import from_json
from varprobe.sweeps.records import Sweep
from varprobe.verdict.labels import Label

NAME = "<script>alert('x')</script> & \"co\" {{ 7 * 7 }} $x$"
VOID = {"meta", "input", "br", "link"}
INLINE = {"a", "span", "strong", "code", "em", "kbd"}


def _config(**changes: Any) -> dict[str, Any]:
    return {
        "name": "net",
        "input": {"features": 12},
        "defaults": {"activation": "tanh", "init": "small"},
        "layers": [{"dense": 12, "repeat": 6}],
        "probe": {"batch": 8, "trials": 3},
        **changes,
    }


class Here:
    """Runs each call at once."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


class Page(HTMLParser):
    """Tags that are open, ids, addresses and text; refuses what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self.open.append(tag)
        if tag not in INLINE:
            self.words.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def plain(words: str) -> str:
    """As a page has them, whose code is set as code."""
    return " ".join(words.replace("`", "").split())


@pytest.fixture(scope="module")
def report() -> Report:
    return varprobe.run(_config())


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    inits = ("small", "large")
    reports = [varprobe.run(_config(defaults={"activation": "tanh", "init": init})) for init in inits]
    return compare_reports(inits, reports)


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    executor: Any = Here()
    return varprobe.sweep(_config(), {"defaults.init.std": "0.1:1:3", "layers.0.repeat": [4, 6]}, executor=executor)


@pytest.fixture(scope="module")
def pages(report: Report, comparison: Comparison, sweep: Sweep) -> dict[str, str]:
    what = {"run": report, "compare": comparison, "sweep": sweep}
    plain = {name: str(render(result, ".html")) for name, result in what.items()}
    lessons = {f"{name} lesson": str(render(result, ".html", lesson=True)) for name, result in what.items()}
    return plain | lessons


KINDS = ["run", "compare", "sweep", "run lesson", "compare lesson", "sweep lesson"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_well_formed_and_needs_nothing_else(pages: dict[str, str], kind: str) -> None:
    page = Page(pages[kind])
    assert len(set(page.ids)) == len(page.ids)
    for address in page.addresses:
        assert address.startswith(("#", "data:"))
        if address.startswith("#"):
            assert address[1:] in page.ids
    for reference in re.findall(r"url\(#([^)]+)\)", pages[kind]):
        assert reference in page.ids
    assert not re.search(r"(?:src|href)=[\"']?https?:|@import|fetch\(|XMLHttp", pages[kind])
    policy = next(found["content"] for tag, found in page.tags if tag == "meta" and "http-equiv" in found)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_words_and_headings_stand_in_order(pages: dict[str, str], kind: str) -> None:
    page = Page(pages[kind])
    pictures = [found for tag, found in page.tags if tag == "svg"]
    assert pictures
    assert all(found["role"] == "img" and found["aria-label"] for found in pictures)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(found.get("scope") for tag, found in page.tags if tag == "th")


def test_the_page_says_what_the_report_says(pages: dict[str, str], report: Report) -> None:
    text = Page(pages["run"]).text
    assert verdict_words(report.verdict) in text
    for finding in report.verdict.findings:
        assert plain(finding.message) in text
        assert plain(finding.remedy) in text
    for row in report.layers:
        cells = [cell for cell in (*activation_cells(row), *gradient_cells(row)) if cell]
        assert re.search(rf"\b{row.index} +{re.escape(row.name)}\b", text)
        for cell in cells:
            assert cell in text


def test_the_config_on_the_page_makes_the_report_again(pages: dict[str, str], report: Report) -> None:
    config = html.unescape(re.findall(r"<pre>(name: .*?)</pre>", pages["run"], re.S)[0])
    again = varprobe.run(load_text(ConfigText(config, "page", Path(), "page")))
    assert again.layers[-1].gradient == report.layers[-1].gradient
    assert again.verdict.forward == report.verdict.forward
    assert again.name == report.name


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_config_written_out_is_the_same_config(path: Path) -> None:
    experiment = varprobe.load(path)
    again = load_text(ConfigText(write_config(experiment.document), "again", path.parent, path.stem))
    assert again.document == experiment.document


def test_the_page_of_a_comparison_tells_all_of_every_network(pages: dict[str, str], comparison: Comparison) -> None:
    page = Page(pages["compare"])
    top = page.text.split("Variance over depth")[0]
    for name, report in zip(comparison.names, comparison.reports, strict=True):
        assert re.search(rf"\b{name} \S {report.verdict.overall} {re.escape(verdict_words(report.verdict))}", top)
        assert report.verdict.findings
        for finding in report.verdict.findings:
            assert plain(finding.message) in page.text
            assert plain(finding.remedy) in page.text
    rows = re.findall(r"<tr>(<td data-key.*?)</tr>", pages["compare"])
    assert len(rows) == 6
    for row, *layers in zip(rows, *(report.layers for report in comparison.reports), strict=True):
        keys = [float(key) for key in re.findall(r'data-key="([^"]*)"', row)]
        logs = [activation_typical(layer) for layer in layers] + [gradient_typical(layer) for layer in layers]
        assert keys == pytest.approx([layers[0].index, *logs])


def test_a_comparison_can_be_made_again_from_its_page(
    pages: dict[str, str], comparison: Comparison, tmp_path: Path
) -> None:
    configs = [html.unescape(text) for text in re.findall(r"<h3>Config</h3>\n<pre>(.*?)</pre>", pages["compare"], re.S)]
    command = re.findall(r"<pre>(varprobe compare .*?)</pre>", pages["compare"], re.S)[0].split()
    files = [part for part in command if part.endswith(".yaml")]
    for file, config in zip(files, configs, strict=True):
        (tmp_path / file).write_text(config)
    done = subprocess.run([sys.executable, "-m", *command, "-o", "again.json"], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    again = from_json((tmp_path / "again.json").read_bytes(), "again.json")
    assert again.names == comparison.names
    assert [report.verdict for report in again.reports] == [report.verdict for report in comparison.reports]


def test_headings_that_look_alike_sound_different(pages: dict[str, str]) -> None:
    for kind in ("run", "compare", "sweep"):
        for table in re.findall(r'<table class="sortable">.*?</thead>', pages[kind], re.S):
            names = [
                re.sub("<.*?>", "", spoken or shown)
                for spoken, shown in re.findall(
                    r'<button type="button"(?: aria-label="(.*?)")?[^>]*>(.*?)</button>', table
                )
            ]
            assert len(names) > 3
            assert len(set(names)) == len(names)


def test_a_sweep_shows_each_map_alone_on_the_page_s_own_paper(pages: dict[str, str]) -> None:
    maps = re.findall(r'<svg [^>]*id="map-\d".*?</svg>', pages["sweep"], re.S)
    titles = ["verdict", "activations: factor per layer", "gradient: factor per layer", "depth scale"]
    assert len(maps) == len(titles)
    for shown, title in zip(maps, titles, strict=True):
        assert f">{title}" in shown
        assert ">weight standard deviation<" in shown
        assert ">depth<" in shown
        assert "fill: #ffffff" not in shown  # which would be white on a dark page


def test_findings_of_a_sweep_go_with_their_points(pages: dict[str, str], sweep: Sweep) -> None:
    data = json.loads(re.findall(r'id="points">(.*?)</script>', pages["sweep"], re.S)[0])
    told = [finding for point in sweep.points if point.verdict for finding in point.verdict.findings]
    assert any(finding.remedy for finding in told)
    for shown, point in zip(data["points"], sweep.points, strict=True):
        assert point.verdict
        expected = [(one.message, one.remedy) for one in point.verdict.findings if one.severity != "info"]
        assert [(one["message"], one["remedy"]) for one in shown["findings"]] == expected
        settings = [f"--set {axis.path}={value}" for axis, value in zip(sweep.axes, point.values, strict=True)]
        assert shown["command"] == f"varprobe run net.yaml {' '.join(settings)}"


def test_a_large_sweep_keeps_the_heads_of_its_findings(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("varprobe.reporters.sweep.page._WORDS", 10)
    data = json.loads(re.findall(r'id="points">(.*?)</script>', str(render(sweep, ".html")), re.S)[0])
    found = [one for point in data["points"] for one in point["findings"]]
    assert found
    assert all(one["head"] and not one["message"] and not one["remedy"] for one in found)


def test_names_are_shown_as_they_are() -> None:
    config = _config(name=NAME, layers=[{"dense": 8, "repeat": 5, "name": NAME}])
    report = varprobe.run(config)
    executor: Any = Here()
    sweep = varprobe.sweep(config, {"defaults.init.std": [0.1, 1]}, executor=executor)
    texts = [
        render(report, ".html"),
        render(report, ".html", lesson=True),  # type: ignore[call-arg]
        render(compare_reports((NAME, "other"), (report, report)), ".html"),
        render(sweep, ".html"),
        render(sweep, ".html", lesson=True),  # type: ignore[call-arg]
    ]
    for text in map(str, texts):
        page = Page(text)
        assert "<script>alert" not in text
        scripts = [found for tag, found in page.tags if tag == "script"]
        assert len(scripts) == (2 if "application/json" in text else 1)
        assert NAME in page.text
        assert "49" not in page.text.split("What do you")[0][:200]


def test_the_data_of_a_sweep_cannot_end_its_script() -> None:
    config = _config(layers=[{"dense": 8, "repeat": 4}])
    executor: Any = Here()
    sweep = varprobe.sweep(config, {"defaults.activation": ["tanh", "relu"]}, executor=executor)
    axis = sweep.axes[0]
    object.__setattr__(axis, "values", ("</script><b>", "relu"))
    text = str(render(sweep, ".html"))
    body = text.split('id="points">')[1].split("</script>")[0]
    assert json.loads(body)["axes"][0]["values"][0] == "</script><b>"


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_curves_are_drawn_to_the_scale_of_the_axes(pages: dict[str, str], axis: str) -> None:
    scale = json.loads(pages["sweep"].split('id="points">')[1].split("</script>")[0])["scale"][axis]
    picture = pages["sweep"].split('id="curves"')[1]
    ticks = re.findall(
        rf'id="curves-{axis}tick_\d+".*?<use [^>]*?\b{axis}="([\d.]+)".*?<text[^>]*>([^<]+)</text>', picture, re.S
    )
    assert len(ticks) >= 3
    for place, label in ticks:
        value = float(label) if axis == "x" else math.log10(float(label))
        assert scale[0] + scale[1] * value == pytest.approx(float(place), abs=0.01)


def test_a_lesson_asks_before_it_shows(pages: dict[str, str], report: Report) -> None:
    for kind, asked in (("run", 2), ("compare", 4), ("sweep", 6)):
        page, plain = Page(pages[f"{kind} lesson"]), Page(pages[kind])
        assert len([tag for tag, _ in page.tags if tag == "fieldset"]) == asked
        assert "fieldset" not in dict(plain.tags)
        radios = [found for tag, found in page.tags if tag == "input" and found.get("type") == "radio"]
        assert [found["value"] for found in radios] == list(CHOICES) * asked
        assert not any("checked" in found for found in radios)
        before = page.text.split("What becomes of")[0]
        assert not re.search(r"vanish|explod|stable", before)
    labels = re.findall(r'data-label="(\w+)"', pages["run lesson"])
    assert labels == [report.verdict.forward.label, report.verdict.backward.label]


def test_what_is_none_of_the_choices_has_one_too() -> None:
    assert Question("?", "vanishing", "").answer == "vanishing"
    assert Question("?", "borderline", "").answer == "none of these"
    assert {Question("?", label, "").answer for label in Label} == set(CHOICES)


def test_a_quiz_does_not_show_what_is_expected() -> None:
    report = varprobe.run(_config(expect={"forward": "vanishing", "backward": "vanishing"}))
    page = Page(str(render(report, ".html", lesson=True)))  # type: ignore[call-arg]
    assert "expect" not in page.text.split("What becomes of")[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_allows_what_the_page_holds_and_no_more(pages: dict[str, str], kind: str) -> None:
    policy = re.findall(r'Policy" content="(.*?)"', pages[kind])[0]
    rules = dict(rule.strip().split(" ", 1) for rule in html.unescape(policy).split(";"))
    for tag, rule in (("script", "script-src"), ("style", "style-src-elem")):
        held = re.findall(rf"<{tag}>(.*?)</{tag}>", pages[kind], re.S)
        hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in held]
        assert rules[rule] == " ".join(f"'sha256-{one}'" for one in hashes)
    assert "unsafe" not in rules["script-src"]
    assert not re.search(r"\beval\(|new Function|\son\w+=", pages[kind].split("<script>")[1])


def test_remedies_are_shown_as_what_is_pasted(pages: dict[str, str], report: Report) -> None:
    page = Page(pages["run"])
    tabs = [found for tag, found in page.tags if found.get("role") == "tab"]
    panels = {found["id"] for tag, found in page.tags if found.get("role") == "tabpanel"}
    assert tabs
    assert {found["aria-controls"] for found in tabs} == panels
    options = re.findall(r"`(--set [^`]+)`", report.verdict.findings[0].remedy)
    assert options
    assert f"varprobe run net.yaml {options[0]}" in page.text
    for sentence in verdict_sentences(report.verdict):
        assert sentence in page.text
    for framework in FrameworkName:
        assert code_of_report(report, framework).splitlines()[-1].strip() in page.text
    path, _, value = options[0].removeprefix("--set ").partition("=")
    assert path == "defaults.init.std"
    changed = html.unescape(re.findall(r"<pre>((?:[-+] .*\n?)+)</pre>", pages["run"])[0])
    new = "\n".join(line[2:] for line in changed.splitlines() if line.startswith("+ "))
    assert f"std: {value}" in new


def test_a_word_is_explained_where_a_page_first_says_it(pages: dict[str, str]) -> None:
    for kind in ("run", "compare", "sweep"):
        page = Page(pages[kind])
        marked = [found["data-gloss"] for tag, found in page.tags if tag == "a" and "data-gloss" in found]
        assert len(marked) > 2
        assert len(set(marked)) == len(marked)
        told = set(page.ids)
        assert all(found["data-gloss"] in told for _, found in page.tags if "data-gloss" in found)
        assert GLOSSARY["stable"] in page.text or "stable" not in " ".join(marked)


@pytest.mark.parametrize("depth", [1, 3, 50])
def test_pages_are_small(depth: int) -> None:
    report = varprobe.run(_config(layers=[{"dense": 64, "repeat": depth}], probe={"batch": 32, "trials": 20}))
    assert len(str(render(report, ".html")).encode()) < 400_000


def test_theory_alone_has_a_page() -> None:
    page = Page(str(render(predict_report(varprobe.load(_config())), ".html")))
    assert "varprobe predict net.yaml" in page.text


def test_the_command_line_makes_pages_and_refuses_lessons_without_one(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(json.dumps(_config()))

    def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "varprobe", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert tool("run", "net.json", "--report", "-o", "r.json").returncode == 0
    assert tool("show", "r.json", "-o", "a.html", "-o", "b.html", "--lesson").returncode == 0
    assert (tmp_path / "a.html").read_text() == (tmp_path / "b.html").read_text()
    assert "fieldset" in (tmp_path / "a.html").read_text()
    assert tool("show", "r.json", "-o", "c.html").returncode == 0
    assert (tmp_path / "c.html").read_text() == (tmp_path / "reports" / "net.html").read_text()
    refused = tool("run", "net.json", "--lesson")
    assert refused.returncode == 2
    assert "--lesson" in refused.stderr
    assert "-o page.html" in refused.stderr
