"""`varprobe run`: a network measured and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.delivery import deliver, plan_delivery
from varprobe.cli.interruptible import wait_for

if TYPE_CHECKING:
    from varprobe.config.loading import Experiment
    from varprobe.report.records import Report


@command("run", "varprobe run configs/xavier_tanh.yaml --init small -o report.json")
def run(
    config: options.Config,
    network: options.Network,
    drawing: options.Drawing,
    output: options.Output,
    short: options.ShortForms,
    view: options.View,
    engine: options.EngineName = None,
    threads: options.Threads = None,
    code: options.AsCode = None,
    watch: Annotated[
        bool, options.output_option("--watch", help="Run again when the config changes, or a file that it names.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a network and print its verdict, theory beside it."""
    from varprobe.config.loading import load
    from varprobe.config.opening import noting_files

    shown, edits = view.choose(), options.overrides_of(network, drawing, engine)

    def work() -> None:
        with noting_files() as noted:
            experiment = load(config, edits)
        name = experiment.network.name
        delivery = plan_delivery("report", output, name, short.suffixes, code, [config, *noted])
        deliver(measure(experiment, threads, quiet=quiet), delivery, **shown)

    if not watch:
        work()
        return
    if config == "-":
        raise typer.BadParameter("--watch needs a file, and - is standard input")
    from varprobe.cli.watching import WatchedConfig, repeat_on_change

    repeat_on_change(work, WatchedConfig(config, edits).files)


def measure(experiment: Experiment, threads: int | None, *, quiet: bool) -> Report:
    """The report of a network, with progress."""
    from varprobe.diagnose import diagnose
    from varprobe.network.spec import with_threads

    settings = with_threads(experiment.network.settings, threads)
    return wait_for(lambda reached: diagnose(experiment, settings, reached), experiment.network.name, quiet=quiet)
