"""The house: ranks of the rooms, what an import may load, what the README and `list` must name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from varprobe.results.kinds import RESULTS

PACKAGE = Path(__file__).parents[1] / "varprobe"
# Lowest first; a module may import from its own rank (its own room) and from lower ones.
RANKS = (
    ("version", "formatting", "frozen", "machine", "presentable"),
    ("errors", "temporary"),
    ("output", "streams"),
    ("network",),
    ("gaussian",),
    ("engine",),
    ("probe", "theory"),
    ("verdict",),
    ("config",),
    ("advice", "audit"),
    ("models",),
    ("report",),
    ("diagnose", "tuning", "comparison"),
    ("sweeps", "gate"),
    ("results",),
    ("reporters",),
    ("presentation",),
    ("classroom", "lab"),
    ("api",),
    ("testing",),
    ("pytest_plugin",),
    ("cli",),
    ("__main__",),
)
RANK_OF = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
FENCED = {
    "rich": (
        "cli",
        "reporters/console.py",
        *(f"reporters/{kind}/terminal.py" for kind in RESULTS),
        *(f"reporters/report/{part}.py" for part in ("layer_table", "explanation", "number_formats")),
    ),
    "typer": ("cli",),
    "matplotlib": ("reporters/", "presentable.py"),  # the latter names types alone
    "pandas": ("presentation/frames.py",),
    "jinja2": ("reporters/page/parts.py", "classroom/build.py"),
    "latex2mathml": ("classroom/build.py",),
    "safetensors": ("config/tensor_files.py", "audit/files.py"),
    "torch": ("audit/", "models/"),
    "distributed": ("sweeps/cluster.py",),
    "pytest": ("pytest_plugin.py",),
    "ruamel": ("config/yaml_tree.py", "config/rewriting.py"),
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def room(name: str) -> str:
    return name.split(".")[1]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_rooms(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imports(path):
        if name.startswith("varprobe."):
            assert RANK_OF[room(name)] < RANK_OF[own] or room(name) == own, name


def test_every_room_has_a_rank() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()}
    assert rooms == set(RANK_OF)


@pytest.mark.parametrize("library", FENCED)
def test_a_heavy_library_stays_in_its_room(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE)) for path in modules() if any(n.split(".")[0] == library for n in imports(path))
    }
    assert users
    assert all(user.startswith(FENCED[library]) for user in users), users


def test_importing_varprobe_is_light() -> None:
    code = "import varprobe, sys; print([m for m in ('typer', 'rich', 'matplotlib', 'scipy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_scipy_is_not_needed_at_run_time() -> None:
    assert not [path for path in modules() if any(name.startswith("scipy") for name in imports(path))]


def test_modules_stay_readable() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in modules()}
    tables = {"network/activations.py", "network/initializers.py"}
    assert {name for name, length in lengths.items() if length > 300} <= tables
    assert sorted(lengths.values())[len(lengths) // 2] < 120


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_the_network_knows_nothing_of_yaml_or_of_checking() -> None:
    for path in (PACKAGE / "network").glob("*.py"):
        assert not {name.split(".")[0] for name in imports(path)} & {"pydantic", "pydantic_core", "ruamel"}, path


def test_theory_and_probe_do_not_know_each_other() -> None:
    for room_, other in (("theory", "probe"), ("probe", "theory")):
        for path in (PACKAGE / room_).glob("*.py"):
            assert not [name for name in imports(path) if name.startswith(f"varprobe.{other}")]
