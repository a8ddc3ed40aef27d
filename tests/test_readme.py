"""What the README promises to CI and to who adds a part; `test_guide` runs what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from varprobe.cli.main import run
from varprobe.cli.tables import TABLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_readme_is_short_and_starts_with_what_ci_reads() -> None:
    assert len(README.splitlines()) <= 170
    first, second, *_ = re.findall(r"^python3 .*", README, re.M)
    assert first.endswith("pip install --quiet . && .venv/bin/varprobe run configs/xavier_tanh.yaml")
    (read_by_ci,) = re.findall(r"^python3 -m venv .*pytest.*", README, re.M)
    assert second == read_by_ci


def test_every_table_that_can_be_listed_is_named() -> None:
    configs = (ROOT / "varprobe/guide/configs.md").read_text()
    assert all(f"\nvarprobe list {table}\n" in configs for table in TABLES)


def test_the_tables_that_the_readme_names_exist() -> None:
    named = re.findall(r"`([A-Z_]+|[a-z]+_of)` in `(varprobe/[\w/]+\.py)`", README)
    assert len(named) == 11
    for name, path in named:
        assert re.search(rf"^(def )?{name}\b", (ROOT / path).read_text(), re.M), name


@pytest.mark.parametrize("table", TABLES)
def test_list_prints_every_entry(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", table]) == 0
    printed = re.sub(r"\s+", "", capsys.readouterr().out)
    _, rows = TABLES[table]  # type: ignore[index]  # parametrised over its keys
    for row in rows():
        assert row[0] in printed
