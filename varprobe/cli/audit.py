"""`varprobe audit`: weights that were drawn, held to the laws they could come from and to those that were meant."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.delivery import TERMINAL, deliver, plan_files
from varprobe.cli.factory_options import FactoryOptions, audit_named
from varprobe.results.kinds import RESULTS

Format = StrEnum("Format", [TERMINAL, *RESULTS["audit"].printed])  # type: ignore[misc]  # mypy wants literals
_PLAIN = Format(TERMINAL)
reading_option = partial(typer.Option, rich_help_panel="How tensors are read")
intent_option = partial(typer.Option, rich_help_panel="What was meant")


class LayoutName(StrEnum):
    """The order of a weight's axes."""

    torch = "torch"
    keras = "keras"
    flax = "flax"


@command("audit", "varprobe audit model.safetensors --expect '*.weight=normal(0.02)'")
def audit(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A .npz, .npy or .safetensors file, its index, or a checkpoint; or pkg.mod:function, which is "
            "imported, called, and audited over several draws.",
        ),
    ],
    factory: FactoryOptions,
    expect: Annotated[
        list[str] | None,
        intent_option(metavar="PATTERN=LAW", help="A law that was meant, as '*.bias=zeros'. The first match counts."),
    ] = None,
    complete: Annotated[bool, intent_option("--complete", help="Every tensor must have a law that was meant.")] = False,
    alpha: Annotated[
        float, intent_option(metavar="P", help="Chance that a model that is as meant is called otherwise.")
    ] = 1e-3,
    tolerance: Annotated[float, intent_option(metavar="SHARE", help="What is off by less never counts.")] = 0.02,
    layout: Annotated[
        LayoutName | None,
        reading_option(
            help="Axes: torch (out, in, *kernel); keras and flax (*kernel, in, out). Default: torch, and of a factory "
            "what its framework has."
        ),
    ] = None,
    transposed: Annotated[
        list[str] | None, reading_option(metavar="PATTERN", help="Matrices the other way round. Repeatable.")
    ] = None,
    packed: Annotated[
        list[str] | None, reading_option(metavar="PATTERN=N", help="N matrices along the outputs, as in qkv.")
    ] = None,
    groups: Annotated[list[str] | None, reading_option(metavar="PATTERN=N", help="Grouped convolutions.")] = None,
    every_row: Annotated[bool, options.output_option("--all", help="Print every tensor, siblings too.")] = False,
    format_: Annotated[Format, options.output_option("--format", help="What to print.")] = _PLAIN,
    output: Annotated[
        list[Path] | None,
        options.output_option(
            "-o", "--output", metavar="FILE", help=f"Write FILE: {', '.join(RESULTS['audit'].formats)}. Repeatable."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Look at weights that were drawn: which laws they fit, and whether they are what was meant.

    Ends with 1 where a tensor is not what was meant, or has weights that no law draws.
    """
    from varprobe.audit.audit import AuditSettings, audit_tensors
    from varprobe.audit.fans import Layout
    from varprobe.audit.files import tensors_of
    from varprobe.audit.given import read_assignments, read_readings
    from varprobe.audit.intent import read_intent
    from varprobe.audit.records import AuditOutcome
    from varprobe.models.factory import names_factory

    if not 0 < alpha < 1:
        raise typer.BadParameter(f"--alpha is a chance between 0 and 1, given {alpha:g}")
    if not 0 <= tolerance < 1:
        raise typer.BadParameter(f"--tolerance is a share from 0 to 1, given {tolerance:g}")
    delivery = plan_files("audit", output, "json" if as_json else str(format_))
    settings = AuditSettings(
        Layout(layout.value) if layout else Layout.TORCH,
        read_readings(transposed or [], packed or [], groups or []),
        read_intent(read_assignments(expect or [], "--expect") | ({"other": "error"} if complete else {})),
        alpha,
        tolerance,
    )
    if names_factory(what):
        found = audit_named(what, factory, settings, Layout(layout.value) if layout else None)
    else:
        factory.refuse(what)
        found = audit_tensors([tensors_of(Path(what))], settings, Path(what).stem, what)
    deliver(found, delivery, **({"every_row": every_row} if delivery.printed == TERMINAL else {}))
    raise typer.Exit(int(found.outcome is AuditOutcome.FAILED))
