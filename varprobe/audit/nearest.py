"""What a tensor that fits no law of the table looks like: the law of a stack of L layers, or the nearest shape."""

from __future__ import annotations

import math

from varprobe.audit.compatible import is_compatible
from varprobe.audit.deviation import deviate
from varprobe.audit.law_moments import LawMoments, moments_of
from varprobe.audit.moments import Moments
from varprobe.network.laws import Law, Normal, TruncatedNormal, Uniform

# Standard deviations that code bases scale by the depth; of those, GPT-2's, that of large models, and one.
_SCALED = (0.02, 0.006, 1.0)
# How far the kurtosis may be off that of a shape, in standard errors or as it is.
_SCORE, _NEAR = 6.0, 0.03


def find_nearest(found: Moments, pattern: str, dtype: str, layers: int) -> str:
    """A law, or a shape in words; empty where nothing is near.

    Arguments:
        pattern: what the rows show.
        layers: siblings of the tensor, itself included: the depth that a law may be scaled by.
    """
    if not found.count or not found.std or found.not_finite:
        return ""
    if layers > 1 and not pattern:
        for text, std in _scaled(layers):
            moments = moments_of(Normal(std), 1, 1)
            if moments and is_compatible(deviate(found, pattern, moments, dtype)):
                return text
    if pattern:
        return pattern
    shapes = {name: moments_of(law, 1, 1) for name, law in _shapes(found).items()}
    fitting = [name for name, moments in shapes.items() if moments and _has_shape(found, moments, dtype)]
    return fitting[0] if fitting else ""


def _scaled(layers: int) -> list[tuple[str, float]]:
    """Laws that shrink with the depth, as they are written."""
    return [
        (f"normal({std:g}/sqrt({factor}{layers}))", std / math.sqrt(times * layers))
        for std in _SCALED
        for factor, times in (("2*", 2), ("", 1))
    ]


def _shapes(found: Moments) -> dict[str, Law]:
    """Laws with the mean and the standard deviation of the tensor."""
    mean, std = found.mean, found.std
    half = std * math.sqrt(3)
    # A normal law cut at two standard deviations keeps 0.8796 of its own.
    own = std / 0.8796256610342398
    return {
        "normal": Normal(std, mean),
        "uniform": Uniform(mean - half, mean + half),
        "truncated_normal": TruncatedNormal(own, mean - 2 * own, mean + 2 * own, mean),
    }


def _has_shape(found: Moments, law: LawMoments, dtype: str) -> bool:
    away = deviate(found, "", law, dtype)
    slack = 4 * law.std * math.sqrt(max(law.kurtosis - 1, 0.0) / found.count)
    inside = found.low >= law.low - slack and found.high <= law.high + slack
    return inside and (abs(away.shape) < _SCORE or abs(away.kurtosis) < _NEAR)
