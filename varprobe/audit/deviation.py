"""Is a tensor a draw from a law? Each test as a normal score, so that one limit serves them all.

The scale: (s/sigma)^(2/3) is nearly normal (Wilson and Hilferty 1931), with as many degrees of freedom as the law's
kurtosis leaves. The shape: the sample's kurtosis, for normal laws by the transformation of Anscombe and Glynn (1983).
"""

from __future__ import annotations

import math

from varprobe.audit.law_moments import LawMoments
from varprobe.audit.moments import Moments
from varprobe.frozen import dataclass

# Weights below which a sample says nothing about its law's shape.
_SHAPE_COUNT = 100
# What rounding to the stored type may do to a bound, and to a standard deviation that a law fixes exactly.
_ROUNDING = {"bfloat16": 2.0**-8, "float16": 2.0**-10}
_FINE, _EXACT = 2.0**-20, 1e-3


@dataclass(frozen=True)
class Deviation:
    """How far a tensor is from a law, in standard errors; infinite where no draw from it looks like this.

    Attributes:
        ratio: its standard deviation over the law's; nan where the law has none.
        spread: score of the standard deviation.
        centre: score of the mean.
        shape: score of the kurtosis; 0 where too few weights tell.
        offset: distance of the means in the law's standard deviations.
        kurtosis: of the tensor minus that of the law.
        outside: it leaves the law's support, or lacks its pattern.
    """

    ratio: float
    spread: float
    centre: float
    shape: float
    offset: float
    kurtosis: float
    outside: bool

    @property
    def worst(self) -> float:
        return max(abs(self.spread), abs(self.centre), abs(self.shape), math.inf if self.outside else 0.0)


def deviate(found: Moments, pattern: str, law: LawMoments, dtype: str = "float32") -> Deviation:
    """How far a tensor with these moments is from that law.

    Arguments:
        pattern: what its rows show: `orthogonal`, `identity`, or empty.
    """
    rounding = _ROUNDING.get(dtype, _FINE)
    never = Deviation(math.nan, math.inf, math.inf, math.inf, math.nan, math.nan, True)
    if found.not_finite or not found.count:
        return never
    if not law.std:
        same = max(abs(found.low - law.mean), abs(found.high - law.mean)) <= rounding * abs(law.mean)
        return Deviation(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, False) if same else never
    slack = rounding * max(abs(law.low), abs(law.high)) if math.isfinite(law.low + law.high) else 0.0
    outside = found.low < law.low - slack or found.high > law.high + slack or pattern != law.pattern
    ratio = found.std / law.std
    offset = (found.mean - law.mean) / law.std
    centre = offset * math.sqrt(found.count)
    if law.pattern in ("orthogonal", "identity"):
        exact = abs(ratio - 1) <= max(_EXACT, rounding)
        return Deviation(
            ratio, 0.0 if exact else math.inf, centre if law.pattern == "orthogonal" else 0.0, 0.0, offset, 0.0, outside
        )
    if law.zeros:
        outside = outside or abs(found.zeros / found.count - law.zeros) > 1e-6
    return Deviation(
        ratio,
        _spread_score(ratio, found.count, law),
        centre,
        _shape_score(found, law),
        offset,
        found.kurtosis - law.kurtosis,
        outside,
    )


def _spread_score(ratio: float, count: int, law: LawMoments) -> float:
    """Wilson and Hilferty's score of a sample variance, with the degrees of freedom that its variance has."""
    if count < 2:
        return 0.0
    if not ratio:
        return -math.inf
    # Var(s^2)/sigma^4 for independent entries; the biased variance is scaled to the unbiased one.
    variance = (law.kurtosis - (count - 3) / (count - 1)) / count
    freedom = 2 / variance
    unbiased = ratio**2 * count / (count - 1)
    return (unbiased ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))


def score_of_variances(ratio: float, counts: tuple[int, int], kurtosis: float) -> float:
    """The score of two samples' standard deviations, the second over the first.

    Source: Paulson (1942), an approximation to the law of F, with the degrees of freedom that the kurtosis leaves.
    """
    if min(counts) < 3:
        return 0.0
    old, new = (2 * n / (kurtosis - (n - 3) / (n - 1)) for n in counts)
    root = ratio ** (2 / 3)
    return ((1 - 2 / (9 * old)) * root - (1 - 2 / (9 * new))) / math.sqrt(2 / (9 * old) * root**2 + 2 / (9 * new))


def score_of_student(t: float, freedom: float) -> float:
    """Student's t as a normal score.

    Source: Wallace (1959).

    >>> round(score_of_student(2.228, 10), 2)
    1.96
    """
    if freedom < 1:
        return 0.0
    size = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.copysign(size, t)


def _shape_score(found: Moments, law: LawMoments) -> float:
    if found.count < _SHAPE_COUNT or math.isnan(found.kurtosis):
        return 0.0
    if law.kurtosis == 3.0:
        return _normal_kurtosis_score(found.kurtosis, found.count)
    return (found.kurtosis - law.kurtosis) / math.sqrt(law.kurtosis_scatter / found.count)


def _normal_kurtosis_score(kurtosis: float, n: int) -> float:
    expected = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - expected) / math.sqrt(variance)
    skew = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    freedom = 6 + 8 / skew * (2 / skew + math.sqrt(1 + 4 / skew**2))
    base = 1 + x * math.sqrt(2 / (freedom - 4))
    if base <= 0:
        return -math.inf
    return ((1 - 2 / (9 * freedom)) - ((1 - 2 / freedom) / base) ** (1 / 3)) / math.sqrt(2 / (9 * freedom))
