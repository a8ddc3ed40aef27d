"""Text that is not varprobe's commands no terminal, no build server and no spreadsheet, wherever it comes from.

Stored results of every kind are taken apart, and each text in them that a reader takes is replaced by a hostile one.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from varprobe.cli.main import run
from varprobe.errors import InputFileError
from varprobe.results.kinds import RESULTS
from varprobe.results.store import from_plain

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "varprobe"
# Title, colour, clipboard, a C1 control, a bidirectional override, half a pair, what is no character, ends of lines.
ESCAPES = "\x1b]0;x\x07\x1b[31m\x1b]52;c;eA==\x07\x9b2J\u202e\ufffe\x00\r\x0b\u2028\x85"
HOSTILE = f"\n::error file=x::{ESCAPES} ##[error]y ##vso[task.z]"
CONFIG = """\
name: net
input: {features: 6}
defaults: {activation: tanh, init: small}
layers: [{dense: 6, repeat: 5}, {dense: 3, name: out}]
probe: {batch: 4, trials: 2}
expect: {forward: stable}
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """A result of each kind as JSON; with the checks one of a config that is none, and one beside a baseline."""
    folder = tmp_path_factory.mktemp("stored")
    config, other, broken = folder / "c.yaml", folder / "d.yaml", folder / "e.yaml"
    config.write_text(CONFIG)
    other.write_text(CONFIG.replace("tanh", "relu").replace("forward: stable", "backward: vanishing"))
    broken.write_text("layers: 3\n")
    made = {noun: str(folder / f"{noun}.json") for noun in RESULTS}
    np.savez(
        folder / "w.npz", **{f"{layer}.weight": np.random.default_rng(layer).normal(size=(8, 8)) for layer in range(3)}
    )
    base = str(folder / "base.json")
    assert run(["run", str(config), "-o", made["report"], "-o", base, "-q"]) == 0
    assert run(["compare", str(config), str(other), "-o", made["comparison"], "-q"]) == 0
    assert run(["sweep", str(config), "--vary", "probe.seed=1,2", "-o", made["sweep"], "-q", "--threads", "1"]) == 0
    assert run(["check", str(other), "--baseline", base, "--max-trials", "4", "-o", made["check"], "-q"]) == 1
    assert run(["audit", str(folder / "w.npz"), "-o", made["audit"]]) in (0, 1)
    found = {noun: json.loads(Path(path).read_text()) for noun, path in made.items()}
    assert run(["check", str(broken), "-o", made["check"], "-q"]) == 2
    found["check"]["checked"] += json.loads(Path(made["check"]).read_text())["checked"]
    found["check"]["checked"][0]["name"] = "c.yaml"
    return found


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where texts stand, keys of the config among them left alone."""
    if isinstance(tree, str):
        return [path]
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [leaf for key, child in children for leaf in leaves(child, (*path, key))]


def place(tree: Any, path: tuple[Any, ...], value: str) -> str:
    for key in path[:-1]:
        tree = tree[key]
    before: str = tree[path[-1]]
    tree[path[-1]] = value
    return before


def forge(plain: dict[str, Any], noun: str, text: str) -> tuple[dict[str, Any], int]:
    """The result with that text in every place where a reader takes it, and how many kinds of place these are."""
    tree = json.loads(json.dumps(plain))
    kinds: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for path in leaves(tree):
        kinds.setdefault(tuple("*" if isinstance(key, int) else key for key in path), []).append(path)
    taken = 0
    for kind, paths in kinds.items():
        if "spec" in kind:
            continue
        before = [place(tree, path, text) for path in paths]
        try:
            from_plain(json.loads(json.dumps(tree)), "r.json", noun)
            taken += 1
        except InputFileError:
            for path, word in zip(paths, before, strict=True):
                place(tree, path, word)
    return tree, taken


@pytest.fixture(scope="module")
def forged(stored: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("forged")
    found = {}
    for noun, plain in stored.items():
        tree, taken = forge(plain, noun, HOSTILE)
        assert taken >= 4, noun
        found[noun] = folder / f"{noun}.json"
        found[noun].write_text(json.dumps(tree))
    return found


def check_tame(text: str, *, commands: bool = False) -> None:
    for line in text.split("\n"):
        bad = sorted({character for character in line if not character.isprintable()})
        assert not bad, (bad, line[:200])
        assert commands or not re.match(r"\s*::", line), line[:200]
        assert commands or not re.search(r"##(vso)?\[", line)


PRINTED = [(noun, "") for noun in RESULTS] + [
    ("report", "--all"),
    ("report", "--number-formats"),
    ("report", "--brief"),
]
PRINTED += [("report", f"--as {name}") for name in ("torch", "numpy")]


@pytest.mark.parametrize(("noun", "options"), PRINTED)
def test_what_is_printed_of_a_stored_result_commands_nothing(
    forged: dict[str, Path], noun: str, options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", str(forged[noun]), *options.split()]) == 0
    found = capsys.readouterr()
    assert found.out
    check_tame(found.out)
    check_tame(found.err)


@pytest.mark.parametrize("noun", RESULTS)
def test_json_on_standard_output_commands_nothing_and_is_the_same(
    forged: dict[str, Path], noun: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", str(forged[noun]), "-o", "-"]) == 0
    text = capsys.readouterr().out
    check_tame(text)
    assert from_plain(json.loads(text), "r.json", noun) == from_plain(
        json.loads(forged[noun].read_text()), "r.json", noun
    )


def allowed(suffix: str) -> str:
    return "\n\xa0" if suffix == ".html" else "\n"


@pytest.mark.parametrize(
    ("noun", "suffix"),
    [(noun, suffix) for noun, kind in RESULTS.items() for suffix in kind.formats if suffix not in (".png", ".pdf")],
)
def test_no_file_holds_what_commands(forged: dict[str, Path], noun: str, suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"made{suffix}"
    assert run(["show", str(forged[noun]), "-o", str(target)]) == 0
    text = target.read_bytes().decode()
    assert not sorted({one for one in text if not one.isprintable()} - set(allowed(suffix)))
    if suffix in (".svg", ".xml"):
        ElementTree.fromstring(text)
    if suffix == ".csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert any("::error" in cell for cell in cells)


@pytest.mark.parametrize("form", [name for name in RESULTS["check"].printed if name != "json"])
def test_checks_command_nothing_but_what_they_mean(
    forged: dict[str, Path], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from varprobe.cli.delivery import Delivery
    from varprobe.results.store import load_result

    Delivery(RESULTS["check"], (), form).show(load_result(forged["check"]))
    text = capsys.readouterr().out
    check_tame(text, commands=form == "github")
    if form == "github":
        assert all(re.match(r"::(notice|error|warning) |\d+ ", line) for line in text.splitlines())


@pytest.mark.parametrize(
    "begin", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d", "\uff0b", "\uff0d", "\uff20", " ="]
)
def test_no_spreadsheet_takes_a_cell_for_a_formula(
    stored: dict[str, dict[str, Any]], begin: str, tmp_path: Path
) -> None:
    for noun in ("report", "comparison", "sweep"):
        tree, _ = forge(stored[noun], noun, f"{begin}1+1\x1b")
        (tmp_path / "r.json").write_text(json.dumps(tree))
        assert run(["show", str(tmp_path / "r.json"), "-o", str(tmp_path / "r.csv")]) == 0
        text = (tmp_path / "r.csv").read_text()
        cells = {cell for row in csv.reader(io.StringIO(text)) for cell in row}
        assert "\x1b" not in text
        assert any(cell.endswith("1+1?") for cell in cells)
        assert not {cell for cell in cells if re.match(r"\s*[=+@\uff1d\uff0b\uff0d\uff20]|\s*-(?![\d.])", cell)}


def in_terminal(command: list[str], folder: Path) -> str:
    """What a terminal would get."""
    leader, follower = pty.openpty()
    around = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "varprobe", *command], stdin=follower, stdout=follower, stderr=follower, cwd=folder,
        env=around,
    )  # fmt: skip
    os.close(follower)
    found, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([leader], [], [], 0.5)[0]:
            continue
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        found += part
    process.wait(10)
    os.close(leader)
    return found.decode(errors="replace")


def test_a_name_commands_no_terminal_from_the_progress_bar(tmp_path: Path) -> None:
    name = json.dumps(ESCAPES.replace("\ufffe", "").replace("\x00", "") + "\nbar")
    (tmp_path / "c.yaml").write_text(
        f"name: {name}\ninput: {{features: 128}}\nlayers: [{{dense: 128, repeat: 60}}]\n"
        "probe: {batch: 64, trials: 300}\n"
    )
    text = in_terminal(["run", "c.yaml", "--engine", "explicit", "--threads", "1"], tmp_path)
    assert "left" in text  # the bar was there
    # What rich writes: colours, moves of the cursor, clearing of a line, hiding of the cursor.
    rest = re.sub(r"\x1b\[(\d+(;\d+)*)?m|\x1b\[\d*[AK]|\x1b\[\?25[lh]|\x1b\[2K|\r", "", text)
    assert not {one for one in rest if not one.isprintable()} - {"\n"}


WORDS = ("overall", "label", "severity", "target", "outcome")


@pytest.mark.parametrize("noun", RESULTS)
def test_a_word_that_nobody_knows_is_refused_with_its_field(stored: dict[str, dict[str, Any]], noun: str) -> None:
    met = set()
    for path in leaves(stored[noun]):
        if path[-1] in WORDS and "networks" not in path:
            tree = json.loads(json.dumps(stored[noun]))
            place(tree, path, "plain")
            said = f"unknown {path[-1]} 'plain', known are|Input should be|labels that there are"
            with pytest.raises(InputFileError, match=said) as caught:
                from_plain(tree, "r.json", noun)
            assert caught.value.field in (".".join(map(str, path)), "points")
            met.add(path[-1])
    assert met or noun == "audit"


def test_everything_is_printed_through_one_console_and_one_writer() -> None:
    for path in PACKAGE.rglob("*.py"):
        own = str(path.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert not any(ast.unparse(one) == "print" for one in node.args), own
                assert called not in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write"), own
                assert called != "Console", own
                assert not (called.startswith("traceback.print")), own
