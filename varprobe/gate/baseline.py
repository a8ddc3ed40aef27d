"""The claim that nothing has drifted since a stored report."""

from __future__ import annotations

import math
from functools import partial

from varprobe.comparison import Change, compare_layers
from varprobe.formatting import count, power
from varprobe.gate.claim import Answer, Claim
from varprobe.report.records import Report
from varprobe.report.rows import layer_rows
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Outcome


def baseline_claim(baseline: Report) -> Claim:
    """No statistic of any layer has changed beyond noise since a stored report."""
    return Claim("baseline", "no drift beyond noise", None, partial(_drift, baseline), at_once=True)


def _drift(baseline: Report, diagnosis: Diagnosis, level: float) -> Answer:
    case = diagnosis.case
    assert case.agreement is not None
    found = compare_layers(baseline.layers, layer_rows(case.measured, case.agreement), level)
    if found.reason:
        remedy = "Write the baseline anew by --update-baseline, if the change is meant."
        outcome = Outcome.UNDECIDED if case.trials < 2 else Outcome.FAILED
        return Answer(outcome, f"cannot be compared: {found.reason}", remedy)
    if not found.changes:
        return Answer(Outcome.MET, f"none in {count(found.tested, 'statistic')}")
    first = min(found.changes, key=lambda change: (change.layer, -abs(change.deviation)))
    worst = max(found.changes, key=lambda change: abs(change.deviation))
    more = f"; {_tell(worst)}" if worst is not first else ""
    layers = len({change.layer for change in found.changes})
    return Answer(
        Outcome.FAILED,
        f"{_tell(first)}{more}; {count(len(found.changes), 'statistic')} of {count(layers, 'layer')} drifted",
        "If the change is meant, write the baseline anew by --update-baseline.",
        layer=first.layer,
    )


def _tell(change: Change) -> str:
    deviation = "exactly" if math.isinf(change.deviation) else f"{abs(change.deviation):.1f} standard errors"
    return (
        f"{change.statistic} of layer {change.layer} ({change.name}) went from {power(change.before)} to "
        f"{power(change.after)}, {deviation}"
    )
