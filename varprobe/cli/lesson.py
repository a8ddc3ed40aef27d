"""`varprobe lesson`: lessons for a class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.cli.interruptible import wait_for
from varprobe.cli.options import Quiet, Threads
from varprobe.formatting import count
from varprobe.output import check_new_folder, write_folder
from varprobe.reporters.plotting import load_matplotlib
from varprobe.streams import say


@command("lesson", "varprobe lesson lessons")
def lesson(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder to write; it must not exist yet.")] = Path(
        "lessons"
    ),
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Write seven lessons for a class, each with the lab in it: questions, measurements, derivations, configs.

    Beside them a worksheet, and in the folder teacher a plan for 50 minutes and the key.
    """
    check_new_folder(folder)
    load_matplotlib()
    from varprobe.classroom.build import build_lessons

    files = wait_for(lambda reached: build_lessons(threads, reached), "lessons", quiet=quiet, unit="networks")
    write_folder(folder, files)
    say(f"wrote {count(len(files), 'file')}; begin with {folder / 'index.html'}; for you: {folder / 'teacher'}")
