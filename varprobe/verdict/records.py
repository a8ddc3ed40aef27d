"""The verdict: labels, totals with their errors, and findings."""

from __future__ import annotations

from enum import StrEnum

from varprobe.frozen import record

# The chance that any decision about a network is wrong, unless told otherwise.
ALPHA = 0.001


@record(frozen=True)
class Share:
    """A share of the draws, with its 95 % interval after Clopper and Pearson."""

    share: float
    low: float
    high: float


@record(frozen=True)
class DirectionVerdict:
    """One direction of the verdict.

    Attributes:
        label: see `varprobe.verdict.rule`.
        total_log10: D/ln 10, the change in a typical draw, from the first judged layer to the last in the direction of
            travel; of fewer than four judged layers, and of the signal, from the input on.
        error_log10: half the width of D's 95 % interval, in the same unit; None with one trial.
        spread_log10: sd over draws of the change; None with one trial, or where theory does not know it.
        mean_log10: the change of the mean over draws.
        lost, grown: the draws that lose, and that gain, more than a factor 100; a dead draw has lost.
        rate, rate_low, rate_high: factor per layer of the typical draw in the deep half of the longest stretch of
            layers that are alike, with its 95 % interval; None below four such layers, and with one trial the interval.
        depth_scale: layers over which the quantity changes by a factor e at that rate; None where it may be 1.
        deep_half_log10: what that rate makes over the depth.
    """

    label: str
    total_log10: float | None = None
    error_log10: float | None = None
    spread_log10: float | None = None
    mean_log10: float | None = None
    lost: Share | None = None
    grown: Share | None = None
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    depth_scale: float | None = None
    deep_half_log10: float | None = None


@record(frozen=True)
class HeadVerdict:
    """The head, which is not judged with the body.

    Attributes:
        scale_log10: second moment of the head's output over that of the body's, in a typical draw; None for a head
            that is zero.
        gradient_scale_log10: number of entries times second moment of the gradient at the body's output, over the same
            at the head's.
        initial_loss: mean over draws of the loss per sample; None where the objective has none, and beyond doubles.
        chance_loss: the loss of a network whose output is zero.
    """

    scale_log10: float | None
    gradient_scale_log10: float | None
    initial_loss: float | None = None
    chance_loss: float | None = None


class Target(StrEnum):
    """What of a network a remedy changes."""

    INPUT = "input"
    WEIGHTS = "weights"
    BIAS = "bias"
    NORM = "norm"
    BRANCH = "branch"


@record(frozen=True)
class Amendment:
    """One change that a remedy makes, in numbers.

    Attributes:
        target: a value of `Target`.
        layers: rows of the report, from 1; none of the input.
        places: which they are among the layers of their kind, from 0.
        law: of weights and biases what is drawn: normal, uniform, truncated_normal, constant, identity, orthogonal;
            empty where no law says it. Of the input how it is drawn, or file.
        fan: fan_in, fan_avg or fan_out where `scale` is in units of its root's inverse, else empty.
        scale: standard deviation, of a truncated law before the cut; the constant; the gain of identity and orthogonal;
            a norm's eps; a branch's scale; of the input the standard deviation that is divided out.
        mean: of the law; of the input what is subtracted.
        low, high: where a truncated law is cut, in standard deviations from its mean.
        factor: of what was drawn before, where the law is the same but for it.
    """

    target: str
    layers: tuple[int, ...]
    places: tuple[int, ...]
    law: str = ""
    fan: str = ""
    scale: float = 1.0
    mean: float = 0.0
    low: float | None = None
    high: float | None = None
    factor: float | None = None


@record(frozen=True)
class Finding:
    """Something worth saying.

    Attributes:
        layer: a row of the report, from 1.
        measured, limit: its figures.
        changes: what its remedy changes; none where that is told of its cause, or nothing that can be said in numbers.
        cause: code of the finding whose remedy comes first, or mends this one too; empty where there is none.
    """

    code: str
    severity: str
    layer: int | None
    message: str
    remedy: str
    measured: float | None = None
    limit: float | None = None
    changes: tuple[Amendment, ...] = ()
    cause: str = ""


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
    head: HeadVerdict | None = None
