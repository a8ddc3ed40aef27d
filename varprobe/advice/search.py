"""Where a scale is right: the root of T forward + T backward over its logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable

from varprobe.advice.predicted_verdict import PredictedVerdict

# |T forward + T backward| at which the search ends, and how far it looks in ln of the factor.
_CLOSE, _FAR = 0.01, 40.0
_EXPANSIONS, _REFINEMENTS = 16, 24


class SpentError(Exception):
    """A bench that may not judge any more variants."""


Try = Callable[[float], PredictedVerdict]


def balance(attempt: Try, start: PredictedVerdict, points: int) -> float | None:
    """The factor of the weights' standard deviation at which neither direction outweighs the other.

    Arguments:
        attempt: the outlook at a factor.
        start: that at factor 1.
        points: how many layers are judged; each answers to the factor by its square, in both directions.

    Returns:
        The best factor that was seen; None where it is 1, or the factor changes nothing.
    """
    seen = [(0.0, start)]

    def lean(x: float) -> float:
        seen.append((x, attempt(math.exp(x))))
        return seen[-1][1].lean

    low, low_lean = 0.0, start.lean
    stride = min(max(-low_lean / (4 * points), -2.0), 2.0)
    stride = math.copysign(max(abs(stride), 0.02), stride)
    for _ in range(_EXPANSIONS):
        high = low + stride
        if abs(high) > _FAR:
            break
        high_lean = lean(high)
        if high_lean * low_lean <= 0:
            _refine(lean, (low, low_lean), (high, high_lean))
            break
        if len(seen) == 3 and all(abs(each.lean - start.lean) < 1e-6 for _, each in seen):
            return None
        low, low_lean, stride = high, high_lean, 2 * stride
    best = min(seen, key=lambda each: each[1].rank)[0]
    return math.exp(best) if best else None


def _refine(lean: Callable[[float], float], one: tuple[float, float], other: tuple[float, float]) -> None:
    """The Illinois method: a secant that never leaves the bracket, halving the end that stays too long."""
    (a, fa), (b, fb) = one, other
    for _ in range(_REFINEMENTS):
        if abs(fb) < _CLOSE or abs(b - a) < 1e-12:
            return
        weight = min(max(fb / (fb - fa), 0.02), 0.98)
        c = b - (b - a) * weight
        fc = lean(c)
        if fc * fb <= 0:
            a, fa = b, fb
        else:
            fa /= 2
        b, fb = c, fc


def find_largest(attempt: Try, limit: float) -> float | None:
    """The largest factor up to 1 at which the change over the depth stays within e**limit, to 1 %."""
    low, high = 1e-6, 1.0
    if attempt(low).total > limit:
        return None
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        if attempt(middle).total <= limit:
            low = middle
        else:
            high = middle
    return low
