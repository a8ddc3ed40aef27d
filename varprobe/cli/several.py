"""Commands that look at several networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import app
from varprobe.cli.delivery import COMPARERS, SWEEPERS, deliver_comparison, delivery_of, print_sweep_result
from varprobe.cli.options import (
    Activation,
    AsJson,
    Batch,
    Config,
    Init,
    Lesson,
    Output,
    Page,
    Plot,
    Quiet,
    Seed,
    Set,
    Threads,
    Trials,
    Window,
    fields,
    measured,
    overrides_of,
    short_forms,
)
from varprobe.cli.output import forget, sweep_journal
from varprobe.formatting import count


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
    window: Window = False,
    lesson: Lesson = False,
    quiet: Quiet = False,
) -> None:
    """Put networks side by side; of two reports of one network, say what changed beyond noise."""
    from varprobe.comparison import compare_reports
    from varprobe.config.loading import load

    delivery = delivery_of(output, COMPARERS, as_json=as_json, lesson=lesson, window=window).checked()
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
    deliver_comparison(compare_reports(names, reports), delivery)


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
    plot: Plot = False,
    page: Page = False,
    window: Window = False,
    lesson: Lesson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a network at many settings, each in a process of its own; started again, it goes on where it was."""
    from contextlib import nullcontext

    from varprobe.cli.interruptible import wait_for
    from varprobe.cli.progress import progress_bar
    from varprobe.config.loading import read_config
    from varprobe.sweeps.axes import parse_axis
    from varprobe.sweeps.cluster import cluster_executor
    from varprobe.sweeps.job import plan_sweep, sweep_points
    from varprobe.sweeps.journal import Journal

    delivery = delivery_of(output, SWEEPERS, as_json=as_json, lesson=lesson, window=window)
    overrides = overrides_of(fields(init, activation, trials, batch, seed), set_ or [])
    plan = plan_sweep(read_config(config), overrides, [parse_axis(text) for text in vary])
    delivery = delivery.also(plan.experiment.network.name, short_forms(plot=plot, page=page)).checked()
    with (
        cluster_executor(cluster) if cluster else nullcontext() as executor,
        Journal(place := sweep_journal(delivery.files, plan.experiment.network.name, plan.fingerprint)) as journal,
    ):
        if journal.points and not quiet:
            print(
                f"going on with {place}: {count(len(journal.points), 'point')} of {len(plan.combinations):,} are there",
                file=sys.stderr,
            )
        with progress_bar(plan.experiment.network.name, quiet=quiet, unit="points") as progress:
            found = wait_for(
                lambda reached: sweep_points(
                    plan, executor=executor, threads=threads, journal=journal, progress=reached
                ),
                progress,
            )
        delivery.write(found)
        try:
            print_sweep_result(found, delivery)
        finally:  # also where nobody reads on: what was measured is in the files, or has been seen
            forget(journal.path)


@app.command(epilog="Example: varprobe lesson lessons")
def lesson(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder to write; it must not exist yet.")] = Path(
        "lessons"
    ),
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Write five lessons for a class: questions, measurements, figures and derivations as pages, with their configs."""
    from varprobe.classroom.build import build_lessons
    from varprobe.cli.interruptible import wait_for
    from varprobe.cli.output import check_new_folder, write_folder
    from varprobe.cli.progress import progress_bar

    check_new_folder(folder)
    with progress_bar("lessons", quiet=quiet, unit="networks") as progress:
        files = wait_for(lambda reached: build_lessons(threads, reached), progress)
    write_folder(folder, files)
    print(f"wrote {count(len(files), 'file')}; begin with {folder / 'index.html'}")
