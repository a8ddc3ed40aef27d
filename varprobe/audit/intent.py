"""What was meant: patterns of names with laws, and whether the tensors are draws from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from statistics import NormalDist

from varprobe.audit.deviation import Deviation, deviate
from varprobe.audit.fans import Fans
from varprobe.audit.law_moments import LawMoments, moments_of
from varprobe.audit.law_text import LawText, close, read_law
from varprobe.audit.moments import Moments
from varprobe.audit.records import Fault, Intended
from varprobe.config.arithmetic import Constants
from varprobe.errors import VarprobeError, nearest
from varprobe.formatting import shortened
from varprobe.frozen import dataclass
from varprobe.network.laws import TruncatedNormal

# Tests of a tensor: standard deviation, mean, kurtosis.
_TESTS = 3
# A kurtosis off by less is no other law in practice: cutting at 3 standard deviations makes 0.16.
_SHAPE_TOLERANCE = 0.1
# Standard errors that a difference may be larger than it was found.
_INTERVAL = 2.0
# Standard errors within which a ratio is that of a factor, and what it may be off at least.
_RATIO_ERRORS, _RATIO_NEAR = 4.0, 0.01
# A cut that lies beyond so many standard deviations does nothing.
CUT_REACH = 5.0
# The key of the table that says what of tensors that no pattern matches.
_OTHER = "other"


@dataclass(frozen=True)
class Intent:
    """The table of what was meant.

    Attributes:
        laws: (pattern, law), the first that matches counts.
        others: tensors that no pattern matches are an error.
        names: what arithmetic may use beside fan_in and fan_out.
    """

    laws: tuple[tuple[str, LawText], ...] = ()
    others: bool = False
    names: Mapping[str, float] | None = None

    def find(self, name: str) -> tuple[str, LawText] | None:
        """The pattern that counts for a tensor, and its law."""
        return next(((pattern, law) for pattern, law in self.laws if fnmatchcase(name, pattern)), None)

    def check_patterns(self, names: Sequence[str]) -> None:
        """Every pattern matches something, and every tensor something where that is asked for.

        Raises:
            VarprobeError: with the nearest name.
        """
        for pattern, _ in self.laws:
            if not any(fnmatchcase(name, pattern) for name in names):
                near = nearest(pattern, names)
                hint = f"the nearest name is '{near}'" if near else f"the names are {', '.join(names[:6])}"
                message = f"the pattern '{shortened(pattern)}' matches no tensor"
                raise VarprobeError(message, hint=hint, field=pattern)
        if self.others:
            free = [name for name in names if self.find(name) is None]
            if free:
                hint = "add a pattern for it, or `other: any`"
                more = f" and {len(free) - 1} more" if free[1:] else ""
                raise VarprobeError(f"no pattern matches '{free[0]}'{more}", hint=hint, field=_OTHER)


def read_intent(table: Mapping[str, str], names: Constants | None = None) -> Intent:
    """The intent from patterns and texts of laws.

    Raises:
        VarprobeError: where a text is no law.
    """
    laws = {pattern: text for pattern, text in table.items() if pattern != _OTHER}
    other = table.get(_OTHER, "any")
    if other not in ("any", "error"):
        raise VarprobeError(f"other must be any or error, given {other!r}", hint="`other: error` wants a law for all")
    read = tuple((pattern, read_law(text)) for pattern, text in laws.items())
    return Intent(read, other == "error", names)


def score_limit(tensors: int, alpha: float) -> float:
    """The score that any test of so many tensors passes by luck with that chance in all."""
    return NormalDist().inv_cdf(1 - alpha / (2 * _TESTS * max(tensors, 1)))


def judge_intent(
    found: Moments,
    rows: str,
    dtype: str,
    meant: tuple[str, LawText],
    fans: Fans | None,
    names: Constants,
    limit: float,
    tolerance: float,
    *,
    bias: bool,
) -> Intended:
    """One tensor against the law that was meant.

    Arguments:
        rows: what the rows show: `orthogonal`, `identity` or nothing.
        limit: of scores; a deviation counts where it is beyond this and beyond the tolerance.

    Raises:
        VarprobeError: where the law has no value for this tensor.
    """
    pattern, text = meant
    law = text.law(fans, names, bias=bias)
    shape = fans or Fans(1, 1, 1)
    moments = moments_of(law, shape.fan_in, shape.outputs)
    if moments is None:
        raise VarprobeError(f"{text.text} has no law before it is drawn", hint="name another law")
    away = deviate(found, rows, moments, dtype)
    met = is_met(away, limit, tolerance)
    finite = math.isfinite(away.worst)
    fault, instead = (None, "") if met else _tell(found, rows, dtype, text, fans, names, moments, away, bias=bias)
    return Intended(
        pattern=pattern,
        law=text.text,
        std=moments.std,
        met=met,
        z=away.worst if finite else None,
        ratio=away.ratio if math.isfinite(away.ratio) and moments.std else None,
        fault=fault,
        instead=instead,
    )


def is_met(away: Deviation, limit: float, tolerance: float) -> bool:
    """Whether nothing is both beyond luck and, for all that is known, beyond what matters."""
    return not away.outside and (
        not is_beyond(away.spread, away.ratio - 1, limit, tolerance)
        and not is_beyond(away.centre, away.offset, limit, tolerance)
        and not is_beyond(away.shape, away.kurtosis, limit, _SHAPE_TOLERANCE)
    )


def is_beyond(score: float, difference: float, limit: float, tolerance: float) -> bool:
    """A difference, whose standard error is `difference / score`, counts where its interval leaves the tolerance."""
    return abs(score) > limit and abs(difference) * (1 + _INTERVAL / abs(score)) > tolerance


def cut_never_acts(text: LawText, fans: Fans | None, names: Constants) -> float | None:
    """How many standard deviations away the bounds of a cut law are, where that is too far for them to do anything."""
    law = text.law(fans, names)
    if not isinstance(law, TruncatedNormal) or not law.std:
        return None
    reach = min(law.centre - law.low, law.high - law.centre) / law.std
    return reach if reach > CUT_REACH else None


def _tell(
    found: Moments,
    rows: str,
    dtype: str,
    text: LawText,
    fans: Fans | None,
    names: Constants,
    meant: LawMoments,
    away: Deviation,
    *,
    bias: bool,
) -> tuple[Fault, str]:
    if found.not_finite:
        return Fault.NOT_FINITE, f"{found.not_finite} of {found.count + found.not_finite} weights are not finite"
    if not found.std:
        return Fault.CONSTANT, f"every weight is {found.mean:.4g}"
    if not meant.std:
        return Fault.NOT_CONSTANT, f"its weights scatter, with a standard deviation of {found.std:.4g}"
    if rows != meant.pattern and (rows or meant.pattern in ("orthogonal", "identity")):
        return Fault.STRUCTURE, f"its rows are {rows}" if rows else f"its rows are not {meant.pattern}"
    if fans and fans.fan_in != fans.fan_out:
        other = moments_of(text.law(fans.swapped(), names, bias=bias), fans.fan_in, fans.outputs)
        if other and is_met(deviate(found, rows, other, dtype), _RATIO_ERRORS, _RATIO_NEAR):
            return Fault.FANS_SWAPPED, "it fits with fan_in and fan_out swapped"
    error = away.ratio * math.sqrt(max(found.kurtosis - 1, 0.0) / found.count) / 2
    near = max(_RATIO_NEAR, _RATIO_ERRORS * error / away.ratio)
    if close(abs(found.mean), meant.std, max(near, 4 * found.std / math.sqrt(found.count) / meant.std)):
        return Fault.STD_AS_MEAN, f"its mean is {found.mean:.4g}: the standard deviation was given as the mean"
    if abs(away.ratio - 1) > near:
        told = f"the standard deviation is {away.ratio:.3g} times what was meant"
        missing = [name for name, value in text.factors(names) if close(away.ratio, 1 / value, near)]
        if missing:
            return Fault.SCALE, f"{told}: the scaling by {missing[0]} is missing"
        twice = [name for name, value in text.factors(names) if close(away.ratio, value, near)]
        return Fault.SCALE, f"{told}: the scaling by {twice[0]} was applied twice" if twice else told
    if away.outside:
        return Fault.SUPPORT, f"weights reach {max(abs(found.low), abs(found.high)):.4g}, outside the law's support"
    if abs(away.centre) > abs(away.shape):
        return Fault.CENTRE, f"its mean is {found.mean:.4g} where {meant.mean:.4g} was meant"
    return Fault.SHAPE, f"its kurtosis is {found.kurtosis:.3g} where {meant.kurtosis:.3g} was meant: another shape"
