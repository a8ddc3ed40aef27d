"""What tensors show by themselves: one function a finding of `varprobe.audit.findings`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import numpy as np

from varprobe.audit.records import TensorAudit
from varprobe.audit.survey import Survey
from varprobe.frozen import dataclass

# Standard errors and share that a sibling must be off by: of 24 siblings one is by luck in 70,000 audits.
_SIBLING_ERRORS, _SIBLING_NEAR = 5.0, 0.05
# A mean beyond this share of the standard deviation, and beyond so many standard errors.
_OFF_CENTRE, _CENTRE_ERRORS = 0.05, 6.0
# Beyond this share of the weights it is the law that has long tails.
_FEW = 0.01
# Weights below which a tensor says too little of itself.
_ENOUGH = 16


@dataclass(frozen=True)
class Looked:
    """A tensor with all that is known of it."""

    audit: TensorAudit
    survey: Survey

    @property
    def random(self) -> bool:
        return bool(self.audit.std) and self.audit.count > _ENOUGH and not self.audit.not_finite

    @property
    def is_matrix(self) -> bool:
        return len(self.audit.shape) > 1


@dataclass(frozen=True)
class Remark:
    """Some tensors of which something is to be said."""

    tensors: tuple[str, ...]
    message: str
    measured: float | None = None
    limit: float | None = None


def find_not_finite(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Weights that are nan or infinite."""
    for group in _grouped(one for one in tensors if one.audit.not_finite):
        bad, size = sum(one.audit.not_finite for one in group), sum(one.survey.tensor.size for one in group)
        yield Remark(_names(group), f"{bad:,} of {size:,} weights are nan or infinite", float(bad), 0.0)


def find_zero(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Matrices of zeros."""
    for group in _grouped(one for one in tensors if one.is_matrix and one.audit.low == one.audit.high == 0):
        yield Remark(_names(group), "every weight is 0")


def find_constant(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Matrices with one value."""
    for group in _grouped(one for one in tensors if one.is_matrix and one.audit.count > 1 and one.audit.low):
        if all(one.audit.low == one.audit.high for one in group):
            yield Remark(
                _names(group), f"every weight is {group[0].audit.low:g}: its units stay alike", group[0].audit.low
            )


def find_identical(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Tensors of one shape with the same weights in other memory."""
    alike: dict[object, list[Looked]] = defaultdict(list)
    for one in tensors:
        if one.random:
            alike[one.audit.shape, one.survey.moments.key].append(one)
    for same in alike.values():
        first, *others = same
        copies = [one for one in others if _same_weights(first, one)]
        if copies:
            yield Remark(
                _names([first, *copies]),
                f"{len(copies)} {_plural(len(copies), 'tensor is', 'tensors are')} identical to {first.audit.name}",
                float(len(copies)),
                0.0,
            )


def find_outliers(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """A few weights far beyond what the middle half of them foresees."""
    for group in _grouped(one for one in tensors if one.random and 0 < one.audit.far < _FEW * one.audit.count):
        far, count = sum(one.audit.far for one in group), sum(one.audit.count for one in group)
        worst = max(group, key=lambda one: _peak(one))
        yield Remark(
            _names(group),
            f"{far:,} of {count:,} weights lie beyond 7.5 robust standard deviations; "
            f"the largest, {_extreme(worst):.3g} in {worst.audit.name}, at {_peak(worst):.0f}",
            _peak(worst),
            7.5,
        )


def find_odd(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """One of several siblings with another standard deviation."""
    for group in _grouped(one for one in tensors if one.random):
        if len(group) < 3:
            continue
        logs = [math.log(one.audit.std or 1.0) for one in group]
        middle = median(logs)
        odd = [
            one
            for one, log in zip(group, logs, strict=True)
            if abs(log - middle) > max(_SIBLING_ERRORS * _log_error(group, one), _SIBLING_NEAR)
        ]
        if odd and len(odd) < len(group) / 2:
            ratio = (odd[0].audit.std or 0.0) / math.exp(middle)
            rest = f"that of its {len(group) - len(odd)} siblings"
            yield Remark(_names(odd), f"its standard deviation is {ratio:.3g} times {rest}", ratio, 1.0)


def find_off_centre(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Matrices whose mean is not zero."""
    for group in _grouped(one for one in tensors if one.random and one.is_matrix and _is_off_centre(one.audit)):
        offset = max(abs(one.audit.mean or 0.0) / (one.audit.std or 1.0) for one in group)
        yield Remark(_names(group), f"the mean is {offset:.3g} standard deviations from 0", offset, _OFF_CENTRE)


def find_defaults(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """A minority that still has what torch.nn.Linear draws."""
    matrices = [one for one in tensors if one.random and one.is_matrix]
    default = [one for one in matrices if one.audit.laws == ("torch.linear_default",)]
    others = [one for one in matrices if one.audit.laws and "torch.linear_default" not in one.audit.laws]
    if default and len(default) < len(others):
        for group in _grouped(default):
            yield Remark(
                _names(group),
                f"still has the framework's default U(+-1/sqrt(fan_in)), which {len(others)} other matrices have not",
            )


def find_missing_rank(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Matrices of lower rank than the rows that were looked at."""
    lacking = (one for one in tensors if one.random and one.survey.structure.is_deficient)
    for group in _grouped(lacking):
        seen = group[0].survey.structure
        yield Remark(
            _names(group),
            f"{seen.looked} of its rows span only {seen.rank} dimensions",
            float(seen.rank),
            float(seen.looked),
        )


def find_copies(tensors: Sequence[Looked]) -> Iterator[Remark]:
    """Rows that repeat others."""
    for group in _grouped(one for one in tensors if one.random and one.survey.structure.copies):
        copies = sum(one.survey.structure.copies for one in group)
        text = f"{copies} {_plural(copies, 'row repeats', 'rows repeat')} an earlier one"
        yield Remark(_names(group), text, float(copies), 0.0)


def _grouped(tensors: Iterable[Looked]) -> list[list[Looked]]:
    """Siblings together."""
    groups: dict[object, list[Looked]] = defaultdict(list)
    for one in tensors:
        groups[one.audit.group, one.audit.shape].append(one)
    return list(groups.values())


def _names(tensors: Iterable[Looked]) -> tuple[str, ...]:
    return tuple(one.audit.name for one in tensors)


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _is_off_centre(one: TensorAudit) -> bool:
    offset = abs(one.mean or 0.0) / (one.std or 1.0)
    return offset > max(_OFF_CENTRE, _CENTRE_ERRORS / math.sqrt(one.count))


def _log_error(group: Sequence[Looked], one: Looked) -> float:
    """Standard error of the logarithm of a standard deviation, by the siblings' kurtosis, from the median of them."""
    kurtosis = median(each.audit.kurtosis or 3.0 for each in group)
    error = math.sqrt(max(kurtosis - 1, 0.1) / one.audit.count) / 2
    # The median of n has pi/2 of the variance of a mean of n.
    return error * math.sqrt(1 + math.pi / (2 * len(group)))


def _extreme(one: Looked) -> float:
    moments = one.survey.moments
    return moments.high if moments.high - moments.mean > moments.mean - moments.low else moments.low


def _peak(one: Looked) -> float:
    moments = one.survey.moments
    return max(moments.high - moments.mean, moments.mean - moments.low) / (moments.robust_std or 1.0)


def _same_weights(one: Looked, other: Looked) -> bool:
    pairs = zip(one.survey.tensor.blocks(), other.survey.tensor.blocks(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)
