"""SECURITY.md states the limits that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from varprobe.config import files, schema, unroll, wanted, yaml_tree
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
        f"{schedule.MEMORY_SHARE:.0%}".replace("%", " %") + " of the memory that is free |\n| a sweep",
        f"{axes.MOST_AXES} axes, {axes.MOST_POINTS:,} points",
        f"{files.PATIENCE:g} s without a writer",
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
