"""The sweep's records. Their names are the keys of the JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from varprobe.frozen import record
from varprobe.presentable import Presentable
from varprobe.report.records import NetworkPrediction, SettingsUsed
from varprobe.verdict.labels import Label, SignalLabel
from varprobe.verdict.records import Verdict

SWEEP_VERSION = 2
Logs = tuple[float | None, ...]


@record(frozen=True)
class Axis:
    """A setting and its values, as YAML text in the order of the points; `log` for equal ratios."""

    path: str
    values: tuple[str, ...]
    log: bool = False


@record(frozen=True)
class Curves:
    """log10 of the variances by row of the network, as the report has them; None for an exact zero.

    Of the row's output, and of the gradient with respect to the same.

    Attributes:
        activation, gradient: of a typical draw.
        activation_low, activation_high, gradient_low, gradient_high: the middle 90 % of the trials.
        activation_theory, gradient_theory: None where theory ends.
    """

    activation: Logs
    activation_low: Logs
    activation_high: Logs
    activation_theory: Logs
    gradient: Logs
    gradient_low: Logs
    gradient_high: Logs
    gradient_theory: Logs


@record(frozen=True)
class SweepPoint:
    """One setting of all axes, and what was found there.

    Attributes:
        values: one of each axis, in their order.
        depth: dense layers.
        failure: why there is no result; empty where there is one, and only then the rest is not None.
    """

    values: tuple[str, ...]
    failure: str
    depth: int | None = None
    verdict: Verdict | None = None
    prediction: NetworkPrediction | None = None
    curves: Curves | None = None

    @property
    def is_sound(self) -> bool:
        """Whether it is either failed, or measured, with curves of one length and labels that there are."""
        if self.failure:
            return self.verdict is None and self.curves is None
        if self.verdict is None or self.curves is None:
            return False
        labels = self.verdict.overall, self.verdict.forward.label, self.verdict.backward.label
        if not all(label in set(Label) for label in labels) or self.verdict.signal.label not in set(SignalLabel):
            return False
        return len({len(getattr(self.curves, curve.name)) for curve in fields(Curves)}) == 1


@record(frozen=True)
class Made:
    """What measured the points; nothing in it differs between a sweep that was stopped and one that was not."""

    varprobe: str
    numpy: str
    python: str
    seed: int


@record(frozen=True, repr=False)
class Sweep(Presentable):
    """A network measured at every combination of its axes' values.

    Attributes:
        spec: the config as plain data, before the axes.
        points: the last axis runs fastest.
    """

    sweep_version: int
    name: str
    spec: dict[str, Any]
    settings: SettingsUsed
    provenance: Made
    axes: tuple[Axis, ...]
    points: tuple[SweepPoint, ...]
