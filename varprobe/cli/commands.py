"""The commands of `varprobe`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli.output import check_targets, check_writable, plot_target, write_file
from varprobe.errors import OutputError, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from varprobe.report.records import Report
    from varprobe.spec.network import NetworkSpec
    from varprobe.spec.overrides import Override

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Engine(StrEnum):
    """How weights are handled."""

    auto = "auto"
    explicit = "explicit"
    matrix_free = "matrix-free"


class Table(StrEnum):
    """What `list` can show."""

    activations = "activations"
    initializers = "initializers"
    layers = "layers"
    findings = "findings"


class Schema(StrEnum):
    """What has a JSON Schema."""

    config = "config"
    report = "report"


def _version(value: bool) -> None:
    if value:
        from varprobe.version import __version__

        print(f"varprobe {__version__}")
        raise typer.Exit


@app.callback()
def varprobe(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Does the signal survive the depth of this network?

    Builds a deep MLP from a YAML spec, draws its weights, pushes random batches forward and gradients backward,
    and says per layer whether activations and gradients vanish, explode or stay stable.
    """


Output = Annotated[
    list[Path] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write FILE: .json, .csv, .md, .png, .svg or .pdf; - is JSON on stdout. Repeatable.",
    ),
]
Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, or - for standard input.")]
Init = Annotated[str | None, typer.Option(help="Scheme of every layer that does not name one.")]
Activation = Annotated[str | None, typer.Option(help="Activation of every layer that does not name one.")]
Trials = Annotated[str | None, typer.Option(metavar="N", help="Independent draws.")]
Batch = Annotated[str | None, typer.Option(metavar="N", help="Rows of a batch.")]
Seed = Annotated[str | None, typer.Option(metavar="N", help="Seed of all draws.")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Threads to use; default: all cores. Draws do not depend on it.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change any config value, as layers.0.repeat=50."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON in place of the table.")]
Formats = Annotated[bool, typer.Option("--formats", help="Print where float16, bfloat16 and others are left.")]
EveryRow = Annotated[bool, typer.Option("--all", help="Print every layer of a long network.")]


@app.command(epilog="Example: varprobe run configs/xavier_tanh.yaml --init small -o report.json")
def run(
    config: Config,
    init: Init = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    seed: Seed = None,
    engine: Annotated[Engine | None, typer.Option(help="Draw weights, never form them, or the quicker.")] = None,
    threads: Threads = None,
    set_: Set = None,
    output: Output = None,
    as_json: AsJson = False,
    every_row: EveryRow = False,
    plot: Annotated[bool, typer.Option("--plot", help="Short for -o reports/NAME.png.")] = False,
    formats: Formats = False,
    quiet: Quiet = False,
) -> None:
    """Measure a network and print its verdict, theory beside it."""
    from varprobe.spec.loading import load

    targets, as_json = _targets(output, as_json=as_json)
    options = _options(init, activation, trials, batch, seed)
    options["probe.engine"] = ("--engine", engine.value if engine else None)
    spec = load(config, _overrides(options, set_ or []))
    if plot:
        targets.append(plot_target(spec.name))
    _deliver(_measured(spec, threads, quiet=quiet), targets, as_json=as_json, every_row=every_row, formats=formats)


@app.command(epilog="Example: varprobe predict configs/he_relu.yaml --explain")
def predict(
    config: Config,
    init: Init = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    set_: Set = None,
    explain: Annotated[bool, typer.Option("--explain", help="Write out how each layer's numbers come about.")] = False,
    output: Output = None,
    as_json: AsJson = False,
    every_row: EveryRow = False,
    formats: Formats = False,
) -> None:
    """Say by theory alone what becomes of the signal; nothing is drawn."""
    from varprobe.diagnose import foretell
    from varprobe.spec.loading import load

    targets, as_json = _targets(output, as_json=as_json)
    spec = load(config, _overrides(_options(init, activation, trials, batch), set_ or []))
    _deliver(foretell(spec), targets, as_json=as_json, every_row=every_row, formats=formats, explain=explain)


class By(StrEnum):
    """What `tune` may change."""

    layer = "layer"
    branch = "branch"
    scale = "scale"
    layers = "layers"
    edge = "edge"
    both = "both"


@app.command(epilog="Example: varprobe tune configs/small_tanh.yaml -o tuned.yaml")
def tune(
    config: Config,
    by: Annotated[By | None, typer.Option(help="Change only this; default: the simplest that does it.")] = None,
    sb: Annotated[
        float | None, typer.Option(min=0.0, max=1e6, metavar="S", help="Std of the biases, with --by edge.")
    ] = None,
    init: Init = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    seed: Seed = None,
    threads: Threads = None,
    set_: Set = None,
    output: Annotated[
        list[Path] | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the config with the changes: .yaml or .yml."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object in place of the text.")] = False,
    quiet: Quiet = False,
) -> None:
    """Find the scales that make a network stable, and verify them by measuring."""
    from varprobe.cli.progress import progress_bar
    from varprobe.cli.waiting import wait_for
    from varprobe.reporters.tuning_text import render_tuning, render_tuning_json
    from varprobe.spec.loading import read_config
    from varprobe.tuning import tune, tuned_text

    if sb is not None and by is not By.edge:
        raise typer.BadParameter("--sb goes with --by edge")
    targets = output or []
    check_targets(targets, (".yaml", ".yml"))
    source = read_config(config)
    overrides = _overrides(_options(init, activation, trials, batch, seed), set_ or [])
    with progress_bar(source.stem, quiet=quiet) as progress:
        way = by.value if by else None
        tuning = wait_for(
            lambda reached: tune(source, overrides, by=way, sb=sb, threads=threads, progress=reached), progress
        )
    for target in targets:
        write_file(target, tuned_text(source, tuning, target))
    sys.stdout.write(render_tuning_json(tuning) if as_json else render_tuning(tuning))
    if targets and not as_json:
        print(f"wrote {', '.join(map(str, targets))}{'' if tuning.edits else ', with nothing tuned in it'}")


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

    targets, as_json = _targets(output, COMPARERS, as_json=as_json)
    names, reports = [], []
    for source in sources:
        if source.endswith(".json"):
            from varprobe.report.storage import load_report

            reports.append(load_report(Path(source)))
            names.append(reports[-1].name)
            continue
        for scheme in init.split(",") if init else [None]:
            options = _options(scheme and scheme.strip(), activation, trials, batch, seed)
            report = _measured(load(source, _overrides(options, set_ or [])), threads, quiet=quiet)
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
        print_comparison(comparison, _console())


def _measured(spec: NetworkSpec, threads: int | None, *, quiet: bool) -> Report:
    """The report of a network, with progress."""
    from varprobe.cli.progress import progress_bar
    from varprobe.cli.waiting import wait_for
    from varprobe.diagnose import diagnose
    from varprobe.spec.network import with_threads

    settings = with_threads(spec.settings, threads)
    with progress_bar(spec.name, quiet=quiet) as progress:
        return wait_for(lambda reached: diagnose(spec, settings, reached), progress)


@app.command(epilog="Example: varprobe show report.json -o report.md")
def show(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="What `run -o` or `predict -o` wrote as .json.")],
    output: Output = None,
    as_json: AsJson = False,
    every_row: EveryRow = False,
    formats: Formats = False,
) -> None:
    """Print or convert a stored report; nothing is measured."""
    from varprobe.report.storage import load_report

    targets, as_json = _targets(output, as_json=as_json)
    _deliver(load_report(report), targets, as_json=as_json, every_row=every_row, formats=formats)


@app.command(epilog="Example: varprobe new my_network.yaml && varprobe run my_network.yaml")
def new(
    name: Annotated[Path, typer.Argument(metavar="[NAME]", help="The file to write.")] = Path("network.yaml"),
) -> None:
    """Write a commented config to start from."""
    target = name if name.suffix in (".yaml", ".yml") or not name.name else name.with_name(f"{name.name}.yaml")
    check_writable(target)
    if target.exists():
        raise OutputError("exists already", hint="choose another name, or delete it", place=Place(str(target)))
    from importlib import resources

    template = resources.files("varprobe.cli").joinpath("template.yaml").read_text(encoding="utf-8")
    write_file(target, template.replace("NAME", str(target).encode(errors="replace").decode()))
    print(f"wrote {target}; run it with: varprobe run {target}")


@app.command("list", epilog="Example: varprobe list initializers")
def list_parts(what: Annotated[Table, typer.Argument(help="Which table.")]) -> None:
    """Print a table of parts with their formulas."""
    from rich.table import Table as RichTable
    from rich.text import Text

    from varprobe.cli.tables import TABLES

    heading, rows = TABLES[what.value]
    table = RichTable(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(heading, no_wrap=True)
    table.add_column("", overflow="fold")
    for name, description in rows():
        table.add_row(Text(name), Text(description))
    _console().print(table)


@app.command(epilog="Example: varprobe schema config > config.schema.json")
def schema(what: Annotated[Schema, typer.Argument(help="Which schema.")] = Schema.config) -> None:
    """Print the JSON Schema of configs or of reports."""
    import json

    from varprobe.report.storage import report_schema
    from varprobe.spec.config_schema import config_schema

    print(json.dumps(config_schema() if what is Schema.config else report_schema(), indent=2))


@app.command(epilog="Example: varprobe gain tanh gelu --q 0.5")
def gain(
    activations: Annotated[
        list[str] | None, typer.Argument(metavar="[ACTIVATION]...", help="Names as in `list`; default: all.")
    ] = None,
    q: Annotated[float, typer.Option(metavar="Q", help="Second moment of the activation's input.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Print the exact forward and backward gain of activations, beside PyTorch's."""
    from varprobe.cli.gain_table import gain_json, gain_table, gains

    found = gains(activations, q)
    if as_json:
        print(gain_json(found))
    else:
        _console().print(gain_table(found))


def _options(
    init: str | None, activation: str | None, trials: str | None, batch: str | None, seed: str | None = None
) -> dict[str, tuple[str, str | None]]:
    """The config fields that options set: field -> option and value."""
    return {
        "defaults.init": ("--init", init),
        "defaults.activation": ("--activation", activation),
        "probe.trials": ("--trials", trials),
        "probe.batch": ("--batch", batch),
        "probe.seed": ("--seed", seed),
    }


def _overrides(options: dict[str, tuple[str, str | None]], assignments: list[str]) -> list[Override]:
    from varprobe.spec.overrides import Override, parse_assignment

    named = [Override(path, text, option) for path, (option, text) in options.items() if text is not None]
    return [*named, *(parse_assignment(text) for text in assignments)]


def _targets(
    output: list[Path] | None, formats: Iterable[str] | None = None, *, as_json: bool
) -> tuple[list[Path], bool]:
    """The files to write, checked, by default in the formats of a report; `-o -` is JSON on standard output."""
    from varprobe.reporters import RENDERERS

    targets = [target for target in output or [] if target != Path("-")]
    check_targets(targets, formats or RENDERERS)
    return targets, as_json or len(targets) < len(output or [])


def _deliver(
    report: Report,
    targets: list[Path],
    *,
    as_json: bool,
    every_row: bool,
    formats: bool,
    explain: bool = False,
) -> None:
    from varprobe.reporters import RENDERERS
    from varprobe.reporters.terminal import print_report

    for target in targets:
        write_file(target, RENDERERS[target.suffix.lower()](report))
    if as_json:
        from varprobe.reporters.json_text import render_json

        sys.stdout.write(render_json(report))
    else:
        console = _console()
        if explain:
            from varprobe.reporters.explanation import print_explanation

            print_explanation(report, console, every_row=every_row)
        if formats:
            from varprobe.reporters.format_table import print_formats

            print_formats(report, console)
        print_report(report, console, every_row=every_row)


def _console() -> Console:
    """Plain text in a pipe, as wide as the terminal in a terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
