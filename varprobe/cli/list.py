"""`varprobe list`: the tables of parts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from varprobe.cli.app import command


class PartTable(StrEnum):
    """What there is a table of."""

    activations = "activations"
    initializers = "initializers"
    layers = "layers"
    findings = "findings"


@command("list", "varprobe list initializers")
def list_parts(what: Annotated[PartTable, typer.Argument(help="Which table.")]) -> None:
    """Print a table of parts with their formulas."""
    from rich.table import Table as RichTable
    from rich.text import Text

    from varprobe.cli.tables import TABLES
    from varprobe.reporters.console import open_console

    heading, rows = TABLES[what.value]
    table = RichTable(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(heading, no_wrap=True)
    table.add_column("", overflow="fold")
    for name, description in rows():
        table.add_row(Text(name), Text(description))
    open_console().print(table)
