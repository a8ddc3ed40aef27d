"""Audits beside networks: those that configs ask for, and baselines of theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from varprobe.audit.config import ModelAudit, plan_audit, refuse_model, run_audit
from varprobe.audit.drift import hold_to_baseline
from varprobe.audit.records import Audit
from varprobe.config.loading import ConfigText
from varprobe.config.overrides import Override
from varprobe.errors import InputFileError, Place
from varprobe.gate.audits import check_of
from varprobe.gate.records import CheckResult
from varprobe.output import check_writable, write_file
from varprobe.results.store import load_result, to_json

_HINT = "--baseline FILE --update-baseline writes one"


def check_config(
    config: ConfigText,
    overrides: Sequence[Override],
    alpha: float,
    find_baseline: Callable[[str], Path | None],
    tell: Callable[[str], None],
    *,
    update: bool,
    allow_import: bool,
) -> CheckResult:
    """The audit of a config as a check.

    Arguments:
        allow_import: whether the code of a model that the config names may be run.
        find_baseline: the file of the baseline of an audit of that name; None where none is asked for.

    Raises:
        VarprobeError: with its place, where it cannot be made.
    """
    started = time.perf_counter()
    plan = plan_audit(config, overrides)
    baseline = find_baseline(plan.name)
    found = run_audit(plan, alpha, _model_audit() if allow_import else refuse_model)
    if baseline is not None:
        found = hold(found, baseline, tell, update=update)
    return replace(check_of(found, time.perf_counter() - started), config=config.label)


def _model_audit() -> ModelAudit:
    from varprobe.models.isolated import audit_planned

    return audit_planned


def hold(audit: Audit, baseline: Path, tell: Callable[[str], None], *, update: bool) -> Audit:
    """The audit held to a stored one; or as it is, and stored."""
    if update:
        check_writable(baseline)
        write_file(baseline, to_json(audit))
        tell(f"wrote {baseline}")
        return audit
    if not baseline.exists():
        raise InputFileError("no such baseline", hint=_HINT, place=Place(str(baseline)))
    stored: Audit = load_result(baseline, "audit")
    return hold_to_baseline(audit, stored, str(baseline))
