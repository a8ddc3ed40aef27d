"""The tool that counts mutants: it makes them, kills what a test sees, and lets live what none can."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "mutation"


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(FOLDER)
    import operators  # type: ignore[import-not-found]

    return operators


SOURCE = '''\
"""Left alone."""
from math import pi
LIMIT: int = 3

@cache
def f(x: int = 1) -> str:
    """Left alone."""
    assert x > 0
    if x < LIMIT and g(x, key=2):
        return f"a {x:.3g}"
    raise ValueError
'''


CONDITION = "x < LIMIT and g(x, key=2)"


def test_every_change_is_made_once_and_compiles(operators: object) -> None:
    found = operators.mutants(SOURCE)  # type: ignore[attr-defined]
    assert [(each.line, each.function, each.change) for each in found] == [
        (3, None, "LIMIT: int = 3  ->  LIMIT: int = None"),
        (3, None, "3  ->  4"),
        (6, None, "1  ->  2"),
        (9, ("f", 5), f"if {CONDITION}: return f'a {{x:.3g}}'  ->  if not ({CONDITION}): return f'a {{x:.3g}}'"),
        (9, ("f", 5), f"{CONDITION}  ->  x < LIMIT or g(x, key=2)"),
        (9, ("f", 5), "x < LIMIT  ->  x <= LIMIT"),
        (9, ("f", 5), "x < LIMIT  ->  x >= LIMIT"),
        (9, ("f", 5), "g(x, key=2)  ->  g(None, key=2)"),
        (9, ("f", 5), "g(x, key=2)  ->  g(x)"),
        (9, ("f", 5), "2  ->  3"),
        (10, ("f", 5), "return f'a {x:.3g}'  ->  return None"),
        (10, ("f", 5), "'a '  ->  'XXa XX'"),
        (11, ("f", 5), "raise ValueError  ->  pass"),
    ]  # fmt: skip
    trees = [operators.mutated(SOURCE, each.number) for each in found]  # type: ignore[attr-defined]
    for tree in trees:
        compile(tree, "source", "exec")
    texts = {ast.unparse(tree) for tree in trees}
    assert len(texts) == len(found)
    assert ast.unparse(ast.parse(SOURCE)) not in texts


def test_a_mutant_dies_where_a_test_sees_it_and_only_there(operators: object, tmp_path: Path) -> None:
    source = (ROOT / "varprobe" / "verdict" / "intervals.py").read_text()
    wanted = {
        # In a function, at the level of the module, and what no test can see: one step of the bisection more.
        "trials - 1  ->  trials + 1": "killed",
        "0  ->  1": "killed",
        "high - low > 1e-12  ->  high - low >= 1e-12": "survived",
        "Logs = NDArray[np.float64]  ->  Logs = None": "survived",
    }
    names = {}
    for each in operators.mutants(source):  # type: ignore[attr-defined]
        if each.change in wanted and each.change not in names:
            names[each.change] = f"verdict/intervals.py:{each.number}"
    result = tmp_path / "result.json"
    script = [sys.executable, str(FOLDER / "run.py"), "--group", "statistics", "--tests", "intervals"]
    command = [*script, "--result", str(result), "--reached", str(tmp_path / "reached.json"), "--only", *names.values()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "statistics                      2 of    4 killed, 50.0% (6.8% to 93.2%)" in done.stdout, done.stdout
    known = json.loads(result.read_text())
    assert {change: known[name][0] for change, name in names.items()} == wanted
