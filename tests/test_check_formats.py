"""What a check concludes, in every format: read back by parsers, held to schemas, with hostile names inside."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from varprobe.audit.findings import AUDIT_FINDINGS
from varprobe.config.loading import ConfigText, load_text
from varprobe.config.records import Expect
from varprobe.diagnose import diagnose
from varprobe.errors import InputFileError
from varprobe.formatting import printable
from varprobe.gate.records import CHECK_VERSION, CheckError, CheckResult, CheckRun, Decision
from varprobe.report.records import Report
from varprobe.reporters.check.markdown import MAX_BYTES
from varprobe.reporters.check.sarif import EXPECTATIONS, uri
from varprobe.reporters.check.terminal import print_checks
from varprobe.results.kinds import RESULTS, render
from varprobe.results.store import from_json, json_schema, render_json
from varprobe.verdict.findings import FINDINGS
from varprobe.verdict.records import Finding

SCHEMAS = Path(__file__).parent / "schemas"
HOSTILE = (
    "<script>alert(1)</script>",
    "a|b\\|c\\",
    "one\ntwo\r\nthree\x0b",
    "]]><!--",
    "::error::x,y=z::",
    "##[error]x ##vso[task.complete]",
    "50%0A%3A%25",
    "\x00\x01\x1b[31m\x7f\x85\ufffe\udcff",
    "[click](https://example.com) ![p](x) https://example.com",
    "`code` **bold** _u_ ~~s~~ $x$ @everyone &amp; <!-- c --> # h",
    "x" * 300,
    "\u202egnp.exe \u65e5\u672c\u8a9e \U0001f600",
)
EVERYTHING = "".join(HOSTILE)


@cache
def report(name: str = "net", layer: str = "hidden") -> Report:
    """A tiny network that vanishes, with a layer at line 4 of its config."""
    text = (
        "input: {features: 8}\ndefaults: {activation: relu, init: small}\nlayers:\n"
        "  - {dense: 8, repeat: 5}\nprobe: {batch: 4, trials: 3}\n"
    )
    made = diagnose(load_text(ConfigText(text, "net.yaml", Path(), "net")))
    warning = Finding("dead-units", "warning", 2, f"Units of {layer} are dead.", "Widen it.")
    verdict = replace(made.verdict, findings=(*made.verdict.findings, warning))
    return replace(made, name=name, layers=tuple(replace(row, name=layer) for row in made.layers), verdict=verdict)


MET = Decision("backward", "stable", "met", "stable, rate 1.002 (0.998, 1.006)", line=12)
FAILED = Decision(
    "forward",
    "stable",
    "failed",
    "vanishing, rate 0.501 (0.493, 0.509) a layer",
    "Multiply the weights' standard deviation by 1.41.",
    layer=2,
    line=4,
    value=0.501,
    low=0.493,
    high=0.509,
    level=0.0005,
)
OPEN = Decision(
    "layers.3.activation.variance", "0.5 to 2", "undecided", "0.49 (0.31, 0.77)", layer=3, line=7, needed=1200
)
TROUBLE = CheckError("unknown activation 'rellu'", "did you mean 'relu'?", "layers[0].activation", 4, 17)


def checked(config: str, outcome: str, *decisions: Decision, **changes: Any) -> CheckResult:
    made = CheckResult(config, PurePath(config).stem, outcome, decisions, 20, 2, 0.001, 400, 0.6251, report())
    return replace(made, **changes)


def bad(config: str = "configs/bad.yaml", trouble: CheckError | None = TROUBLE) -> CheckResult:
    return CheckResult(config, "bad", "error", (), 0, 0, 0.001, 400, 0.01, None, trouble)


def checks(*made: CheckResult) -> CheckRun:
    order = ("passed", "undecided", "failed", "error", "fault")
    return CheckRun(CHECK_VERSION, max((one.outcome for one in made), key=order.index, default="passed"), made)


def four() -> CheckRun:
    return checks(
        checked("configs/good.yaml", "passed", MET),
        checked("configs/deep.yaml", "failed", MET, FAILED),
        checked("configs/narrow.yaml", "undecided", OPEN, trials=400),
        bad(),
    )


def hostile(text: str) -> CheckResult:
    decision = Decision(text, text, "failed", text, text, layer=2, line=4)
    still = Decision("rate.forward", text, "undecided", text, text, needed=77)
    config = f"configs/{text}.yaml"
    return checked(config, "failed", decision, still, MET, name=text, report=report(text, text))


def hostile_checks(text: str) -> CheckRun:
    return checks(hostile(text), bad(text, CheckError(text, text, text, 3, 1)))


def text_of(form: str, made: CheckRun) -> str:
    return str(render(made, form))


def printed(made: CheckRun, *, colour: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
    )
    print_checks(made, console)
    return stream.getvalue()


# The terminal


def test_the_terminal_says_what_passed_what_broke_where_and_what_to_do() -> None:
    assert printed(four()) == (
        "passed    configs/good.yaml: good (20 trials, 0.63 s)\n"
        "FAILED    configs/deep.yaml: deep (20 trials, 0.63 s)\n"
        "  FAILED activations: wanted stable, found vanishing, rate 0.501 (0.493,\n"
        "    0.509) a layer\n"
        "    at configs/deep.yaml:4, layer 2 (hidden, layers[0])\n"
        "    -> Multiply the weights' standard deviation by 1.41.\n"
        "UNDECIDED configs/narrow.yaml: narrow (400 trials, 0.63 s)\n"
        "  UNDECIDED layers.3.activation.variance: wanted 0.5 to 2, found 0.49 (0.31,\n"
        "    0.77)\n"
        "    at configs/narrow.yaml:7, layer 3 (hidden, layers[0])\n"
        "    -> 400 trials did not decide it; about 1,200 probably would\n"
        "ERROR     configs/bad.yaml:4:17: layers[0].activation: unknown activation 'rellu'\n"
        "    hint: did you mean 'relu'?\n"
        "\n"
        "1 passed, 1 failed, 1 undecided, 1 error\n"
    )


def test_colour_carries_no_meaning() -> None:
    coloured = printed(four(), colour=True)
    assert "  \x1b[1;31mFAILED\x1b[0m activations: wanted" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == printed(four())


def test_a_place_is_never_broken_and_a_config_is_one_line() -> None:
    config = "/".join(["folder"] * 30) + "/net.yaml"
    lines = printed(checks(checked(config, "failed", FAILED), checked(config, "passed"))).splitlines()
    assert [line for line in lines if line.startswith(("passed", "FAILED"))] == [
        f"FAILED    {config}: net (20 trials, 0.63 s)",
        f"passed    {config}: net (20 trials, 0.63 s)",
    ]
    assert any(f"{config}:4," in line for line in lines)


def test_the_first_ten_of_many_broken_layers_are_told() -> None:
    many = [replace(FAILED, expectation=f"layers.{i}.dead", layer=None) for i in range(25)]
    text = printed(checks(checked("a.yaml", "failed", *many)))
    assert text.count("  FAILED layers.") == 10
    assert "  and 15 more; -o check.json has all\n" in text


@pytest.mark.parametrize("text", [*HOSTILE, EVERYTHING])
def test_the_terminal_obeys_no_name(text: str) -> None:
    out = printed(hostile_checks(text))
    assert all(character.isprintable() for character in out.replace("\n", ""))
    assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]
    assert not re.search(r"##\w*\[", out)
    assert out.endswith("\n0 passed\n") or out.endswith("\n1 failed, 1 error\n")


def test_a_line_that_wraps_before_a_command_is_no_command() -> None:
    found = "x" * 70 + " ::error::gotcha"
    out = printed(checks(checked("a.yaml", "failed", replace(FAILED, found=found))))
    assert "\n    : :error::gotcha\n" in out


# JSON


def test_json_round_trips_a_line_per_config() -> None:
    made = checks(*four().checked, hostile(EVERYTHING.replace("\udcff", "")))
    text = text_of("json", made)
    assert from_json(text.encode(), "check.json") == made
    assert len(text.splitlines()) == 2 + len(made.checked)
    assert re.fullmatch(r"[ -~\n]+", text)
    jsonschema.validate(json.loads(text), json_schema("check"))


def test_what_is_no_text_in_a_name_can_be_read_again() -> None:
    text = render_json(checks(bad("a\udcff.yaml")))
    assert from_json(text.encode(), "check.json").checked[0].config == "a?.yaml"


@pytest.mark.parametrize(
    ("edit", "field", "message"),
    [
        (lambda plain: plain.update(outcome="great"), "outcome", "is no varprobe check: unknown outcome 'great'"),
        (lambda plain: plain["checked"][0].update(outcome="met"), "checked.0.outcome", "unknown outcome 'met'"),
        (
            lambda plain: plain["checked"][1]["decisions"][1].update(outcome="passed"),
            "checked.1.decisions.1.outcome",
            "unknown outcome 'passed'",
        ),
        (lambda plain: plain["checked"][0].pop("trials"), "checked.0.trials", "Field required"),
        (lambda plain: plain.update(more=1), "more", "Unexpected keyword argument"),
        (lambda plain: plain.update(check_version=99), "", "is a check of version 99, this varprobe reads version 4"),
    ],
)
def test_a_damaged_check_is_refused_with_its_field(edit: Any, field: str, message: str) -> None:
    plain = json.loads(render_json(four()))
    edit(plain)
    with pytest.raises(InputFileError, match=re.escape(message)) as caught:
        from_json(json.dumps(plain).encode(), "check.json")
    assert caught.value.field == field
    assert "varprobe" in caught.value.hint


# GitHub


def runner_reads(line: str) -> tuple[str, dict[str, str], str] | None:
    """A line of a step's log as the runner reads it: the command, its properties and its text."""
    line = line.lstrip()
    if not line.startswith("::") or "::" not in line[2:]:
        return None
    info, text = line[2:].split("::", 1)
    command, _, rest = info.partition(" ")
    pairs = [pair.split("=", 1) for pair in rest.split(",") if "=" in pair]
    properties = {key: _unescaped(value, ("%0D", "%0A", "%3A", "%2C")) for key, value in pairs}
    return command, properties, _unescaped(text, ("%0D", "%0A"))


def _unescaped(text: str, marks: tuple[str, ...]) -> str:
    for mark in (*marks, "%25"):
        text = text.replace(mark, chr(int(mark[1:], 16)))
    return text


def commands(made: CheckRun) -> list[tuple[str, dict[str, str], str]]:
    return [command for line in text_of("github", made).splitlines() if (command := runner_reads(line))]


def test_annotations_stand_at_file_and_line() -> None:
    errors = [command for command in commands(four()) if command[0] == "error"]
    assert errors == [
        (
            "error",
            {"file": "configs/deep.yaml", "line": "4", "title": "varprobe: deep: activations FAILED"},
            "wanted stable, found vanishing, rate 0.501 (0.493, 0.509) a layer\n"
            "at configs/deep.yaml:4, layer 2 (hidden, layers[0])\n"
            "Multiply the weights' standard deviation by 1.41.",
        ),
        (
            "error",
            {
                "file": "configs/narrow.yaml",
                "line": "7",
                "title": "varprobe: narrow: layers.3.activation.variance UNDECIDED",
            },
            "wanted 0.5 to 2, found 0.49 (0.31, 0.77)\nat configs/narrow.yaml:7, layer 3 (hidden, layers[0])\n"
            "400 trials did not decide it; about 1,200 probably would",
        ),
        (
            "error",
            {"file": "configs/bad.yaml", "line": "4", "col": "17", "title": "varprobe: bad could not be checked"},
            "layers[0].activation: unknown activation 'rellu'\nhint: did you mean 'relu'?",
        ),
    ]
    assert text_of("github", four()).endswith("\n1 passed, 1 failed, 1 undecided, 1 error\n")


def test_warnings_of_the_reports_follow_the_errors() -> None:
    found = commands(four())
    kinds = [command[0] for command in found]
    assert kinds == sorted(kinds)
    assert ("warning", {"file": "configs/good.yaml", "line": "4", "title": "varprobe: good: dead-units"}) in [
        command[:2] for command in found
    ]
    severities = {one.severity for one in report().verdict.findings}
    assert "error" in severities
    assert not [command for command in found if command[1]["title"].endswith("forward-vanishing")]


def test_github_gets_ten_warnings_and_all_errors() -> None:
    many = [checked(f"{i}.yaml", "failed", FAILED) for i in range(12)]
    found = commands(checks(*many))
    assert [command[0] for command in found] == ["error"] * 12 + ["warning"] * 10
    assert text_of("github", checks(*many)).endswith(
        "\n12 errors; GitHub annotates the first 10 of a step\n12 failed\n"
    )
    assert "annotates" not in text_of("github", checks(*many[:10]))


def test_standard_input_is_no_file_to_annotate() -> None:
    ((_, properties, text), *_) = commands(checks(checked("<stdin>", "failed", FAILED)))
    assert set(properties) == {"title"}
    assert "at <stdin>:4" in text


def test_no_line_is_no_property() -> None:
    bare = checks(checked("a.yaml", "failed", replace(FAILED, line=None, layer=None)))
    assert set(commands(bare)[0][1]) == {"file", "title"}


@pytest.mark.parametrize("text", [*HOSTILE, EVERYTHING])
def test_names_cannot_leave_their_command(text: str) -> None:
    found = commands(hostile_checks(text))
    shown = printable(text)
    assert len(found) == len(text_of("github", hostile_checks(text)).splitlines()) - 1
    first, second, third = found[:3]
    assert first[1] == {
        "file": printable(PurePosixPath(f"configs/{text}.yaml").as_posix()),
        "line": "4",
        "title": f"varprobe: {shown}: {shown} FAILED",
    }
    assert first[2].splitlines()[0] == f"wanted {shown}, found {shown}"
    assert first[2].splitlines()[-1] == shown
    assert second[1]["title"] == f"varprobe: {shown}: rate.forward UNDECIDED"
    assert third[2] == f"{shown}: {shown}\nhint: {shown}"


# JUnit


@cache
def junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")


def junit(made: CheckRun) -> ElementTree.Element:
    text = text_of("junit", made)
    junit_schema().validate(text)
    return ElementTree.fromstring(text.encode())


def test_junit_has_a_suite_per_config_and_a_case_per_decision() -> None:
    root = junit(four())
    assert root.attrib == {"name": "varprobe check", "time": "1.885", "tests": "5", "failures": "2", "errors": "1"}
    good, deep, narrow, wrong = root
    assert [suite.get("name") for suite in root] == [one.config for one in four().checked]
    assert deep.attrib == {
        "name": "configs/deep.yaml",
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
        "time": "0.625",
    }
    cases = deep.findall("testcase")
    assert [(case.get("classname"), case.get("name")) for case in cases] == [
        ("configs/deep.yaml", "backward"),
        ("configs/deep.yaml", "forward"),
    ]
    assert cases[0].find("failure") is None
    assert _problem(cases[1]) == (
        "failure",
        "failed",
        "wanted stable, found vanishing, rate 0.501 (0.493, 0.509) a layer",
    )
    assert "at configs/deep.yaml:4, layer 2 (hidden, layers[0])\nMultiply" in "".join(cases[1].itertext())
    (case,) = narrow.findall("testcase")
    assert _problem(case) == ("failure", "undecided", "wanted 0.5 to 2, found 0.49 (0.31, 0.77)")
    assert "about 1,200 probably would" in "".join(case.itertext())
    (case,) = wrong.findall("testcase")
    assert _problem(case) == ("error", "error", "layers[0].activation: unknown activation 'rellu'")
    assert "at configs/bad.yaml:4:17\nhint: did you mean 'relu'?" in "".join(case.itertext())
    assert "vanishing: the activations vanish" in (good.findtext("system-out") or "")


def _problem(case: ElementTree.Element) -> tuple[str, str | None, str | None]:
    (problem,) = case
    return problem.tag, problem.get("type"), problem.get("message")


def test_junit_says_how_it_was_checked() -> None:
    properties = {one.get("name"): one.get("value") for one in junit(four())[1].iter("property")}
    assert properties == {
        "network": "deep",
        "outcome": "failed",
        "trials": "20",
        "max_trials": "400",
        "looks": "2",
        "alpha": "0.001",
        "seed": "0",
    }


def test_the_junit_schema_refuses_what_is_wrong() -> None:
    for wrong in (("testcase", "case"), (' tests="', ' texts="'), ("<failure", "<failures")):
        text = text_of("junit", four())
        broken_text = (
            re.sub(rf"(</?){wrong[0]}\b", rf"\1{wrong[1]}", text) if wrong[0].isalpha() else text.replace(*wrong)
        )
        with pytest.raises((xmlschema.XMLSchemaValidationError, ElementTree.ParseError)):
            junit_schema().validate(broken_text)


@pytest.mark.parametrize("text", [*HOSTILE, EVERYTHING])
def test_names_cannot_leave_their_element(text: str) -> None:
    root = junit(hostile_checks(text))
    shown = printable(text)
    assert {element.tag for element in root.iter()} == {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "error",
        "system-out",
    }
    case = root.find("testsuite/testcase")
    assert case is not None
    assert case.attrib == {"classname": printable(f"configs/{text}.yaml"), "name": shown}
    assert _problem(case) == ("failure", "failed", f"wanted {shown}, found {shown}")


def test_what_xml_forbids_is_not_printable() -> None:
    legal = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
    assert not [code for code in range(sys.maxunicode + 1) if chr(code).isprintable() and not legal.match(chr(code))]


# SARIF


@cache
def sarif_validator() -> Any:
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text())
    checker = jsonschema.FormatChecker()
    checker.checks("uri-reference")(lambda text: bool(re.fullmatch(r"[\w\-.~:/?#\[\]@!$&'()*+,;=%]*", text, re.ASCII)))
    return jsonschema.Draft4Validator(schema, format_checker=checker)


def sarif(made: CheckRun) -> dict[str, Any]:
    log = json.loads(text_of("sarif", made))
    sarif_validator().validate(log)
    (run,) = log["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


def test_sarif_has_a_result_for_all_that_was_not_met() -> None:
    run = sarif(four())
    errors = [result for result in run["results"] if result["level"] == "error"]
    assert [(result["ruleId"], result["properties"]["outcome"]) for result in errors] == [
        ("expect/forward", "failed"),
        ("expect/layers", "undecided"),
        ("config", "error"),
    ]
    assert errors[0]["message"]["text"] == (
        "deep: forward: wanted stable, found vanishing, rate 0.501 (0.493, 0.509) a layer. "
        "Multiply the weights' standard deviation by 1.41."
    )
    assert errors[0]["locations"] == [
        {
            "physicalLocation": {"artifactLocation": {"uri": "configs/deep.yaml"}, "region": {"startLine": 4}},
            "logicalLocations": [{"name": "hidden", "fullyQualifiedName": "layers[0]"}],
        }
    ]
    assert errors[2]["locations"][0]["physicalLocation"]["region"] == {"startLine": 4, "startColumn": 17}
    assert run["tool"]["driver"]["name"] == "varprobe"
    assert run["invocations"] == [{"executionSuccessful": False}]
    assert sarif(checks(*four().checked[:3]))["invocations"] == [{"executionSuccessful": True}]


def test_findings_are_warnings_and_notes_of_a_passed_check() -> None:
    info = Finding("width-ratio", "info", None, "Widths change.", "")
    made = replace(report(), verdict=replace(report().verdict, findings=(*report().verdict.findings, info)))
    run = sarif(checks(checked("a.yaml", "passed", MET, report=made)))
    found = {result["ruleId"]: result["level"] for result in run["results"]}
    assert found["forward-vanishing"] == found["dead-units"] == "warning"
    assert found["width-ratio"] == "note"
    assert "error" not in found.values()


def test_sarif_has_a_rule_for_every_finding_and_every_kind_of_expectation() -> None:
    rules = [rule["id"] for rule in sarif(four())["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    others = {"expect/other", "config", "fault", "since-baseline"}
    assert set(rules) == {*FINDINGS, *AUDIT_FINDINGS, *(f"expect/{kind}" for kind in EXPECTATIONS), *others}
    unknown = replace(FAILED, expectation="magic.of.it")
    assert sarif(checks(checked("a.yaml", "failed", unknown)))["results"][0]["ruleId"] == "expect/other"


def fingerprints(made: CheckRun) -> list[str]:
    return [result["partialFingerprints"]["varprobe/v1"] for result in sarif(made)["results"]]


def test_fingerprints_tell_results_apart_and_stay_when_lines_move() -> None:
    made = four()
    first = fingerprints(made)
    assert len(set(first)) == len(first)
    moved = [
        replace(one, decisions=tuple(replace(d, line=99, found="else") for d in one.decisions)) for one in made.checked
    ]
    assert fingerprints(checks(*moved)) == first
    bounds = [replace(FAILED, expectation=f"layers.2.{what}.variance") for what in ("gradient", "activation")]
    both, second = (fingerprints(checks(checked("a.yaml", "failed", *some))) for some in (bounds, bounds[1:]))
    assert both[1:] == second
    other = fingerprints(checks(*(replace(one, config=f"other/{one.config}") for one in made.checked)))
    assert not set(first) & set(other)


@pytest.mark.parametrize("suffix", RESULTS["check"].formats)
def test_the_same_checks_make_the_same_file(suffix: str) -> None:
    again = from_json(render_json(four()).encode(), "check.json")
    assert render(four(), suffix) == render(again, suffix)


@pytest.mark.parametrize("path", ["configs/a b.yaml", "./x.yaml", "../a:b#c?d.yaml", "a:b.yaml", "ü/\udcff%41.yaml"])
def test_a_relative_path_is_a_relative_reference(path: str) -> None:
    parsed = urlparse(uri(path))
    assert (parsed.scheme, parsed.netloc, parsed.query, parsed.fragment) == ("", "", "", "")
    assert unquote(parsed.path, errors="surrogateescape") == PurePath(path).as_posix()


def test_an_absolute_path_is_an_address() -> None:
    assert uri("/tmp/a b#c.yaml") == "file:///tmp/a%20b%23c.yaml"


def test_standard_input_has_no_location() -> None:
    assert sarif(checks(bad("<stdin>")))["results"][0]["locations"] == []
    (location,) = sarif(checks(checked("<stdin>", "failed", FAILED)))["results"][0]["locations"]
    assert set(location) == {"logicalLocations"}


@pytest.mark.parametrize("text", [*HOSTILE, EVERYTHING])
def test_names_cannot_leave_their_message(text: str) -> None:
    run = sarif(hostile_checks(text))
    first = run["results"][0]
    shown = printable(text).replace("](", "] (")
    assert first["message"]["text"].startswith(f"{shown}: {shown}: wanted {shown}, found {shown}")
    address = first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(address, errors="surrogateescape") == PurePosixPath(f"configs/{text}.yaml").as_posix()


def test_the_sarif_schema_refuses_what_is_wrong() -> None:
    log = json.loads(text_of("sarif", four()))
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError, match="fatal"):
        sarif_validator().validate(log)
    log = json.loads(text_of("sarif", four()))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "a b"
    with pytest.raises(jsonschema.ValidationError, match="uri-reference"):
        sarif_validator().validate(log)


# Markdown


def markdown(made: CheckRun) -> list[Token]:
    tokens = (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text_of("markdown", made))
    )
    return [*tokens, *(child for token in tokens for child in token.children or ())]


def rows(tokens: list[Token]) -> list[list[str]]:
    """The cells of all tables, as they are read."""
    found: list[list[str]] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "tr_open":
            found.append([])
        elif before is not None and before.type in ("td_open", "th_open"):
            found[-1].append("".join(child.content for child in token.children or ()))
    return found


def headings(tokens: list[Token]) -> list[str]:
    return [
        "".join(c.content for c in token.children or ())
        for head, token in pairwise(tokens)
        if head.type == "heading_open"
    ]


def test_the_summary_tells_what_broke_before_what_passed() -> None:
    tokens = markdown(four())
    assert headings(tokens) == [
        "varprobe check: 1 passed, 1 failed, 1 undecided, 1 error",
        "FAILED: deep",
        "UNDECIDED: narrow",
        "ERROR: bad",
        "passed: good",
    ]
    head = ["expectation", "wanted", "found", "outcome", "trials"]
    assert rows(tokens) == [
        head,
        ["backward", "stable", "stable, rate 1.002 (0.998, 1.006)", "met", "20"],
        ["forward", "stable", "vanishing, rate 0.501 (0.493, 0.509) a layer", "FAILED", "20"],
        head,
        ["layers.3.activation.variance", "0.5 to 2", "0.49 (0.31, 0.77)", "UNDECIDED", "400 of about 1,200"],
        head,
        ["backward", "stable", "stable, rate 1.002 (0.998, 1.006)", "met", "20"],
    ]
    text = text_of("markdown", four())
    assert (
        "- **FAILED: activations** at configs/deep.yaml:4, layer 2 (hidden, layers\\[0\\]): wanted stable, found "
        "vanishing, rate 0.501 (0.493, 0.509) a layer. Multiply the weights' standard deviation by 1.41.\n"
    ) in text
    assert (
        "- **ERROR** at configs/bad.yaml:4:17: layers\\[0\\].activation: unknown activation 'rellu'. "
        "did you mean 'relu'?\n"
    ) in text


@pytest.mark.parametrize("text", [*HOSTILE, EVERYTHING])
def test_names_are_shown_as_they_are(text: str) -> None:
    tokens = markdown(hostile_checks(text))
    shown = printable(text)
    forbidden = {"html_block", "html_inline", "link_open", "image", "code_inline", "em_open", "s_open", "hr", "fence"}
    assert not forbidden & {token.type for token in tokens}
    assert headings(tokens)[1].rstrip() == f"FAILED: {shown}".rstrip()
    assert rows(tokens)[1] == [shown, shown, shown, "FAILED", "20"]
    assert len(rows(tokens)) == 4
    assert not re.search(r"(?<!\\)[$@]", text_of("markdown", hostile_checks(text)))


@pytest.mark.parametrize("network", ["net", "\u65e5" * 400])
def test_a_summary_is_never_longer_than_github_takes(network: str) -> None:
    met = [replace(MET, expectation=str(number)) for number in range(30_000)]
    many = checks(
        *(checked(f"{i}.yaml", "failed", FAILED, name=network) for i in range(300)), checked("a", "passed", *met)
    )
    text = text_of("markdown", many)
    assert MAX_BYTES - 80 < len(text.encode()) <= MAX_BYTES == 1_048_576
    assert text.endswith("|\n\nCut here: a job summary holds 1 MiB. The rest is in the JSON, `-o check.json`.\n")
    assert text.startswith("# varprobe check: 1 passed, 300 failed\n")
    assert "Cut here" not in text_of("markdown", four())


# All of them


@pytest.mark.parametrize("name", RESULTS["check"].printed)
def test_every_format_takes_the_odd_cases(name: str) -> None:
    none = checks()
    silent = checks(bad(trouble=None))
    bare = checks(checked("a.yaml", "undecided", Decision("forward", "stable", "undecided", "?"), report=None))
    for made in (none, silent, bare):
        assert text_of(name, made).endswith("\n")
    assert "could not be checked" in text_of(name, silent) or name == "json"


def test_the_odd_cases_are_told_in_words() -> None:
    assert printed(checks()) == "\nnothing was checked\n"
    assert printed(checks(bad(trouble=None))) == "ERROR     configs/bad.yaml: could not be checked\n\n1 error\n"
    bare = checked("a.yaml", "undecided", Decision("forward", "stable", "undecided", "x"), report=None)
    assert "    at a.yaml\n    -> 20 trials did not decide it\n" in printed(checks(bare))
    assert sarif(checks())["results"] == []
    assert len(junit(checks())) == 0
    silent = replace(bad(trouble=None), outcome="fault")
    assert printed(checks(silent, silent)).endswith("FAULT     configs/bad.yaml: could not be checked\n\n2 faults\n")


def test_a_fault_of_varprobes_is_no_mistake_of_the_config() -> None:
    made = checks(checked("a.yaml", "passed", MET), replace(bad(), outcome="fault"), bad())
    assert printed(made).endswith(
        "FAULT     configs/bad.yaml:4:17: layers[0].activation: unknown activation 'rellu'\n"
        "    hint: did you mean 'relu'?\n"
        "ERROR     configs/bad.yaml:4:17: layers[0].activation: unknown activation 'rellu'\n"
        "    hint: did you mean 'relu'?\n\n1 passed, 1 error, 1 fault\n"
    )
    assert [case.get("type") for case in junit(made).iter("error")] == ["fault", "error"]
    results = [result["ruleId"] for result in sarif(made)["results"] if result["level"] == "error"]
    assert results == ["fault", "config"]
    assert headings(markdown(made))[1:3] == ["FAULT: bad", "ERROR: bad"]
    assert "\n- **FAULT** at " in text_of("markdown", made)
    assert [command[0] for command in commands(made)][:3] == ["error", "error", "warning"]


def test_all_mistakes_of_a_config_are_told_at_their_places_in_every_format() -> None:
    further = CheckError("must be at least 1, given 0", "write 1 or more", "probe.batch", 9, 17)
    made = checks(replace(bad(), further=(further,)))
    assert printed(made) == (
        "ERROR     configs/bad.yaml:4:17: layers[0].activation: unknown activation 'rellu'\n"
        "    hint: did you mean 'relu'?\n"
        "  configs/bad.yaml:9:17: probe.batch: must be at least 1, given 0\n"
        "    hint: write 1 or more\n\n1 error\n"
    )
    assert [command[1]["line"] for command in commands(made)] == ["4", "9"]
    (error,) = junit(made).iter("error")
    assert "probe.batch: must be at least 1, given 0\nat configs/bad.yaml:9:17\nhint: write" in str(error.text)
    lines = [result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in sarif(made)["results"]]
    assert lines == [4, 9]
    assert text_of("markdown", made).count("- **ERROR** at configs/bad.yaml:") == 2
    assert from_json(render_json(made).encode(), "check.json") == made


def test_every_expectation_of_a_config_has_a_rule() -> None:
    kinds = {one.name for one in fields(Expect)} - {"allow"}
    assert set(EXPECTATIONS) == kinds | {"findings", "baseline", "weights"}


def test_many_configs_make_one_file() -> None:
    many = checks(*(checked(f"{i}.yaml", "passed", MET) for i in range(300)), bad())
    assert printed(many).endswith("\n300 passed, 1 error\n")
    assert len(junit(many)) == 301
    assert headings(markdown(many))[1] == "ERROR: bad"
