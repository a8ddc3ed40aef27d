"""`varprobe tune`: the scales that make a network stable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from varprobe.advice.ways import By
from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.interruptible import wait_for
from varprobe.output import check_targets, refuse_inputs, write_file
from varprobe.streams import say


@command("tune", "varprobe tune configs/small_tanh.yaml -o tuned.yaml")
def tune(
    config: options.Config,
    network: options.Network,
    drawing: options.Drawing,
    by: Annotated[
        By | None, options.network_option(help="Change only this; default: the simplest that does it.")
    ] = None,
    sb: Annotated[
        float | None, options.network_option(min=0.0, max=1e6, metavar="S", help="Std of the biases, with --by edge.")
    ] = None,
    threads: options.Threads = None,
    output: Annotated[
        list[Path] | None,
        options.output_option(
            "-o", "--output", metavar="FILE", help="Write the config with the changes: .yaml or .yml."
        ),
    ] = None,
    force: Annotated[
        bool, options.output_option("--force", help="Write over the config itself, where -o names it.")
    ] = False,
    code: options.AsCode = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the scales that make a network stable, and verify them by measuring."""
    from varprobe.config.loading import read_config
    from varprobe.reporters.tuning import render_tuning, render_tuning_json
    from varprobe.tuning import rewrite_config, tune

    if sb is not None and by is not By.EDGE:
        raise typer.BadParameter("--sb goes with --by edge")
    if code is not None and as_json:
        raise typer.BadParameter("--as prints code, and --json prints JSON: leave one out")
    targets = output or []
    check_targets(targets, (".yaml", ".yml"))
    if not force:
        refuse_inputs(targets, [config], "name another file, or write over the config by --force")
    source = read_config(config)
    overrides = options.overrides_of(network, drawing)
    tuning = wait_for(
        lambda reached: tune(source, overrides, by=by, sb=sb, threads=threads, progress=reached),
        source.stem,
        quiet=quiet,
    )
    for target in targets:
        write_file(target, rewrite_config(source, tuning, target))
    if code is not None:
        from varprobe.reporters.code.write import code_of_tuning

        say(code_of_tuning(tuning, code), end="")
    else:
        say(render_tuning_json(tuning) if as_json else render_tuning(tuning), end="")
    if targets and not as_json and code is None:
        say(f"wrote {', '.join(map(str, targets))}{'' if tuning.edits else ', with nothing tuned in it'}")
    if not tuning.is_confirmed:
        raise typer.Exit(1)
