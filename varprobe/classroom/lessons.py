"""The lessons, in the order of a class. A new one is an entry here and in `MOVES`, and a folder under `material`."""

from __future__ import annotations

from collections.abc import Mapping

from varprobe.frozen import dataclass


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes:
        folder: under `material`, with a `page.html` and the configs; a key of `MOVES` too.
        title, asks: neither gives the answer away.
        teaches: the answer in a sentence.
        networks: the configs' stems, in the order in which they are shown.
        opening: where the lab stands first, as the part of its address behind `#`: one layer of the first network.
        order: what is asked, in this order: a network's name is the question what becomes of it, a number the move of
            that place in `MOVES`.
        because: of each network, why its activations do what they do, and its gradient.
        histograms: whether the page has a figure of histograms in absolute units.
        trains: whether its networks are trained, and their losses shown.
    """

    folder: str
    title: str
    asks: str
    teaches: str
    networks: tuple[str, ...]
    because: Mapping[str, tuple[str, str]]
    opening: str
    order: tuple[str | int, ...]
    histograms: bool = False
    trains: bool = False


LESSONS = (
    Lesson(
        "1-small-weights",
        "Small weights",
        "What becomes of signal and gradient if all weights are small?",
        "Small weights make signal and gradient vanish: each layer multiplies their variance by 256 x 0.01^2 = 0.0256.",
        ("small", "larger"),
        {
            "small": (
                "Each layer multiplies the second moment by 256 x 0.01^2 = 0.0256.",
                "On the way back the same weights are summed over their other index: 0.0256 again.",
            ),
            "larger": (
                "256 x 0.0625^2 = 1: a layer keeps all where tanh is straight, and loses some at its bend.",
                "The weights keep it, and tanh's slope, a little below 1, takes some.",
            ),
        },
        "activation=tanh&scheme=small&width=256&batch=128&depth=1",
        ("small", 0, 1, "larger"),
    ),
    Lesson(
        "2-large-weights",
        "Large weights",
        "What becomes of the signal, and of the gradient, if all weights are large?",
        "Large weights saturate tanh and make relu explode; the gradient explodes in both.",
        ("large_tanh", "large_relu"),
        {
            "large_tanh": (
                "tanh cannot exceed 1, so the units stay at its limits.",
                "Few units lie between the limits, but each step back sums over 256 weights of variance 1.",
            ),
            "large_relu": (
                "relu passes half of the second moment, and 256 weights of variance 1 multiply that: x 128 a layer.",
                "relu's slope is 1 for half of the units, and 256 weights of variance 1 add up: x 128 a layer.",
            ),
        },
        "activation=tanh&scheme=large&width=256&batch=128&depth=1",
        ("large_tanh", 0, "large_relu", 1),
    ),
    Lesson(
        "3-xavier",
        "Xavier's rule",
        "Which variance must weights have for a layer to keep the variance of what passes through it?",
        "2/(fan_in + fan_out) is a compromise between both ways: exact where widths are equal, up to tanh's bend.",
        ("standard", "normalised"),
        {
            "standard": (
                "A third is left in every layer, and tanh's bend takes more; but there are only four such steps.",
                "The way back has the same weights, so a third is left in every layer; there are only four steps.",
            ),
            "normalised": (
                "The weights keep the variance, and only tanh's bend takes some.",
                "The widths are equal, so what keeps the signal keeps the gradient, but for tanh's slope below 1.",
            ),
        },
        "activation=tanh&scheme=torch.linear_default&bias=0&width=512&batch=128&depth=1&axes=4",
        ("standard", 0, 1, "normalised", 2),
        histograms=True,
    ),
    Lesson(
        "4-relu-and-he",
        "relu and He's rule",
        "Does Xavier's rule hold for relu?",
        "relu halves the second moment; twice the variance of the weights gives it back.",
        ("xavier", "he"),
        {
            "xavier": (
                "relu passes half of the second moment, and nothing gives it back: 2^-19 from layer 1 to 20.",
                "relu's slope is 0 for half of the units, so half of the gradient is left in every layer.",
            ),
            "he": (
                "He's weights have twice the variance: they give back the half that relu takes.",
                "The same factor 2 meets the half that relu's slope leaves of the gradient.",
            ),
        },
        "activation=relu&scheme=xavier&width=256&batch=128&depth=1",
        ("xavier", 0, "he", 1, 2),
    ),
    Lesson(
        "5-residuals-and-norms",
        "Residuals and norms",
        "What do shortcuts and norms change?",
        "Unscaled residual sums double, norms hold what goes forward, and batch norm makes the gradient explode.",
        ("residual", "scaled", "batch_norm", "layer_norm"),
        {
            "residual": (
                "The branch is as large as the shortcut, so every join doubles the second moment.",
                "At every join the gradient comes back by both ways, and its second moment doubles.",
            ),
            "scaled": (
                "A branch scaled by 1/sqrt(20) adds a twentieth: all twenty joins together make less than a factor e.",
                "Each branch adds a twentieth to the gradient as well: less than a factor e together.",
            ),
            "batch_norm": (
                "A norm makes the second moment 1 again in every layer.",
                "The norm takes out what all samples share and divides by what is left: about x 1.4 a layer.",
            ),
            "layer_norm": (
                "A norm makes the second moment 1 again in every layer.",
                "What the layer multiplies the gradient's second moment by, the norm divides it by.",
            ),
        },
        "activation=relu&scheme=he&residual=1&width=128&batch=128&depth=1",
        ("residual", 0, "scaled", "batch_norm", 1, "layer_norm"),
    ),
    Lesson(
        "6-learning",
        "What it does to learning",
        "Ten tanh layers learn to tell two classes apart: which of them do?",
        "A signal that vanishes leaves nothing to learn from; one that explodes is learned from badly, at any "
        "step size.",
        ("small", "large", "xavier"),
        {
            "small": (
                "32 x 0.01^2 = 0.0032: a layer passes on hardly anything.",
                "On the way back the same weights pass on as little: 0.0032 a layer.",
            ),
            "large": (
                "tanh cannot exceed 1, so the units stay at its limits.",
                "32 weights of variance 1 add up, and tanh's slope lets a part through: more comes out than went in.",
            ),
            "xavier": (
                "The weights keep the variance, and tanh's bend takes some: ten layers leave enough.",
                "What keeps the signal keeps the gradient, but for tanh's slope.",
            ),
        },
        "activation=tanh&scheme=small&width=32&batch=32&depth=1",
        ("small", "large", "xavier", 0, 1),
        trains=True,
    ),
    Lesson(
        "7-contradictions",
        "Said, and measured",
        "Three statements that are often read: what does a measurement say to them?",
        "A statement about the forward variance is none about the gradient, and one about the mean none about a draw.",
        ("selu", "tanh_gain", "relu_normal"),
        {
            "selu": (
                "selu's scale is chosen so that LeCun's weights bring mean and variance back to 0 and 1 in "
                "every layer.",
                "Nothing was chosen for the slope: its mean square at that point is 1.07, and a thousand layers "
                "multiply it.",
            ),
            "tanh_gain": (
                "At a gain of 5/3 the activations settle where the weights give back what the bend takes.",
                "25/9 times the mean square of tanh's slope at that point is 1.2, in every one of a hundred layers.",
            ),
            "relu_normal": (
                "relu passes half of the second moment, and 100 weights of variance 1 multiply that: x 50 a layer.",
                "relu's slope is 1 for half of the units, and 100 weights of variance 1 add up: x 50 a layer.",
            ),
        },
        "activation=selu&scheme=lecun&width=128&batch=32&depth=1&axes=4",
        ("selu", 0, "tanh_gain", 1, "relu_normal", 2),
    ),
)
