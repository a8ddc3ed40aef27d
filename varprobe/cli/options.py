"""Options that commands share, and what they make of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from varprobe.config.loading import Experiment
    from varprobe.config.overrides import Override
    from varprobe.report.records import Report


class Engine(StrEnum):
    """How weights are handled."""

    auto = "auto"
    explicit = "explicit"
    matrix_free = "matrix-free"


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
Seed = Annotated[str | None, typer.Option(metavar="N", help="Seed of all draws, or random.")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Threads to use; default: all cores. Draws do not depend on it.")
]
EngineName = Annotated[Engine | None, typer.Option("--engine", help="Draw weights, never form them, or the quicker.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change any config value, as layers.0.repeat=50."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON in place of the table.")]
Formats = Annotated[bool, typer.Option("--formats", help="Print where float16, bfloat16 and others are left.")]
Lesson = Annotated[bool, typer.Option("--lesson", help="Pages ask what the reader expects before they show it.")]
Window = Annotated[bool, typer.Option("--show", help="Open a window with the picture.")]
Plot = Annotated[bool, typer.Option("--plot", help="Short for -o reports/NAME.png.")]
Page = Annotated[bool, typer.Option("--report", help="Short for -o reports/NAME.html.")]
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
        "probe.seed": ("--seed", _drawn(seed)),
    }


def _drawn(seed: str | None) -> str | None:
    """The seed; for `random` a new one, which is told, so that what it gives can be repeated."""
    if seed != "random":
        return seed
    import secrets
    import sys

    seed = str(secrets.randbelow(2**31))
    print(f"seed {seed}: --seed {seed} repeats this", file=sys.stderr)
    return seed


def overrides_of(options: dict[str, tuple[str, str | None]], assignments: list[str]) -> list[Override]:
    """The edits that options and `--set` ask for, in this order."""
    from varprobe.config.overrides import Override, parse_assignment

    named = [Override(path, text, option) for path, (option, text) in options.items() if text is not None]
    return [*named, *(parse_assignment(text) for text in assignments)]


def measured(experiment: Experiment, threads: int | None, *, quiet: bool) -> Report:
    """The report of a network, with progress."""
    from varprobe.cli.interruptible import wait_for
    from varprobe.cli.progress import progress_bar
    from varprobe.diagnose import diagnose
    from varprobe.network.spec import with_threads

    spec = experiment.network
    settings = with_threads(spec.settings, threads)
    with progress_bar(spec.name, quiet=quiet) as progress:
        return wait_for(lambda reached: diagnose(experiment, settings, reached), progress)


def short_forms(*, plot: bool, page: bool) -> list[str]:
    """The suffixes that `--plot` and `--report` stand for."""
    return [*([".png"] if plot else []), *([".html"] if page else [])]
