"""All findings of a case. A new check is one entry in `CHECKS` or `MEASURED_CHECKS`; its codes stand in
`FINDINGS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from varprobe.verdict import layer_checks, theory_checks, trend_checks, trial_checks
from varprobe.verdict.case import Case
from varprobe.verdict.records import Finding

Check = Callable[[Case], Iterator[Finding]]

# Of the change over depth, measured or predicted.
CHECKS: tuple[Check, ...] = (
    trend_checks.labels,
    trend_checks.jumps,
    trend_checks.chaotic,
    trend_checks.collapsed_signal,
    trend_checks.total_change,
    layer_checks.number_ranges,
    layer_checks.width_ratio,
)
# Of what only theory has, where nothing was measured.
THEORY_CHECKS: tuple[Check, ...] = (theory_checks.theory_ends,)
# Of what only a measurement has.
MEASURED_CHECKS: tuple[Check, ...] = (
    trial_checks.non_finite,
    trial_checks.inconclusive,
    trial_checks.dead_trials,
    trial_checks.finite_width,
    layer_checks.saturated,
    layer_checks.dead_units,
    layer_checks.zero_branches,
    theory_checks.theory_mismatch,
)


def all_findings(case: Case) -> tuple[Finding, ...]:
    """Every finding, the gravest first, then in the order of the checks."""
    checks = (
        (*CHECKS, *THEORY_CHECKS) if case.measurement is None else (*MEASURED_CHECKS[:1], *CHECKS, *MEASURED_CHECKS[1:])
    )
    found = [item for check in checks for item in check(case)]
    return tuple(sorted(found, key=lambda item: ("error", "warning", "info").index(item.severity)))
