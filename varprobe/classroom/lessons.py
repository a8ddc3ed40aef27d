"""The lessons, in the order of a class. A new one is an entry here and a folder of that name under `material`."""

from __future__ import annotations

from varprobe.frozen import dataclass


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        folder: under `material`, with a `page.html` and the configs.
        title, asks: neither gives the answer away.
        teaches: the answer in a sentence.
        networks: the configs' stems, in the order in which they are shown.
        histograms: whether the page has a figure of histograms in absolute units.
    """

    folder: str
    title: str
    asks: str
    teaches: str
    networks: tuple[str, ...]
    histograms: bool = False


LESSONS = (
    Lesson(
        "1-small-weights",
        "Small weights",
        "What becomes of signal and gradient if all weights are small?",
        "Small weights make signal and gradient vanish: each layer multiplies their variance by 256 x 0.01^2 = 0.0256.",
        ("small", "larger"),
    ),
    Lesson(
        "2-large-weights",
        "Large weights",
        "What becomes of the signal, and of the gradient, if all weights are large?",
        "Large weights saturate tanh and make relu explode; the gradient explodes in both.",
        ("large_tanh", "large_relu"),
    ),
    Lesson(
        "3-xavier",
        "Xavier's rule",
        "Which variance must weights have for a layer to keep the variance of what passes through it?",
        "2/(fan_in + fan_out) is a compromise between both ways: exact where widths are equal, up to tanh's bend.",
        ("standard", "normalised"),
        histograms=True,
    ),
    Lesson(
        "4-relu-and-he",
        "relu and He's rule",
        "Does Xavier's rule hold for relu?",
        "relu halves the second moment; twice the variance of the weights gives it back.",
        ("xavier", "he"),
    ),
    Lesson(
        "5-residuals-and-norms",
        "Residuals and norms",
        "What do shortcuts and norms change?",
        "Unscaled residual sums double, norms hold what goes forward, and batch norm makes the gradient explode.",
        ("residual", "scaled", "batch_norm", "layer_norm"),
    ),
)
