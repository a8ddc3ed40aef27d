"""The lessons, in the order of a class. A new one is an entry here and a folder of that name under `material`."""

from __future__ import annotations

from varprobe.frozen import dataclass


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        folder: under `material`, with a `page.html` and the configs.
        teaches: in a sentence, for the table of contents.
        networks: the configs' stems, in the order in which they are shown.
        histograms: whether the page has a figure of histograms in absolute units.
    """

    folder: str
    title: str
    teaches: str
    networks: tuple[str, ...]
    histograms: bool = False


LESSONS = (
    Lesson(
        "1-small-weights",
        "Small weights vanish",
        "Weights of standard deviation 0.01 lose the signal and the gradient, by a factor that width alone decides.",
        ("small", "fitting"),
    ),
    Lesson(
        "2-large-weights",
        "Large weights saturate or explode",
        "Weights of standard deviation 1 saturate tanh, and the gradient explodes all the same.",
        ("large_tanh", "large_relu"),
    ),
    Lesson(
        "3-xavier",
        "Xavier's rule, derived and checked",
        "Why a weight's variance should be 2/(fan_in + fan_out), with figures 6 and 7 of Glorot and Bengio (2010).",
        ("standard", "normalised"),
        histograms=True,
    ),
    Lesson(
        "4-relu-and-he",
        "Why relu needs He",
        "relu halves the second moment; a factor 2 in the variance of the weights gives it back.",
        ("xavier", "he"),
    ),
    Lesson(
        "5-residuals-and-norms",
        "What residuals and norms change",
        "Sums of branches grow, norms stop what goes forward, and one of them makes the gradient explode.",
        ("residual", "scaled", "batch_norm", "layer_norm"),
    ),
)
