"""Commands that look at several networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import app
from varprobe.cli.options import (
    Activation,
    AsJson,
    Batch,
    Config,
    Init,
    Output,
    Quiet,
    Seed,
    Set,
    Threads,
    Trials,
    console,
    deliver_sweep,
    fields,
    measured,
    overrides_of,
    targets_of,
)
from varprobe.cli.output import sweep_journal, write_file
from varprobe.wording import count


@app.command(epilog="Example: varprobe compare configs/xavier_tanh.yaml --init small,large,xavier -o compare.png")
def compare(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Configs, and .json reports; these are not measured again.")
    ],
    init: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Initialisers for the configs, by commas: a network for each.")
    ] = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    seed: Seed = None,
    threads: Threads = None,
    set_: Set = None,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put networks side by side; of two reports of one network, say what changed beyond noise."""
    from varprobe.comparison import compared
    from varprobe.reporters import COMPARERS
    from varprobe.reporters.comparison_text import print_comparison, render_comparison_json
    from varprobe.spec.loading import load

    targets, as_json = targets_of(output, COMPARERS, as_json=as_json)
    names, reports = [], []
    for source in sources:
        if source.endswith(".json"):
            from varprobe.report.storage import load_report

            reports.append(load_report(Path(source)))
            names.append(reports[-1].name)
            continue
        for scheme in init.split(",") if init else [None]:
            options = fields(scheme and scheme.strip(), activation, trials, batch, seed)
            report = measured(load(source, overrides_of(options, set_ or [])), threads, quiet=quiet)
            reports.append(report)
            names.append(f"{report.name}, {scheme.strip()}" if scheme else report.name)
    if len(reports) < 2:
        raise typer.BadParameter("one network is nothing to compare; name more, or several by --init a,b")
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names, 1)]
    comparison = compared(names, reports)
    for target in targets:
        write_file(target, COMPARERS[target.suffix.lower()](comparison))
    if as_json:
        sys.stdout.write(render_comparison_json(comparison))
    else:
        print_comparison(comparison, console())


@app.command(epilog="Example: varprobe sweep configs/xavier_tanh.yaml --vary defaults.init.gain=0.5:2:31 -o gain.png")
def sweep(
    config: Config,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="PATH=VALUES",
            help="A setting and its values: low:high:count, the same with :log, or a,b,c. Once or twice.",
        ),
    ],
    init: Init = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    seed: Seed = None,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Cores to use; default: all.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers measure the points.")
    ] = None,
    set_: Set = None,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a network at many settings, each in a process of its own; started again, it goes on where it was."""
    from contextlib import nullcontext

    from varprobe.cli.progress import progress_bar
    from varprobe.cli.waiting import wait_for
    from varprobe.reporters import SWEEPERS
    from varprobe.spec.loading import read_config
    from varprobe.sweeps.axes import parse_axis
    from varprobe.sweeps.cluster import cluster_executor
    from varprobe.sweeps.job import plan_sweep, sweep_points
    from varprobe.sweeps.journal import Journal

    targets, as_json = targets_of(output, SWEEPERS, as_json=as_json)
    overrides = overrides_of(fields(init, activation, trials, batch, seed), set_ or [])
    plan = plan_sweep(read_config(config), overrides, [parse_axis(text) for text in vary])
    place = sweep_journal(targets, plan.spec.name, plan.fingerprint)
    with Journal(place) as journal, cluster_executor(cluster) if cluster else nullcontext() as executor:
        if journal.points and not quiet:
            print(
                f"going on with {place}: {count(len(journal.points), 'point')} of {len(plan.combinations):,} are there",
                file=sys.stderr,
            )
        with progress_bar(plan.spec.name, quiet=quiet, unit="points") as progress:
            found = wait_for(
                lambda reached: sweep_points(
                    plan, executor=executor, threads=threads, journal=journal, progress=reached
                ),
                progress,
            )
        deliver_sweep(found, targets, as_json=as_json)
        journal.remove()
