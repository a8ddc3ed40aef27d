"""A claim: one expectation, and how it is answered from what has been drawn so far."""

from __future__ import annotations

import math
from collections.abc import Callable

from varprobe.config.expectation import Range
from varprobe.frozen import dataclass
from varprobe.gate.records import Decision
from varprobe.verdict.judge import Diagnosis
from varprobe.verdict.labels import Direction, Outcome


@dataclass(frozen=True)
class Answer:
    """What a claim comes to on the evidence so far; the fields are those of `Decision`."""

    outcome: Outcome
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
        answer: from what was judged and the chance that the answer may be wrong.
        direction: that it is about; its findings explain why the claim fails.
        labels: that are allowed, where it is about labels.
        at_once: it is decided by the first look that has noise to go by, which then may spend all of its chance.
    """

    expectation: str
    wanted: str
    line: int | None
    answer: Callable[[Diagnosis, float], Answer]
    direction: Direction | None = None
    labels: tuple[str, ...] = ()
    at_once: bool = False

    def decide(self, diagnosis: Diagnosis, level: float) -> Decision:
        """The answer, with the line of its layer's entry where it is about one."""
        answer = self.answer(diagnosis, level)
        row = None if answer.layer is None else diagnosis.case.layers[answer.layer - 1]
        line = self.line if row is None or row.line is None else row.line
        return Decision(self.expectation, self.wanted, level=level, line=line, **vars(answer))


def outcome_of(*, inside: bool, outside: bool) -> Outcome:
    """Met where everything that is possible is allowed, failed where nothing of it is."""
    return Outcome.MET if inside else Outcome.FAILED if outside else Outcome.UNDECIDED


def in_words(limits: Range) -> str:
    """A range as a reader says it.

    >>> in_words(Range(0.5, 2.0)), in_words(Range(None, 2.0))
    ('0.5 to 2', 'at most 2')
    """
    if limits.low is None:
        return f"at most {limits.high:.6g}"
    return f"at least {limits.low:.6g}" if limits.high is None else f"{limits.low:.6g} to {limits.high:.6g}"


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
