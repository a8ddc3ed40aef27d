"""The table of findings: code, severity, and what it means. The checks of `varprobe.verdict` raise them."""

from __future__ import annotations

from typing import Literal

from varprobe.frozen import dataclass

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class FindingKind:
    """An entry of the table."""

    severity: Severity
    meaning: str


FINDINGS: dict[str, FindingKind] = {
    "forward-vanishing": FindingKind("error", "the activations lose more than a factor 100 over the depth"),
    "forward-exploding": FindingKind("error", "the activations grow by more than a factor 100 over the depth"),
    "forward-degenerate": FindingKind("error", "in half of the trials or more the activations are exactly zero"),
    "forward-borderline": FindingKind("warning", "the activations change by a factor of 10 to 100 over the depth"),
    "backward-vanishing": FindingKind("error", "the gradient loses more than a factor 100 over the depth"),
    "backward-exploding": FindingKind("error", "the gradient grows by more than a factor 100 over the depth"),
    "backward-degenerate": FindingKind("error", "in half of the trials or more the gradient is exactly zero"),
    "backward-borderline": FindingKind("warning", "the gradient changes by a factor of 10 to 100 over the depth"),
    "inconclusive": FindingKind("warning", "the trials differ too much, or are too few, to decide"),
    "jump": FindingKind("error", "a single layer changes the signal by more than a factor 100"),
    "non-finite": FindingKind("error", "the arithmetic ended: values overflowed, or given arrays hold nan or inf"),
    "chaotic": FindingKind("warning", "stable activations with exploding gradients: the chaotic phase"),
    "collapsed-signal": FindingKind("warning", "all samples end at the same point: the output forgets its input"),
    "total-change": FindingKind("warning", "more than a factor 100 is lost or gained, though the deep half is stable"),
    "dead-trials": FindingKind("warning", "some draws of the weights give exact zeros"),
    "finite-width": FindingKind("warning", "single draws differ much: the width is small for the depth"),
    "saturated": FindingKind("warning", "more than half of a layer's values are at the activation's limits"),
    "dead-units": FindingKind("warning", "more units are zero for the whole batch than in a healthy network"),
    "float32-range": FindingKind("warning", "values leave the range of float32"),
    "bfloat16-range": FindingKind("info", "values leave the range of bfloat16"),
    "float16-range": FindingKind("info", "values leave the range of float16"),
    "theory-mismatch": FindingKind("warning", "a layer lies outside the band that theory foresees for it"),
    "theory-ends": FindingKind("warning", "theory alone does not reach all of the network"),
    "width-ratio": FindingKind("info", "changing widths alone change the gradient per entry; it is not judged"),
    "zero-branch": FindingKind("info", "a residual branch is exactly zero, as Fixup, ReZero and scale 0 want it"),
}  # fmt: skip
