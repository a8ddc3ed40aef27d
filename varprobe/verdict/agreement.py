"""Does the measurement agree with theory? Bands for means and for single draws, and the deviations.

Tested are the outputs of dense layers and the gradients with respect to them; z and its gradient have bands to look at.

The expected ln of a mean over trials is ln of the prediction plus its shift at finite width. Its error comes from the
trials themselves; what the first order in 1/width leaves out is allowed beside it, as a share of the variance of ln of
one draw: `MARGIN` of it, or all of it (`UNSHIFTED`) where the shift is not known. What the second moments that one
hangs on leave out is allowed too. A layer is tested where that variance is at most `LARGEST`, and so is what
it hangs on; the critical value is Student's t for an error of `FAMILY_ERROR` over all that is tested (Bonferroni, so at
most that for layers that depend on each other, as they do).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.theory.records import Fluctuation, Prediction, SignalMoments
from varprobe.verdict.intervals import jackknife_error, leave_one_out_log_means, log_mean, student_quantile

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement

FAMILY_ERROR = 0.01
LARGEST = 0.05
MARGIN, UNSHIFTED = 0.1, 1.0
# Of single draws: 95 %.
_DRAWS = 1.959964
# Standard errors are not below this many roundings of the arithmetic: a norm leaves nothing to chance.
_ROUNDINGS = 100

Logs = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """One second moment of one row, in natural logs.

    Attributes:
        low, high: where the mean over the trials should lie; None where it is not tested.
        draw_low, draw_high: where 95 % of single draws lie.
        deviation: of the measured mean from theory, in standard errors; None without an error.
        measured: ln of the measured mean over the prediction at infinite width; `log` is ln of the latter.
    """

    low: float | None = None
    high: float | None = None
    draw_low: float | None = None
    draw_high: float | None = None
    deviation: float | None = None
    measured: float | None = None
    log: float = 0.0

    @property
    def is_left(self) -> bool:
        """Whether the measured mean lies outside."""
        if self.low is None or self.high is None or self.measured is None:
            return False
        return not self.low <= self.log + self.measured <= self.high


@dataclass(frozen=True)
class RowAgreement:
    """The bands of a row: of its output and the gradient there, which are tested, and of its source likewise."""

    output: Band = Band()
    output_gradient: Band = Band()
    source: Band = Band()
    gradient: Band = Band()

    @property
    def is_left(self) -> bool:
        """Whether a tested one is left."""
        return self.output.is_left or self.output_gradient.is_left


@dataclass(frozen=True)
class Agreement:
    """A prediction with the bands of every row; the outputs of dense rows are tested together."""

    prediction: Prediction
    rows: tuple[RowAgreement, ...]
    tested: int


def foresee(prediction: Prediction, trials: int) -> Agreement:
    """The bands that theory alone foresees for a mean over that many trials."""
    tested = _count_tested(prediction)
    critical = _critical(tested, trials)

    def band(log: float | None, width: Fluctuation | None) -> Band:
        error = None if width is None else math.sqrt(width.variance / trials)
        return _band(log, width, None, error, critical)

    rows = [RowAgreement(*(band(*of) for of in row)) for row in _second_moments(prediction)]
    return Agreement(prediction, tuple(rows), tested)


def compare(measurement: Measurement, prediction: Prediction, family_error: float = FAMILY_ERROR) -> Agreement:
    """The bands with the trials' own errors, and where the measurement lies.

    Arguments:
        family_error: chance that any layer of a network that follows its config leaves its band.
    """
    s, trials = measurement.statistics, measurement.trials
    tested = _count_tested(prediction)
    critical = _critical(tested, trials, family_error)
    floor = _ROUNDINGS * float(np.finfo(measurement.dtype).eps)
    tables = (
        s.log_activation_second_moment,
        s.log_activation_gradient_second_moment,
        s.log_preactivation_second_moment,
        s.log_gradient_second_moment,
    )
    means = [_means(table, floor) for table in tables]
    rows = []
    for i, row in enumerate(_second_moments(prediction)):
        found = [(float(mean[i]), float(error[i])) for mean, error in means]
        of = zip(row, found, strict=True)
        rows.append(RowAgreement(*(_band(*theory, *measured, critical) for theory, measured in of)))
    return Agreement(prediction, tuple(rows), tested)


def _second_moments(prediction: Prediction) -> list[tuple[tuple[float | None, Fluctuation | None], ...]]:
    """Per row ln of the output's, the gradient's there, the source's and the gradient's there, and what varies.

    The gradient at the network's output is 1 by definition: it has no band.
    """
    last = len(prediction.rows) - 1
    return [
        (
            (_log(row.output), row.width.output),
            (row.log_output_gradient, None if at == last else row.width.output_gradient),
            (_log(row.source), row.width.source),
            (row.log_gradient, row.width.gradient),
        )
        for at, row in enumerate(prediction.rows)
    ]


def _log(signal: SignalMoments | None) -> float | None:
    return None if signal is None else signal.second_moment.log


def _count_tested(prediction: Prediction) -> int:
    """How many second moments of the outputs of dense rows, and of the gradients there, have a band."""
    rows = zip(prediction.rows, _second_moments(prediction), strict=True)
    return sum(_is_tested(*of) for row, moments in rows if row.is_dense for of in moments[:2])


def _is_tested(log: float | None, width: Fluctuation | None) -> bool:
    if log is None or not math.isfinite(log) or width is None:
        return False
    return max(width.variance, width.unknown) <= LARGEST


def _critical(tested: int, trials: int, family_error: float = FAMILY_ERROR) -> float | None:
    if trials < 2 or not tested:
        return None
    return student_quantile(1 - family_error / (2 * tested), trials - 1)


def _means(table: Logs, floor: float) -> tuple[Logs, Logs]:
    """ln of the mean over trials per row, and its standard error; nan where there is none."""
    mean = np.asarray(log_mean(table))
    if len(table) < 2:
        return mean, np.full(table.shape[1], np.nan)
    with np.errstate(invalid="ignore"):
        error = np.asarray(jackknife_error(leave_one_out_log_means(table)))
    return mean, np.maximum(error, floor)


def _band(
    log: float | None, width: Fluctuation | None, mean: float | None, error: float | None, critical: float | None
) -> Band:
    if log is None or not math.isfinite(log):
        return Band()
    known = mean is not None and math.isfinite(mean)
    measured = mean - log if known and mean is not None else None
    deviation = _deviation(log, width, mean, error) if known else None
    if width is None:
        return Band(deviation=deviation, measured=measured, log=log)
    centre = log + (width.shift or 0.0)
    middle, half = centre - width.variance / 2, _DRAWS * math.sqrt(width.variance)
    draws = (middle - half, middle + half)
    if not _is_tested(log, width) or critical is None or error is None or not math.isfinite(error):
        return Band(None, None, *draws, deviation, measured, log)
    reach = critical * error + _allow(width)
    return Band(centre - reach, centre + reach, *draws, deviation, measured, log)


def _allow(width: Fluctuation) -> float:
    return width.variance * (UNSHIFTED if width.shift is None else MARGIN) + width.unknown


def _deviation(log: float | None, width: Fluctuation | None, mean: float | None, error: float | None) -> float | None:
    """Standard errors between the measured mean and theory, the shift at finite width included where it is known."""
    if log is None or mean is None or error is None or not math.isfinite(log + mean + error):
        return None
    shift = width.shift if width is not None and width.shift is not None else 0.0
    return (mean - log - shift) / error
