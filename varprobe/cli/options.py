"""Options that commands share, as records whose fields they are, and the edits of the config that they ask for."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varprobe.frozen import dataclass
from varprobe.reporters.code.names import FrameworkName
from varprobe.streams import say

if TYPE_CHECKING:
    from varprobe.config.overrides import Override

# The sections of a command's help.
network_option = partial(typer.Option, rich_help_panel="The network")
measuring_option = partial(typer.Option, rich_help_panel="How to measure")
output_option = partial(typer.Option, rich_help_panel="Output")


class Engine(StrEnum):
    """How weights are handled."""

    auto = "auto"
    explicit = "explicit"
    matrix_free = "matrix-free"


Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or - for standard input.")]
EngineName = Annotated[
    Engine | None, measuring_option("--engine", help="Draw weights, never form them, or the quicker.")
]
Threads = Annotated[
    int | None, measuring_option(min=1, max=1024, help="Threads to use; default: all cores. Draws do not depend on it.")
]
AllowImport = Annotated[
    bool, typer.Option("--allow-import", help="Run the code of models that configs name, which is done as you.")
]
AsCode = Annotated[
    FrameworkName | None, output_option("--as", help="Print the remedies alone, as lines of that framework.")
]
AsJson = Annotated[bool, output_option("--json", help="Print JSON in place of the text.")]
CheckFiles = Annotated[
    list[Path] | None,
    output_option("-o", "--output", metavar="FILE", help="Write FILE: .xml (JUnit), .sarif, .md or .json. Repeatable."),
]
Quiet = Annotated[bool, output_option("--quiet", "-q", help="No progress bar.")]


@dataclass(frozen=True)
class Network:
    """What is changed in a config."""

    init: Annotated[str | None, network_option(help="Scheme of every layer that does not name one.")] = None
    activation: Annotated[str | None, network_option(help="Activation of every layer that does not name one.")] = None
    set_: Annotated[
        list[str] | None,
        network_option("--set", metavar="PATH=VALUE", help="Change any config value, as layers.0.repeat=50."),
    ] = None


@dataclass(frozen=True)
class Sampling:
    """How much is drawn."""

    trials: Annotated[str | None, measuring_option(metavar="N", help="Independent draws.")] = None
    batch: Annotated[str | None, measuring_option(metavar="N", help="Rows of a batch.")] = None


@dataclass(frozen=True)
class Drawing(Sampling):
    """How much is drawn, and from which seed."""

    seed: Annotated[str | None, measuring_option(metavar="N", help="Seed of all draws, or random.")] = None


@dataclass(frozen=True)
class Output:
    """Where a result goes."""

    output: Annotated[
        list[Path] | None,
        output_option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write FILE: .html, .png, .svg, .pdf, .md, .csv or .json; - is JSON on stdout. Repeatable.",
        ),
    ] = None
    as_json: AsJson = False
    window: Annotated[bool, output_option("--show", help="Open a window with the picture.")] = False
    own_scale: Annotated[
        bool, output_option("--own-scale", help="Pictures show each layer's histogram in units of its own size.")
    ] = False
    lesson: Annotated[
        bool, output_option("--lesson", help="Pages ask what the reader expects before they show it.")
    ] = False


@dataclass(frozen=True)
class ShortForms:
    """Files in `reports`."""

    plot: Annotated[bool, output_option("--plot", help="Short for -o reports/NAME.png.")] = False
    page: Annotated[bool, output_option("--report", help="Short for -o reports/NAME.html.")] = False

    @property
    def suffixes(self) -> list[str]:
        """What they stand for."""
        return [suffix for suffix, asked in ((".png", self.plot), (".html", self.page)) if asked]


@dataclass(frozen=True)
class View:
    """What of a report is printed."""

    brief: Annotated[bool, output_option("--brief", help="Print the verdict alone.")] = False
    every_row: Annotated[bool, output_option("--all", help="Print every layer and finding, and theory's numbers.")] = (
        False
    )
    columns: Annotated[
        str | None,
        output_option(
            metavar="NAMES", help="More columns by layer, by commas, as theory,off,rank; a wrong name lists them."
        ),
    ] = None
    number_formats: Annotated[
        bool, output_option("--number-formats", help="Print where float16, bfloat16 and others are left.")
    ] = False

    def choose(self) -> dict[str, Any]:
        """What the report's printer takes.

        Raises:
            VarprobeError: for the name of a column that there is not, and columns without a table.
        """
        if self.columns is None:
            return {**vars(self), "columns": ()}
        from varprobe.reporters.report.columns import parse_columns

        if self.brief:
            raise typer.BadParameter("--columns are of the table, which --brief leaves out")
        return {**vars(self), "columns": parse_columns(self.columns)}


def overrides_of(network: Network, sampling: Sampling, engine: Engine | None = None) -> list[Override]:
    """The edits that options and `--set` ask for, in this order."""
    from varprobe.config.overrides import Override, parse_assignment

    options = (
        ("defaults.init", "--init", network.init),
        ("defaults.activation", "--activation", network.activation),
        ("probe.trials", "--trials", sampling.trials),
        ("probe.batch", "--batch", sampling.batch),
        ("probe.seed", "--seed", _draw_seed(sampling.seed) if isinstance(sampling, Drawing) else None),
        ("probe.engine", "--engine", engine and engine.value),
    )
    named = [Override(path, text, option) for path, option, text in options if text is not None]
    return [*named, *map(parse_assignment, network.set_ or [])]


def _draw_seed(seed: str | None) -> str | None:
    """The seed; for `random` a new one, which is told, so that what it gives can be repeated."""
    if seed != "random":
        return seed
    import secrets

    seed = str(secrets.randbelow(2**31))
    say(f"seed {seed}: --seed {seed} repeats this", error=True)
    return seed
