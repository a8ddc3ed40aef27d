"""What was measured: the layers by name, and every statistic per trial."""

from __future__ import annotations

from dataclasses import dataclass

from varprobe.engine.record import StackStatistics


@dataclass(frozen=True)
class MeasuredLayer:
    """A row of the report, as the probe names it; another source of layers may fill it just as well.

    Attributes:
        kind: dense, norm, activation, dropout or residual (the join).
        name, path, line, repeat_index: its place in the config; see `spec.network.Step`.
        activation, init: labels, None in rows that have none.
        expected_std: standard deviation of one weight by its law; None where there is none.
        trunk: outside every residual branch.
        given: its weights come from a file.
        likeness: equal for layers whose law is the same.
        group: (path of the repeated entry around it, which copy, from 1), or None.
    """

    kind: str
    name: str
    path: str
    line: int | None
    repeat_index: int
    fan_in: int
    fan_out: int
    activation: str | None
    init: str | None
    engine: str | None
    expected_std: float | None
    trunk: bool
    given: bool
    likeness: str
    group: tuple[str, int] | None


@dataclass(frozen=True)
class Measurement:
    """Statistics of every trial. Gradients are divided by the second moment of dObjective/d(output).

    Attributes:
        statistics: per trial and row; the rows are `layers`, in order.
        dtype: what the arithmetic ran in.
        threads: how many were used.
        seconds: wall time.
    """

    layers: tuple[MeasuredLayer, ...]
    statistics: StackStatistics
    features: int
    batch: int
    trials: int
    dtype: str
    objective: str
    threads: int
    seconds: float
