"""The table of findings: code, severity, and what it means. The checks of this room raise them."""

from __future__ import annotations

from varprobe.frozen import dataclass
from varprobe.verdict.labels import Direction, Label, Severity, SignalLabel
from varprobe.verdict.records import Finding

JUMP = "jump"


@dataclass(frozen=True)
class FindingKind:
    """An entry of the table."""

    severity: Severity
    meaning: str


ERROR, WARNING, INFO = Severity

FINDINGS: dict[str, FindingKind] = {
    "forward-vanishing": FindingKind(ERROR, "the activations lose more than a factor 100 over the depth"),
    "forward-exploding": FindingKind(ERROR, "the activations grow by more than a factor 100 over the depth"),
    "forward-degenerate": FindingKind(ERROR, "in half of the trials or more the activations are exactly zero"),
    "forward-borderline": FindingKind(WARNING, "the activations change by a factor of 10 to 100 over the depth"),
    "backward-vanishing": FindingKind(ERROR, "the gradient loses more than a factor 100 over the depth"),
    "backward-exploding": FindingKind(ERROR, "the gradient grows by more than a factor 100 over the depth"),
    "backward-degenerate": FindingKind(ERROR, "in half of the trials or more the gradient is exactly zero"),
    "backward-borderline": FindingKind(WARNING, "the gradient changes by a factor of 10 to 100 over the depth"),
    "inconclusive": FindingKind(WARNING, "the trials differ too much, or are too few, to decide"),
    "jump": FindingKind(ERROR, "a single layer changes the signal by more than a factor 100"),
    "non-finite": FindingKind(ERROR, "the arithmetic ended: values overflowed, or given arrays hold nan or inf"),
    "chaotic": FindingKind(WARNING, "stable activations with exploding gradients: the chaotic phase"),
    "collapsed-signal": FindingKind(WARNING, "all samples end at the same point: the output forgets its input"),
    "total-change": FindingKind(WARNING, "more than a factor 100 is lost or gained, though the deep half is stable"),
    "dead-trials": FindingKind(WARNING, "some draws of the weights give exact zeros"),
    "finite-width": FindingKind(WARNING, "single draws differ much: the width is small for the depth"),
    "saturated": FindingKind(WARNING, "more than half of a layer's values are at the activation's limits"),
    "dead-units": FindingKind(WARNING, "more units are zero for the whole batch than in a healthy network"),
    "float32-range": FindingKind(WARNING, "values leave the range of float32"),
    "bfloat16-range": FindingKind(INFO, "values leave the range of bfloat16"),
    "float16-range": FindingKind(INFO, "values leave the range of float16"),
    "theory-mismatch": FindingKind(WARNING, "a layer lies outside the band that theory foresees for it"),
    "theory-ends": FindingKind(WARNING, "theory alone does not reach all of the network"),
    "width-ratio": FindingKind(INFO, "changing widths alone change the gradient per entry; it is not judged"),
    "zero-branch": FindingKind(INFO, "a residual branch is exactly zero, as Fixup, ReZero and scale 0 want it"),
}  # fmt: skip

# The finding that says a label.
LABEL_CODES: dict[tuple[Direction, Label | SignalLabel], str] = {
    **{
        (direction, label): f"{direction}-{label}"
        for direction in (Direction.FORWARD, Direction.BACKWARD)
        for label in (Label.VANISHING, Label.EXPLODING, Label.DEGENERATE, Label.BORDERLINE)
    },
    (Direction.SIGNAL, SignalLabel.COLLAPSING): "collapsed-signal",
}


def finding(
    code: str,
    message: str,
    remedy: str,
    *,
    layer: int | None = None,
    measured: float | None = None,
    limit: float | None = None,
) -> Finding:
    """A finding with the severity of its code."""
    return Finding(code, FINDINGS[code].severity, layer, message, remedy, measured, limit)
