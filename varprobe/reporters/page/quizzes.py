"""What a lesson asks before it shows: a network or a setting, and questions on it, one after the other."""

from __future__ import annotations

from varprobe.formatting import power
from varprobe.frozen import dataclass
from varprobe.reporters.glossary import GLOSSARY
from varprobe.verdict.records import DirectionVerdict, Verdict

_OTHER = "none of these"
CHOICES = ("vanishing", "exploding", "stable", _OTHER)
# What is asked about, and how far it goes.
_WAYS = (
    ("forward", "the activations", "from the first layer to the last"),
    ("backward", "the gradient, on its way back", "from the last layer to the first"),
)


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        label: the right one, of the choices or of those that a direction has.
        reason: why it is right, in sentences.
    """

    words: str
    label: str
    reason: str
    choices: tuple[str, ...] = CHOICES

    @property
    def answer(self) -> str:
        """The choice that is right."""
        return self.label if self.label in self.choices else _OTHER


@dataclass(frozen=True)
class Quiz:
    """What is asked about, as it is shown beside the questions, and the questions.

    Attributes:
        lab: where the lab of a lesson stands meanwhile, as the part of its address behind `#`; empty elsewhere.
        does: what is to be done in it first.
    """

    subject: str
    shown: str
    questions: tuple[Question, ...]
    lab: str = ""
    does: str = ""


def ask_about(verdict: Verdict, because: tuple[str, ...] = ("", "")) -> tuple[Question, ...]:
    """A question for each way that the signal goes.

    Arguments:
        because: what causes it, forward and backward.
    """
    ways = (getattr(verdict, name) for name, _, _ in _WAYS)
    return tuple(
        Question(f"What becomes of {noun}?", way.label, " ".join(filter(None, (_tell(way, path), cause))))
        for way, (_, noun, path), cause in zip(ways, _WAYS, because, strict=True)
    )


def _tell(way: DirectionVerdict, path: str) -> str:
    """The label with its figures, and what the label means."""
    total = "" if way.total_log10 is None else f", x {power(way.total_log10)} {path} in a typical draw"
    rate = "" if way.rate is None else f" Each further layer makes it x {way.rate:.3g}."
    return f"It is {way.label}{total}.{rate} {GLOSSARY.get(way.label, '')}".rstrip()
