"""What theory says, per row and for the network."""

from __future__ import annotations

import math
from dataclasses import replace

from varprobe.frozen import dataclass
from varprobe.theory.extended_float import ZERO, ExtendedFloat

# What is left of a difference below this share is nothing but rounding.
_ROUNDING = ExtendedFloat(1e-15)


@dataclass(frozen=True, slots=True)
class SignalMoments:
    """A signal at one place, over units and the ensemble of weights, at whatever scale depth has brought it to.

    Attributes:
        second_moment, mean: E[x^2] and E[x].
        sample_variance: E[x^2] - E[x x'] for two samples; None where it is not known.
        gaussian: its law is Gaussian, also jointly for two samples, so that an activation can follow.
        shared: covariance of two units; 0 unless weights with a mean made them alike.
        shared_sample_variance: the part of it that two samples do not have in common.
        parts: where what the units share is too large to be followed as one Gaussian: (probability, moments) for each
            of its values. The other fields are their mixture.
        sample_variance_reason: why the sample variance is not known.
    """

    second_moment: ExtendedFloat
    mean: ExtendedFloat
    sample_variance: ExtendedFloat | None
    gaussian: bool
    shared: ExtendedFloat = ZERO
    shared_sample_variance: ExtendedFloat = ZERO
    parts: tuple[tuple[float, SignalMoments], ...] = ()
    sample_variance_reason: str = ""

    def times(self, factor: float) -> SignalMoments:
        """The signal times a number."""
        square, apart = ExtendedFloat(factor) ** 2, self.sample_variance
        return replace(
            self,
            second_moment=square * self.second_moment,
            mean=factor * self.mean,
            sample_variance=apart and square * apart,
            shared=self.shared and square * self.shared,
            shared_sample_variance=self.shared_sample_variance and square * self.shared_sample_variance,
            parts=tuple((weight, part.times(factor)) for weight, part in self.parts),
        )

    @property
    def variance(self) -> ExtendedFloat:
        """Second moment minus squared mean."""
        if not self.mean.value:
            return self.second_moment
        variance = self.second_moment - self.mean**2
        return variance if variance > _ROUNDING * self.second_moment else ZERO

    @property
    def own_variance(self) -> ExtendedFloat:
        """The variance that a unit does not share."""
        own = self.variance - self.shared
        return own if own.value > 0 else ZERO

    @property
    def is_shared(self) -> bool:
        """Whether units have more in common than their mean."""
        return bool(self.shared or self.parts)

    @property
    def exponent(self) -> int:
        """The power of two of the signal; 0 at ordinary scale."""
        return self.second_moment.exponent // 2

    def scaled(self, exponent: int) -> tuple[float, float]:
        """Mean and variance of the signal divided by 2**exponent."""
        return self.mean.scaled(-exponent), self.variance.scaled(-2 * exponent)


@dataclass(frozen=True, slots=True)
class Fluctuation:
    """A second moment at finite width: variance of its ln in one draw, and the relative shift of its mean.

    The shift is None where it is not known.

    Attributes:
        variance: of one sample, which no batch exceeds.
        of_batch: of the mean over the batch's samples; None where it is not known.
        unknown: what the expansions of the second moments that this one hangs on may leave out: how far its ln may lie
            off for that.
        drift: expected ln of the mean over the batch's samples in one draw, over that at infinite width; None where it
            is not known, or not asked for.
    """

    variance: float
    shift: float | None
    unknown: float = 0.0
    of_batch: float | None = None
    drift: float | None = None


@dataclass(frozen=True, slots=True)
class RowWidth:
    """Of the second moments of a row's source, its output, and the gradients at both; None where not known.

    Attributes:
        reason: why the signal's are not known, where that is of the network's own making.
    """

    source: Fluctuation | None = None
    output: Fluctuation | None = None
    gradient: Fluctuation | None = None
    output_gradient: Fluctuation | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RowPrediction:
    """One row of the report; `source` is z (in other rows the input), `output` is a.

    Attributes:
        chi1: fan_in Var(W) E[phi'^2], the factor of the gradient per layer at constant width; dense rows only.
        log_gradient: natural log of the second moment of dObjective/d(source), divided by that of the output; -inf
            for an exact zero, None where theory ends. `log_output_gradient` likewise.
        reason: why fields are None.
        width: what finite width does to the second moments.
    """

    source: SignalMoments | None = None
    output: SignalMoments | None = None
    chi1: float | None = None
    log_gradient: float | None = None
    log_output_gradient: float | None = None
    reason: str = ""
    is_dense: bool = False
    width: RowWidth = RowWidth()

    @property
    def gradient(self) -> float | None:
        """Second moment of dObjective/d(source), divided by that of the output: 0.0 or infinite beyond doubles."""
        return _exponential(self.log_gradient)

    @property
    def output_gradient(self) -> float | None:
        """The same of dObjective/d(output)."""
        return _exponential(self.log_output_gradient)


@dataclass(frozen=True)
class FixedPoint:
    """Where a layer that is repeated for ever leads.

    Attributes:
        regime: ordered, edge of chaos, chaotic, or exploding where the second moment grows without end.
        second_moment: q*, 0 or infinite where it vanishes or explodes.
        chi1: at q*.
        xi_q, xi_c, xi_gradient: depth scales in layers of the second moment, the correlation and the gradient.
        trainable_depth: 6 xi_c, beyond which two samples cannot be told apart, or not related; of what grows without
            end 6 xi_gradient.
    """

    regime: str | None
    second_moment: float | None
    chi1: float | None
    xi_q: float | None
    xi_c: float | None
    xi_gradient: float | None
    trainable_depth: float | None


@dataclass(frozen=True)
class Prediction:
    """Everything that theory says of a network; `rows` in the order of the report.

    Attributes:
        log_input_gradient: natural log of the second moment of dObjective/d(input), divided by that of the output.
        is_walk: every activation is two slopes, and nothing forgets a fluctuation of size.
        death: chance that the signal of one sample is exactly zero by the last layer.
    """

    rows: tuple[RowPrediction, ...]
    input: SignalMoments
    log_input_gradient: float | None
    fixed_point: FixedPoint | None
    is_walk: bool = False
    death: float = 0.0

    @property
    def input_gradient(self) -> float | None:
        """Second moment of dObjective/d(input), divided by that of the output: 0.0 or infinite beyond doubles."""
        return _exponential(self.log_input_gradient)


def _exponential(log: float | None) -> float | None:
    if log is None:
        return None
    try:
        return math.exp(log)
    except OverflowError:
        return math.inf
