"""Every format of every kind of result: what a renderer writes is read by a real parser, and holds the result.

Listing a format in `RESULTS` is what gets it tested; one that no parser here reads fails.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
import xmlschema
from markdown_it import MarkdownIt

import varprobe
from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.files import tensors_of_arrays
from varprobe.audit.intent import read_intent
from varprobe.audit.records import Audit
from varprobe.comparison import Comparison, compare_reports
from varprobe.errors import InputFileError
from varprobe.formatting import power, with_article
from varprobe.gate.check import gather
from varprobe.gate.records import CheckRun
from varprobe.report.records import Report
from varprobe.reporters.code.frameworks import FRAMEWORKS
from varprobe.results.kinds import RESULTS, find, kind_of, noun_of, render
from varprobe.results.store import from_json, json_schema, render_json
from varprobe.sweeps.records import Sweep

SCHEMAS = Path(__file__).parent / "schemas"


class Here:
    """Runs each call at once."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def config(init: str) -> dict[str, Any]:
    return {
        "name": f"net_{init}",
        "input": {"features": 12},
        "defaults": {"activation": "tanh", "init": init},
        "layers": [{"dense": 12, "repeat": 6}],
        "probe": {"batch": 8, "trials": 4},
        "expect": {"forward": "stable"},
    }


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """A result of every kind."""
    executor: Any = Here()
    small, large = varprobe.run(config("small")), varprobe.run(config("large"))
    return {
        "report": small,
        "comparison": compare_reports(("one, net", "the other"), (small, large)),
        "sweep": varprobe.sweep(config("small"), {"defaults.init.std": [0.02, 1]}, executor=executor),
        "check": gather(
            [
                varprobe.check({**config("small"), "name": name, "expect": {"forward": label}})
                for name, label in (("bad", "stable"), ("good", "vanishing"))
            ]
        ),
        "audit": an_audit(),
    }


def an_audit() -> Audit:
    """Of three siblings, one of which is not what was meant."""
    rng = np.random.default_rng(0)
    arrays = {f"h.{i}.weight": rng.normal(0, 0.02 * (1 + (i == 2)), (30, 40)) for i in range(3)}
    intent = read_intent({"h.*": "normal(0.02)", "b": "zeros"})
    tensors = tensors_of_arrays({**arrays, "b": np.zeros(40)})
    return audit_tensors([tensors], AuditSettings(intent=intent), "one | net", "net.npz")


# What of a result must be read in a format: texts, whole or as part of one.


def facts(result: Any, form: str) -> Iterator[str]:
    if isinstance(result, Report):
        yield from report_facts(result, form)
    elif isinstance(result, Comparison):
        for name, report in zip(result.names, result.reports, strict=True):
            yield from (name, report.verdict.overall)
            yield from figures(report.verdict, form, ("forward", "backward"))
    elif isinstance(result, Sweep):
        yield from (result.name, "forward") if form != ".csv" else ("0.02", "defaults.init.std")
        for point in result.points:
            assert point.verdict
            yield from (point.values[0], point.verdict.overall)
            yield from figures(point.verdict, form, ("forward", "backward"))
    elif isinstance(result, Audit):
        yield from audit_facts(result, form)
    else:
        assert isinstance(result, CheckRun)
        yield from check_facts(result, form)


def report_facts(report: Report, form: str) -> Iterator[str]:
    if form == ".svg":
        yield from (report.name, report.verdict.overall, "activation variance")
    elif form in FRAMEWORKS:
        yield from (report.name, *(each.remedy for each in report.verdict.findings if each.changes))
    else:
        yield from (row.name for row in report.layers)
        variances = [row.activation.variance for row in report.layers if row.activation]
        if form == ".csv":
            yield from (repr(variance.log10_mean) for variance in variances)
        else:
            yield from (power(variance.log10_typical) for variance in variances)
    if form in (".md", ".html"):
        yield from (report.name, *figures(report.verdict, form, ("forward", "backward", "signal")))


def figures(verdict: Any, form: str, ways: tuple[str, ...]) -> Iterator[str]:
    for way in ways:
        direction = getattr(verdict, way)
        if form == ".csv":
            yield from (direction.label, repr(direction.total_log10))
        elif form != ".svg":
            yield from (direction.label, power(direction.total_log10))


def check_facts(checks: CheckRun, form: str) -> Iterator[str]:
    failed = next(one for one in checks.checked if one.outcome == "failed")
    yield failed.name
    assert {one.outcome for one in checks.checked} == {"passed", "failed"}
    for decision in failed.decisions:
        if decision.outcome == "failed":
            yield from (decision.expectation, decision.found, decision.remedy)
    if form not in (".sarif", "sarif"):
        yield from ("1 passed", "1 failed") if form in (".md", "markdown", "github") else ("passed", "failed")


def audit_facts(audit: Audit, form: str) -> Iterator[str]:
    (off,) = [one for one in audit.tensors if one.intended and not one.intended.met]
    assert off.intended
    if form in (".svg", ".md", "markdown", ".html"):
        yield from (
            "one | net",
            "h.*.weight" if form == ".svg" else "h.2.weight",
            "FAILED" if form != ".html" else "failed",
        )
    if form in (".md", "markdown", ".html"):
        yield from (power(math.log10(one.std)) for one in audit.tensors if one.std and form == ".html")
        yield from (finding.message for finding in audit.findings)
        yield from (finding.remedy for finding in audit.findings)
    elif form == ".csv":
        yield from (one.name for one in audit.tensors)
        yield from (repr(one.std) for one in audit.tensors)
        yield from (off.intended.law, off.intended.instead, repr(off.intended.z))
    elif form != ".svg":
        yield from ("weights.h.*", "h.2.weight", off.intended.instead, "Initialise it by normal(0.02).")


# What is read: the texts of a file.


def read_json(content: str, noun: str) -> list[str]:
    plain = json.loads(content)
    jsonschema.Draft202012Validator(json_schema(noun)).validate(plain)
    return list(leaves(plain))


def leaves(plain: Any) -> Iterator[str]:
    if isinstance(plain, (dict, list)):
        for child in plain.values() if isinstance(plain, dict) else plain:
            yield from leaves(child)
    else:
        yield str(plain)


def read_separated(delimiter: str) -> Callable[[str, str], list[str]]:
    def read(content: str, noun: str) -> list[str]:
        head, *body = csv.reader(io.StringIO(content), delimiter=delimiter, strict=True)
        assert len(head) > 3
        assert len(set(head)) == len(head)
        assert body
        assert {len(row) for row in body} == {len(head)}
        return [cell for row in (head, *body) for cell in row]

    return read


class Elements(HTMLParser):
    """The texts of a page outside scripts; refuses what is not closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []
        self.seen: set[str] = set()
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "input", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)


def read_html(content: str, noun: str) -> list[str]:
    page = Elements(content)
    assert {"html", "title", "table", "svg"} <= page.seen
    return page.texts


def read_markdown(content: str, noun: str) -> list[str]:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(content)
    kinds = {token.type for token in tokens}
    assert "table_open" in kinds
    assert "html_block" not in kinds
    return ["".join(child.content for child in token.children) for token in tokens if token.children]


def read_svg(content: bytes, noun: str) -> list[str]:
    root = ElementTree.fromstring(content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert [float(number) >= 0 for number in root.attrib["viewBox"].split()] == [True] * 4
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def read_png(content: bytes, noun: str) -> list[str]:
    """The chunks are whole, and so are the pixels, which are of many colours."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = [], 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + data)
        chunks.append((kind, data))
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, colour, chunks[-1][0]) == (8, 6, b"IEND")
    assert 1200 < width < 3000
    assert 600 < height < 4000
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    assert len(pixels) == height * (4 * width + 1)
    assert len(set(pixels)) > 50
    return []


def read_pdf(content: bytes, noun: str) -> list[str]:
    """One page of a size, whose instructions can be unpacked and draw lines and letters."""
    assert content.startswith(b"%PDF-1.")
    assert content.rstrip().endswith(b"%%EOF")
    assert content.count(b"/Type /Page ") + content.count(b"/Type /Page\n") + content.count(b"/Type /Page/") == 1
    found = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content)
    assert found
    assert min(map(float, found.groups())) > 250
    starts = [found.end() for found in re.finditer(rb"/FlateDecode[^>]*>>\s*stream\r?\n", content)]
    drawn = b"".join(zlib.decompressobj().decompress(content[start:]) for start in starts)
    assert drawn.count(b" l\n") > 10
    assert b"Tj" in drawn or b"TJ" in drawn
    return []


def read_junit(content: str, noun: str) -> list[str]:
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(content)
    root = ElementTree.fromstring(content.encode())
    return [text for one in root.iter() for text in (*one.attrib.values(), one.text or "")]


def read_sarif(content: str, noun: str) -> list[str]:
    log = json.loads(content)
    jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text())).validate(log)
    return list(leaves(log["runs"][0]["results"]))


def read_commands(content: str, noun: str) -> list[str]:
    """Workflow commands, and a last line of counts."""
    *lines, last = content.splitlines()
    assert re.fullmatch(r"\d+ \w+(, \d+ \w+)*", last)
    assert all(re.fullmatch(r"::(error|warning) [^:]+::.+", line) for line in lines)
    return [line.replace("%0A", "\n").replace("%25", "%") for line in (*lines, last)]


def read_code(content: str, noun: str) -> list[str]:
    """Python that compiles, its first line the network's name; the comments."""
    compile(content, "remedies", "exec")
    assert content.startswith("# ")
    return [content.splitlines()[0], " ".join(line[2:] for line in content.splitlines() if line.startswith("# "))]


PARSERS: dict[str, Callable[[Any, str], list[str]]] = {
    ".json": read_json,
    ".csv": read_separated(","),
    ".tsv": read_separated("\t"),
    ".md": read_markdown,
    ".html": read_html,
    ".svg": read_svg,
    ".png": read_png,
    ".pdf": read_pdf,
    ".xml": read_junit,
    ".sarif": read_sarif,
    "json": read_json,
    "junit": read_junit,
    "sarif": read_sarif,
    "markdown": read_markdown,
    "github": read_commands,
    **dict.fromkeys(("torch", "keras", "flax", "numpy"), read_code),
}
LISTED = [(noun, form) for noun, kind in RESULTS.items() for form in {**kind.formats, **kind.printed}]


@pytest.mark.parametrize(("noun", "form"), LISTED)
def test_what_is_written_in_a_format_is_read_by_its_parser_and_holds_the_result(
    noun: str, form: str, results: dict[str, Any]
) -> None:
    result = results[noun]
    content = render(result, form)
    assert isinstance(content, bytes) == (form in (".png", ".svg", ".pdf"))
    assert render(result, form) == content
    texts = [" ".join(text.split()) for text in PARSERS[form](content, noun)]
    if form in (".json", "json"):
        assert from_json(str(content).encode(), "r.json") == result
    elif form not in (".png", ".pdf"):
        missing = [fact for fact in facts(result, form) if not any(" ".join(fact.split()) in text for text in texts)]
        assert missing == []


def test_the_parsers_refuse_what_is_no_file_of_theirs() -> None:
    for form, read in PARSERS.items():
        for rubbish in ("", "rubbish", "{}", "a,b\n1"):
            with pytest.raises(Exception):  # noqa: B017, PT011  # each parser's own
                read(rubbish.encode() if form in (".png", ".svg", ".pdf") else rubbish, "report")


def test_every_kind_is_known_by_its_record_and_by_its_file(results: dict[str, Any]) -> None:
    assert set(results) == set(RESULTS)
    for noun, result in results.items():
        assert noun_of(result) == noun
        assert kind_of(result) is RESULTS[noun]
        text = render_json(result).encode()
        assert from_json(text, "r.json", noun) == from_json(text, "r.json") == result
        for other in set(RESULTS) - {noun}:
            with pytest.raises(InputFileError, match=f"is no varprobe {other}"):
                from_json(text, "r.json", other)


@pytest.mark.parametrize("noun", RESULTS)
def test_everything_that_the_table_names_is_there(noun: str) -> None:
    kind = RESULTS[noun]
    named = (kind.record, kind.version[1], kind.terminal, kind.read, kind.write, kind.stored, kind.figure)
    for path in (*named, *kind.formats.values(), *kind.printed.values()):
        assert not path or find(path)


@pytest.mark.parametrize("noun", RESULTS)
def test_a_stored_result_of_another_version_is_refused_in_one_sentence(noun: str, results: dict[str, Any]) -> None:
    key, known = RESULTS[noun].version
    for other in {1, 99} - {find(known)}:  # of the first edition of the verdict, and of one to come
        plain = json.loads(render_json(results[noun])) | {key: other}
        with pytest.raises(InputFileError) as caught:
            from_json(json.dumps(plain).encode(), "r.json")
        assert (
            caught.value.message
            == f"is {with_article(noun)} of version {other}, this varprobe reads version {find(known)}"
        )
