"""The README and the guide: commands, examples, links and options are real, and show what stands there."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from ruamel.yaml import YAML

import varprobe
from varprobe.audit.config import load_audit, run_audit
from varprobe.cli.main import run
from varprobe.config.loading import names_audit, read_config
from varprobe.config.records import Expect

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "varprobe/guide"
TOPICS = {path.stem: path for path in sorted(GUIDE.glob("*.md"))}
DOCUMENTS = {"README": ROOT / "README.md", **TOPICS}

# What is shown and not run here, and why.
NOT_RUN = {
    "python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[test]' && .venv/bin/python -m pytest": (
        "it needs the package index, and runs these tests; .ci/run runs it"
    ),
    "pip install 'varprobe[cluster]'": "it needs the package index",
    "varprobe sweep configs/phase_tanh.yaml --vary defaults.init.sw=0.6:3:25 --cluster tcp://scheduler:8786"
    " -o sweep.json": "it needs a Dask scheduler; tests/test_cluster.py starts one",
    "varprobe run configs/xavier_tanh.yaml --show": "it needs a screen; tests/test_window.py pretends one",
    "python reports/gallery.py": "it takes minutes, and writes what is stored in reports/gallery",
}
# It needs the package index; the command behind it is run.
INSTALLATION = "python3 -m venv .venv && .venv/bin/pip install --quiet . && .venv/bin/"
# Blocks that another test runs: the language, or the first key of a YAML file.
ELSEWHERE = {"py": "tests/test_pytest_plugin.py", "name": "tests/test_in_ci.py", "repos": "tests/test_in_ci.py"}
# Options of others than varprobe, and who has them.
FOREIGN = {"--benchmarks": "reports/gallery.py"}

WIDTH = 78
NUMBER = re.compile(r"(?:(?<=\s)[+-])?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
SECONDS = re.compile(r", [\d.]+ s(?=\)?$)")
NETWORK = "input: {features: 128}\ndefaults: {activation: tanh, init: xavier}\nlayers: [{dense: 128, repeat: 4}]\n"
# One of which all can be expected: it has a head and a loss.
_HEAD = ", {dense: {width: 128, activation: linear, init: {name: xavier, gain: 0.9}}}]"
HEADED = NETWORK.replace("]", _HEAD) + "probe: {gradient: mse}\n"


def tokens(path: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(path.read_text()):
        yield token
        yield from token.children or ()


def fences(path: Path) -> list[tuple[str, str]]:
    """Language and text of every block of code, indented ones too."""
    return [(token.info, token.content) for token in tokens(path) if token.type in ("fence", "code_block")]


def lines(body: str) -> list[str]:
    """The lines of a shell, those that go on joined."""
    return re.sub(r" \\\n *", " ", body).splitlines()


def commands(path: Path) -> Iterator[str]:
    for kind, body in fences(path):
        if kind == "sh":
            yield from lines(body)
        elif kind == "console":
            yield from (line[2:] for line in lines(body) if line.startswith("$ "))


def inline_code(path: Path) -> list[str]:
    return [token.content for token in tokens(path) if token.type == "code_inline"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a copy of the configs."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", DOCUMENTS.values(), ids=DOCUMENTS)
def test_all_that_a_document_shows_is_so_from_top_to_bottom(path: Path, checkout: Path) -> None:
    session: dict[str, Any] = {}
    for kind, body in fences(path):
        if kind == "sh":
            for command in lines(body):
                obey(command)
        elif kind == "console":
            for each in re.split(r"^\$ ", "\n".join(lines(body)) + "\n", flags=re.M)[1:]:
                command, _, shown = each.partition("\n")
                show(command, shown)
        elif kind == "python" and body.startswith(">>> "):
            execute(body, session)
        elif kind == "python":
            (checkout / "script.py").write_text(body)
            obey("python script.py")
        elif kind == "yaml":
            describe(body, checkout)
        else:
            assert kind in ELSEWHERE, f"a block of the unknown kind '{kind}'"


def obey(command: str) -> None:
    """Runs what says nothing on standard error and ends well."""
    if command in NOT_RUN:
        return
    result = shell(command, stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (0, ""), command


def show(command: str, shown: str) -> None:
    """Runs a command and compares all that it prints."""
    result = shell(command, stderr=subprocess.STDOUT)
    ours, theirs = result.stdout.splitlines(), shown.splitlines()
    assert len(ours) == len(theirs), result.stdout
    for our, their in zip(ours, theirs, strict=True):
        assert alike(*(" ".join(SECONDS.sub("", line.rstrip()).split()) for line in (our, their))), our


def shell(command: str, stderr: int) -> subprocess.CompletedProcess[str]:
    python = shlex.quote(sys.executable)
    line = re.sub(r"(?<![\w./])varprobe (?=\w)", f"{python} -m varprobe ", command.removeprefix(INSTALLATION))
    line = re.sub(r"^python (?=\w)", f"{python} ", line)
    # In a terminal of 80 columns, rich leaves 78 for what is printed here.
    environment = os.environ | {"COLUMNS": str(WIDTH)}
    return subprocess.run(
        ["bash", "-c", line], stdout=subprocess.PIPE, stderr=stderr, env=environment, text=True, timeout=120
    )


def alike(ours: str, theirs: str) -> bool:
    """The same words, numbers within 2 % and deviations (with a sign) within 0.15.

    BLAS may sum in another order, which moves a deviation by far less than a tenth, but perhaps to another digit.
    """
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True)
    return all(abs(_value(a) - _value(b)) <= (0.15 if b[0] in "+-" else 0.02 * abs(_value(b))) for a, b in pairs)


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def execute(body: str, session: dict[str, Any]) -> None:
    """Python as it is typed, and what it answers."""
    example = doctest.DocTestParser().get_doctest(body, {}, "guide", None, None)
    example.globs = session
    complaints: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=complaints.append, clear_globs=False)
    assert not complaints, "".join(complaints)


def describe(body: str, checkout: Path) -> None:
    """A config, written under the name in its first line; or a part of one, read in a network that lacks it."""
    first = next(iter(YAML(typ="safe").load(body)))
    name = re.match(r"# (\w+\.yaml)\n", body)
    if name is None and first in ELSEWHERE:
        return
    file = checkout / (name[1] if name else "part.yaml")
    network = HEADED if first == "expect" else NETWORK
    file.write_text(body if name else network + body)
    if names_audit(read_config(file)):
        plan = load_audit(file)
        if plan.config.model is None:  # whose code is not there
            run_audit(plan)
    else:
        varprobe.load(file)


def test_numbers_that_differ_are_noticed() -> None:
    assert not alike("rate 0.026", "rate 0.030")
    assert not alike("off +1.2", "off -1.2")
    assert alike("off +0.0", "off -0.1")


def test_what_is_not_run_is_still_shown() -> None:
    shown = {command for path in DOCUMENTS.values() for command in commands(path)}
    assert set(NOT_RUN) <= shown
    assert any(command.startswith(INSTALLATION) for command in shown)
    assert all((ROOT / file).read_text().count(option) for option, file in FOREIGN.items())


def test_all_that_is_said_to_be_expected_can_be_expected(tmp_path: Path) -> None:
    (expect,) = [body for kind, body in fences(TOPICS["checks"]) if kind == "yaml"]
    assert set(re.findall(r"^  (\w+):", expect, re.M)) >= {field.name for field in fields(Expect)} - {
        "backward", "overall", "signal"
    }  # fmt: skip
    config = tmp_path / "net.yaml"
    config.write_text(HEADED + expect)
    checked = varprobe.check(config)
    # Four layers lose more than 5 % each; the rest is met, or not pursued.
    assert {d.expectation for d in checked.decisions if d.outcome == "failed"} == {"rate.forward"}


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


def test_every_command_and_option_that_is_named_exists_and_every_command_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = set(re.findall(r"^  (\w+)  ", helped(capsys).partition("Commands:")[2], re.M))
    options = {option for name in names for option in re.findall(r"--[\w-]+", helped(capsys, name))}
    said = [code for path in DOCUMENTS.values() for code in inline_code(path)]
    run_ = [command for path in DOCUMENTS.values() for command in commands(path)]
    assert {option for code in said for option in re.findall(r"--[a-z-]+", code)} - set(FOREIGN) <= options
    assert {word for code in said for word in re.findall(r"^varprobe (\w+)", code)} <= names
    assert names - {"guide"} == {word for command in run_ for word in re.findall(r"(?<![\w./])varprobe (\w+)", command)}


@pytest.mark.parametrize("path", DOCUMENTS.values(), ids=DOCUMENTS)
def test_links_and_files_that_a_document_names_are_there(path: Path) -> None:
    targets = [token.attrs.get("href", token.attrs.get("src", "")) for token in tokens(path)]
    for target in filter(None, map(str, targets)):
        assert target.startswith("https://") or (path.parent / target).exists(), target
    for code in inline_code(path):
        if re.fullmatch(r"(varprobe|configs|reports|tests)/[\w/]*(\.(py|yaml|md))?", code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize("path", TOPICS.values(), ids=TOPICS)
def test_a_link_to_a_topic_says_how_to_read_it_in_the_terminal(path: Path) -> None:
    links = re.findall(r"\[([^\]]+)\]\((\w+)\.md\)", path.read_text())
    assert all(text == f"`varprobe guide {topic}`" for text, topic in links)


def test_the_readme_leads_to_every_topic() -> None:
    assert set(re.findall(r"\(varprobe/guide/(\w+)\.md\)", DOCUMENTS["README"].read_text())) == set(TOPICS)


def test_the_labels_are_explained_in_the_same_words_in_both_places() -> None:
    rows = [line for line in DOCUMENTS["README"].read_text().splitlines() if re.match(r"\| `[a-z]+`.* \| ", line)]
    assert len(rows) == 6
    assert set(rows) <= set(TOPICS["reading"].read_text().splitlines())


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_topics_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["guide"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(TOPICS)
    for line, path in zip(lines, TOPICS.values(), strict=True):
        heading = path.read_text().splitlines()[0]
        assert heading.startswith("# ")
        assert line.endswith(f"  {heading[2:]}")
        assert len(line) <= 80


@pytest.mark.parametrize("topic", TOPICS)
def test_a_pipe_gets_the_source_and_a_terminal_what_it_means(
    topic: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["guide", topic]) == 0
    source = capsys.readouterr().out
    assert source == TOPICS[topic].read_text()

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["guide", topic]) == 0
    printed = capsys.readouterr().out
    assert all(link.startswith("https:") for link in re.findall(r"\x1b]8;[^;]*;([^\x1b]+)\x1b", printed))
    rendered = re.sub(r"\x1b\[[\d;]*m|\x1b]8;.*?\x1b\\", "", printed)
    assert not re.search(r"^#|```|\*\*|\]\(", rendered, re.M)
    for _, body in fences(TOPICS[topic]):
        assert all(f" {line}" in rendered for line in body.splitlines()), body
    prose = re.sub(r"```.*?```|\]\([^)]*\)|^\|.*?$", "", source, flags=re.M | re.S)
    assert [word for word in re.findall(r"[a-z]{4,}", prose) if word not in rendered] == []


def test_an_unknown_topic_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["guide", "confgs"]) == 2
    error = capsys.readouterr().err
    assert error == f"varprobe: unknown topic 'confgs'\n  hint: did you mean 'configs'? there are {', '.join(TOPICS)}\n"
