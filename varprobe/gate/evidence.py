"""What a decision may look at: everything that has been drawn so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

from varprobe.config.loading import Experiment
from varprobe.diagnose import report_on
from varprobe.frozen import dataclass
from varprobe.gate.records import Decision
from varprobe.network.spec import Settings
from varprobe.probe.measurement import Measurement
from varprobe.report.records import Report
from varprobe.theory.predict import predict
from varprobe.theory.records import Prediction
from varprobe.verdict.case import Case
from varprobe.verdict.judge import measured_case


@dataclass(frozen=True)
class Evidence:
    """A measurement of a network; `settings` are those it was measured with."""

    experiment: Experiment
    settings: Settings
    measurement: Measurement

    @cached_property
    def case(self) -> Case:
        """What is judged."""
        return measured_case(self.measurement)

    @cached_property
    def prediction(self) -> Prediction:
        """What theory says of the network."""
        return predict(self.experiment.network, self.settings)

    @cached_property
    def report(self) -> Report:
        """The report, without the remedies that take a search."""
        return report_on(self.experiment, self.settings, self.measurement, remedies=False)

    @property
    def trials(self) -> int:
        """How many were drawn."""
        return self.measurement.trials


@dataclass(frozen=True)
class Answer:
    """What a claim comes to on the evidence so far; the fields are those of `Decision`."""

    outcome: str
    found: str
    remedy: str = ""
    layer: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    needed: int | None = None


@dataclass(frozen=True)
class Claim:
    """One expectation.

    Attributes:
        expectation, wanted, line: as in `Decision`.
        answer: from the evidence and the chance that the answer may be wrong.
        at_once: it is decided by the first look that has noise to go by, which then may spend all of its chance.
    """

    expectation: str
    wanted: str
    line: int | None
    answer: Callable[[Evidence, float], Answer]
    at_once: bool = False

    def decide(self, evidence: Evidence, level: float) -> Decision:
        """The answer, with the line of its layer's entry where it is about one."""
        answer = self.answer(evidence, level)
        row = None if answer.layer is None else evidence.measurement.layers[answer.layer - 1]
        return Decision(
            expectation=self.expectation,
            wanted=self.wanted,
            level=level,
            line=self.line if row is None or row.line is None else row.line,
            **vars(answer),
        )


def outcome_of(*, inside: bool, outside: bool) -> str:
    """Met where everything that is possible is allowed, failed where nothing of it is."""
    return "met" if inside else "failed" if outside else "undecided"


def trials_needed(trials: int, half: float, distance: float) -> int | None:
    """Trials after which an interval of half-width `half` would no longer reach as far as `distance`.

    For errors that fall as one over their root, with a tenth to spare; None beyond a million.

    >>> trials_needed(20, 2.0, 1.0)
    88
    """
    if not (math.isfinite(half) and distance > 0):
        return None
    needed = 1.1 * trials * (half / distance) ** 2
    return max(trials + 1, math.ceil(needed)) if needed <= 1_000_000 else None
