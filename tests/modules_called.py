"""Counts the modules of the package whose functions a command calls: how many a reader has to know to follow it.

    python tests/modules_called.py run configs/xavier_tanh.yaml --quiet

Only the last line goes to standard output, after the command's own: the count. `--names` before the command lists them.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = Path(__file__).parents[1] / "varprobe"


def modules_called(arguments: list[str]) -> set[str]:
    """The package's modules, by their path in it, of which the command line calls a function with these arguments.

    What a module calls while it is imported, to fill its tables, does not count.
    """
    from varprobe.cli.main import run

    found: set[str] = set()
    importing = threading.local()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_name == "<module>" and event in ("call", "return"):
            importing.depth = getattr(importing, "depth", 0) + (1 if event == "call" else -1)
        elif event == "call" and not getattr(importing, "depth", 0):
            path = frame.f_code.co_filename
            if path.startswith(str(PACKAGE)):
                found.add(str(Path(path).relative_to(PACKAGE)))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            run(arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return found


def main() -> None:
    arguments = sys.argv[1:]
    names = arguments[:1] == ["--names"]
    found = modules_called(arguments[1:] if names else arguments)
    if names:
        print("\n".join(sorted(found)))
    print(len(found))


if __name__ == "__main__":
    main()
