"""The report's records. Their names are the keys of the JSON; `SCHEMA_VERSION` changes when they do.

Plain dataclasses: pydantic reads the types from here when a stored report is checked or the JSON Schema asked for.
"""

from __future__ import annotations

from typing import Any

from varprobe.frozen import field, record
from varprobe.presentable import Presentable
from varprobe.verdict.records import FormatRange, Verdict

SCHEMA_VERSION = 2


@record(frozen=True)
class Estimate:
    """A statistic over trials.

    Attributes:
        mean: over trials; None where it is no finite double (see log10_mean) or the arithmetic ended.
        typical: geometric mean over trials, what one draw looks like; None for what can be negative.
        low, high: 95 % interval of the mean, made on the log scale for positive quantities; None with one trial.
        log10_mean, log10_typical: never overflow; None for an exact zero and for what can be negative.
        trials: log10 per trial (None for an exact zero); plain values for what can be negative.
    """

    mean: float | None
    typical: float | None
    low: float | None
    high: float | None
    log10_mean: float | None
    log10_typical: float | None
    trials: tuple[float | None, ...]


@record(frozen=True)
class WeightStatistics:
    """Standard deviation of one weight: by its law, and over the entries that were drawn."""

    expected_std: float | None
    std: float | None


@record(frozen=True)
class SignalStatistics:
    """Of z: mean, second moment, variance, sample variance; the last is None at batch 1."""

    mean: Estimate
    second_moment: Estimate
    variance: Estimate
    sample_variance: Estimate | None


@record(frozen=True)
class ActivationStatistics:
    """Of a: as of z, and shares of saturated values and of dead units, and the largest absolute value.

    Attributes:
        effective_rank: participation ratio (tr C)^2/tr C^2 of the centred batch, C its covariance; None at batch 1 and
            in rows whose output no dense layer, block or objective takes.
    """

    mean: Estimate
    second_moment: Estimate
    variance: Estimate
    sample_variance: Estimate | None
    saturated: Estimate | None
    dead: Estimate
    max_abs: Estimate
    effective_rank: Estimate | None


@record(frozen=True)
class GradientStatistics:
    """Of a gradient, divided by the second moment of dObjective/d(output)."""

    second_moment: Estimate
    variance: Estimate


@record(frozen=True)
class Predicted:
    """What theory says of the row; None where it does not apply, or beyond the range of doubles.

    Attributes:
        second_moment, mean, variance, sample_variance: of z (in other rows of the input), at large width.
        activation_second_moment and so on: of the output.
        gradient_second_moment, activation_gradient_second_moment: of dObjective/dz and dObjective/da, divided by
            that of the output.
        chi1: fan_in Var(W) E[phi'^2], the gradient's factor per layer at constant width; dense rows only.
        log10_second_moment, log10_activation_variance, log10_gradient_second_moment,
            log10_activation_gradient_second_moment: never overflow; None for zero.
        second_moment_low, second_moment_high: the band in which the mean over the trials should fall; None where
            the expansion in 1/width ends, or is not known. Likewise gradient_low and gradient_high. Those of the
            output, activation_low to activation_gradient_high, are what is tested.
        draw_low, draw_high, gradient_draw_low and so on: the band of 95 % of single draws.
        deviation, gradient_deviation, activation_deviation, activation_gradient_deviation: how far the measured second
            moments lie from theory, in standard errors.
        reason: why fields are None.
    """

    second_moment: float | None = None
    second_moment_low: float | None = None
    second_moment_high: float | None = None
    draw_low: float | None = None
    draw_high: float | None = None
    mean: float | None = None
    variance: float | None = None
    sample_variance: float | None = None
    activation_second_moment: float | None = None
    activation_mean: float | None = None
    activation_variance: float | None = None
    activation_sample_variance: float | None = None
    gradient_second_moment: float | None = None
    activation_gradient_second_moment: float | None = None
    gradient_low: float | None = None
    gradient_high: float | None = None
    gradient_draw_low: float | None = None
    gradient_draw_high: float | None = None
    chi1: float | None = None
    log10_second_moment: float | None = None
    log10_activation_variance: float | None = None
    log10_gradient_second_moment: float | None = None
    log10_activation_gradient_second_moment: float | None = None
    deviation: float | None = None
    gradient_deviation: float | None = None
    activation_deviation: float | None = None
    activation_low: float | None = None
    activation_high: float | None = None
    activation_draw_low: float | None = None
    activation_draw_high: float | None = None
    activation_gradient_low: float | None = None
    activation_gradient_high: float | None = None
    activation_gradient_draw_low: float | None = None
    activation_gradient_draw_high: float | None = None
    activation_gradient_deviation: float | None = None
    reason: str = ""


@record(frozen=True)
class Histogram:
    """Counts over all trials; edges in units of the row's root mean square, what lies beyond is in the end bins.

    Attributes:
        activation_zeros, gradient_zeros: how many values are exactly zero; they are in their bin too. None in a report
            that did not count them.
    """

    edges: tuple[float, ...]
    activation: tuple[int, ...]
    gradient: tuple[int, ...]
    activation_zeros: int | None = None
    gradient_zeros: int | None = None


@record(frozen=True)
class LayerRow:
    """One dense layer, norm, activation, dropout or residual join.

    In rows that are not dense, `preactivation` is the row's input, `activation` its output, and `gradient` and
    `activation_gradient` belong to input and output. The input of a residual join is that of its block. What is
    measured is None in a report of theory alone.
    """

    index: int
    name: str
    kind: str
    path: str
    line: int | None
    repeat_index: int
    fan_in: int
    fan_out: int
    activation_function: str | None
    init: str | None
    engine: str | None
    weights: WeightStatistics | None
    preactivation: SignalStatistics | None
    activation: ActivationStatistics | None
    gradient: GradientStatistics | None
    activation_gradient: GradientStatistics | None
    weight_gradient: GradientStatistics | None
    predicted: Predicted
    histogram: Histogram | None

    @property
    def is_dense(self) -> bool:
        """Whether it has weights."""
        return self.weights is not None


@record(frozen=True)
class ObjectiveUsed:
    """What was propagated backward, and the second moment of dObjective/d(output)."""

    kind: str
    output_gradient: Estimate | None


@record(frozen=True)
class Provenance:
    """What made the report; `seconds` is the only field that differs between two runs on one machine."""

    varprobe: str
    numpy: str
    python: str
    seed: int
    threads: int
    seconds: float


@record(frozen=True)
class SettingsUsed:
    """How it was measured."""

    batch: int
    trials: int
    seed: int
    dtype: str
    engine: str


@record(frozen=True)
class Expected:
    """One expectation of the config about a label.

    Attributes:
        what: forward, backward, overall or signal.
        allowed, found: the labels allowed, and the verdict's.
        met: what `check` would conclude if it drew no more: whether the labels that are still possible at its level
            are all allowed, or the verdict may be inconclusive. Of theory alone only its label is possible. Where the
            label is allowed and this is False, the trials do not decide it.
    """

    what: str
    allowed: tuple[str, ...]
    found: str
    met: bool


@record(frozen=True)
class NetworkPrediction:
    """Where the layer that most of the trunk repeats leads, if it is repeated for ever; depths in layers.

    All of it is None where no dense layer of a plain chain keeps its width.

    Attributes:
        regime: ordered (chi1 below 1), edge of chaos, chaotic, or exploding where the second moment grows without end;
            None where no layer repeats.
        fixed_point: the second moment q* of z that the network is drawn to; None where it grows without end.
        chi1: the gradient's factor per layer there.
        xi_q, xi_c, xi_gradient: depth scales of the second moment, of the correlation of two samples, and of the
            gradient; None where there is no exponential decay or growth.
        trainable_depth: 6 xi_c, where exploding 6 xi_gradient; None where it is unlimited.
        input_second_moment, input_gradient_second_moment: of the batch, and of dObjective/d(batch).
    """

    regime: str | None
    fixed_point: float | None
    chi1: float | None
    xi_q: float | None
    xi_c: float | None
    xi_gradient: float | None
    trainable_depth: float | None
    input_second_moment: float | None = None
    input_gradient_second_moment: float | None = None


@record(frozen=True, repr=False)
class Report(Presentable):
    """Everything that was measured and concluded; tables, files and pictures are made from this alone."""

    schema_version: int
    name: str
    spec: dict[str, Any]
    settings: SettingsUsed
    objective: ObjectiveUsed
    provenance: Provenance
    layers: tuple[LayerRow, ...]
    verdict: Verdict
    prediction: NetworkPrediction | None = None
    formats: tuple[FormatRange, ...] = field(default=())
    expect: tuple[Expected, ...] = field(default=())

    @property
    def dense(self) -> tuple[LayerRow, ...]:
        """The rows with weights."""
        return tuple(row for row in self.layers if row.is_dense)
