"""Why something expected is not met, and what to do: the finding behind it with its remedy, or a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from varprobe.gate.claim import Claim
from varprobe.gate.records import CheckOutcome, Decision
from varprobe.report.records import Report
from varprobe.verdict.findings import LABEL_CODES
from varprobe.verdict.labels import Outcome
from varprobe.verdict.records import Finding

# By the first word of an expectation: the findings that may stand behind it, and what to say where none does.
_BEHIND = {
    "saturated": ("saturated",),
    "dead": ("dead-units",),
    "safe_in": ("float32-range", "bfloat16-range", "float16-range"),
    "head": ("large-head", "small-head", "zero-head"),
    "initial_loss": ("large-head",),
    "effective_rank": ("rank-collapse", "symmetric-units"),
}
_LIMITS = "If this network is meant to be so, widen the limits"
_SENTENCES = {
    "rate": "One factor on the weights' standard deviation of like layers changes the rate by its square; `varprobe "
    "tune` looks for the one that keeps the signal.",
    "total_log10": "One factor on the weights' standard deviation changes each layer by its square; `varprobe tune` "
    "looks for the one that keeps the signal.",
    "saturated": "Lower what drives this layer, the input, the biases or the weights: at its limits an activation "
    "passes no gradient.",
    "dead": "Look for negative biases or weights with a negative mean, or use leaky_relu.",
    "layers": "Look at the scheme of this layer and of those before it: one factor on the weights' standard deviation "
    "changes a second moment by its square.",
}
_LABELLED = "Look at the scheme and the widths: `varprobe tune` looks for the scale that keeps the signal."
_UNDECIDED = "Draw more by --max-trials, or widen the limits: what was found is too near to one."


def explain(claim: Claim, decision: Decision, outcome: CheckOutcome, report: Report) -> Decision:
    """What has not been met, with the layer where trouble begins and the remedy, as the report has them."""
    if decision.outcome == Outcome.MET:
        return decision
    if decision.outcome == Outcome.UNDECIDED:
        if outcome == CheckOutcome.FAILED:
            return replace(decision, remedy="Not pursued: the check had failed already.", needed=None)
        more_trials = f"Run with --max-trials {decision.needed}." if decision.needed else ""
        return replace(decision, remedy=more_trials or decision.remedy or _UNDECIDED)
    if decision.remedy:
        return decision
    cause = next(_causes(claim, report), None)
    if cause is None:
        said = _SENTENCES.get(_kind(claim), _LABELLED)
        return replace(decision, remedy=f"{said} {_LIMITS}." if claim.labels == () else said)
    line = report.layers[cause.layer - 1].line if cause.layer else None
    return replace(decision, remedy=cause.remedy, layer=decision.layer or cause.layer, line=line or decision.line)


def _causes(claim: Claim, report: Report) -> Iterator[Finding]:
    """The findings with a remedy that may stand behind it, those of its direction first; overall has both."""
    ways = [code for (way, _), code in LABEL_CODES.items() if claim.direction is None or way == claim.direction]
    codes = _BEHIND.get(_kind(claim)) or (ways if claim.direction or claim.labels else ())
    yield from (each for each in report.verdict.findings if each.code in codes and each.remedy)


def _kind(claim: Claim) -> str:
    return claim.expectation.split(".")[0]
