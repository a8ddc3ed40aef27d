"""`varprobe gain`: exact gains of activations."""

from __future__ import annotations

from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.cli.delivery import open_console
from varprobe.cli.options import AsJson


@command("gain", "varprobe gain tanh gelu --q 0.5")
def gain(
    activations: Annotated[
        list[str] | None, typer.Argument(metavar="[ACTIVATION]...", help="Names as in `list`; default: all.")
    ] = None,
    q: Annotated[float, typer.Option(metavar="Q", help="Second moment of the activation's input.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Print the exact forward and backward gain of activations, beside PyTorch's."""
    from varprobe.cli.gain_table import gain_json, gain_table, gains

    found = gains(activations, q)
    if as_json:
        print(gain_json(found))
    else:
        open_console().print(gain_table(found))
