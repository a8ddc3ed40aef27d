"""Case -> Diagnosis: the labels, and the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from varprobe.frozen import dataclass
from varprobe.theory.records import Prediction
from varprobe.verdict.agreement import Agreement
from varprobe.verdict.case import Case, build_case
from varprobe.verdict.findings import all_findings
from varprobe.verdict.records import FormatRange, Verdict
from varprobe.verdict.rule import worse

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement


@dataclass(frozen=True)
class Diagnosis:
    """A network judged, once: reports, checks, baselines and advice go on from it.

    Attributes:
        case: what was judged: layers, measurement, agreement with theory and format ranges, each where there is one.
    """

    case: Case
    verdict: Verdict

    @property
    def prediction(self) -> Prediction | None:
        """What theory says; None where the layers come from elsewhere than a config."""
        return self.case.agreement.prediction if self.case.agreement else None


def judge(
    measurement: Measurement, agreement: Agreement | None = None, formats: tuple[FormatRange, ...] = ()
) -> Verdict:
    """Labels, rates and findings of a measurement, by the rule of `varprobe.verdict.rule`, and theory beside it."""
    return conclude(build_case(measurement, agreement, formats)).verdict


def conclude(case: Case) -> Diagnosis:
    """The labels of a case, and its findings."""
    forward, backward, signal = case.forward.direction, case.backward.direction, case.signal.direction
    overall = worse(forward.label, backward.label)
    return Diagnosis(case, Verdict(overall, forward, backward, signal, all_findings(case), case.head))
