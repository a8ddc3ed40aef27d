"""Does an initialiser draw from the law that it says? As many draws as it takes, at a stated chance of error."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from varprobe.audit.deviation import Deviation, deviate
from varprobe.audit.fans import Fans, Layout, find_fans
from varprobe.audit.files import tensors_of_arrays
from varprobe.audit.law_moments import LawMoments, moments_of
from varprobe.audit.law_text import LawText, read_law
from varprobe.audit.moments import Moments, pool
from varprobe.audit.survey import Survey, survey
from varprobe.config.arithmetic import Constants
from varprobe.errors import VarprobeError
from varprobe.formatting import count, number, printable
from varprobe.frozen import record
from varprobe.verdict.labels import Word

# Weights before the first look, and from which on the kurtosis is looked at: below, its score is not normal so far out.
_FIRST, _SHAPE_FROM = 2_000, 20_000
# A kurtosis is held to ten times the tolerance: that of a normal law cut at 3 standard deviations is off by 0.16.
_SHAPE_TOLERANCE = 10.0
# Standard deviation, mean, kurtosis.
_TESTS = 3
_UNIT = Fans(1, 1, 1)


class DrawnOutcome(Word):
    """What is known of an initialiser."""

    DRAWN = "drawn"
    OFF = "off"
    UNDECIDED = "undecided"


@record(frozen=True, repr=False)
class DrawnFrom:
    """Whether arrays are drawn from a law: true where they are, as far as could be told.

    Attributes:
        draws, weights: that were looked at.
        ratio: their standard deviation over the law's; null where the law has none.
        resolved: the relative error of the standard deviation that would have been found.
        told: in a sentence.
    """

    law: str
    outcome: DrawnOutcome
    draws: int
    weights: int
    alpha: float
    ratio: float | None
    resolved: float | None
    told: str

    def __bool__(self) -> bool:
        return self.outcome is DrawnOutcome.DRAWN

    def __repr__(self) -> str:
        return f"{self.outcome}: {printable(self.told)}"


def judge_array(array: Any, law: str, alpha: float, layout: Layout, names: Constants) -> DrawnFrom:
    """One array against a law: all that can be told from it."""
    test = _Test(read_law(law), alpha, 0.0, layout, names, 1)
    test.take(array)
    off = test.refuse()
    return test.conclude(DrawnOutcome.DRAWN) if off is None else off


def judge_draws(
    draw: Callable[[int], Any],
    law: str,
    alpha: float,
    tolerance: float,
    most: int,
    layout: Layout,
    names: Constants,
) -> DrawnFrom:
    """Draws under the seeds 0, 1, 2, ... until it is known whether the law is met to the tolerance.

    They are looked at whenever their number has doubled. What is beyond chance, at `alpha` over all looks and tests, is
    off. What is not, and whose interval at the same chance lies within the tolerance, is drawn from the law: an error
    as large as the tolerance is missed with that chance at most.
    """
    looks = max(math.ceil(math.log2(max(most, 2))) + 1, 1)
    test = _Test(read_law(law), alpha, tolerance, layout, names, looks)
    wanted = 1
    for seed in range(most):
        test.take(draw(seed))
        last = seed == most - 1
        few = test.weights < _FIRST and not test.is_settled
        if not last and (few or test.draws < wanted):
            continue
        wanted = 2 * test.draws
        off = test.refuse()
        if off is not None:
            return off
        if test.is_within:
            return test.conclude(DrawnOutcome.DRAWN)
    return test.conclude(DrawnOutcome.UNDECIDED)


class _Test:
    """What has been drawn so far, held to the law."""

    def __init__(
        self, text: LawText, alpha: float, tolerance: float, layout: Layout, names: Constants, looks: int
    ) -> None:
        self.text, self.alpha, self.tolerance, self.layout, self.names = text, alpha, tolerance, layout, names
        # The last look is counted twice: it may be at a number that is not doubled.
        self.limit = NormalDist().inv_cdf(1 - alpha / (2 * _TESTS * (looks + (looks > 1))))
        self.draws, self.same, self.pattern = 0, False, ""
        self.first: Survey | None = None
        self.law: LawMoments | None = None
        self.moments: Moments | None = None

    def take(self, array: Any) -> None:
        """Takes in one more draw."""
        (tensor,) = tensors_of_arrays({"draw": array})
        seen = survey(tensor)
        if self.first is None or self.moments is None:
            self.first, self.moments, self.pattern = seen, seen.moments, seen.structure.pattern
            self.law = self._law(seen)
        else:
            if seen.tensor.shape != self.first.tensor.shape:
                shapes = f"{self.first.tensor.shape} and {seen.tensor.shape}"
                raise VarprobeError(f"draws have the shapes {shapes}", hint="one initialiser, one shape")
            self.same = self.same or (seen.moments.key == self.first.moments.key and bool(seen.moments.std))
            self.pattern = self.pattern if seen.structure.pattern == self.pattern else "differs"
            self.moments = pool([self.moments, seen.moments])
        self.draws += 1

    def _law(self, seen: Survey) -> LawMoments:
        fans = find_fans("draw", seen.tensor.shape, self.layout)
        shape = fans or _UNIT
        law = moments_of(self.text.law(fans, self.names), shape.fan_in, shape.outputs)
        if law is None:
            raise VarprobeError(f"{self.text.text} has no law before it is drawn", hint="name another law")
        return law

    @property
    def weights(self) -> int:
        return self.moments.count if self.moments else 0

    @property
    def is_settled(self) -> bool:
        """Whether a look is due however few weights there are."""
        return self.is_certain or bool(self.moments and self.moments.not_finite)

    @property
    def is_certain(self) -> bool:
        """Whether no further draw could tell more."""
        return self.law is not None and (not self.law.std or self.law.pattern == "identity")

    def away(self) -> Deviation:
        """How far what was drawn is from the law."""
        assert self.moments is not None
        assert self.first is not None
        assert self.law is not None
        return deviate(self.moments, self.pattern, self.law, self.first.tensor.dtype)

    def refuse(self) -> DrawnFrom | None:
        """What is wrong, where something is beyond chance."""
        assert self.moments is not None
        assert self.law is not None
        away, found, law = self.away(), self.moments, self.law
        if found.not_finite:
            return self.conclude(DrawnOutcome.OFF, f"{found.not_finite:,} weights are not finite")
        if self.same and not self.is_certain:
            return self.conclude(DrawnOutcome.OFF, "it gives the same array under every seed")
        if self.pattern != law.pattern and (self.pattern or law.pattern != "identity"):
            rows = f"its rows are {self.pattern}" if self.pattern else f"its rows are not {law.pattern}"
            return self.conclude(DrawnOutcome.OFF, rows)
        if abs(away.spread) > self.limit:
            told = f"the standard deviation is {number(found.std)}, {number(away.ratio)} times that of {self.text.text}"
            return self.conclude(DrawnOutcome.OFF, told)
        if abs(away.centre) > self.limit:
            told = f"the mean is {number(found.mean)}, and that of {self.text.text} is {number(law.mean)}"
            return self.conclude(DrawnOutcome.OFF, told)
        if away.outside:
            return self.conclude(DrawnOutcome.OFF, f"weights lie outside {number(law.low)} to {number(law.high)}")
        if found.count >= _SHAPE_FROM and abs(away.shape) > self.limit:
            told = f"the kurtosis is {number(found.kurtosis)}, and that of {self.text.text} is {number(law.kurtosis)}"
            return self.conclude(DrawnOutcome.OFF, told)
        return None

    @property
    def is_within(self) -> bool:
        """Whether all that is possible lies within the tolerance."""
        assert self.law is not None
        if self.is_certain:
            return True
        if self.law.pattern:
            return abs(self.away().offset) + self.limit / math.sqrt(self.weights) <= self.tolerance
        away, count_ = self.away(), self.weights
        shape = self.limit * math.sqrt(self.law.kurtosis_scatter / count_)
        return (
            count_ >= _SHAPE_FROM
            and abs(away.ratio - 1) + self.resolved <= self.tolerance
            and abs(away.offset) + self.limit / math.sqrt(count_) <= self.tolerance
            and abs(away.kurtosis) + shape <= _SHAPE_TOLERANCE * self.tolerance
        )

    @property
    def resolved(self) -> float:
        """The half-width of the interval of the ratio."""
        assert self.law is not None
        if math.isnan(self.law.kurtosis) or not self.weights:
            return 0.0
        return self.limit * math.sqrt(max(self.law.kurtosis - 1, 0.0) / self.weights) / 2

    def conclude(self, outcome: DrawnOutcome, fault: str = "") -> DrawnFrom:
        """The result in words and figures."""
        away = self.away()
        ratio = away.ratio if math.isfinite(away.ratio) and not self.is_certain else None
        seen = f"{count(self.draws, 'draw')} of {count(self.weights // max(self.draws, 1), 'weight')}"
        resolved = None if self.is_certain or (self.law and self.law.pattern) else self.resolved
        if outcome is DrawnOutcome.OFF:
            told = f"{fault} ({seen}; true laws look so in {self.alpha:.2g} of such tests at most)"
        elif outcome is DrawnOutcome.UNDECIDED:
            told = f"{seen} do not tell it to {100 * self.tolerance:g} %; allow more, or widen the tolerance"
        else:
            told = f"{self.text.text}, {seen}"
            told += f"; an error of {100 * (2 * resolved):.2g} % would have been found" if resolved else ""
        return DrawnFrom(self.text.text, outcome, self.draws, self.weights, self.alpha, ratio, resolved, told)
