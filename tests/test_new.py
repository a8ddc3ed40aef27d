"""`varprobe new --like`: configs to begin with, commented, checked, and known to editors; and where files may go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from varprobe.api import check
from varprobe.cli.main import run as run_command
from varprobe.cli.new import Like
from varprobe.config.schema import config_schema
from varprobe.config.yaml_tree import parse_yaml

EVERY = [None, *Like]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(like: Like | None) -> str:
    assert run_command(["new", "net.yaml", *(["--like", like.value] if like else [])]) == 0
    return Path("net.yaml").read_text()


@pytest.mark.parametrize("like", EVERY)
def test_a_template_is_commented_and_valid_and_names_its_schema(like: Like | None) -> None:
    text = written(like)
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert "varprobe run net.yaml" in "\n".join(lines[:2])
    assert "NAME" not in text
    assert "# yaml-language-server: $schema=config.schema.json" in lines[:3]
    assert sum("#" in line for line in lines) > 8
    assert max(map(len, lines)) <= 130
    document = parse_yaml(text, "net.yaml").plain()
    assert jsonschema.Draft202012Validator(config_schema()).is_valid(document)
    assert {"input", "defaults", "layers", "probe", "expect"} <= set(document)


@pytest.mark.parametrize("like", EVERY)
def test_a_template_passes_its_own_check(like: Like | None) -> None:
    written(like)
    result = check("net.yaml")
    assert result.outcome == "passed"
    assert result.report is not None
    assert not [one for one in result.report.verdict.findings if one.severity == "error"]


def test_templates_differ_and_each_file_has_its_word() -> None:
    folder = Path(__file__).parents[1] / "varprobe/cli"
    assert {path.stem.removeprefix("template_") for path in folder.glob("template_*.yaml")} == {*Like}


def test_an_unknown_kind_gets_the_nearest(capfd: Any) -> None:
    assert run_command(["new", "net.yaml", "--like", "sirn"]) == 2
    assert "did you mean 'siren'?" in capfd.readouterr().err
    assert not Path("net.yaml").exists()


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["list", "activatons"], "activations"),
        (["schema", "repot"], "report"),
        (["run", "x.yaml", "--engine", "explicitt"], "explicit"),
    ],
)
def test_an_unknown_word_of_a_table_gets_the_nearest(words: list[str], near: str, capfd: Any) -> None:
    assert run_command(words) == 2
    assert f"  hint: did you mean '{near}'? " in capfd.readouterr().err


def test_only_the_default_folder_is_made(capfd: Any) -> None:
    Path("net.yaml").write_text("input: {features: 4}\nlayers: [{dense: 4}]\nprobe: {trials: 2, batch: 4}\n")
    assert run_command(["run", "net.yaml", "-q", "-o", "elsewhere/net.json"]) == 2
    told = capfd.readouterr().err
    assert "elsewhere/net.json: the folder 'elsewhere' does not exist" in told
    assert "hint: make it first; only `reports` is made for you" in told
    assert not Path("elsewhere").exists()
    assert run_command(["run", "net.yaml", "-q", "-o", "reports/net.json"]) == 0
    assert json.loads(Path("reports/net.json").read_text())["name"] == "net"
