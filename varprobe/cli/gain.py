"""`varprobe gain`: exact gains of activations."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli.app import command
from varprobe.cli.options import AsJson
from varprobe.errors import ConfigError, Place, nearest
from varprobe.streams import say

if TYPE_CHECKING:
    from rich.table import Table

    from varprobe.theory.gains import ActivationGain


@command("gain", "varprobe gain tanh gelu --q 0.5")
def gain(
    activations: Annotated[
        list[str] | None, typer.Argument(metavar="[ACTIVATION]...", help="Names as in `list`; default: all.")
    ] = None,
    q: Annotated[float, typer.Option(metavar="Q", help="Second moment of the activation's input.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Print the exact forward and backward gain of activations, beside PyTorch's."""
    found = _gains(activations, q)
    if as_json:
        say(json.dumps([asdict(gain) for gain in found], indent=2))
    else:
        from varprobe.reporters.console import open_console

        open_console().print(_table(found))


def _gains(names: list[str] | None, q: float) -> list[ActivationGain]:
    """The gains of the named activations, or of all.

    Raises:
        ConfigError: for a name nobody knows, or a q that is no positive number.
    """
    from varprobe.network.activations import ACTIVATIONS, make_activation
    from varprobe.theory.gains import gain_of

    if not (math.isfinite(q) and 1e-30 <= q <= 1e30):
        raise ConfigError(f"must be a number from 1e-30 to 1e30, given {q:g}", hint="try 1", place=Place("--q"))
    aliases = {alias: name for name, kind in ACTIVATIONS.items() for alias in (name, *kind.aliases)}
    found = []
    for name in names or ACTIVATIONS:
        if name.lower() not in aliases:
            near = nearest(name, aliases)
            hint = f"did you mean '{near}'? " if near else ""
            raise ConfigError(f"unknown activation '{name}'", hint=f"{hint}`varprobe list activations` shows all")
        found.append(gain_of(make_activation(aliases[name.lower()]), q))
    return found


def _table(found: list[ActivationGain]) -> Table:
    """One row per activation; `chi1` is the gradient's factor per layer at constant width with that gain."""
    from rich.table import Table

    title = f"Gains on N(0, {found[0].q:g}); chi1: the gradient's factor per layer with that gain"
    table = Table(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, title=title, title_justify="left", header_style="bold"
    )
    table.add_column("activation", no_wrap=True)
    for heading in ("forward", "chi1", "backward", "torch", "chi1"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("q is", no_wrap=True)
    for gain in found:
        numbers = (gain.forward_gain, gain.chi1_forward, gain.backward_gain, gain.torch_gain, gain.chi1_torch)
        table.add_row(gain.activation, *("-" if x is None else f"{x:.4f}" if x < 1e4 else f"{x:.3g}" for x in numbers),
                      gain.fixed_point)  # fmt: skip
    return table
