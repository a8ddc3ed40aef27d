"""Both variances over depth, drawn in characters."""

from __future__ import annotations

from varprobe.formatting import power
from varprobe.report.records import Report
from varprobe.reporters.report_phrases import activation_log10, gradient_log10

ACTIVATION, GRADIENT, BOTH = "a", "g", "*"


def curve(report: Report, width: int = 64, height: int = 8) -> list[str]:
    """Lines of text: `a` activation variance, `g` gradient variance, `*` both; log scale. Empty with one layer.

    Every column is a layer, or where there are more layers than columns, the first of the layers it stands for.
    """
    rows = report.layers
    columns = min(width, len(rows))
    if columns < 2:
        return []
    picked = [rows[round(i * (len(rows) - 1) / (columns - 1))] for i in range(columns)]
    series = {
        ACTIVATION: [activation_log10(row) for row in picked],
        GRADIENT: [gradient_log10(row) for row in picked],
    }
    known = [value for values in series.values() for value in values if value is not None]
    if not known:
        return []
    low, high = min(known), max(known)
    # Less than two decades of change must not look like much.
    margin = max(0.0, 2.0 - (high - low)) / 2
    low, high = low - margin, high + margin
    stretch = max(1, width // columns)
    grid = [[" "] * (columns * stretch) for _ in range(height)]
    for mark, values in series.items():
        for column, value in enumerate(values):
            if value is not None:
                line = height - 1 - round((value - low) / (high - low) * (height - 1))
                here = grid[line][column * stretch]
                grid[line][column * stretch] = mark if here == " " else BOTH
    labels = {0: power(high), height - 1: power(low)}
    lines = [f"{labels.get(i, ''):>10} |{''.join(cells).rstrip()}" for i, cells in enumerate(grid)]
    axis = f"{'':>10} +{'-' * (columns * stretch)}"
    ends = f"{'layer':>10}  1{rows[-1].index!s:>{columns * stretch - 1}}"
    return [*lines, axis, ends]
