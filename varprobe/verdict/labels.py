"""The words of a verdict as values; they are the words of the JSON."""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """A value that is a word, and shows itself as one.

    >>> Label.STABLE
    'stable'
    """

    def __repr__(self) -> str:
        return repr(self.value)


class Direction(Word):
    """What is judged: the activations on their way, the gradient on its way back, whether samples stay distinct."""

    FORWARD = "forward"
    BACKWARD = "backward"
    SIGNAL = "signal"


class Label(Word):
    """Of a direction, and of both together; the worst first. `varprobe.verdict.rule` says when."""

    DEGENERATE = "degenerate"
    EXPLODING = "exploding"
    VANISHING = "vanishing"
    INCONCLUSIVE = "inconclusive"
    BORDERLINE = "borderline"
    STABLE = "stable"


class SignalLabel(Word):
    """Of the signal."""

    PRESERVED = "preserved"
    FADING = "fading"
    COLLAPSING = "collapsing"
    INCONCLUSIVE = "inconclusive"
    UNDEFINED = "undefined"


class Severity(Word):
    """Of a finding; the gravest first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Outcome(Word):
    """Of something expected: met where all that is possible is allowed, failed where nothing of it is."""

    FAILED = "failed"
    UNDECIDED = "undecided"
    MET = "met"
