"""A share of the campaign in a process of its own: tries the cases of one category, and says what came of them.

    python -m tests.fuzz.worker CATEGORY SEED COUNT FOLDER

The folder must be new. `FOLDER/.now` holds the case that is being tried, for whoever finds this process dead; the last
line on standard output is a `Share` as JSON.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import os
import sys
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.case import Case, attempt
from tests.fuzz.limits import MEMORY, OvertimeError, Watch, limit_memory
from tests.fuzz.playground import lay_out
from tests.fuzz.sources import SOURCES, reports, sweeps

# Seconds after which a process that does not even hear its alarm is given up.
_DEAD = 120.0


@dataclass
class Failure:
    """What should not have happened: `signature` is the same for the same cause, as far as a traceback tells."""

    signature: str
    details: str
    suffix: str
    data: str  # base64


@dataclass
class Share:
    """What came of a share of the campaign."""

    category: str
    tried: int = 0
    accepted: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_case: str = ""
    memory: int = 0
    memory_case: str = ""
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)


def main(category: str, number: int, count: int, folder: Path) -> Share:
    """Tries `count` cases, or as many as there are."""
    warnings.simplefilter("error")
    folder.mkdir()
    lay_out(folder)
    os.chdir(folder)
    # What is imported and made once is no case's fault.
    attempt(Case(".yaml", b"input: {features: 4}\nlayers: [{dense: 4}]\n", measured=True), folder)
    if category.startswith("stored"):
        for tree in (*reports(), *sweeps()):
            assert attempt(Case(".json", json.dumps(tree).encode(), slow=True), folder)
    cases = list(SOURCES[category][1](number, count))
    limit_memory()
    share = Share(category)
    for case in cases:
        (folder / ".now").write_bytes(case.suffix.encode() + b"\0" + case.data)
        faulthandler.dump_traceback_later(_DEAD, exit=True)
        _try(case, folder, share)
    faulthandler.cancel_dump_traceback_later()
    return share


def _try(case: Case, folder: Path, share: Share) -> None:
    watch, trouble = Watch(), None
    try:
        with watch:
            share.accepted += attempt(case, folder)
    except (Exception, OvertimeError, SystemExit) as error:
        trouble = _signature(error), "".join(traceback.format_exception(error)[-6:])
    if trouble is None and watch.memory > MEMORY:
        trouble = "memory", f"{watch.memory:,} bytes"
    share.tried += 1
    share.seconds += watch.seconds
    if watch.seconds > share.slowest:
        share.slowest, share.slowest_case = watch.seconds, _described(case)
    if watch.memory > share.memory:
        share.memory, share.memory_case = watch.memory, _described(case)
    if trouble is not None:
        share.failed += 1
        if trouble[0] not in [known.signature for known in share.failures]:
            share.failures.append(Failure(*trouble, case.suffix, base64.b64encode(case.data).decode()))


def _signature(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/varprobe/" in frame.filename or "/tests/" in frame.filename]
    last = (own or frames)[-1]
    where = f"{Path(last.filename).name}:{last.name}:{last.lineno}"
    return f"{type(error).__name__} in {where}: {str(error)[:60] if not own else ''}".strip(": ")


def _described(case: Case) -> str:
    head = case.data[:60].decode(errors="replace").encode("unicode_escape").decode()
    return f"{case.suffix[1:]} of {len(case.data):,} bytes: {head}"


if __name__ == "__main__":
    print(json.dumps(asdict(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))))
