"""The commands of `varprobe` that look at one network, and its tables."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from varprobe.advice.ways import By
from varprobe.cli.app import app
from varprobe.cli.delivery import (
    COMPARERS,
    SWEEPERS,
    check_delivery,
    console,
    deliver,
    deliver_checks,
    deliver_comparison,
    deliver_sweep,
    delivery_of,
)
from varprobe.cli.options import (
    Activation,
    AsJson,
    Batch,
    Config,
    EngineName,
    EveryRow,
    Formats,
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
from varprobe.cli.output import check_targets, check_writable, write_file
from varprobe.errors import OutputError, Place
from varprobe.formatting import printable


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
    check = "check"
    sweep = "sweep"


@app.command(epilog="Example: varprobe run configs/xavier_tanh.yaml --init small -o report.json")
def run(
    config: Config,
    init: Init = None,
    activation: Activation = None,
    trials: Trials = None,
    batch: Batch = None,
    seed: Seed = None,
    engine: EngineName = None,
    threads: Threads = None,
    set_: Set = None,
    output: Output = None,
    as_json: AsJson = False,
    every_row: EveryRow = False,
    plot: Plot = False,
    page: Page = False,
    window: Window = False,
    lesson: Lesson = False,
    formats: Formats = False,
    quiet: Quiet = False,
) -> None:
    """Measure a network and print its verdict, theory beside it."""
    from varprobe.config.loading import load

    delivery = delivery_of(output, as_json=as_json, lesson=lesson, window=window)
    options = fields(init, activation, trials, batch, seed)
    options["probe.engine"] = ("--engine", engine.value if engine else None)
    experiment = load(config, overrides_of(options, set_ or []))
    delivery = delivery.also(experiment.network.name, short_forms(plot=plot, page=page)).checked()
    deliver(measured(experiment, threads, quiet=quiet), delivery, every_row=every_row, formats=formats)


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
    window: Window = False,
    lesson: Lesson = False,
    formats: Formats = False,
) -> None:
    """Say by theory alone what becomes of the signal; nothing is drawn."""
    from varprobe.config.loading import load
    from varprobe.diagnose import predict_report

    delivery = delivery_of(output, as_json=as_json, lesson=lesson, window=window).checked()
    experiment = load(config, overrides_of(fields(init, activation, trials, batch), set_ or []))
    deliver(predict_report(experiment), delivery, every_row=every_row, formats=formats, explain=explain)


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
    from varprobe.cli.interruptible import wait_for
    from varprobe.cli.progress import progress_bar
    from varprobe.config.loading import read_config
    from varprobe.reporters.tuning_text import render_tuning, render_tuning_json
    from varprobe.tuning import rewrite_config, tune

    if sb is not None and by is not By.EDGE:
        raise typer.BadParameter("--sb goes with --by edge")
    targets = output or []
    check_targets(targets, (".yaml", ".yml"))
    source = read_config(config)
    overrides = overrides_of(fields(init, activation, trials, batch, seed), set_ or [])
    with progress_bar(source.stem, quiet=quiet) as progress:
        tuning = wait_for(
            lambda reached: tune(source, overrides, by=by, sb=sb, threads=threads, progress=reached), progress
        )
    for target in targets:
        write_file(target, rewrite_config(source, tuning, target))
    sys.stdout.write(render_tuning_json(tuning) if as_json else render_tuning(tuning))
    if targets and not as_json:
        print(f"wrote {', '.join(map(str, targets))}{'' if tuning.edits else ', with nothing tuned in it'}")


@app.command(epilog="Example: varprobe show report.json -o report.md")
def show(
    stored: Annotated[
        Path, typer.Argument(metavar="REPORT", help="What `run`, `predict`, `compare` or `sweep` wrote by -o.")
    ],
    output: Output = None,
    as_json: AsJson = False,
    every_row: EveryRow = False,
    window: Window = False,
    lesson: Lesson = False,
    formats: Formats = False,
) -> None:
    """Print or convert a stored report, comparison, sweep or check; nothing is measured."""
    from varprobe.report.stored import parsed, read_stored

    plain = parsed(read_stored(stored), stored)
    if "check_version" in plain:
        from varprobe.gate.storage import check_from_plain

        deliver_checks(check_from_plain(plain, stored), check_delivery(output, "json" if as_json else "terminal"))
        return
    if "comparison_version" in plain:
        from varprobe.comparison import comparison_from_plain

        delivery = delivery_of(output, COMPARERS, as_json=as_json, lesson=lesson, window=window).checked()
        deliver_comparison(comparison_from_plain(plain, stored), delivery)
        return
    if "sweep_version" in plain:
        from varprobe.sweeps.storage import sweep_from_plain

        delivery = delivery_of(output, SWEEPERS, as_json=as_json, lesson=lesson, window=window).checked()
        deliver_sweep(sweep_from_plain(plain, stored), delivery)
        return
    from varprobe.report.storage import report_from_plain

    delivery = delivery_of(output, as_json=as_json, lesson=lesson, window=window).checked()
    deliver(report_from_plain(plain, stored), delivery, every_row=every_row, formats=formats)


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
    write_file(target, template.replace("NAME", printable(str(target))))
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
    console().print(table)


@app.command(epilog="Example: varprobe schema config > config.schema.json")
def schema(what: Annotated[Schema, typer.Argument(help="Which schema.")] = Schema.config) -> None:
    """Print the JSON Schema of configs, of reports, of checks or of sweeps."""
    import json

    if what is Schema.config:
        from varprobe.config.schema import config_schema as found
    elif what is Schema.report:
        from varprobe.report.storage import report_schema as found
    elif what is Schema.check:
        from varprobe.gate.storage import check_schema as found
    else:
        from varprobe.sweeps.storage import sweep_schema as found
    print(json.dumps(found(), indent=2))


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
        console().print(gain_table(found))
