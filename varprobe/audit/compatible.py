"""The set of laws that a tensor could be drawn from."""

from __future__ import annotations

import re

from varprobe.audit.candidates import Candidate, list_bias_candidates, list_candidates
from varprobe.audit.deviation import Deviation, deviate
from varprobe.audit.fans import Fans
from varprobe.audit.moments import Moments

# Scores beyond which a law is not in the set, and differences below which it stays in it whatever the score:
# of standard deviation, of mean in standard deviations, of kurtosis.
_SCORE, _SHAPE_SCORE = 4.0, 6.0
_NEAR, _NEAR_SHAPE = 0.01, 0.03
_INDEX = re.compile(r"(^|[._/\[])\d+(?=[._/\]]|$)")


def find_laws(
    found: Moments, pattern: str, dtype: str, fans: Fans | None, fan_in: int | None = None
) -> list[Candidate]:
    """The laws of the table that fit, the nearest first.

    Arguments:
        pattern: what the rows show.
        fans: of a matrix; of vectors `fan_in` is that of the layer, where it is known.
    """
    candidates = list_candidates(fans) if fans else list_bias_candidates(fan_in)
    fits = [(deviate(found, pattern, one.moments, dtype), one) for one in candidates]
    near = [(away.worst, index, one) for index, (away, one) in enumerate(fits) if is_compatible(away)]
    return [one for _, _, one in sorted(near, key=lambda each: each[:2])]


def is_compatible(away: Deviation) -> bool:
    """Whether a tensor stays in the set of a law: in single tests, since a law that is dropped is a claim."""
    return not away.outside and (
        (abs(away.spread) < _SCORE or abs(away.ratio - 1) < _NEAR)
        and (abs(away.centre) < _SCORE or abs(away.offset) < _NEAR)
        and (abs(away.shape) < _SHAPE_SCORE or abs(away.kurtosis) < _NEAR_SHAPE)
    )


def group_of(name: str) -> str:
    """The name with its indices starred.

    >>> group_of("h.11.attn.c_proj.weight"), group_of("layers/0/kernel"), group_of("conv2.weight")
    ('h.*.attn.c_proj.weight', 'layers/*/kernel', 'conv2.weight')
    """
    return _INDEX.sub(r"\1*", name)
