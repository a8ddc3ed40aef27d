"""`varprobe new`: a config to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.errors import OutputError, Place
from varprobe.formatting import printable
from varprobe.output import check_writable, write_file


@command("new", "varprobe new my_network.yaml && varprobe run my_network.yaml")
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
