"""Values in given arrays that overflow, or are none, are findings: no command ends in a fault or warns."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.cli.main import run

WILD = {"huge": 1e300, "most": 1e308, "least": -1e308, "nan": np.nan, "inf": np.inf, "tiny": 5e-324}
COMMANDS = ("run", "run --set probe.dtype=float64", "run --engine auto", "predict", "check --max-trials 4", "tune")


def config(role: str, path: Path) -> dict[str, Any]:
    """A network one of whose parts is given by the file."""
    named = {"name": "file", "path": str(path)}
    made: dict[str, Any] = {
        "input": {"features": 4},
        "defaults": {"activation": "tanh"},
        "layers": [{"dense": 4}, {"dense": 4}, {"norm": "layer"}, {"dense": 4}],
        "probe": {"batch": 6, "trials": 2},
    }
    if role == "weights":
        made["layers"][1] = {"dense": {"width": 4, "init": named}}
    elif role == "bias":
        made["layers"][1] = {"dense": {"width": 4, "bias": {"path": str(path)}}}
    elif role == "gamma":
        made["layers"][2] = {"norm": {"kind": "layer", "gamma": {"path": str(path)}}}
    elif role == "cotangent":
        made["probe"]["gradient"] = named
    else:
        made["input"] |= {"distribution": "file", "path": str(path)}
    return made


SHAPES = {"weights": (4, 4), "bias": (4,), "gamma": (4,), "cotangent": (6, 4), "batch": (6, 4)}


@pytest.mark.parametrize("value", WILD)
@pytest.mark.parametrize("role", SHAPES)
def test_wild_numbers_end_no_command_in_a_fault(
    role: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "given.npy"
    whole = np.full(SHAPES[role], WILD[value])
    mixed = np.where(np.arange(whole.size).reshape(whole.shape) % 3, whole, -whole / 2)
    for given in (whole, mixed):
        np.save(path, given)
        (tmp_path / "c.yaml").write_text(json.dumps(config(role, path)))
        for command in COMMANDS:
            name, *options = command.split()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                code = run([name, str(tmp_path / "c.yaml"), *options])
            assert code in (0, 1), (command, capsys.readouterr().err)
        capsys.readouterr()
