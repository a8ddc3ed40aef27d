"""The command line itself: `COMMANDS` names the commands, each in a module of that name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib import import_module
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info

COMMANDS = (
    "run",
    "predict",
    "tune",
    "show",
    "new",
    "list",
    "schema",
    "gain",
    "check",
    "audit",
    "compare",
    "sweep",
    "lesson",
    "grade",
    "lab",
    "guide",
)


class Commands(TyperGroup):
    """Imports the module of the command that is asked for, and all of them where none of that name is there."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                import_module(f"varprobe.cli.{name}")
                info = next(one for one in app.registered_commands if one.name == name)
                self.add_command(get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None))
        return self.commands.get(cmd_name)


class Command(TyperCommand):
    """Its help has a section for each panel of options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                others = "Arguments" if parameter.param_type_name == "argument" else "Options"
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or others, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def command(name: str, example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a command of a function; a parameter whose type is a record stands for the record's fields as options."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        records: dict[str, Any] = {key: kind for key, kind in hints.items() if is_dataclass(kind)}
        parameters = [one for each in signature(function).parameters.values() for one in _expand(each, hints)]

        def call(**given: Any) -> None:
            made = {
                key: kind(**{one.name: given.pop(one.name) for one in fields(kind)}) for key, kind in records.items()
            }
            function(**given, **made)

        call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what `inspect.signature` reads
        call.__annotations__, call.__doc__ = {}, function.__doc__
        app.command(name, cls=Command, epilog=f"Example: {example}")(call)
        return function

    return register


def _expand(parameter: Parameter, hints: dict[str, Any]) -> list[Parameter]:
    kind = hints[parameter.name]
    if not is_dataclass(kind):
        return [parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind)]
    inner = get_type_hints(kind, include_extras=True)
    return [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=inner[one.name])
        for one in fields(kind)
    ]


def _print_version(value: bool) -> None:
    if value:
        from varprobe.streams import say
        from varprobe.version import __version__

        say(f"varprobe {__version__}")
        raise typer.Exit


@app.callback()
def varprobe(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Does the signal survive the depth of this network?

    Builds a deep MLP from a YAML spec, draws its weights, pushes random batches forward and gradients backward,
    and says per layer whether activations and gradients vanish, explode or stay stable.
    """
