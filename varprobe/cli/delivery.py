"""Where a result goes: files, a window, the terminal or standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.cli.output import append_file, check_targets, reports_target, write_file
from varprobe.errors import OutputError, Place
from varprobe.frozen import dataclass
from varprobe.reporters import CHECKERS, COMPARERS, FORMATS, RENDERERS, SWEEPERS

if TYPE_CHECKING:
    from rich.console import Console

    from varprobe.comparison import Comparison
    from varprobe.gate.records import CheckRun
    from varprobe.report.records import Report
    from varprobe.sweeps.records import Sweep


@dataclass(frozen=True)
class Delivery:
    """What the command line asks for, checked before anything is measured.

    Attributes:
        renderers: the formats there are, by suffix.
        as_json: JSON on standard output in place of text.
        lesson: pages ask before they show.
        window: the figure is shown too.
    """

    files: tuple[Path, ...]
    renderers: Mapping[str, Callable[..., str | bytes]]
    as_json: bool
    lesson: bool = False
    window: bool = False

    def also(self, name: str, suffixes: Sequence[str]) -> Delivery:
        """With the files `reports/NAME` of those suffixes too."""
        return replace(self, files=(*self.files, *(reports_target(name, suffix) for suffix in suffixes)))

    def checked(self) -> Delivery:
        """The same; a lesson is refused where no page is written."""
        if self.lesson and not any(file.suffix.lower() == ".html" for file in self.files):
            hint = "add -o page.html: pages ask before they show"
            raise OutputError("there is no page to ask in", hint=hint, place=Place("--lesson"))
        return self

    def write(self, what: Any) -> None:
        """Writes the files, and shows the window."""
        for file in self.files:
            suffix = file.suffix.lower()
            options = {"lesson": True} if self.lesson and suffix == ".html" else {}
            write_file(file, self.renderers[suffix](what, **options))


def delivery_of(
    output: Sequence[Path] | None,
    renderers: Mapping[str, Callable[..., str | bytes]] = RENDERERS,
    *,
    as_json: bool,
    lesson: bool = False,
    window: bool = False,
) -> Delivery:
    """The delivery; `-o -` is JSON on standard output.

    Raises:
        OutputError: for a file that could not be written, or a window without a screen.
    """
    files = tuple(target for target in output or () if target != Path("-"))
    check_targets(files, renderers)
    if window:
        from varprobe.reporters.window import check_screen

        check_screen()
    return Delivery(files, renderers, as_json or len(files) < len(output or ()), lesson, window)


def deliver(report: Report, delivery: Delivery, *, every_row: bool, formats: bool, explain: bool = False) -> None:
    """Writes a report to its files, and prints it."""
    delivery.write(report)
    if delivery.as_json:
        from varprobe.reporters.json_text import render_json

        sys.stdout.write(render_json(report))
    else:
        _print(report, console(), every_row=every_row, formats=formats, explain=explain)
    if delivery.window:
        from varprobe.reporters.figure import figure
        from varprobe.reporters.window import show_window

        show_window(figure, report)


def _print(report: Report, screen: Console, *, every_row: bool, formats: bool, explain: bool) -> None:
    from varprobe.reporters.terminal import print_report

    if explain:
        from varprobe.reporters.explanation import print_explanation

        print_explanation(report, screen, every_row=every_row)
    if formats:
        from varprobe.reporters.format_table import print_formats

        print_formats(report, screen)
    print_report(report, screen, every_row=every_row)


def deliver_comparison(comparison: Comparison, delivery: Delivery) -> None:
    """Writes a comparison to its files, and prints it."""
    from varprobe.reporters.comparison_text import print_comparison, render_comparison_json

    delivery.write(comparison)
    if delivery.as_json:
        sys.stdout.write(render_comparison_json(comparison))
    else:
        print_comparison(comparison, console())
    if delivery.window:
        from varprobe.reporters.comparison_figure import comparison_figure
        from varprobe.reporters.window import show_window

        show_window(comparison_figure, comparison)


def deliver_sweep(sweep: Sweep, delivery: Delivery) -> None:
    """Writes a sweep to its files, and prints it."""
    delivery.write(sweep)
    print_sweep_result(sweep, delivery)


def print_sweep_result(sweep: Sweep, delivery: Delivery) -> None:
    """Prints a sweep, and shows its window."""
    from varprobe.reporters.sweep_text import print_sweep

    if delivery.as_json:
        from varprobe.sweeps.storage import sweep_to_json

        sys.stdout.write(sweep_to_json(sweep))
    else:
        print_sweep(sweep, console())
    if delivery.window:
        from varprobe.reporters.sweep_figure import sweep_figure
        from varprobe.reporters.window import show_window

        show_window(sweep_figure, sweep)


@dataclass(frozen=True)
class CheckDelivery:
    """Where checks go.

    Attributes:
        printed: the format of standard output, `terminal` or one of `FORMATS`.
        summary: a file that the summary is added to, as GitHub has it for a step; None where there is none.
    """

    files: tuple[Path, ...]
    printed: str
    summary: Path | None


def check_delivery(output: Sequence[Path] | None, printed: str) -> CheckDelivery:
    """The delivery of checks; `-o -` is JSON on standard output.

    Raises:
        OutputError: for a file that could not be written.
    """
    import os

    files = tuple(target for target in output or () if target != Path("-"))
    check_targets(files, CHECKERS)
    if len(files) < len(output or ()):
        printed = "json"
    summary = os.environ.get("GITHUB_STEP_SUMMARY") if printed == "github" else None
    return CheckDelivery(files, printed, Path(summary) if summary else None)


def deliver_checks(checks: CheckRun, delivery: CheckDelivery) -> None:
    """Writes checks to their files, and prints them."""
    for file in delivery.files:
        write_file(file, CHECKERS[file.suffix.lower()](checks))
    if delivery.summary is not None:
        append_file(delivery.summary, FORMATS["markdown"](checks))
    if delivery.printed == "terminal":
        from varprobe.reporters.check_text import print_checks

        print_checks(checks, console())
    else:
        sys.stdout.write(FORMATS[delivery.printed](checks))


def console() -> Console:
    """Plain text in a pipe, as wide as the terminal in a terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


__all__ = [
    "COMPARERS",
    "SWEEPERS",
    "CheckDelivery",
    "Delivery",
    "check_delivery",
    "console",
    "deliver",
    "deliver_checks",
    "deliver_comparison",
    "deliver_sweep",
    "delivery_of",
    "print_sweep_result",
]
