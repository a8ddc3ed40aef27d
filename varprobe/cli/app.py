"""The command line itself; `commands` and `several` hang their commands on it."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
