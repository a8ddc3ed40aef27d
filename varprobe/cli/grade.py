"""`varprobe grade`: a student's weights held to a law, or a student's network to a verdict."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.cli import options
from varprobe.cli.app import command
from varprobe.cli.audit import LayoutName
from varprobe.cli.delivery import TERMINAL, deliver, plan_files
from varprobe.results.kinds import RESULTS

if TYPE_CHECKING:
    from varprobe.gate.records import CheckResult

Format = StrEnum("Format", [TERMINAL, *RESULTS["check"].printed])  # type: ignore[misc]  # mypy wants literals
_PLAIN = Format(TERMINAL)
_FUNCTION = re.compile(r"(.+\.py):([^:]+)")
wanted_option = partial(typer.Option, rich_help_panel="What is wanted")


@command("grade", "varprobe grade student.py:init_layer --law he --shape 256x128")
def grade(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="FILE.py:FUNCTION, which is run; a .npz, .npy or .safetensors file; or a config."
        ),
    ],
    law: Annotated[
        list[str] | None,
        wanted_option(metavar="LAW", help="Of the weights, as 'normal(0.02)'; 'b=zeros' of arrays of that name."),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        wanted_option(metavar="LABEL", help="Of a config's network, as stable; backward=exploding is one way."),
    ] = None,
    alpha: Annotated[float, wanted_option(metavar="P", help="Chance that a right answer is failed.")] = 1e-6,
    tolerance: Annotated[
        float, wanted_option(metavar="SHARE", help="A standard deviation that is off by less passes.")
    ] = 0.02,
    shape: Annotated[
        str | None, options.measuring_option(metavar="AxB", help="What a function is asked for, as 256x128.")
    ] = None,
    layout: Annotated[
        LayoutName, options.measuring_option(help="Axes: torch (out, in); keras and flax (in, out).")
    ] = LayoutName.torch,
    draws: Annotated[
        int, options.measuring_option(min=1, max=1000, metavar="N", help="Calls of a function, each with its seed.")
    ] = 8,
    seed: Annotated[
        int, options.measuring_option(min=0, max=2**31 - 1, metavar="N", help="Where the seeds come from.")
    ] = 0,
    format_: Annotated[Format, options.output_option("--format", help="What to print.")] = _PLAIN,
    output: options.CheckFiles = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Grade weights by their law, or a network by its verdict: no two right answers need have the same numbers.

    A function is called with several seeds. Ends with 1 where the answer is not right.
    """
    from varprobe.audit.fans import Layout
    from varprobe.classroom.grading import Marking, grade_file, grade_function, read_laws, read_shape
    from varprobe.classroom.student_code import load_function
    from varprobe.gate.check import gather

    for name, share, lowest in (("--alpha", alpha, "between 0 and 1"), ("--tolerance", tolerance, "from 0 to 1")):
        if not (0 < share < 1 or (name == "--tolerance" and share == 0)):
            raise typer.BadParameter(f"{name} is a number {lowest}, given {share:g}")
    if bool(law) == bool(verdict):
        raise typer.BadParameter("give --law for weights, or --verdict for a config")
    function = _FUNCTION.fullmatch(what)
    if bool(shape) != bool(function):
        raise typer.BadParameter("--shape is what a function is asked for: give both, as in student.py:init 256x128")
    delivery = plan_files("check", output, "json" if as_json else str(format_))
    if verdict:
        found = _of_network(what, verdict, alpha, quiet=quiet)
    else:
        marking = Marking(read_laws(law or []), Layout(layout.value), alpha, tolerance)
        if function and shape:
            code = load_function(Path(function[1]), function[2])
            found = grade_function(code, read_shape(shape), marking, function[1], draws=draws, seed=seed)
        else:
            found = grade_file(Path(what), marking)
    deliver(gather([found]), delivery)
    raise typer.Exit(0 if found.outcome == "passed" else 1)


def _of_network(config: str, verdicts: list[str], alpha: float, *, quiet: bool) -> CheckResult:
    from varprobe.classroom.grading import grade_network, read_verdicts
    from varprobe.cli.interruptible import wait_for
    from varprobe.config.loading import load

    wanted = read_verdicts(verdicts)
    experiment = load(config)
    return wait_for(
        lambda reached: grade_network(experiment, wanted, reached, alpha=alpha), experiment.network.name, quiet=quiet
    )
