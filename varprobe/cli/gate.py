"""`varprobe check`: networks held to what is expected of them, for people and for CI."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import app
from varprobe.cli.options import (
    Activation,
    AsJson,
    Batch,
    EngineName,
    Init,
    Quiet,
    Seed,
    Set,
    Threads,
    Trials,
    fields,
    overrides_of,
)
from varprobe.gate.records import MAX_TRIALS
from varprobe.verdict.records import ALPHA


class Format(StrEnum):
    """What standard output is for."""

    terminal = "terminal"
    github = "github"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    sarif = "sarif"


@app.command(epilog="Example: varprobe check configs --format github -o results.sarif")
def check(
    configs: Annotated[
        list[str], typer.Argument(metavar="CONFIG...", help="YAML files, folders of them, patterns, or -.")
    ],
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A stored report to hold against; a folder with NAME.json for several."),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the baseline in place of comparing with it.")
    ] = False,
    alpha: Annotated[float, typer.Option(metavar="P", help="Chance that any decision of a network is wrong.")] = ALPHA,
    max_trials: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Draw no more than this.")
    ] = MAX_TRIALS,
    init: Init = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    seed: Seed = None,
    engine: EngineName = None,
    threads: Threads = None,
    set_: Set = None,
    format_: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.terminal,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write FILE: .xml (JUnit), .sarif, .md or .json. Repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Hold networks to what their configs expect.

    Ends with 1 where a network is not as expected, or where that cannot be decided.
    """
    from varprobe.cli.checking import Gate, check_all
    from varprobe.cli.delivery import check_delivery, deliver_checks
    from varprobe.cli.sources import configs_of

    if not 0 < alpha < 1:
        raise typer.BadParameter(f"--alpha is a chance between 0 and 1, given {alpha:g}")
    if update_baseline and baseline is None:
        raise typer.BadParameter("--update-baseline needs --baseline FILE to write")
    delivery = check_delivery(output, "json" if as_json else format_.value)
    options = fields(init, activation, trials, batch, seed)
    options["probe.engine"] = ("--engine", engine.value if engine else None)
    tell = partial(print, file=sys.stdout if delivery.printed == "terminal" else sys.stderr)
    gate = Gate(overrides_of(options, set_ or []), threads, alpha, max_trials, baseline, update_baseline, tell)
    checks = check_all(configs_of(configs), gate, quiet=quiet)
    deliver_checks(checks, delivery)
    raise typer.Exit({"passed": 0, "undecided": 1, "failed": 1, "error": 2, "fault": 3}[checks.outcome])
