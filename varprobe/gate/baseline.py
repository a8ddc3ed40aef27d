"""Stored reports that a network is held against, and the claim that nothing has drifted since."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from varprobe.comparison import Change, compare_layers
from varprobe.errors import InputFileError, Place
from varprobe.formatting import count, file_stem, power
from varprobe.gate.claim import Answer, Claim
from varprobe.report.records import Report
from varprobe.report.rows import layer_rows
from varprobe.report.storage import load_report
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Outcome

_HINT = "`varprobe check CONFIG --baseline FILE --update-baseline` writes one"


def load_baseline(path: Path) -> Report:
    """A stored report that has noise to compare with.

    Raises:
        InputFileError: where the file cannot be read, is no report, or one that cannot be a baseline.
    """
    place = Place(str(path))
    if not path.exists():
        raise InputFileError("no such baseline", hint=_HINT, place=place)
    report = load_report(path)
    if any(row.activation is None for row in report.layers):
        raise InputFileError("is of theory alone, which has no noise", hint=_HINT, place=place)
    if report.settings.trials < 2:
        raise InputFileError("has one trial, which says nothing about noise", hint=_HINT, place=place)
    return report


def baseline_path(baseline: Path, name: str, *, several: bool) -> Path:
    """The file of a network's baseline: as it is named, or NAME.json in a folder, as it is for several networks."""
    return baseline / f"{file_stem(name)}.json" if several or baseline.is_dir() else baseline


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
