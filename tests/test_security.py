"""SECURITY.md states the limits that the code has, and what it promises holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from varprobe.config import files, opening, schema, unroll, wanted, yaml_tree
from varprobe.engine import schedule
from varprobe.results import reading
from varprobe.sweeps import axes

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text()


@pytest.mark.parametrize(
    "stated",
    [
        f"{yaml_tree.MAX_BYTES:,} bytes; {yaml_tree.MAX_NODES:,} values once",
        f"{yaml_tree.MAX_DEPTH} levels",
        f"{unroll.MAX_STEPS:,} layers once repeats are unrolled; widths to {schema.MAX_WIDTH:,}",
        f"{schedule.MEMORY_SHARE:.0%}".replace("%", " %") + " of the memory that is free, as the machine",
        f"{axes.MOST_AXES} axes, {axes.MOST_POINTS:,} points",
        f"{opening.PATIENCE:g} s without a writer",
        f"{wanted._MEMORY_SHARE:.0%}".replace("%", " %") + " of the memory that is free; a header",
        f"a header of {files._HEADER_BYTES - 12:,} bytes",
        f"beyond {files._LARGE // 2**20} MiB, {files._PLAUSIBLE} times its packed size",
        f"| {files._TABLES // 2**20} MiB |",
        f"of {reading.MAX_BYTES // 2**30} GiB; a twelfth of the memory that is free",
        f"beyond {reading._FEW:,} lists and mappings, one per {reading._BYTES_PER_BRACKET} bytes; {reading._KEYS} keys",
    ],
)
def test_a_limit_of_the_page_is_that_of_the_code(stated: str) -> None:
    assert stated in PAGE
    assert reading.GROWTH == 12


def test_settings_reach_as_far_as_the_page_says() -> None:
    from varprobe.config.loading import load
    from varprobe.errors import ConfigError

    config = {"input": {"features": 4}, "layers": [{"dense": 4}]}
    for key, most in (("batch", 10_000_000), ("trials", 1_000_000)):
        assert f"{most:,}" in PAGE
        load({**config, "probe": {key: most}})
        with pytest.raises(ConfigError, match="at most"):
            load({**config, "probe": {key: most + 1}})


CONFIG = "input: {features: 4}\nlayers: [{dense: 4, repeat: 4}]\nprobe: {batch: 2, trials: 2}\n"
# As an installed `varprobe` begins: its own folder comes first where modules are looked for, not the one it runs in.
LAUNCHER = "from varprobe.cli.main import main\nmain()\n"


@pytest.fixture(scope="session")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, and a file that tells of its import by the name of every module of the library."""
    folder = tmp_path_factory.mktemp("trapped")
    (folder / "launcher").mkdir()
    (folder / "launcher" / "start.py").write_text(LAUNCHER)
    (folder / "net.yaml").write_text(CONFIG)
    for name in sys.stdlib_module_names | {"numpy", "pydantic_core", "ruamel", "threadpoolctl", "sitecustomize"}:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'a').write('{name} ')\n")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "net.yaml", "--vary", "defaults.init.gain=1,2", "--threads", "2", "-o", "made.json"],
        ["show", "made.json", "-o", "again.csv"],
        ["run", "net.yaml", "-o", "made.png"],
        ["check", "net.yaml"],
        ["tune", "net.yaml", "--init", "small"],
    ],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_nothing_is_imported_from_the_folder_that_it_runs_in(arguments: list[str], trapped: Path) -> None:
    done = subprocess.run(
        [sys.executable, "launcher/start.py", *arguments], cwd=trapped, capture_output=True, text=True, check=False
    )
    imported = trapped / "imported"
    assert not imported.exists(), imported.read_text()
    assert done.returncode in (0, 1), done.stderr


def test_a_folder_of_modules_that_hides_the_library_s_own_is_seen(trapped: Path) -> None:
    # The trap itself works: an interpreter that looks into the folder first falls into it.
    subprocess.run([sys.executable, "-c", "import random"], cwd=trapped, capture_output=True, check=False)
    assert (trapped / "imported").read_text()
    (trapped / "imported").unlink()
