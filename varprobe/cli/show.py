"""`varprobe show`: a stored result printed or converted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.cli.delivery import deliver, plan_delivery
from varprobe.cli.options import AsCode, Output, View
from varprobe.errors import OutputError, Place
from varprobe.formatting import with_article


@command("show", "varprobe show report.json -o report.md")
def show(
    stored: Annotated[
        Path, typer.Argument(metavar="REPORT", help="What `run`, `predict`, `compare`, `sweep` or `check` wrote by -o.")
    ],
    output: Output,
    view: View,
    code: AsCode = None,
) -> None:
    """Print or convert a stored report, comparison, sweep or check; nothing is measured."""
    from varprobe.results.kinds import has_histograms, noun_of
    from varprobe.results.store import load_result

    shown, result = view.choose(), load_result(stored)
    noun = noun_of(result)
    if noun != "report" and any(shown.values()):
        options = "--brief, --all, --columns and --number-formats"
        raise typer.BadParameter(f"{options} are for reports, and this is {with_article(noun)}")
    if noun != "report" and code is not None:
        raise typer.BadParameter(f"--as is for reports, and this is {with_article(noun)}")
    delivery = plan_delivery(noun, output, code=code, inputs=[stored])
    if output.own_scale and not has_histograms(result):
        hint = "leave it out; `varprobe run` measures them"
        raise OutputError("theory alone has no histograms", hint=hint, place=Place("--own-scale"))
    deliver(result, delivery, **(shown if noun == "report" else {}))
