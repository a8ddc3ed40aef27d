"""`varprobe tune`: the scales that make a network stable."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.interruptible import wait_for
from varprobe.cli.output import check_targets, write_file


class By(StrEnum):
    """What `tune` may change."""

    layer = "layer"
    branch = "branch"
    scale = "scale"
    layers = "layers"
    edge = "edge"
    both = "both"


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
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the scales that make a network stable, and verify them by measuring."""
    from varprobe.config.loading import read_config
    from varprobe.reporters.tuning import render_tuning, render_tuning_json
    from varprobe.tuning import tune, tuned_text

    if sb is not None and by is not By.edge:
        raise typer.BadParameter("--sb goes with --by edge")
    targets = output or []
    check_targets(targets, (".yaml", ".yml"))
    source = read_config(config)
    overrides, way = options.overrides_of(network, drawing), by.value if by else None
    tuning = wait_for(
        lambda reached: tune(source, overrides, by=way, sb=sb, threads=threads, progress=reached),
        source.stem,
        quiet=quiet,
    )
    for target in targets:
        write_file(target, tuned_text(source, tuning, target))
    sys.stdout.write(render_tuning_json(tuning) if as_json else render_tuning(tuning))
    if targets and not as_json:
        print(f"wrote {', '.join(map(str, targets))}{'' if tuning.edits else ', with nothing tuned in it'}")
