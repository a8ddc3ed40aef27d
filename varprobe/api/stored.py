"""Results that were stored."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import InputFileError
from varprobe.results.kinds import RESULTS

if TYPE_CHECKING:
    from varprobe.comparison import Comparison
    from varprobe.gate.records import CheckRun
    from varprobe.report.records import Report
    from varprobe.sweeps.records import Sweep

_LABEL = "result"


def show(stored: str | os.PathLike[str] | Mapping[str, Any]) -> Report | Comparison | Sweep | CheckRun:
    """A result that `.save("result.json")` or `-o result.json` wrote, to be looked at or converted.

    Arguments:
        stored: a path, the JSON as text, or its plain data.

    Raises:
        VarprobeError: where the file cannot be read, holds no result, or one of another version.

    >>> import tempfile, varprobe
    >>> report = varprobe.run({"input": {"features": 8}, "layers": [{"dense": 8, "repeat": 4}]}, trials=2, batch=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report.save(f"{folder}/report.json")
    ...     varprobe.show(f"{folder}/report.json") == report
    True
    """
    from varprobe.results.store import from_json, load_result

    if isinstance(stored, Mapping):
        return from_json(_encode(stored), _LABEL)
    if isinstance(stored, str) and stored.lstrip().startswith("{"):
        return from_json(stored.encode(errors="replace"), _LABEL)
    if not isinstance(stored, (str, os.PathLike)):
        hint = f"give a path, its JSON, or its plain data; {', '.join(RESULTS)} are stored by .save(path)"
        raise InputFileError(f"a value of type {type(stored).__name__} is no stored result", hint=hint)
    return load_result(stored if isinstance(stored, str) else Path(stored))


def _encode(plain: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(plain).encode()
    except (TypeError, ValueError) as error:
        raise InputFileError(f"is no plain data: {error}", hint="give what json.load returned") from None
