"""`varprobe new`: a config to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.errors import OutputError, Place
from varprobe.formatting import printable
from varprobe.output import check_writable, write_file
from varprobe.streams import say


class Like(StrEnum):
    """What there is a config of; each is a file `template_NAME.yaml`, checked to be what it expects of itself."""

    mlp = "mlp"
    preln = "preln"
    siren = "siren"
    selu = "selu"
    rl = "rl"
    autoencoder = "autoencoder"
    classifier = "classifier"


@command("new", "varprobe new my_network.yaml --like siren && varprobe run my_network.yaml")
def new(
    name: Annotated[Path, typer.Argument(metavar="[NAME]", help="The file to write.")] = Path("network.yaml"),
    like: Annotated[
        Like | None, typer.Option("--like", help="A network to begin with; default: one with every key.")
    ] = None,
) -> None:
    """Write a commented config to start from."""
    target = name if name.suffix in (".yaml", ".yml") or not name.name else name.with_name(f"{name.name}.yaml")
    check_writable(target)
    if target.exists():
        raise OutputError("exists already", hint="choose another name, or delete it", place=Place(str(target)))
    from importlib import resources

    file = f"template_{like.value}.yaml" if like else "template.yaml"
    template = resources.files("varprobe.cli").joinpath(file).read_text(encoding="utf-8")
    write_file(target, template.replace("NAME", printable(str(target))))
    say(f"wrote {target}; run it with: varprobe run {target}")
