"""The report's records. Their names are the keys of the JSON; `SCHEMA_VERSION` changes when they do.

Plain dataclasses: pydantic reads the types from here when a stored report is checked or the JSON Schema asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from varprobe.verdict.records import CHECKS, Verdict

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Estimate:
    """A statistic over trials.

    Attributes:
        mean: over trials; None where it is no finite double (see log10_mean) or the arithmetic ended.
        typical: geometric mean over trials, what one draw looks like; None for what can be negative.
        low, high: 95 % interval of the mean, made on the log scale for positive quantities; None with one trial.
        log10_mean, log10_typical: never overflow; None for an exact zero and for what can be negative.
        trials: log10 per trial (None for an exact zero); plain values for what can be negative.
    """

    __pydantic_config__ = CHECKS

    mean: float | None
    typical: float | None
    low: float | None
    high: float | None
    log10_mean: float | None
    log10_typical: float | None
    trials: tuple[float | None, ...]


@dataclass(frozen=True)
class Weights:
    """Standard deviation of one weight: by its law, and over the entries that were drawn."""

    __pydantic_config__ = CHECKS

    expected_std: float | None
    std: float | None


@dataclass(frozen=True)
class SignalStatistics:
    """Of z: mean, second moment, variance, sample variance; the last is None at batch 1."""

    __pydantic_config__ = CHECKS

    mean: Estimate
    second_moment: Estimate
    variance: Estimate
    sample_variance: Estimate | None


@dataclass(frozen=True)
class ActivationStatistics:
    """Of a: as of z, and shares of saturated values and of dead units, and the largest absolute value."""

    __pydantic_config__ = CHECKS

    mean: Estimate
    second_moment: Estimate
    variance: Estimate
    sample_variance: Estimate | None
    saturated: Estimate | None
    dead: Estimate
    max_abs: Estimate


@dataclass(frozen=True)
class GradientStatistics:
    """Of a gradient, divided by the second moment of dObjective/d(output)."""

    __pydantic_config__ = CHECKS

    second_moment: Estimate
    variance: Estimate


@dataclass(frozen=True)
class Predicted:
    """What theory says of the row; None where it does not apply."""

    __pydantic_config__ = CHECKS

    second_moment: float | None = None
    second_moment_low: float | None = None
    second_moment_high: float | None = None
    gradient_second_moment: float | None = None
    gradient_low: float | None = None
    gradient_high: float | None = None


@dataclass(frozen=True)
class Histogram:
    """Counts over all trials; edges in units of the row's root mean square, what lies beyond is in the end bins."""

    __pydantic_config__ = CHECKS

    edges: tuple[float, ...]
    activation: tuple[int, ...]
    gradient: tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One dense layer, norm, activation, dropout or residual join.

    In rows that are not dense, `preactivation` is the row's input, `activation` its output, and `gradient` and
    `activation_gradient` belong to input and output. The input of a residual join is that of its block.
    """

    __pydantic_config__ = CHECKS

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
    weights: Weights | None
    preactivation: SignalStatistics
    activation: ActivationStatistics
    gradient: GradientStatistics
    activation_gradient: GradientStatistics
    weight_gradient: GradientStatistics | None
    predicted: Predicted
    histogram: Histogram


@dataclass(frozen=True)
class Objective:
    """What was propagated backward, and the second moment of dObjective/d(output)."""

    __pydantic_config__ = CHECKS

    kind: str
    output_gradient: Estimate


@dataclass(frozen=True)
class Provenance:
    """What made the report; `seconds` is the only field that differs between two runs on one machine."""

    __pydantic_config__ = CHECKS

    varprobe: str
    numpy: str
    python: str
    seed: int
    threads: int
    seconds: float


@dataclass(frozen=True)
class SettingsUsed:
    """How it was measured."""

    __pydantic_config__ = CHECKS

    batch: int
    trials: int
    seed: int
    dtype: str
    engine: str


@dataclass(frozen=True)
class Expected:
    """One expectation of the config: which verdict, the labels allowed, the label found."""

    __pydantic_config__ = CHECKS

    what: str
    allowed: tuple[str, ...]
    found: str
    met: bool


@dataclass(frozen=True)
class Report:
    """Everything that was measured and concluded; tables, files and pictures are made from this alone."""

    __pydantic_config__ = CHECKS

    schema_version: int
    name: str
    spec: dict[str, Any]
    settings: SettingsUsed
    objective: Objective
    provenance: Provenance
    layers: tuple[LayerRow, ...]
    verdict: Verdict
    expect: tuple[Expected, ...] = field(default=())
