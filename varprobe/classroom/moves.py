"""What a lesson asks to be found out in the lab: one thing at a time, each with the place that the lab begins at."""

from __future__ import annotations

from collections.abc import Mapping

from varprobe.frozen import dataclass


@dataclass(frozen=True)
class Move:
    """One thing to find out by moving the lab.

    Attributes:
        does: what to do in the lab.
        asks: what it shows.
        address: where the lab stands before, as the part of its address behind `#`.
        choices: the answers to choose from, of which `right` is one.
        because: why it is right.
    """

    does: str
    asks: str
    address: str
    choices: tuple[str, ...]
    right: str
    because: str


_TANH = "activation=tanh&width=256&batch=128&"
_RELU = "activation=relu&width=256&batch=128&"
_BLOCKS = "activation=relu&scheme=he&width=128&batch=128&depth=20&"
MOVES: Mapping[str, tuple[Move, ...]] = {
    "1-small-weights": (
        Move(
            "The lab has all ten layers now. Move Layers down to 1 and up again, and read the axis.",
            "By what does every further layer multiply the variance?",
            _TANH + "scheme=small&depth=10&axes=40",
            ("about 0.16", "about 0.026", "about 0.0001", "about 0.5"),
            "about 0.026",
            "256 products of variance 0.01^2 add up: 256 x 0.0001 = 0.0256, forward and backward alike.",
        ),
        Move(
            "Move the weights' standard deviation up until the banner calls it stable.",
            "From where on, in units of 1/sqrt(fan-in), are both directions stable over ten layers?",
            _TANH + "scheme=small&depth=10&axes=10",
            ("from 0.2", "from 0.4", "from 0.85", "from 2"),
            "from 0.85",
            "Nine steps may lose a factor 100, so each must keep 0.6 of the variance: 0.85^2 = 0.72, of which the bend "
            "of tanh takes its part. At 1 the weights take nothing.",
        ),
    ),
    "2-large-weights": (
        Move(
            "The lab begins at weights of standard deviation 1/sqrt(fan-in). Move them up to 16, which is N(0, 1).",
            "What breaks first?",
            _TANH + "scheme=xavier&depth=10&axes=10",
            ("the activations", "the gradient", "both at once", "nothing breaks"),
            "the gradient",
            "tanh holds the activations below 1 whatever the weights are. The gradient leaves the stable range "
            "at 3 and "
            "explodes from 4 on.",
        ),
        Move(
            "relu with the same weights, one layer. Move Layers up, one by one.",
            "By what does every further layer multiply both variances?",
            _RELU + "scheme=large&depth=1&axes=40",
            ("2", "16", "128", "256"),
            "128",
            "256 weights of variance 1 add up, and relu passes half: 256/2 = 128.",
        ),
    ),
    "3-xavier": (
        Move(
            "Below the pictures is the bookkeeping of one layer. Give it n_in = 200 and n_out = 800.",
            "Which variance of the weights keeps the activations' size?",
            "activation=tanh&scheme=xavier&width=512&depth=5",
            ("1/n_in", "1/n_out", "2/(n_in + n_out)", "none of the three"),
            "1/n_in",
            "A unit adds n_in products. With 1/n_in the factor is 1 as long as tanh is straight, and its bend "
            "lowers it.",
        ),
        Move(
            "The same table, its other column.",
            "And which keeps the gradient's?",
            "activation=tanh&scheme=xavier&width=512&depth=5",
            ("1/n_in", "1/n_out", "2/(n_in + n_out)", "none of the three"),
            "1/n_out",
            "An input's gradient is a sum over the n_out units that it feeds. 2/(n_in + n_out) lies between the "
            "two, and "
            "keeps neither unless n_in = n_out.",
        ),
        Move(
            "Xavier's weights. Move Layers from 5 to 100, then widen the axes if you need to.",
            "How do the activations fall?",
            "activation=tanh&scheme=xavier&width=512&depth=5&axes=4",
            (
                "by a fixed factor a layer, a straight line",
                "less and less, a line that levels off",
                "not at all",
                "faster and faster",
            ),
            "less and less, a line that levels off",
            "The smaller the signal, the straighter tanh is where it lies, and the less a layer takes: 1/l, no power.",
        ),
    ),
    "4-relu-and-he": (
        Move(
            "relu with Xavier's weights. Move the standard deviation until both lines are level.",
            "Where, in units of 1/sqrt(fan-in), is that?",
            _RELU + "scheme=xavier&depth=20&axes=10",
            ("1", "1.41", "2", "4"),
            "1.41",
            "relu passes half of the second moment; weights of twice the variance, so sqrt 2 = 1.41 times the standard "
            "deviation, give it back.",
        ),
        Move(
            "He's weights, a hundred narrow layers. Press Keep drawing, and compare the paths with the line.",
            "What do the draws do?",
            "activation=relu&scheme=he&width=32&batch=32&depth=100&axes=10",
            (
                "they stay on the line",
                "they spread, as many above the line as below",
                "they spread, and most lie below the line",
                "they all rise above the line",
            ),
            "they spread, and most lie below the line",
            "The line is the mean over draws, which a few large ones carry. A typical draw loses 5/(2n) of ln q "
            "a layer: "
            "100 x 5/64 is a factor 2500.",
        ),
        Move(
            "He's weights at width 256. Look at the ten inputs on a circle behind deeper and deeper layers.",
            "What becomes of the circle?",
            _RELU + "scheme=he&depth=50&axes=10",
            (
                "it stays a circle",
                "it becomes chaotic",
                "its points move together, away from the origin",
                "it shrinks to the origin",
            ),
            "its points move together, away from the origin",
            "relu's outputs have a mean that all inputs share, and each layer adds to it: the inputs grow "
            "alike, though "
            "the variance is kept.",
        ),
    ),
    "5-residuals-and-norms": (
        Move(
            "Twenty blocks whose branch counts as much as the shortcut. Move the residual scale down.",
            "Up to which scale are both directions stable?",
            _BLOCKS + "residual=1&axes=10",
            ("0.1", "0.5", "0.9", "none is stable"),
            "0.5",
            "Every join multiplies by 1 + s^2, nineteen times from the first to the last: (1 + s^2)^19 < 100 up "
            "to 0.52.",
        ),
        Move(
            "No shortcut, batch norm in every layer. Move the weights' standard deviation over its whole range.",
            "What changes?",
            _BLOCKS + "norm=batch&axes=10",
            ("the activations", "the gradient", "both", "neither"),
            "neither",
            "The norm divides by whatever scale the weights have, forward and backward. The gradient grows by "
            "1.4 a layer "
            "at every scale.",
        ),
    ),
    "6-learning": (
        Move(
            "Ten tanh layers. Below the pictures is Then train it: choose small and large beside xavier, and "
            "press Train.",
            "Whose loss does not move at all?",
            "activation=tanh&scheme=xavier&width=32&batch=32&depth=10&axes=10",
            ("that of small", "that of large", "that of xavier", "each falls"),
            "that of small",
            "What the last layer sees of the inputs, and what the first layers hear of the loss, is gone: the "
            "network says "
            "one half to everything, and goes on saying so.",
        ),
        Move(
            "Move Step size over its range, and start over each time.",
            "Is there a step size that makes up for small weights?",
            "activation=tanh&scheme=small&width=32&batch=32&depth=10&axes=40",
            ("yes, a large one", "yes, a small one", "no"),
            "no",
            "A step would have to be as much larger as the gradient is smaller, and that is another factor in "
            "each layer.",
        ),
    ),
    "7-contradictions": (
        Move(
            "selu with LeCun's weights. Move Layers from 10 to 100, and watch both lines.",
            "What does a hundredfold depth do to the gradient that it does not do to the activations?",
            "activation=selu&scheme=lecun&width=128&batch=32&depth=10&axes=4",
            ("nothing: both stay", "it grows about 1000-fold", "it vanishes", "it becomes zero"),
            "it grows about 1000-fold",
            "selu is made so that mean and variance return to 0 and 1. Its mean squared slope there is 1.07, and "
            "1.07^100 = 1000.",
        ),
        Move(
            "tanh with Xavier's weights. Move the standard deviation to 5/3 = 1.67.",
            "What does the gain of 5/3 keep over a hundred layers?",
            "activation=tanh&scheme=xavier&width=256&batch=32&depth=100&axes=10",
            ("both", "the activations alone", "the gradient alone", "neither"),
            "the activations alone",
            "At 5/3 the activations settle where the weights give back what the bend takes. The gradient sees "
            "the slope "
            "and not the value, and gains a fifth in every layer.",
        ),
        Move(
            "relu, weights of N(0, 1), fifty layers of 32 units. Press Keep drawing.",
            "Where do most draws lie beside the line of theory at the last layer?",
            "activation=relu&scheme=large&width=32&batch=32&depth=50&axes=40",
            ("on it", "above it", "below it", "as many above as below"),
            "below it",
            "Theory is the mean over draws, and a few large draws carry the mean: a typical one is below it.",
        ),
    ),
}
