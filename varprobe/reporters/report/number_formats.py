"""Where the network leaves the number formats, as a table for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from varprobe.formatting import percent
from varprobe.report.records import Report
from varprobe.verdict.records import Leaving

_WORDS = (
    "Number formats: the layer from which values are likelier than not to leave the range, in the direction of the "
    "signal, and the probability over draws at the worst layer. The gradient has second moment 1 at the output."
)


def print_number_formats(report: Report, console: Console) -> None:
    """Prints a line per format, measured and by theory where there are both."""
    console.print(Text(_WORDS))
    console.print()
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    headings = ("format", "", "activations\noverflow", "gradient\nunderflow", "gradient\noverflow", "loss\nscale")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for number in report.formats:
        if number.measured is not None:
            table.add_row(number.name, "measured", *_cells(number.measured))
        table.add_row("" if number.measured else number.name, "theory", *_cells(number.predicted))
    console.print(table)
    console.print()


def _cells(leaving: Leaving) -> tuple[str, str, str, str]:
    scale = leaving.loss_scale_log2
    return (
        _place(leaving.overflow_layer, leaving.overflow_probability),
        _place(leaving.gradient_underflow_layer, leaving.gradient_underflow_probability),
        _place(leaving.gradient_overflow_layer, leaving.gradient_overflow_probability),
        "none" if scale is None else "1" if scale == 0 else f"2^{scale}",
    )


def _place(layer: int | None, chance: float | None) -> str:
    if chance is None:
        return "not known"
    if layer is None:
        return "never" if chance < 5e-7 else f"no ({percent(chance)})"
    # By theory the layer may lie beyond the network's end, where nothing was to be likely yet.
    return f"layer {layer:,} ({percent(chance)})" if chance >= 0.5 else f"layer {layer:,} if built"
