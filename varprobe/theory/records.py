"""What theory says, per row and for the network."""

from __future__ import annotations

import math

from varprobe.frozen import dataclass
from varprobe.theory.extended_float import ExtendedFloat, log_unscaled, unscaled, wide

# Second moments between these need no exponent, nor spreads above `_CLOSEST`.
_LOWEST, _HIGHEST, _CLOSEST = 1e-60, 1e60, 1e-150
# Powers of two of the signal below which a level comes back to exponent 0, and of the spread above which it does.
_ORDINARY, _APART = 95, -450
# What is left of a difference below this share is nothing but rounding.
_ROUNDING = 1e-15
_NONE = ExtendedFloat(0.0)


@dataclass(frozen=True, slots=True)
class SignalMoments:
    """A signal at one place, over units and the ensemble of weights.

    It holds the signal divided by 2**exponent, so that no depth leaves the range of doubles; the properties are at
    true scale: 0.0 below the range of doubles and infinite above it. Logs are natural, -inf for an exact zero, and
    always fit.

    Attributes:
        scaled_second_moment: E[x^2] / 4**exponent.
        scaled_mean: E[x] / 2**exponent.
        scaled_spread: spread / 4**exponent / 2**spread_exponent; None where it is not known.
        gaussian: its law is Gaussian, also jointly for two samples, so that an activation can follow.
        exponent: of the signal; 0 at ordinary scale.
        spread_exponent: what the spread has beyond that; 0 unless two samples can hardly be told apart.
        scaled_shared: covariance of two units / 4**exponent; 0 unless weights with a mean made them alike.
        scaled_shared_spread: the part of it that two samples do not have in common, scaled as the spread is.
        parts: where what the units share is too large to be followed as one Gaussian: (probability, level) for each of
            its values. The other fields are their mixture.
        spread_reason: why the spread is not known.
    """

    scaled_second_moment: float
    scaled_mean: float
    scaled_spread: float | None
    gaussian: bool
    exponent: int = 0
    spread_exponent: int = 0
    scaled_shared: float = 0.0
    scaled_shared_spread: float = 0.0
    parts: tuple[tuple[float, SignalMoments], ...] = ()
    spread_reason: str = ""

    def settled(self) -> SignalMoments:
        """The same signal, its exponents chosen anew where it has left the comfortable range."""
        second, exponent, spread_exponent = self.scaled_second_moment, self.exponent, self.spread_exponent
        spread = self.scaled_spread
        if not second or not math.isfinite(second):
            still = None if spread is None else 0.0
            return (
                SignalMoments(second, 0.0, still, self.gaussian, spread_reason=self.spread_reason) if exponent else self
            )
        inside = _LOWEST <= second <= _HIGHEST
        close = not spread or (not spread_exponent and spread > _CLOSEST)
        if inside and close and not exponent:
            return self
        bits = math.frexp(second)[1] // 2
        shift = -exponent if abs(exponent + bits) < _ORDINARY else 0 if inside else bits
        mean, shared, shared_spread = self.scaled_mean, self.scaled_shared, self.scaled_shared_spread
        if shift:
            second, mean, exponent = math.ldexp(second, -2 * shift), unscaled(mean, -shift), exponent + shift
            shared = unscaled(shared, -2 * shift)
            spread_exponent -= 2 * shift
        if spread:
            bits = math.frexp(spread)[1]
            if spread_exponent + bits > _APART:
                bits = -spread_exponent
            spread, shared_spread = math.ldexp(spread, -bits), unscaled(shared_spread, -bits)
            spread_exponent += bits
        else:
            spread_exponent = 0
        return SignalMoments(
            second,
            mean,
            spread,
            self.gaussian,
            exponent,
            spread_exponent,
            shared,
            shared_spread,
            (),
            self.spread_reason,
        )

    def times(self, factor: float) -> SignalMoments:
        """The signal times a number; a level of parts is followed part by part."""
        near, exponent = math.frexp(factor) if factor and not 1e-30 < abs(factor) < 1e30 else (factor, 0)
        square = near**2
        return SignalMoments(
            square * self.scaled_second_moment,
            near * self.scaled_mean,
            None if self.scaled_spread is None else square * self.scaled_spread,
            self.gaussian,
            self.exponent + exponent,
            self.spread_exponent,
            square * self.scaled_shared,
            square * self.scaled_shared_spread,
            (),
            self.spread_reason,
        )

    @property
    def wide_second_moment(self) -> ExtendedFloat:
        """E[x^2] with an exponent of its own."""
        return wide(self.scaled_second_moment, 2 * self.exponent)

    @property
    def wide_mean(self) -> ExtendedFloat:
        """E[x] with an exponent of its own."""
        return wide(self.scaled_mean, self.exponent)

    @property
    def wide_spread(self) -> ExtendedFloat | None:
        """The spread with an exponent of its own; None where it is not known."""
        if self.scaled_spread is None:
            return None
        return wide(self.scaled_spread, 2 * self.exponent + self.spread_exponent)

    @property
    def scaled_variance(self) -> float:
        """Variance / 4**exponent."""
        variance = self.scaled_second_moment - self.scaled_mean**2
        return variance if variance > _ROUNDING * self.scaled_second_moment else 0.0

    @property
    def scaled_own(self) -> float:
        """The variance that a unit does not share, / 4**exponent."""
        return max(self.scaled_variance - self.scaled_shared, 0.0)

    @property
    def is_shared(self) -> bool:
        """Whether units have more in common than their mean."""
        return bool(self.scaled_shared or self.parts)

    @property
    def common(self) -> float:
        """E[x y] of two units for the same sample."""
        return unscaled(self.scaled_shared + self.scaled_mean**2, 2 * self.exponent)

    @property
    def second_moment(self) -> float:
        """E[x^2]."""
        return unscaled(self.scaled_second_moment, 2 * self.exponent)

    @property
    def mean(self) -> float:
        """E[x]."""
        return unscaled(self.scaled_mean, self.exponent)

    @property
    def variance(self) -> float:
        """Second moment minus squared mean."""
        return unscaled(self.scaled_variance, 2 * self.exponent)

    @property
    def spread(self) -> float | None:
        """E[x^2] - E[x x'] for two samples: the sample variance; None where it is not known."""
        if self.scaled_spread is None:
            return None
        return unscaled(self.scaled_spread, 2 * self.exponent + self.spread_exponent)

    @property
    def log_second_moment(self) -> float:
        """ln E[x^2]."""
        return log_unscaled(self.scaled_second_moment, 2 * self.exponent)

    @property
    def log_variance(self) -> float:
        """Log of the variance."""
        return log_unscaled(self.scaled_variance, 2 * self.exponent)

    @property
    def log_spread(self) -> float | None:
        """Log of the spread; None where it is not known."""
        if self.scaled_spread is None:
            return None
        return log_unscaled(self.scaled_spread, 2 * self.exponent + self.spread_exponent)


def level_of(
    second_moment: ExtendedFloat,
    mean: ExtendedFloat,
    spread: ExtendedFloat | None,
    *,
    gaussian: bool,
    shared: ExtendedFloat = _NONE,
    shared_spread: ExtendedFloat = _NONE,
    spread_reason: str = "",
) -> SignalMoments:
    """The level of those moments, whatever their scale."""
    exponent = second_moment.exponent // 2
    return SignalMoments(
        second_moment.value * 2 ** (second_moment.exponent - 2 * exponent),
        unscaled(mean.value, mean.exponent - exponent),
        None if spread is None else spread.value,
        gaussian,
        exponent,
        0 if spread is None else spread.exponent - 2 * exponent,
        unscaled(shared.value, shared.exponent - 2 * exponent),
        0.0 if spread is None else unscaled(shared_spread.value, shared_spread.exponent - spread.exponent),
        (),
        spread_reason,
    ).settled()


@dataclass(frozen=True, slots=True)
class Fluctuation:
    """A second moment at finite width: variance of its ln in one draw, and the relative shift of its mean.

    The shift is None where it is not known.

    Attributes:
        unknown: what the expansions of the second moments that this one hangs on may leave out: how far its ln may lie
            off for that.
    """

    variance: float
    shift: float | None
    unknown: float = 0.0


@dataclass(frozen=True, slots=True)
class RowWidth:
    """Of the second moments of a row's source, its output, and the gradient at the source; None where not known."""

    source: Fluctuation | None = None
    output: Fluctuation | None = None
    gradient: Fluctuation | None = None


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
        regime: ordered, edge of chaos or chaotic; None where the second moment has no fixed point.
        second_moment: q*, 0 or infinite where it vanishes or explodes.
        chi1: at q*.
        xi_q, xi_c, xi_gradient: depth scales in layers of the second moment, the correlation and the gradient.
        trainable_depth: 6 xi_c, beyond which two samples cannot be told apart, or not related.
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
    """

    rows: tuple[RowPrediction, ...]
    input: SignalMoments
    log_input_gradient: float | None
    fixed_point: FixedPoint | None

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
