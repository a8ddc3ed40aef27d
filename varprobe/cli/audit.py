"""`varprobe audit`: weights that were drawn, held to the laws they could come from and to those that were meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.delivery import TERMINAL, deliver, plan_files
from varprobe.cli.factory_options import FactoryOptions, audit_named
from varprobe.errors import Place, VarprobeError
from varprobe.output import refuse_inputs
from varprobe.results.kinds import RESULTS
from varprobe.streams import say

if TYPE_CHECKING:
    from varprobe.audit.audit import AuditSettings
    from varprobe.audit.records import Audit

Format = StrEnum("Format", [TERMINAL, *RESULTS["audit"].printed])  # type: ignore[misc]  # mypy wants literals
_PLAIN = Format(TERMINAL)
reading_option = partial(typer.Option, rich_help_panel="How tensors are read")
intent_option = partial(typer.Option, rich_help_panel="What was meant")
# Options that a config says.
_SAID = (
    "expect",
    "complete",
    "alpha",
    "tolerance",
    "layout",
    "transposed",
    "packed",
    "groups",
    "arg",
    "vary",
    "draws",
    "seed",
)


class LayoutName(StrEnum):
    """The order of a weight's axes."""

    torch = "torch"
    keras = "keras"
    flax = "flax"


@command("audit", "varprobe audit model.safetensors --expect '*.weight=normal(0.02)'")
def audit(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A .npz, .npy or .safetensors file, its index, a checkpoint, or a YAML config; or pkg.mod:function, "
            "which is imported, called, and audited over several draws.",
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
    baseline: Annotated[
        Path | None, intent_option(metavar="FILE", help="A stored audit, from which nothing may have drifted.")
    ] = None,
    update_baseline: Annotated[
        bool, intent_option("--update-baseline", help="Write the baseline in place of comparing with it.")
    ] = False,
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
    allow_import: options.AllowImport = False,
) -> None:
    """Look at weights that were drawn: which laws they fit, and whether they are what was meant.

    Ends with 1 where a tensor is not what was meant, or has weights that no law draws.
    """
    from varprobe.audit.records import AuditOutcome

    if not 0 < alpha < 1:
        raise typer.BadParameter(f"--alpha is a chance between 0 and 1, given {alpha:g}")
    if not 0 <= tolerance < 1:
        raise typer.BadParameter(f"--tolerance is a share from 0 to 1, given {tolerance:g}")
    if update_baseline and baseline is None:
        raise typer.BadParameter("--update-baseline needs --baseline FILE to write")
    delivery = plan_files("audit", output, "json" if as_json else str(format_))
    refuse_inputs(delivery.files, [what, *([baseline] if baseline else [])])
    if what == "-" or what.lower().endswith((".yaml", ".yml")):
        found = _of_config(what, context, factory, allow_import=allow_import)
    else:
        from varprobe.audit.audit import AuditSettings
        from varprobe.audit.fans import Layout
        from varprobe.audit.given import read_assignments, read_readings
        from varprobe.audit.intent import read_intent
        from varprobe.models.factory import names_factory

        named = names_factory(what)
        if not named:
            factory.refuse(what)
        settings = AuditSettings(
            Layout(layout.value) if layout else None,
            read_readings(transposed or [], packed or [], groups or []),
            read_intent(read_assignments(expect or [], "--expect") | ({"other": "error"} if complete else {})),
            alpha,
            tolerance,
        )
        with _placed_at_expect():
            found = audit_named(what, factory, settings) if named else _of_file(Path(what), settings)
    if baseline is not None:
        from varprobe.cli.audits import hold

        tell = partial(say, error=delivery.printed != TERMINAL)
        found = hold(found, baseline, tell, update=update_baseline)
    deliver(found, delivery, **({"every_row": every_row} if delivery.printed == TERMINAL else {}))
    raise typer.Exit(int(found.outcome is AuditOutcome.FAILED))


def _of_config(what: str, context: typer.Context, factory: FactoryOptions, *, allow_import: bool) -> Audit:
    """As the config says, which leaves no room for the options that say the same."""
    from varprobe.audit.config import load_audit, refuse_model, run_audit

    said = [name for name in _SAID if _is_given(context, name)]
    if said:
        raise typer.BadParameter(f"--{said[0]} is for files of arrays and for factories: the config {what} says it")
    plan = load_audit(what)
    if plan.config.model is None:
        factory.refuse(str(plan.config.arrays))
    return run_audit(plan, audit_model=factory.model_audit() if allow_import else refuse_model)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _of_file(path: Path, settings: AuditSettings) -> Audit:
    from varprobe.audit.audit import audit_tensors
    from varprobe.audit.files import tensors_of

    return audit_tensors([tensors_of(path)], settings, path.stem, str(path))


@contextmanager
def _placed_at_expect() -> Iterator[None]:
    """What is wrong with a law that was meant stands in its option."""
    try:
        yield
    except VarprobeError as error:
        if error.place is None and error.field:
            error.place, error.field = Place("--expect"), error.field if error.field != "other" else ""
        raise
