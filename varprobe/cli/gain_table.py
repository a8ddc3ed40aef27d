"""What `varprobe gain` prints."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from rich.table import Table

from varprobe.errors import ConfigError, Place, nearest
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.theory.gains import Gain, gain_of


def gains(names: list[str] | None, q: float) -> list[Gain]:
    """The gains of the named activations, or of all.

    Raises:
        ConfigError: for a name nobody knows, or a q that is no positive number.
    """
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


def gain_json(found: list[Gain]) -> str:
    """A list of mappings, one per activation."""
    return json.dumps([asdict(gain) for gain in found], indent=2)


def gain_table(found: list[Gain]) -> Table:
    """One row per activation; `chi1` is the gradient's factor per layer at constant width with that gain."""
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
