"""Names that a config brings are shown, and never become markup: held to real parsers of HTML, SVG and Markdown."""

from __future__ import annotations

import csv
import io
from concurrent.futures import Future
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

import varprobe
from varprobe.comparison import compare_reports
from varprobe.diagnose import predict_report
from varprobe.formatting import printable
from varprobe.report.records import Report
from varprobe.results.kinds import render
from varprobe.sweeps.records import Sweep

PLAIN = "plain"
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></script></title></svg>]]><b>",
    "<!-- --><![CDATA[x]]>",
    "&lt;b&gt; &#60;b&#62;",
    "{{ 7 * 7 }} {% if x %} {# x #}",
    "a|b `c` ```d``` *e* _f_ ~~g~~ [h](javascript:alert(1)) ![i](j)",
    "- # > 1. <http://x.y> http://x.y www.x.y",
    "$\\frac{$ \\[x\\] $$y$$",
    "line\n\n# heading\n\n| a |\r\n|---|",
    "\u5f00\u59cb \u0639\u0631 \x01\x1b[31m\u202e",
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
)
# As few as hold them all, for what takes long; a layer's name has 100 characters.
JOINED = ("".join(NAMES[:3]), "".join(NAMES[3:6]), NAMES[6] + NAMES[7], "".join(NAMES[8:12]))


class Here:
    """Runs each call at once."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", ()))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def outside_pictures(self) -> list[tuple[str, tuple[str, ...]]]:
        """Without what draws the glyphs of a text."""
        return [tag for tag in self.found if tag[0] not in ("use", "g", "path", "defs", "text", "tspan")]


def config(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "input": {"features": 6},
        "defaults": {"activation": "tanh", "init": "small"},
        "layers": [{"dense": 6, "repeat": 5, "name": name[:100]}, {"dense": 6, "name": name[:100]}],
        "probe": {"batch": 4, "trials": 2},
        "expect": {"forward": "stable"},
    }


def report(name: str) -> Report:
    return varprobe.run(config(name))


def sweep(name: str) -> Sweep:
    executor: Any = Here()
    found = varprobe.sweep(config(name), {"defaults.init.std": [0.1, 1]}, executor=executor)
    axis = replace(found.axes[0], path=name, values=(name, "1"))
    points = tuple(replace(point, values=(value,)) for point, value in zip(found.points, axis.values, strict=True))
    failed = replace(points[1], failure=name, verdict=None, prediction=None, curves=None, depth=None)
    return replace(found, axes=(axis,), points=(points[0], failed))


def texts(name: str, suffix: str) -> dict[str, str]:
    """Everything of that format which shows the name; also in places where only a forged report has it."""
    made, swept = report(name), sweep(name)
    forged = _forged(made, name)
    lesson: dict[str, Any] = {"lesson": True} if suffix == ".html" else {}
    quick = suffix != ".html"
    found = {
        **({"run": render(made, suffix)} if quick else {}),
        **({"theory": render(predict_report(varprobe.load(config(name))), suffix)} if quick else {}),
        "forged": render(forged, suffix, **lesson),
        "compare": render(compare_reports((name, PLAIN), (made, made)), suffix, **lesson),
        "sweep": render(swept, suffix, **lesson),
    }
    return {kind: text if isinstance(text, str) else text.decode() for kind, text in found.items()}


def _forged(made: Report, name: str) -> Report:
    """A report whose every word is the name, but those that readers refuse where they do not know them."""
    verdict, row = made.verdict, made.layers[0]
    finding = replace(verdict.findings[0], code=name, message=name, remedy=name)
    return replace(
        made,
        settings=replace(made.settings, dtype=name, engine=name),
        provenance=replace(made.provenance, varprobe=name, numpy=name, python=name),
        layers=(replace(row, activation_function=name, init=name, engine=name, path=name), *made.layers[1:]),
        verdict=replace(verdict, findings=(finding,)),
        expect=(replace(made.expect[0], what=name, allowed=(name,), found=name),),
    )


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, str]]:
    return {suffix: texts(PLAIN, suffix) for suffix in (".html", ".md", ".csv")}


def elements(markdown: str) -> list[str]:
    """The elements that Markdown makes, raw HTML among them."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    return [token.type for token in (*tokens, *inline) if token.type not in ("text", "text_special", "softbreak")]


@pytest.mark.parametrize("name", JOINED, ids=range(len(JOINED)))
def test_no_element_of_a_page_arises_from_a_name(plain: dict[str, dict[str, str]], name: str) -> None:
    for kind, text in texts(name, ".html").items():
        tags = Tags(text)
        assert tags.outside_pictures == Tags(plain[".html"][kind]).outside_pictures, kind
        assert printable(name) in "".join(tags.words), kind


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_element_of_markdown_arises_from_a_name(plain: dict[str, dict[str, str]], name: str) -> None:
    for kind, text in texts(name, ".md").items():
        assert elements(text) == elements(plain[".md"][kind]), kind
        shown = "".join(Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(text)).words)
        assert "\n" in name or printable(name) in shown, kind


@pytest.mark.parametrize("name", JOINED, ids=range(len(JOINED)))
def test_a_picture_is_well_formed_whatever_the_name(name: str) -> None:
    made = report(name)
    for picture in (render(_forged(made, name), ".svg"), render(sweep(name), ".svg")):
        names = {element.tag.rsplit("}", 1)[-1] for element in ElementTree.fromstring(picture).iter()}
        assert not names & {"script", "img", "b", "a", "foreignObject"}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_cell_of_a_table_begins_like_a_formula(plain: dict[str, dict[str, str]], name: str) -> None:
    for kind, text in texts(name, ".csv").items():
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) == len(list(csv.reader(io.StringIO(plain[".csv"][kind]))))
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "@", "+")), cell
            assert not cell.startswith("-") or float(cell) < 0
