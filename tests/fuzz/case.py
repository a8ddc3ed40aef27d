"""One input of the fuzzers, as a file: what it is follows from its suffix."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.contract import probe_if_tiny, settle, settle_file, settle_stored, settled
from tests.fuzz.grammar import SMALL
from varprobe.config.loading import load
from varprobe.results.store import load_report

# A network for given arrays: weights, biases, a batch and a cotangent from one file.
_ARRAYS = """\
input: {{features: 4, distribution: file, path: {name}}}
layers: [{{dense: {{width: 4, init: {{name: file, path: {name}}}}}}}]
probe: {{gradient: {{name: file, path: {name}}}}}
"""
_VECTORS = "input: {{features: 4}}\nlayers: [{{dense: {{width: 4, bias: {{path: {name}, key: b}}}}}}]\n"


@dataclass(frozen=True)
class Case:
    """What is tried.

    Attributes:
        suffix: `.yaml` a config; `.set` a JSON list of assignments; `.json` what `show` is given; `.npy`, `.npz` an
            array that a config names; `.path` a path in place of a config and a report.
        measured: a small network is measured too.
        slow: pages and pictures are made too.
    """

    suffix: str
    data: bytes
    measured: bool = False
    slow: bool = False


def attempt(case: Case, folder: Path) -> bool:
    """Tries a case in the playground; whether it was accepted.

    Raises:
        Exception: whatever should not have happened.
    """
    if case.suffix == ".yaml":
        spec = settle_file(folder, case.data)
        if case.measured:
            probe_if_tiny(spec)
        accepted = spec is not None
    elif case.suffix == ".set":
        accepted = settle(SMALL, json.loads(case.data)) is not None
    elif case.suffix == ".json":
        accepted = settle_stored(folder, case.data, slow=case.slow) is not None
    elif case.suffix == ".path":
        accepted = _attempt_path(Path(os.fsdecode(case.data)))
    else:
        accepted = _attempt_array(case, folder)
    assert not (folder / "ran").exists(), "something that a file holds was executed"
    return accepted


def _attempt_path(path: Path) -> bool:
    found = [settled(lambda: load(path)), settled(lambda: load_report(path))]
    return any(record is not None for record in found)


def _attempt_array(case: Case, folder: Path) -> bool:
    name = f"array{case.suffix}"
    (folder / name).write_bytes(case.data)
    found = [settle_file(folder, text.format(name=name)) for text in (_ARRAYS, _VECTORS)]
    return any(spec is not None for spec in found)
