"""`varprobe check`: networks held to what is expected of them, for people and for CI."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.delivery import TERMINAL, deliver, plan_files
from varprobe.gate.records import MAX_TRIALS
from varprobe.output import refuse_inputs
from varprobe.results.kinds import RESULTS
from varprobe.streams import say
from varprobe.verdict.records import ALPHA

if TYPE_CHECKING:
    from varprobe.cli.checking import Gate

Format = StrEnum("Format", [TERMINAL, *RESULTS["check"].printed])  # type: ignore[misc]  # mypy wants literals
_PLAIN = Format(TERMINAL)
expectation_option = partial(typer.Option, rich_help_panel="What to hold it to")


@command("check", "varprobe check configs --format github -o results.sarif")
def check(
    configs: Annotated[
        list[str], typer.Argument(metavar="CONFIG...", help="YAML files, folders of them, patterns, or -.")
    ],
    network: options.Network,
    drawing: options.Drawing,
    baseline: Annotated[
        Path | None,
        expectation_option(
            metavar="FILE", help="A stored report to hold against; a folder with NAME.json for several."
        ),
    ] = None,
    update_baseline: Annotated[
        bool, expectation_option("--update-baseline", help="Write the baseline in place of comparing with it.")
    ] = False,
    alpha: Annotated[
        float, expectation_option(metavar="P", help="Chance that any decision of a network is wrong.")
    ] = ALPHA,
    max_trials: Annotated[
        int, options.measuring_option(min=1, max=1_000_000, metavar="N", help="Draw no more than this.")
    ] = MAX_TRIALS,
    write_expect: Annotated[
        bool,
        expectation_option("--write-expect", help="Print an `expect` block that a healthy network meets, to paste."),
    ] = False,
    engine: options.EngineName = None,
    threads: options.Threads = None,
    format_: Annotated[Format, options.output_option("--format", help="What to print.")] = _PLAIN,
    output: options.CheckFiles = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    allow_import: options.AllowImport = False,
) -> None:
    """Hold networks to what their configs expect.

    Ends with 1 where a network is not as expected, or where that cannot be decided.
    """
    from varprobe.cli.checking import Gate, check_all
    from varprobe.cli.sources import configs_of

    if not 0 < alpha < 1:
        raise typer.BadParameter(f"--alpha is a chance between 0 and 1, given {alpha:g}")
    if update_baseline and baseline is None:
        raise typer.BadParameter("--update-baseline needs --baseline FILE to write")
    if write_expect and (baseline is not None or output or as_json or format_ != _PLAIN):
        raise typer.BadParameter("--write-expect prints YAML: leave out --baseline, --format, --json and -o")
    delivery = plan_files("check", output, "json" if as_json else str(format_))
    tell = partial(say, error=delivery.printed != TERMINAL)
    sources = configs_of(configs)
    refuse_inputs(delivery.files, [*sources, *([baseline] if baseline else [])])
    if baseline is not None and update_baseline:
        refuse_inputs([baseline], sources)
    edits = options.overrides_of(network, drawing, engine)
    gate = Gate(edits, threads, alpha, max_trials, baseline, update_baseline, tell, allow_import=allow_import)
    if write_expect:
        raise typer.Exit(_print_expect(sources, gate, quiet=quiet))
    checks = check_all(sources, gate, quiet=quiet)
    deliver(checks, delivery)
    raise typer.Exit({"passed": 0, "undecided": 1, "failed": 1, "error": 2, "fault": 3}[checks.outcome])


def _print_expect(configs: list[str], gate: Gate, *, quiet: bool) -> int:
    """The exit code: 1 where the network is not healthy."""
    from varprobe.cli.checking import draft_one
    from varprobe.reporters.check.expect_block import refuse_expect, render_expect

    if len(configs) > 1:
        raise typer.BadParameter(f"--write-expect is of one config, given {len(configs):,}")
    draft = draft_one(configs[0], gate, quiet=quiet)
    if draft.refusal:
        say(refuse_expect(draft), error=True)
        return 1
    say(render_expect(draft), end="")
    return 0
