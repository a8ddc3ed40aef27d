"""What the checks look at, and where in it trouble begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription
from varprobe.verdict.agreement import Agreement
from varprobe.verdict.intervals import log_mean
from varprobe.verdict.judged import JudgedLayer
from varprobe.verdict.records import FormatRange
from varprobe.verdict.rule import LN100, Judged, JudgedSignal
from varprobe.verdict.traces import Traces

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement


@dataclass(frozen=True)
class Case:
    """What a check of the change over depth may look at, measured or predicted."""

    layers: tuple[LayerDescription, ...]
    points: tuple[JudgedLayer, ...]
    traces: Traces
    dtype: str
    forward: Judged
    backward: Judged
    signal: JudgedSignal
    agreement: Agreement | None = None
    measurement: Measurement | None = None
    formats: tuple[FormatRange, ...] = ()

    @property
    def measured(self) -> Measurement:
        """What was measured; only for the checks of measurements."""
        assert self.measurement is not None
        return self.measurement

    @property
    def trials(self) -> int:
        """Rows of the traces."""
        return len(self.traces.forward)

    def row(self, point: int) -> int:
        """The report's row, from 1, of a judged point."""
        return self.points[point].row + 1

    @property
    def directions(self) -> tuple[tuple[str, str, Judged], ...]:
        """Name, subject of sentences, and judgement of both directions."""
        return ("forward", "activations", self.forward), ("backward", "gradient", self.backward)


def first_beyond(case: Case, judged: Judged) -> int | None:
    """The first row, walking in the direction of the signal, by which a factor 100 is gone or gained."""
    if not judged.logs.size:
        return None
    path = log_mean(judged.logs - judged.logs[:, :1])
    backward = judged is case.backward
    change = path[-1] - path if backward else path
    beyond = np.flatnonzero(np.abs(change) > LN100)
    if not beyond.size:
        return None
    return case.row(int(beyond[-1] if backward else beyond[0]))


def first_zero(case: Case, way: str) -> int | None:
    """The first row, in the direction of the signal, where what is judged is zero or has ended in some trial."""
    traces = case.traces
    bad = ~np.isfinite(traces.forward if way == "forward" else traces.backward).all(axis=0)
    if not bad.any():
        return None
    places = np.flatnonzero(bad)
    return case.row(int(places[0] if way == "forward" else places[-1]))
