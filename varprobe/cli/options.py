"""Options that commands share, and what they make of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli.output import check_targets, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from varprobe.report.records import Report
    from varprobe.spec.network import NetworkSpec
    from varprobe.spec.overrides import Override
    from varprobe.sweeps.records import Sweep

Output = Annotated[
    list[Path] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write FILE: .html, .png, .svg, .pdf, .md, .csv or .json; - is JSON on stdout. Repeatable.",
    ),
]
Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or - for standard input.")]
Init = Annotated[str | None, typer.Option(help="Scheme of every layer that does not name one.")]
Activation = Annotated[str | None, typer.Option(help="Activation of every layer that does not name one.")]
Trials = Annotated[str | None, typer.Option(metavar="N", help="Independent draws.")]
Batch = Annotated[str | None, typer.Option(metavar="N", help="Rows of a batch.")]
Seed = Annotated[str | None, typer.Option(metavar="N", help="Seed of all draws.")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Threads to use; default: all cores. Draws do not depend on it.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change any config value, as layers.0.repeat=50."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON in place of the table.")]
Formats = Annotated[bool, typer.Option("--formats", help="Print where float16, bfloat16 and others are left.")]
EveryRow = Annotated[bool, typer.Option("--all", help="Print every layer of a long network.")]


def fields(
    init: str | None, activation: str | None, trials: str | None, batch: str | None, seed: str | None = None
) -> dict[str, tuple[str, str | None]]:
    """The config fields that options set: field -> option and value."""
    return {
        "defaults.init": ("--init", init),
        "defaults.activation": ("--activation", activation),
        "probe.trials": ("--trials", trials),
        "probe.batch": ("--batch", batch),
        "probe.seed": ("--seed", seed),
    }


def overrides_of(options: dict[str, tuple[str, str | None]], assignments: list[str]) -> list[Override]:
    """The edits that options and `--set` ask for, in this order."""
    from varprobe.spec.overrides import Override, parse_assignment

    named = [Override(path, text, option) for path, (option, text) in options.items() if text is not None]
    return [*named, *(parse_assignment(text) for text in assignments)]


def targets_of(
    output: list[Path] | None, formats: Iterable[str] | None = None, *, as_json: bool
) -> tuple[list[Path], bool]:
    """The files to write, checked, by default in the formats of a report; `-o -` is JSON on standard output."""
    from varprobe.reporters import RENDERERS

    targets = [target for target in output or [] if target != Path("-")]
    check_targets(targets, formats or RENDERERS)
    return targets, as_json or len(targets) < len(output or [])


def deliver(
    report: Report,
    targets: list[Path],
    *,
    as_json: bool,
    every_row: bool,
    formats: bool,
    explain: bool = False,
) -> None:
    """Writes a report to its files, and prints it."""
    from varprobe.reporters import RENDERERS
    from varprobe.reporters.terminal import print_report

    for target in targets:
        write_file(target, RENDERERS[target.suffix.lower()](report))
    if as_json:
        from varprobe.reporters.json_text import render_json

        sys.stdout.write(render_json(report))
    else:
        screen = console()
        if explain:
            from varprobe.reporters.explanation import print_explanation

            print_explanation(report, screen, every_row=every_row)
        if formats:
            from varprobe.reporters.format_table import print_formats

            print_formats(report, screen)
        print_report(report, screen, every_row=every_row)


def deliver_sweep(sweep: Sweep, targets: list[Path], *, as_json: bool) -> None:
    """Writes a sweep to its files, and prints it."""
    from varprobe.reporters import SWEEPERS
    from varprobe.reporters.sweep_text import print_sweep

    for target in targets:
        write_file(target, SWEEPERS[target.suffix.lower()](sweep))
    if as_json:
        from varprobe.sweeps.storage import sweep_to_json

        sys.stdout.write(sweep_to_json(sweep))
    else:
        print_sweep(sweep, console())


def console() -> Console:
    """Plain text in a pipe, as wide as the terminal in a terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


def measured(spec: NetworkSpec, threads: int | None, *, quiet: bool) -> Report:
    """The report of a network, with progress."""
    from varprobe.cli.progress import progress_bar
    from varprobe.cli.waiting import wait_for
    from varprobe.diagnose import diagnose
    from varprobe.spec.network import with_threads

    settings = with_threads(spec.settings, threads)
    with progress_bar(spec.name, quiet=quiet) as progress:
        return wait_for(lambda reached: diagnose(spec, settings, reached), progress)
