"""Every command of the README runs, and shows what the README shows."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import varprobe
from varprobe.cli.main import run
from varprobe.cli.tables import TABLES
from varprobe.config.records import Expect

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
BLOCKS = FENCE.findall(README)
COMMANDS = [line for kind, body in BLOCKS if kind == "sh" for line in body.splitlines() if "varprobe " in line]
SHOWN = [body for kind, body in BLOCKS if kind == "console"]
NUMBER = re.compile(r"(?:(?<=\s)[+-])?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(command: str) -> subprocess.CompletedProcess[str]:
    tool = f"{shlex.quote(sys.executable)} -m varprobe"
    line = re.sub(r"(?<![\w./])varprobe (?=\w)", lambda _: f"{tool} ", command)
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)


def test_every_command_of_the_readme_runs(checkout: Path) -> None:
    for command in COMMANDS:
        if command.startswith("python3 -m venv"):
            command = "varprobe run " + command.rpartition("varprobe run ")[2]
        result = shell(command)
        assert (result.returncode, result.stderr) == (0, ""), command


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


@pytest.mark.parametrize("body", SHOWN, ids=lambda body: body.splitlines()[0][2:])
def test_the_output_that_the_readme_shows_is_real(body: str, checkout: Path) -> None:
    command, _, shown = body.partition("\n")
    result = shell(command.removeprefix("$ "))
    assert result.returncode == 0
    ours, theirs = result.stdout.splitlines(), shown.splitlines()
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        our, their = (
            re.sub(r", [\d.]+ s(?=\)?$)", "", re.sub(r"[▏▎▍▌▋▊▉█]+", "", line)).rstrip() for line in (our, their)
        )
        assert alike(" ".join(our.split()), " ".join(their.split())), our


def test_numbers_that_differ_are_noticed() -> None:
    assert not alike("rate 0.026", "rate 0.030")
    assert not alike("off +1.2", "off -1.2")
    assert alike("off +0.0", "off -0.1")


def test_the_python_of_the_readme_runs(checkout: Path) -> None:
    (code,) = [body for kind, body in BLOCKS if kind == "python"]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1] == "(10, 40)"
    assert lines[2].startswith("passed ")


def test_all_that_the_readme_expects_can_be_expected(tmp_path: Path) -> None:
    (expect,) = [body for kind, body in BLOCKS if kind == "yaml" and body.startswith("expect:")]
    assert set(re.findall(r"^  (\w+):", expect, re.M)) >= {field.name for field in fields(Expect)} - {
        "backward", "overall", "signal"
    }  # fmt: skip
    config = tmp_path / "net.yaml"
    config.write_text(
        "input: {features: 128}\ndefaults: {activation: tanh, init: xavier}\nlayers: [{dense: 128, repeat: 4}]\n"
        + expect
    )
    checked = varprobe.check(config)
    # Four layers lose more than 5 % each; the rest is met, or not pursued.
    assert {d.expectation for d in checked.decisions if d.outcome == "failed"} == {"rate.forward"}


def test_every_table_and_command_is_named() -> None:
    for word in (
        *TABLES,
        "run",
        "check",
        "compare",
        "sweep",
        "lesson",
        "tune",
        "show",
        "new",
        "list",
        "schema",
        "gain",
    ):
        assert f"varprobe {word}" in README or f"varprobe list {word}" in README


def test_the_tables_that_the_readme_names_exist() -> None:
    for name, path in re.findall(r"`([A-Z]+)` in `(varprobe/[\w/]+\.py)`", README):
        assert f"\n{name}" in (ROOT / path).read_text()


@pytest.mark.parametrize("table", TABLES)
def test_list_prints_every_entry(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", table]) == 0
    printed = re.sub(r"\s+", "", capsys.readouterr().out)
    _, rows = TABLES[table]  # type: ignore[index]  # parametrised over its keys
    for row in rows():
        assert row[0] in printed
