"""Where a result goes: files, the terminal or standard output, a window."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.errors import OutputError, Place
from varprobe.formatting import with_article
from varprobe.frozen import dataclass
from varprobe.output import append_file, check_targets, refuse_inputs, reports_target, write_file
from varprobe.reporters.plotting import load_matplotlib
from varprobe.results.kinds import PICTURES, RESULTS, ResultKind, find, render
from varprobe.streams import say

if TYPE_CHECKING:
    from varprobe.cli.options import Output
    from varprobe.reporters.code.names import FrameworkName

TERMINAL = "terminal"
_DRAWN = (*PICTURES, ".html")


@dataclass(frozen=True)
class Delivery:
    """What the command line asks for, checked before anything is measured.

    Attributes:
        printed: what standard output gets: `terminal`, or one of the kind's names.
        lesson: pages ask before they show.
        window: the figure is shown too.
        own_scale: its histograms are each in units of their own layer's root mean square.
    """

    kind: ResultKind
    files: tuple[Path, ...]
    printed: str
    lesson: bool = False
    window: bool = False
    own_scale: bool = False

    def write(self, result: Any) -> None:
        """Writes the files, and adds to a job's summary where GitHub wants one."""
        if any(file.suffix.lower() in _DRAWN for file in self.files):
            load_matplotlib(window=self.window)
        for file in self.files:
            suffix = file.suffix.lower()
            lesson, own_scale = self.lesson and suffix == ".html", self.own_scale and suffix in PICTURES
            write_file(file, render(result, suffix, lesson=lesson, own_scale=own_scale))
        summary = os.environ.get("GITHUB_STEP_SUMMARY") if self.printed == "github" else None
        if summary:
            append_file(Path(summary), str(render(result, ".md")))

    def show(self, result: Any, **view: Any) -> None:
        """Prints the result, and opens its window; `view` is for the kind's printer."""
        if self.printed == TERMINAL:
            from varprobe.reporters.console import open_console

            find(self.kind.terminal)(result, open_console(), **view)
        else:
            say(str(render(result, self.printed)), end="", commands=self.printed == "github")
        if self.window:
            from varprobe.reporters.picture import find_drawing
            from varprobe.reporters.window import show_window

            show_window(find_drawing(result, own_scale=self.own_scale), result)


def plan_delivery(
    noun: str,
    output: Output,
    name: str = "",
    suffixes: Sequence[str] = (),
    code: FrameworkName | None = None,
    inputs: Sequence[str | Path] = (),
) -> Delivery:
    """The delivery of a result; `-o -` is JSON on standard output.

    Arguments:
        noun: a key of `RESULTS`.
        name: of the network, for files `reports/NAME` of those suffixes.
        code: the framework in whose lines the remedies of a report are printed.
        inputs: files that are read, and so are not written.

    Raises:
        OutputError: for a file that could not be written, a window without a screen, a lesson without a page, a scale
            of histograms without a picture.
    """
    if code is not None and output.as_json:
        raise OutputError("prints code, and --json prints JSON", hint="leave one out", place=Place("--as"))
    planned = plan_files(noun, output.output, code or ("json" if output.as_json else TERMINAL))
    if output.window:
        if not planned.kind.figure:
            raise OutputError(f"{with_article(noun)} has no picture", hint="leave it out", place=Place("--show"))
        load_matplotlib(window=True)
        from varprobe.reporters.window import check_screen

        check_screen()
    files = (*planned.files, *(reports_target(name, suffix) for suffix in suffixes))
    refuse_inputs(files, inputs)
    if output.lesson and not any(file.suffix.lower() == ".html" for file in files):
        hint = "add -o page.html: pages ask before they show"
        raise OutputError("there is no page to ask in", hint=hint, place=Place("--lesson"))
    if output.own_scale:
        _check_histograms(noun, planned.kind, files, window=output.window)
    return replace(planned, files=files, lesson=output.lesson, window=output.window, own_scale=output.own_scale)


def _check_histograms(noun: str, kind: ResultKind, files: Sequence[Path], *, window: bool) -> None:
    """Refuses a scale of histograms where none is drawn."""
    place = Place("--own-scale")
    if not kind.histograms:
        hint = "leave it out; reports and comparisons have histograms"
        raise OutputError(f"the picture of {with_article(noun)} has no histograms", hint=hint, place=place)
    if not window and not any(file.suffix.lower() in PICTURES for file in files):
        hint = "add -o plot.png, .svg or .pdf, or --show"
        raise OutputError("there is no picture whose histograms it could scale", hint=hint, place=place)


def plan_files(noun: str, output: Sequence[Path] | None, printed: str) -> Delivery:
    """The delivery of a result to files and to standard output, as `printed` unless a file is `-`."""
    kind = RESULTS[noun]
    files = tuple(target for target in output or () if target != Path("-"))
    check_targets(files, kind.formats)
    return Delivery(kind, files, "json" if len(files) < len(output or ()) else printed)


def deliver(result: Any, delivery: Delivery, **view: Any) -> None:
    """Writes a result to its files, and prints it."""
    delivery.write(result)
    delivery.show(result, **view)
