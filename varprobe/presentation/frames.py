"""Results as data frames; the only place that needs pandas."""

from __future__ import annotations

import io
from typing import Any

from varprobe.errors import OutputError, Place
from varprobe.presentation.kinds import call, shown_of
from varprobe.results.kinds import render

# What CSV files write before text that a spreadsheet would take for a formula.
_GUARD = r"^'(?=[=+\-@\t\r])"


def make_frame(result: Any) -> Any:
    """The result's rows; errors as in `Presentable.to_frame`."""
    try:
        import pandas
    except ImportError:
        hint = "pip install pandas; .save('table.csv') writes the same table without it"
        raise OutputError("needs pandas, which is not installed", hint=hint, place=Place("to_frame")) from None
    rows = shown_of(result).rows
    if rows:
        return pandas.DataFrame(call(rows, result))
    text = str(render(result, ".csv"))
    # Empty is what is not known; the texts that pandas takes for it, as `null`, may be names.
    frame = pandas.read_csv(io.StringIO(text), float_precision="round_trip", keep_default_na=False, na_values=[""])
    return frame.replace(_GUARD, "", regex=True)
