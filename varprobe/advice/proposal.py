"""A proposal: what to change in a network, and what is to be expected of it."""

from __future__ import annotations

from varprobe.advice.predicted_verdict import PredictedVerdict
from varprobe.advice.variants import Variation
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.frozen import dataclass, field
from varprobe.verdict.rule import LN10

# A scheme with a name is taken in place of the best number where |T| stays below this.
_NAMED_IS_FINE = 0.7 * LN10
# |T| up to which a change is taken before a larger one is tried.
_CALM = 1.7 * LN10


@dataclass(frozen=True)
class Proposal:
    """What to change, and what is to be expected of it.

    Attributes:
        before, after: without and with the change.
        by: what is changed, beside the causes that `change` names; None where nothing is.
        change: all of it.
        outcome: whether that makes it stable, else why nothing or not this does.
        asked: the only way that was allowed; None for all.
    """

    before: PredictedVerdict
    after: PredictedVerdict
    by: By | None = None
    change: Variation = field(default_factory=Variation)
    outcome: ProposalOutcome = ProposalOutcome.SOUND
    asked: By | None = None

    @property
    def is_fine(self) -> bool:
        """As good as the best number, or nearly so."""
        return self.after.is_sound and self.after.total <= _NAMED_IS_FINE

    @property
    def is_calm(self) -> bool:
        """Stable well inside the limits."""
        return self.after.is_sound and self.after.total <= _CALM
