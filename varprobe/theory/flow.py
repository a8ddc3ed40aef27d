"""A second moment on its way through a network of finite width: what it carries from layer to layer."""

from __future__ import annotations

import math

from varprobe.frozen import dataclass
from varprobe.theory.records import Fluctuation, SignalMoments


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of one sample's second moment, and its covariance with another's."""

    one: float
    two: float

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.one + other.one, self.two + other.two)

    def __mul__(self, factor: float) -> Spread:
        return Spread(self.one * factor, self.two * factor)

    @property
    def at_least_zero(self) -> Spread:
        return Spread(max(self.one, 0.0), max(self.two, 0.0))

    def of_batch(self, batch: int) -> float:
        """The variance of the mean over that many samples."""
        return self.one / batch + self.two * (1 - 1 / batch)


NOTHING = Spread(0.0, 0.0)


@dataclass(frozen=True)
class Flow:
    """The second moment on its way: variance and shift, and what of it answers to the innermost open skip.

    `variance` is of the expectation over units, `readout` what their finite number adds; `held` is the share of the
    read-out that orthogonal weights take away, since they keep the sum of squares. `kurtosis` is E[x^4]/E[x^2]^2 over
    units: 3 for a Gaussian z, and a little else where weights are not Gaussian. Two samples have a `correlation`: its
    mean, and the variance that `chance` gives it. `unknown` is what the expansions may leave out of ln of the mean.
    """

    variance: Spread
    readout: Spread
    shift: float
    kurtosis: float
    held: float = 0.0
    answer: float = 1.0
    own: Spread = NOTHING
    chance: float = 0.0
    correlation: float = 0.0
    unknown: float = 0.0

    @property
    def alike(self) -> float:
        """Mean square of the correlation."""
        return min(self.correlation**2 + self.chance, 1.0)

    @property
    def correlations(self) -> tuple[float, float]:
        """Mean and root mean square."""
        return self.correlation, math.sqrt(self.alike)

    @property
    def whole(self) -> Spread:
        """What an average over the units does."""
        return self.variance + self.readout

    def fluctuation(self, batch: int) -> Fluctuation | None:
        """Of the mean square of a batch."""
        return make_fluctuation(self.whole, self.shift, batch, self.unknown)


def make_fluctuation(spread: Spread, shift: float | None, batch: int, unknown: float = 0.0) -> Fluctuation | None:
    """None where the expansion left the range of numbers."""
    if not (math.isfinite(spread.one) and math.isfinite(shift or 0.0)):
        return None
    kept = spread.at_least_zero
    return Fluctuation(kept.one, shift, unknown, min(kept.of_batch(batch), kept.one))


def correlate(signal: SignalMoments) -> float:
    """Mean correlation of two samples; 1, which counts most, where it is not known."""
    if signal.sample_variance is None or not signal.variance:
        return 1.0
    return min(max(1 - float(signal.sample_variance / signal.variance), -1.0), 1.0)


def grow_alike(alike: float, noise: float) -> float:
    """What a layer of random weights adds to the mean squared correlation of two samples, times its width.

    From E[tr K'^2] = (1 + 1/n) tr K^2 + (tr K)^2/n of a Wishart step, for tr K^2/(tr K)^2, which is what counts.
    """
    return max((1 - alike) * (1 + 2 * alike) * noise, 0.0)
