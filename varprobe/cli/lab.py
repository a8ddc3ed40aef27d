"""`varprobe lab`: a page in which a network is drawn while its settings are moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.cli.options import Network, Sampling, output_option, overrides_of
from varprobe.output import check_targets, refuse_inputs, write_file
from varprobe.streams import say


@command("lab", "varprobe lab configs/he_relu.yaml -o lab.html")
def lab(
    network: Network,
    sampling: Sampling,
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="A network to begin with: a YAML file, or -.")
    ] = None,
    output: Annotated[
        Path, output_option("-o", "--output", metavar="FILE", help="The page to write; - is standard output.")
    ] = Path("lab.html"),
) -> None:
    """Write one page in which a class moves scales, depth and schemes, sees what becomes of the signal, and trains."""
    from varprobe.config.loading import load
    from varprobe.lab.build import build_page
    from varprobe.lab.states import address_of

    if output != Path("-"):
        check_targets([output], [".html"])
        refuse_inputs([output], [config] if config else [])
    page = build_page("" if config is None else address_of(load(config, overrides_of(network, sampling)).network))
    if output == Path("-"):
        say(page, end="")
        return
    write_file(output, page)
    say(f"wrote {output}: open it in a browser")
