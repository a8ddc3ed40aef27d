"""`COLUMNS`: what the table by layer can show beside the two variances, by name. A new one is an entry here."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from varprobe.errors import VarprobeError, nearest
from varprobe.formatting import number, power
from varprobe.frozen import dataclass
from varprobe.report.estimates import typical_log10
from varprobe.report.records import Estimate, LayerRow, Predicted
from varprobe.reporters import report_phrases as phrases

# What the verdict could be about; shares, ranks and means are otherwise.
_MOMENTS = ("second_moment", "variance", "sample_variance")


@dataclass(frozen=True)
class Column:
    """A column of the table, or a pair of them: first of the output, then of the gradient with respect to it.

    Attributes:
        headings: two lines of each of them.
        cells: the row's cells, as many as there are headings.
    """

    headings: tuple[tuple[str, str], ...]
    cells: Callable[[LayerRow], tuple[str, ...]]


def _measured(row: LayerRow, group: str, field: str) -> Estimate | None:
    return getattr(getattr(row, group), field, None)


def _value(row: LayerRow, group: str, field: str, theory: str = "") -> tuple[str, ...]:
    """Of a typical draw where it is one of `_MOMENTS`, else the mean over draws; of theory alone what theory says."""
    if row.activation is None:
        return (number(getattr(row.predicted, theory)) if theory else "-",)
    found = _measured(row, group, field)
    if found is None:
        return ("-",)
    if field in _MOMENTS and found.log10_mean is not None:
        return (power(typical_log10(found)),)
    return (number(found.mean) if found.log10_mean is None else power(found.log10_mean),)


def _error(row: LayerRow) -> tuple[str, str]:
    return _factor(_measured(row, "activation", "variance")), _factor(_measured(row, "activation_gradient", "variance"))


def _factor(one: Estimate | None) -> str:
    if one is None or not one.low or not one.high:
        return "-"
    return number(math.sqrt(one.high / one.low))


def _plain(text: Callable[[LayerRow], str | int | None]) -> Callable[[LayerRow], tuple[str, ...]]:
    return lambda row: ("-" if (found := text(row)) is None else str(found),)


def _theory(read: Callable[[Predicted], float | None]) -> Callable[[LayerRow], tuple[str, ...]]:
    return lambda row: (number(read(row.predicted)),)


COLUMNS: dict[str, Column] = {
    "theory": Column(
        (
            ("activation", "theory"),
            ("gradient", "theory"),
        ),
        lambda row: (phrases.activation_cells(row)[1], phrases.gradient_cells(row)[1]),
    ),
    "off": Column(
        (
            ("activation", "se off"),
            ("gradient", "se off"),
        ),
        lambda row: (phrases.activation_cells(row)[2] or "-", phrases.gradient_cells(row)[2] or "-"),
    ),
    "error": Column(
        (
            ("activation", "to factor"),
            ("gradient", "to factor"),
        ),
        _error,
    ),
    "mean": Column((("output", "mean"),), partial(_value, group="activation", field="mean", theory="activation_mean")),
    "second-moment": Column(
        (("output", "2nd moment"),),
        partial(_value, group="activation", field="second_moment", theory="activation_second_moment"),
    ),
    "sample-variance": Column(
        (("sample", "variance"),),
        partial(_value, group="activation", field="sample_variance", theory="activation_sample_variance"),
    ),
    "rank": Column((("effective", "rank"),), partial(_value, group="activation", field="effective_rank")),
    "saturated": Column((("share", "saturated"),), partial(_value, group="activation", field="saturated")),
    "dead": Column((("share", "dead"),), partial(_value, group="activation", field="dead")),
    "largest": Column((("largest", "value"),), partial(_value, group="activation", field="max_abs")),
    "z-mean": Column((("z", "mean"),), partial(_value, group="preactivation", field="mean", theory="mean")),
    "z-second-moment": Column(
        (("z", "2nd moment"),), partial(_value, group="preactivation", field="second_moment", theory="second_moment")
    ),
    "z-variance": Column(
        (("z", "variance"),), partial(_value, group="preactivation", field="variance", theory="variance")
    ),
    "z-sample-variance": Column(
        (("z sample", "variance"),),
        partial(_value, group="preactivation", field="sample_variance", theory="sample_variance"),
    ),
    "z-gradient": Column(
        (("gradient", "of z"),),
        partial(_value, group="gradient", field="second_moment", theory="gradient_second_moment"),
    ),
    "weight-gradient": Column(
        (("weight", "gradient"),), partial(_value, group="weight_gradient", field="second_moment")
    ),
    "weight-std": Column((("weight", "std"),), lambda row: (phrases.weight_std_cell(row)[0],)),
    "chi1": Column((("theory's", "chi1"),), _theory(lambda theory: theory.chi1)),
    "fan-in": Column((("", "fan_in"),), _plain(lambda row: f"{row.fan_in:,}")),
    "kind": Column((("", "kind"),), _plain(lambda row: row.kind)),
    "function": Column((("", "function"),), _plain(lambda row: row.activation_function)),
    "init": Column((("", "init"),), _plain(lambda row: row.init)),
    "engine": Column((("", "engine"),), _plain(lambda row: row.engine)),
    "line": Column((("config", "line"),), _plain(lambda row: row.line)),
}
# Those that --all shows, of a measurement and of theory alone.
EVERY = ("theory", "off")
EVERY_THEORY = ("second-moment", "mean", "sample-variance", "z-second-moment", "z-gradient", "chi1")


def parse_columns(text: str) -> tuple[str, ...]:
    """The names in a list by commas, each once.

    >>> parse_columns("theory, rank")
    ('theory', 'rank')

    Raises:
        VarprobeError: for a name that is none.
    """
    names = tuple(dict.fromkeys(name.strip().lower().replace("_", "-") for name in text.split(",") if name.strip()))
    unknown = next((name for name in names if name not in COLUMNS), None)
    if unknown is None and names:
        return names
    near = nearest(unknown or "", COLUMNS)
    hint = (f"did you mean '{near}'? " if near else "") + f"there are {', '.join(COLUMNS)}"
    raise VarprobeError(f"--columns: unknown column '{unknown}'" if unknown else "--columns: no name", hint=hint)
