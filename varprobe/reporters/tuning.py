"""Tuning -> text or JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from varprobe.advice.changes import ScaleChange, branch_line, change_line, change_of, fold, modes_line
from varprobe.advice.plan_words import option_of
from varprobe.advice.predicted_verdict import PredictedVerdict
from varprobe.advice.ways import By
from varprobe.formatting import count, printable
from varprobe.reporters.verdict_phrases import SUBJECTS
from varprobe.tuning import UNSTABLE, Tuning
from varprobe.verdict.records import DirectionVerdict, Verdict

_WIDTH = 80
_WAYS = {
    By.INPUT: "a standardised input",
    By.BIAS: "biases of 0",
    By.NORM: "the norms' eps",
    By.MEAN: "weights without a mean",
    By.SCHEME: "the scheme of the neighbours",
    By.LAYER: "the scale of one layer",
    By.BRANCH: "the scale of the residual branches",
    By.SCALE: "one factor for all weights",
    By.LAYERS: "a gain for every layer",
    By.EDGE: "the edge of chaos",
    By.BOTH: "the scale of the residual branches and a gain for every layer",
}


def render_tuning(tuning: Tuning) -> str:
    """What theory says and what was measured, the verdict, and what changes; plain text, 80 columns."""
    return "\n".join(_lines(tuning)) + "\n"


def _lines(tuning: Tuning) -> Iterator[str]:
    dense = sum(step.layer.weights is not None for step in tuning.network.steps)
    yield f"{printable(tuning.network.name)}: {count(dense, 'dense layer')}"
    yield ""
    yield from _table(tuning)
    yield ""
    notes = list(_notes(tuning))
    yield from notes
    yield from [""] if notes else []
    yield from _wrap(_conclusion(tuning))
    if tuning.by:
        yield f"-> by {_WAYS[tuning.by]}:"
        for cause in tuning.causes:
            yield from _wrap(cause, "   ")
        for run in fold(tuning.changes, tuning.network):
            yield f"   {change_line(run)}: {run[0].scheme}"
        if tuning.branches:
            yield from _wrap(branch_line(tuning.branches), "   ")
        yield from (f"   {option_of(edit)}" for edit in tuning.edits)


def _notes(tuning: Tuning) -> Iterator[str]:
    if not tuning.by and tuning.before.is_sound:
        who = "A few draws call" if tuning.is_drawn else "Theory calls"
        yield f"{who} it stable both ways as it is; nothing is changed."
    if tuning.reason:
        yield from _wrap(tuning.reason)
    if tuning.modes:
        yield from _wrap(f"With the activations' gains the fan modes give over the depth: {modes_line(tuning.modes)}.")
    yield from _wrap(_broken_expectations(tuning))


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _table(tuning: Tuning) -> Iterator[str]:
    source = "a few draws" if tuning.is_drawn else "theory"
    columns: dict[str, PredictedVerdict | Verdict] = {source: tuning.before}
    if tuning.by:
        columns[f"{source}, tuned"] = tuning.after
    if tuning.measured:
        columns["measured"] = tuning.measured
    ways = ("forward", "backward", "signal") if tuning.measured else ("forward", "backward")
    rows = [
        ["", *columns],
        *([SUBJECTS[way], *(_cell(getattr(each, way, None)) for each in columns.values())] for way in ways),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(direction: DirectionVerdict | None) -> str:
    """Empty where theory was not asked."""
    if direction is None or direction.total_log10 is None:
        return direction.label if direction else ""
    return f"{direction.label} {change_of(direction)}"


def _conclusion(tuning: Tuning) -> str:
    if tuning.measured is None:
        return "Nothing was changed, and nothing measured."
    settings, verdict = tuning.tuned.network.settings, tuning.measured
    how = f"{count(settings.trials, 'trial')} of batch {settings.batch:,}"
    if tuning.is_confirmed:
        return f"Stable both ways, confirmed by measuring ({how})."
    if not tuning.by and not tuning.before.is_sound:
        return f"Measured as it is ({how}): {verdict.overall}."
    more = [finding.remedy for finding in verdict.findings if finding.code == "inconclusive"]
    return " ".join([f"Not confirmed: measured ({how}), it is {_faults(verdict)}.", *more[:1]])


def _broken_expectations(tuning: Tuning) -> str:
    """What the config expects of the network that it was, where the tuned one is another."""
    expect, verdict = tuning.tuned.expect, tuning.measured
    if not tuning.by or expect is None or verdict is None:
        return ""
    found = {"forward": verdict.forward.label, "backward": verdict.backward.label, "overall": verdict.overall}
    sides = [(side, label, getattr(expect, side)) for side, label in {**found, "signal": verdict.signal.label}.items()]
    broken = [f"{side} {' or '.join(allowed)}" for side, label, allowed in sides if allowed and label not in allowed]
    return f"The config's `expect` is of the network as it was: {', '.join(broken)}. Change it too." if broken else ""


def _faults(verdict: Verdict) -> str:
    parts = [
        f"{way} {direction.label}"
        for way, direction in (("forward", verdict.forward), ("backward", verdict.backward))
        if direction.label != "stable"
    ]
    codes = dict.fromkeys(finding.code for finding in verdict.findings if finding.code in UNSTABLE)
    return " and ".join([*parts, *codes])


def render_tuning_json(tuning: Tuning) -> str:
    """The same as one line of JSON."""
    record = {
        "name": tuning.network.name,
        "by": tuning.by,
        "causes": list(tuning.causes),
        "changes": [_change(change, "std") | {"scheme": change.scheme} for change in tuning.changes],
        "branches": [_change(change, "scale") for change in tuning.branches],
        "edits": [f"{edit.path}={edit.text}" for edit in tuning.edits],
        "before": _outlook(tuning.before),
        "after": _outlook(tuning.after),
        "modes": {mode: _outlook(outlook) for mode, outlook in tuning.modes.items()},
        "measured": None if tuning.measured is None else _verdict(tuning.measured),
        "confirmed": tuning.is_confirmed,
        "reason": tuning.reason or None,
    }
    return json.dumps(record, allow_nan=False) + "\n"


def _change(change: ScaleChange, what: str) -> dict[str, Any]:
    scales = {f"{what}_before": change.before, f"{what}_after": change.after}
    return {"layer": change.layer, "name": change.name, "path": change.path, **scales, "factor": change.factor}


def _outlook(outlook: PredictedVerdict) -> dict[str, Any]:
    return {
        "forward": asdict(outlook.forward),
        "backward": asdict(outlook.backward),
        "overall": outlook.overall,
        "jump": outlook.jump,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    directions = {way: asdict(getattr(verdict, way)) for way in ("forward", "backward", "signal")}
    return {**directions, "overall": verdict.overall, "jump": any(f.code == "jump" for f in verdict.findings)}
