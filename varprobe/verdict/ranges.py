"""Where a network leaves the number formats, by theory and as measured."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.network.number_formats import FORMATS, NumberFormat
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.formats import Chances, RowTable, ends_in_a_chain, predict_chances, tabulate_rows
from varprobe.theory.records import Prediction
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.records import FormatRange, Leaving

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement

LN2 = math.log(2)
# Powers of two that a loss scale leaves free at the top.
HEADROOM = 1

Vector = NDArray[np.float64]


def format_ranges(
    spec: NetworkSpec, settings: Settings, prediction: Prediction, measurement: Measurement | None = None
) -> tuple[FormatRange, ...]:
    """One per format, the widest first."""
    table, is_chain = tabulate_rows(spec, prediction), ends_in_a_chain(spec)
    values = max(step.fan_out for step in spec.rows) * settings.batch
    return tuple(
        FormatRange(
            name=number.name,
            largest=number.largest,
            smallest=number.smallest,
            measured=None if measurement is None else _leaving(count_chances(measurement, number), number, values),
            predicted=_leaving(_predict(table, settings.batch, number, is_chain=is_chain), number, values),
        )
        for number in FORMATS
    )


def _predict(table: RowTable, batch: int, number: NumberFormat, *, is_chain: bool) -> Chances:
    """By theory; what is exactly zero has not underflowed."""
    chances = predict_chances(table, batch, number, is_chain=is_chain)
    return replace(
        chances,
        underflow=np.where(np.isneginf(table.output), 0.0, chances.underflow),
        gradient_underflow=np.where(np.isneginf(table.gradient), 0.0, chances.gradient_underflow),
    )


def count_chances(measurement: Measurement, number: NumberFormat) -> Chances:
    """Shares of the trials, per row.

    An exact zero has not underflowed: the engine carries exponents of its own, so that a zero is meant or dead.
    """
    s = measurement.statistics
    top, bottom = math.log(number.largest), math.log(number.smallest)
    with np.errstate(invalid="ignore"):
        small = _is_below(s.log_activation_second_moment / 2, bottom)
        gradient = s.log_gradient_second_moment / 2
        over = s.log_max_abs > top
        # What ended had overflowed any format, if the given weights are finite.
        given = [row for row, layer in enumerate(measurement.layers) if layer.given]
        if np.isfinite(s.weight_variance[:, given]).all():
            over |= np.isnan(s.log_max_abs)
        back = s.log_gradient_max_abs > top
        under = _is_below(gradient, bottom)
        size = np.asarray(log_mean(2 * gradient)) / 2 / LN2
    return Chances(over.mean(axis=0), small.mean(axis=0), back.mean(axis=0), under.mean(axis=0), size)


def _is_below(logs: Vector, bottom: float) -> NDArray[np.bool_]:
    return (logs < bottom) & ~np.isneginf(logs)


def _leaving(chances: Chances, number: NumberFormat, values: int) -> Leaving:
    overflow = _first(chances.overflow)
    return Leaving(
        overflow_layer=chances.next_overflow if overflow is None else overflow,
        overflow_probability=_largest(chances.overflow),
        underflow_layer=_first(chances.underflow),
        underflow_probability=_largest(chances.underflow),
        gradient_overflow_layer=_last(chances.gradient_overflow),
        gradient_overflow_probability=_largest(chances.gradient_overflow),
        gradient_underflow_layer=_last(chances.gradient_underflow),
        gradient_underflow_probability=_largest(chances.gradient_underflow),
        loss_scale_log2=_loss_scale(chances, number, values),
    )


def _first(chances: Vector) -> int | None:
    likely = np.flatnonzero(chances >= 0.5)
    return int(likely[0]) + 1 if likely.size else None


def _last(chances: Vector) -> int | None:
    likely = np.flatnonzero(chances >= 0.5)
    return int(likely[-1]) + 1 if likely.size else None


def _largest(chances: Vector) -> float | None:
    known = chances[np.isfinite(chances)]
    return float(known.max()) if known.size else None


def _loss_scale(chances: Chances, number: NumberFormat, values: int) -> int | None:
    """0 where nothing leaves the range; else the largest power of two with headroom, if the smallest then fits."""
    sizes = chances.gradient_rms[np.isfinite(chances.gradient_rms)]
    if not sizes.size:
        return None
    likely = np.concatenate([chances.gradient_overflow, chances.gradient_underflow])
    if not (likely >= 0.5).any():
        return 0
    top = math.log2(number.largest) - math.log2(math.sqrt(2 * math.log(2 * values)))
    scale = math.floor(top - float(sizes.max())) - HEADROOM
    return scale if float(sizes.min()) + scale >= math.log2(number.smallest) else None
