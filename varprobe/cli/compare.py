"""`varprobe compare`: networks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli.app import command
from varprobe.cli.delivery import deliver, plan_delivery
from varprobe.cli.options import Drawing, Network, Output, Quiet, Threads, network_option, overrides_of
from varprobe.cli.run import measure
from varprobe.frozen import dataclass

if TYPE_CHECKING:
    from varprobe.report.records import Report


@dataclass(frozen=True)
class Networks(Network):
    """What is changed in the configs."""

    init: Annotated[
        str | None, network_option(metavar="NAMES", help="Initialisers for the configs, by commas: a network for each.")
    ] = None


@command("compare", "varprobe compare configs/xavier_tanh.yaml --init small,large,xavier -o compare.png")
def compare(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Configs, and .json reports; these are not measured again.")
    ],
    networks: Networks,
    drawing: Drawing,
    output: Output,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Put networks side by side; of two reports of one network, say what changed beyond noise."""
    from varprobe.comparison import compare_reports

    delivery = plan_delivery("comparison", output, inputs=sources)
    pairs = [pair for source in sources for pair in _reports(source, networks, drawing, threads, quiet=quiet)]
    if len(pairs) < 2:
        raise typer.BadParameter("one network is nothing to compare; name more, or several by --init a,b")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        names = [f"{number}: {name}" for number, name in enumerate(names, 1)]
    deliver(compare_reports(names, [report for _, report in pairs]), delivery)


def _reports(
    source: str, networks: Networks, drawing: Drawing, threads: int | None, *, quiet: bool
) -> list[tuple[str, Report]]:
    """The reports of a source, each under its name: the stored one, or one measured for each initialiser."""
    from dataclasses import replace

    from varprobe.config.loading import load
    from varprobe.results.store import load_report

    if source.endswith(".json"):
        stored = load_report(Path(source))
        return [(stored.name, stored)]
    found = []
    for scheme in [one.strip() for one in networks.init.split(",")] if networks.init else [None]:
        report = measure(load(source, overrides_of(replace(networks, init=scheme), drawing)), threads, quiet=quiet)
        found.append((f"{report.name}, {scheme}" if scheme is not None else report.name, report))
    return found
