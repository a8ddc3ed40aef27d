"""Every library that the package imports is declared, by the name of its distribution."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = {
    "distributed": "distributed",
    "jinja2": "jinja2",
    "latex2mathml": "latex2mathml",
    "markupsafe": "markupsafe",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic-core",
    "pytest": "pytest",
    "rich": "rich",
    "ruamel": "ruamel.yaml",
    "safetensors": "safetensors",
    "threadpoolctl": "threadpoolctl",
    "torch": "torch",
    "typer": "typer",
}
# What is needed for one thing alone, and its extra.
OPTIONAL = {"distributed": "cluster", "pandas": "notebook", "pytest": "test", "safetensors": "models", "torch": "torch"}


def imported() -> set[str]:
    """The libraries, wherever in the package they are imported."""
    found = set()
    for path in (ROOT / "varprobe").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"varprobe"}


def declared() -> dict[str, set[str]]:
    """Distributions by extra; those that are always installed under ''."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {re.split(r"[<>=\[]", one)[0] for one in wanted} for extra, wanted in lists.items()}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    assert imported() == set(DISTRIBUTIONS)
    known = declared()
    for name, distribution in DISTRIBUTIONS.items():
        assert distribution in known[OPTIONAL.get(name, "")], name
    assert known[""] == {DISTRIBUTIONS[name] for name in DISTRIBUTIONS if name not in OPTIONAL}
