"""What an engine reports of a stack of trials."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.engine.moments import HISTOGRAM_BINS, BatchMoments, Limits, histogram, histogram_and_saturation
from varprobe.engine.ranks import (
    find_identical_units,
    measure_column_share,
    measure_effective_rank,
    measure_mean_share,
)
from varprobe.engine.scaled_array import Exponent, ScaledArray, log_square
from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.spec import SATURATED_ABOVE

Table = NDArray[np.float64]


@dataclass(frozen=True)
class StackStatistics:
    """Per trial (first axis) and row of the report (second axis).

    Names that begin with `log_` hold natural logs: -inf for an exact zero, nan where a quantity does not exist or
    the arithmetic ended. The others hold values. Histograms are counts per row, summed over the trials: of
    the bins, and last of exact zeros.
    """

    preactivation_mean: Table
    log_preactivation_second_moment: Table
    log_preactivation_variance: Table
    log_preactivation_sample_variance: Table
    activation_mean: Table
    log_activation_second_moment: Table
    log_activation_variance: Table
    log_activation_sample_variance: Table
    saturated: Table
    saturated_as_asked: Table  # beyond another limit than `SATURATED_ABOVE`; nan where none is asked for
    dead: Table
    log_max_abs: Table
    log_gradient_second_moment: Table
    log_gradient_variance: Table
    log_gradient_max_abs: Table
    log_activation_gradient_second_moment: Table
    log_activation_gradient_variance: Table
    log_weight_gradient_second_moment: Table
    log_weight_gradient_variance: Table
    weight_variance: Table
    zero_branch: Table
    effective_rank: Table  # of the outputs that a dense layer, a residual block or the objective takes
    identical_units: Table  # 1.0, 0.0
    log_input_second_moment: Table  # (trials, 1)
    log_input_sample_variance: Table  # (trials, 1)
    log_input_gradient_second_moment: Table  # (trials, 1)
    log_output_gradient_second_moment: Table  # (trials, 1)
    input_effective_rank: Table  # (trials, 1)
    input_mean_squared_share: Table  # (trials, 1)
    input_column_share: Table  # (trials, 1), of the sum of squares, that of the largest tenth of the columns
    initial_loss: Table  # (trials, 1), per sample
    activation_histogram: NDArray[np.int64]  # (rows, bins + 1)
    gradient_histogram: NDArray[np.int64]  # (rows, bins + 1)

    @classmethod
    def empty(cls, trials: int, rows: int) -> StackStatistics:
        """All nan, counts zero; an engine fills the arrays in."""
        single = {name for name in _names() if "input_" in name or "_output_" in name or name == "initial_loss"}
        tables: dict[str, Any] = {name: np.full((trials, 1 if name in single else rows), np.nan) for name in _names()}
        tables["activation_histogram"] = np.zeros((rows, HISTOGRAM_BINS + 1), np.int64)
        tables["gradient_histogram"] = np.zeros((rows, HISTOGRAM_BINS + 1), np.int64)
        return cls(**tables)

    @classmethod
    def join(cls, stacks: list[StackStatistics]) -> StackStatistics:
        """Stacks of trials one after the other."""
        if len(stacks) == 1:
            return stacks[0]
        tables: dict[str, Any] = {name: np.concatenate([getattr(stack, name) for stack in stacks]) for name in _names()}
        for name in ("activation_histogram", "gradient_histogram"):
            tables[name] = np.sum([getattr(stack, name) for stack in stacks], axis=0)
        return cls(**tables)

    def write_input(self, signal: ScaledArray) -> None:
        self.log_input_second_moment[:, 0] = signal.log_second_moment
        self.log_input_sample_variance[:, 0] = log_square(signal.moments.sample_variance, signal.exponent)
        self.input_mean_squared_share[:, 0] = measure_mean_share(signal)
        self.input_column_share[:, 0] = measure_column_share(signal)

    def write_rank(self, row: int, signal: ScaledArray, gram: Table | None = None) -> None:
        """Of a row's output, or of the input where `row` is -1; `gram` as in `measure_effective_rank`."""
        ranks = measure_effective_rank(signal, gram)
        if row < 0:
            self.input_effective_rank[:, 0] = ranks
        else:
            self.effective_rank[:, row] = ranks

    def write_preactivation(self, row: int, signal: ScaledArray) -> None:
        _write(self, row, "preactivation", signal)

    def write_activation(self, row: int, signal: ScaledArray, activation: Activation | None, above: float) -> None:
        """Values are saturated beyond `SATURATED_ABOVE` of the range between the activation's limits, and `above`."""
        _write(self, row, "activation", signal)
        self.dead[:, row] = signal.moments.dead
        self.identical_units[:, row] = find_identical_units(signal)
        self.log_max_abs[:, row] = log_square(signal.moments.max_abs**2, signal.exponent) / 2
        limits = None if activation is None else _limits(activation, signal.exponent, SATURATED_ABOVE)
        counts, beyond = histogram_and_saturation(signal.values, signal.moments.second_moment, limits)
        self.activation_histogram[row] += counts
        if activation is None or limits is None:
            return
        self.saturated[:, row] = beyond
        if above != SATURATED_ABOVE:
            limits = _limits(activation, signal.exponent, above)
            asked = histogram_and_saturation(signal.values, signal.moments.second_moment, limits)[1]
            self.saturated_as_asked[:, row] = asked

    def write_gradient(self, row: int, gradient: ScaledArray) -> None:
        self.log_gradient_second_moment[:, row] = gradient.log_second_moment
        self.log_gradient_variance[:, row] = log_square(gradient.moments.variance, gradient.exponent)
        self.log_gradient_max_abs[:, row] = log_square(gradient.moments.max_abs**2, gradient.exponent) / 2
        self.gradient_histogram[row] += histogram(gradient.values, gradient.moments.second_moment)

    def write_activation_gradient(self, row: int, gradient: ScaledArray) -> None:
        self.log_activation_gradient_second_moment[:, row] = gradient.log_second_moment
        self.log_activation_gradient_variance[:, row] = log_square(gradient.moments.variance, gradient.exponent)

    def write_weight_gradient(self, row: int, second_moment: Table, mean: Table, exponent: Exponent) -> None:
        """Of values times 2**exponent, (trials,) each."""
        self.log_weight_gradient_second_moment[:, row] = log_square(second_moment, exponent)
        self.log_weight_gradient_variance[:, row] = log_square(np.maximum(second_moment - mean**2, 0), exponent)


def _limits(activation: Activation, exponent: Exponent, above: float) -> Limits | None:
    """Where values of a bounded function are saturated, in units of 2**exponent: above 0.99 that is +-0.99 for tanh."""
    if activation.saturation is None:
        return None
    low, high = activation.saturation
    margin = (1 - above) / 2 * ((high or 0.0) - (low or 0.0))
    unit = np.ldexp(1.0, np.clip(-exponent, -1000, 1000))
    return None if low is None else (low + margin) * unit, None if high is None else (high - margin) * unit


def _names() -> list[str]:
    return [field.name for field in fields(StackStatistics) if not field.name.endswith("_histogram")]


def _write(record: StackStatistics, row: int, what: str, signal: ScaledArray) -> None:
    moments: BatchMoments = signal.moments
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        mean = moments.mean * np.exp2(np.clip(signal.exponent, -2000, 2000).astype(np.float64))
    getattr(record, f"{what}_mean")[:, row] = mean
    for quantity in ("second_moment", "variance", "sample_variance"):
        logs = log_square(getattr(moments, quantity), signal.exponent)
        getattr(record, f"log_{what}_{quantity}")[:, row] = logs
