"""`varprobe sweep`: a network at many settings."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.delivery import plan_delivery
from varprobe.cli.interruptible import wait_for
from varprobe.formatting import count
from varprobe.output import sweep_journal
from varprobe.streams import say


@command("sweep", "varprobe sweep configs/xavier_tanh.yaml --vary defaults.init.gain=0.5:2:31 -o gain.png")
def sweep(
    config: options.Config,
    vary: Annotated[
        list[str],
        options.network_option(
            metavar="PATH=VALUES",
            help="A setting and its values: low:high:count, the same with :log, or a,b,c. Once or twice.",
        ),
    ],
    network: options.Network,
    drawing: options.Drawing,
    output: options.Output,
    short: options.ShortForms,
    threads: Annotated[
        int | None, options.measuring_option(min=1, max=1024, help="Cores to use; default: all.")
    ] = None,
    cluster: Annotated[
        str | None,
        options.measuring_option(metavar="ADDRESS", help="A Dask scheduler whose workers measure the points."),
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure a network at many settings, each in a process of its own; started again, it goes on where it was."""
    from varprobe.config.loading import read_config
    from varprobe.config.opening import noting_files
    from varprobe.sweeps.axes import parse_axis
    from varprobe.sweeps.cluster import cluster_executor
    from varprobe.sweeps.job import sweep_points
    from varprobe.sweeps.journal import Journal
    from varprobe.sweeps.plan import plan_sweep

    axes = [parse_axis(text) for text in vary]
    with noting_files() as noted:
        plan = plan_sweep(read_config(config), options.overrides_of(network, drawing), axes)
    name = plan.experiment.network.name
    delivery = plan_delivery("sweep", output, name, short.suffixes, inputs=[config, *noted])
    with (
        cluster_executor(cluster) if cluster else nullcontext() as executor,
        Journal(place := sweep_journal(delivery.files, name, plan.fingerprint), plan) as journal,
    ):
        if journal.points and not quiet:
            there = f"{count(len(journal.points), 'point')} of {len(plan.combinations):,} are there"
            say(f"going on with {place}: {there}", error=True)

        def tell_kept() -> str:
            kept = journal.count_kept()
            points = count(len(plan.combinations), "point")
            return f"{kept:,} of {points} kept{'; the same command goes on' if kept else ''}"

        found = wait_for(
            lambda reached: sweep_points(plan, executor=executor, threads=threads, journal=journal, progress=reached),
            name,
            quiet=quiet,
            unit="points",
            kept=tell_kept,
        )
        delivery.write(found)
        try:
            delivery.show(found)
        finally:  # also where nobody reads on: what was measured is in the files, or has been seen
            journal.path.unlink(missing_ok=True)
