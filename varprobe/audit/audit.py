"""The audit: survey each tensor -> laws that fit -> what was meant -> findings -> outcome."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from varprobe.audit.compatible import find_laws, group_of
from varprobe.audit.fans import Fans, Layout, Reading, find_fans
from varprobe.audit.findings import find_all, make_finding
from varprobe.audit.intent import CUT_REACH, Intent, cut_never_acts, judge_intent, score_limit
from varprobe.audit.moments import Moments, pool
from varprobe.audit.nearest import find_nearest
from varprobe.audit.records import (
    ALPHA,
    AUDIT_VERSION,
    TOLERANCE,
    Audit,
    AuditFinding,
    AuditOutcome,
    Intended,
    TensorAudit,
)
from varprobe.audit.survey import Survey, survey
from varprobe.audit.tensor_checks import Looked, Remark
from varprobe.audit.tensors import Tensor
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass
from varprobe.verdict.labels import Severity
from varprobe.version import __version__


@dataclass(frozen=True)
class AuditSettings:
    """How tensors are read and held to what was meant.

    Attributes:
        layout: None is that of the framework, where a model tells it, and that of torch elsewhere.
        readings: how tensors of some names are read otherwise than the layout says.
        alpha: the chance that any tensor of a model that is as intended is called otherwise.
        tolerance: the practical limit: a difference below it never counts.
    """

    layout: Layout | None = None
    readings: tuple[Reading, ...] = ()
    intent: Intent = Intent()
    alpha: float = ALPHA
    tolerance: float = TOLERANCE


def audit_tensors(
    draws: Iterable[Iterable[Tensor]], settings: AuditSettings, name: str, source: str, config: str = ""
) -> Audit:
    """The audit of one draw of some tensors, or of several draws of a model.

    Arguments:
        draws: the first is looked at whole and kept; of each of the others, taken one at a time, the moments are
            pooled, and it need not have all of the tensors.
        config: the file that says what was meant.

    Raises:
        VarprobeError: where a pattern matches nothing, or a law has no value for a tensor.
    """
    others = iter(draws)
    first = [survey(tensor) for tensor in next(others)]
    names = [one.tensor.name for one in first]
    settings.intent.check_patterns(names)
    more: dict[str, list[Moments]] = {}
    drawn = 1
    for drawn, draw in enumerate(others, 2):  # noqa: B007  # how many there were
        for tensor in draw:
            more.setdefault(tensor.name, []).append(survey(tensor).moments)
    pooled = {one.tensor.name: pool([one.moments, *more.get(one.tensor.name, [])]) for one in first}
    fans = _all_fans(first, settings)
    limit = score_limit(sum(settings.intent.find(each) is not None for each in names), settings.alpha)
    siblings = Counter((group_of(one.tensor.name), one.tensor.shape) for one in first)
    looked = [_look(one, pooled[one.tensor.name], fans, settings, limit, siblings) for one in first]
    findings = [*_find_intended(looked, fans, settings), *find_all(looked)]
    failed = any(one.severity is Severity.ERROR for one in findings)
    return Audit(
        audit_version=AUDIT_VERSION,
        name=name,
        config=config,
        source=source,
        draws=drawn,
        layout=str(settings.layout or Layout.TORCH),
        alpha=settings.alpha,
        tolerance=settings.tolerance,
        baseline="",
        tensors=tuple(one.audit for one in looked),
        findings=tuple(findings),
        outcome=AuditOutcome.FAILED if failed else AuditOutcome.PASSED,
        varprobe=__version__,
        numpy=np.__version__,
    )


def _all_fans(surveys: Sequence[Survey], settings: AuditSettings) -> Mapping[str, Fans | None]:
    """The fans of each tensor; of a vector those of the matrix beside it, whose name differs in its last part."""
    fans = {
        one.tensor.name: find_fans(
            one.tensor.name, one.tensor.shape, settings.layout or Layout.TORCH, settings.readings
        )
        for one in surveys
    }
    beside: dict[tuple[str, int], Fans] = {}
    for name, own in fans.items():
        if own:
            beside.setdefault((_stem(name), own.fan_out), own)
    sizes = {one.tensor.name: one.tensor.size for one in surveys}
    return {name: own or beside.get((_stem(name), sizes[name])) for name, own in fans.items()}


def _stem(name: str) -> str:
    """The module that a tensor belongs to: `net.0` of `net.0.bias`, `dense` of `dense/kernel`."""
    cut = max(name.rfind(mark) for mark in "./")
    return name[: cut + 1]


def _look(
    one: Survey,
    moments: Moments,
    fans: Mapping[str, Fans | None],
    settings: AuditSettings,
    limit: float,
    siblings: Mapping[tuple[str, tuple[int, ...]], int],
) -> Looked:
    tensor = one.tensor
    own = fans[tensor.name]
    matrix = len(tensor.shape) > 1
    pattern = one.structure.pattern
    laws = find_laws(moments, pattern, tensor.dtype, own if matrix else None, own.fan_in if own else None)
    layers = siblings[group_of(tensor.name), tensor.shape]
    audit = TensorAudit(
        name=tensor.name,
        group=group_of(tensor.name),
        shape=tensor.shape,
        dtype=tensor.dtype,
        fan_in=own.fan_in if own else None,
        fan_out=own.fan_out if own else None,
        aliases=tensor.aliases,
        count=moments.count,
        not_finite=moments.not_finite,
        zeros=moments.zeros,
        mean=_known(moments.mean),
        std=_known(moments.std),
        kurtosis=_known(moments.kurtosis),
        largest=_known(moments.largest),
        low=_known(moments.low),
        high=_known(moments.high),
        far=moments.far,
        pattern=pattern,
        laws=tuple(each.name for each in laws),
        nearest="" if laws else find_nearest(moments, pattern, tensor.dtype, layers),
        intended=_judge(one, moments, own, settings, limit),
    )
    return Looked(audit, one)


def _judge(one: Survey, moments: Moments, fans: Fans | None, settings: AuditSettings, limit: float) -> Intended | None:
    meant = settings.intent.find(one.tensor.name)
    if meant is None:
        return None
    try:
        return judge_intent(
            moments,
            one.structure.pattern,
            one.tensor.dtype,
            meant,
            fans,
            settings.intent.names or {},
            limit,
            settings.tolerance,
            bias=len(one.tensor.shape) < 2,
        )
    except VarprobeError as error:
        raise VarprobeError(f"{one.tensor.name}: {error.message}", hint=error.hint, field=meant[0]) from None


def _find_intended(
    looked: Sequence[Looked], fans: Mapping[str, Fans | None], settings: AuditSettings
) -> list[AuditFinding]:
    """What is not as it was meant, siblings that are off in one way together, and cuts that do nothing."""
    off: dict[object, list[tuple[str, Intended]]] = {}
    idle: dict[str, tuple[list[str], float]] = {}
    for one in looked:
        intended, meant = one.audit.intended, settings.intent.find(one.audit.name)
        if intended is None or meant is None:
            continue
        if not intended.met:
            key = one.audit.group, intended.law, intended.fault
            off.setdefault(key, []).append((one.audit.name, intended))
        reach = cut_never_acts(meant[1], fans[one.audit.name], settings.intent.names or {})
        if reach:
            idle.setdefault(intended.law, ([], reach))[0].append(one.audit.name)
    found = []
    for tensors in off.values():
        typical = sorted((intended for _, intended in tensors), key=_distance)[len(tensors) // 2]
        message = f"{typical.law} was meant: {typical.instead}"
        limit = None if typical.ratio is None else 1.0
        seen = Remark(tuple(name for name, _ in tensors), message, typical.ratio, limit)
        found.append(make_finding("not-as-intended", seen, f"Initialise it by {typical.law}."))
    for law, (names, reach) in idle.items():
        seen = Remark(tuple(names), f"{law} is cut at {reach:.3g} standard deviations", reach, CUT_REACH)
        found.append(make_finding("truncation-never-acts", seen))
    return found


def _distance(intended: Intended) -> float:
    return abs(math.log(intended.ratio)) if intended.ratio else math.inf


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None
