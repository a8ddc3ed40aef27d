"""The verdict: labels, totals with their errors, and findings."""

from __future__ import annotations

from varprobe.frozen import record

# The chance that any decision about a network is wrong, unless told otherwise.
ALPHA = 0.001


@record(frozen=True)
class DirectionVerdict:
    """One direction of the verdict.

    Attributes:
        label: see `varprobe.verdict.rule`.
        rate, rate_low, rate_high: factor per layer of the judged quantity and its 95 % interval; None where the
            network has fewer than four judged layers, or one trial (the interval).
        total_log10: T/ln 10, what the deep half extrapolates to over the whole depth; of a signal that falls below
            the rounding floor, over the layers before it.
        error_log10: half the width of T's 95 % interval, in the same unit; None with one trial.
        typical_log10: the same for a typical draw: mean over trials of each trial's own slope.
        measured_log10: what was seen between the first and the last judged layer.
        depth_scale: layers over which the quantity changes by a factor e; None where the rate may be 1.
    """

    label: str
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    total_log10: float | None = None
    error_log10: float | None = None
    typical_log10: float | None = None
    measured_log10: float | None = None
    depth_scale: float | None = None


@record(frozen=True)
class Finding:
    """Something worth saying. `layer` is a row of the report, from 1; `measured` and `limit` are its figures."""

    code: str
    severity: str
    layer: int | None
    message: str
    remedy: str
    measured: float | None = None
    limit: float | None = None


@record(frozen=True)
class Leaving:
    """Where a network leaves a number format; the gradient has second moment 1 at the output.

    A layer is the first, in the direction of the signal, at which it is likelier than not; a probability that of the
    likeliest layer, over draws.

    Attributes:
        overflow_layer, overflow_probability: some activation is beyond the largest number. By theory the layer may lie
            beyond the network's end: where it would be if the last layer were repeated.
        underflow_layer, underflow_probability: the activations' root mean square is below the smallest number.
        gradient_overflow_layer and so on: the same of dObjective/dz.
        loss_scale_log2: the loss scale, as a power of two, that keeps the gradient in range: 0 where none is needed,
            None where none does.
    """

    overflow_layer: int | None
    overflow_probability: float | None
    underflow_layer: int | None
    underflow_probability: float | None
    gradient_overflow_layer: int | None
    gradient_overflow_probability: float | None
    gradient_underflow_layer: int | None
    gradient_underflow_probability: float | None
    loss_scale_log2: int | None


@record(frozen=True)
class FormatRange:
    """One number format: measured where it was built, and by theory."""

    name: str
    largest: float
    smallest: float
    measured: Leaving | None
    predicted: Leaving


@record(frozen=True)
class Verdict:
    """What became of the signal, forward and backward, and whether samples stay distinct."""

    overall: str
    forward: DirectionVerdict
    backward: DirectionVerdict
    signal: DirectionVerdict
    findings: tuple[Finding, ...] = ()
