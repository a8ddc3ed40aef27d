"""Losses over steps as a picture: a line a network, its interval around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.reporters.picture import ACTIVATION, GRADIENT, THEORY, draw_grid

# Lines differ without colour too; inches of the picture.
_LOOKS = ((ACTIVATION, "-"), (GRADIENT, "--"), (THEORY, "-."))
_SIZE = (6.4, 3.8)


@dataclass(frozen=True)
class LossCurve:
    """The loss of one network: at each of `steps` its mean over draws and an interval."""

    name: str
    steps: Sequence[float]
    middle: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]


def draw_losses(curves: Sequence[LossCurve], chance: float) -> Figure:
    """The picture.

    Arguments:
        chance: the loss of who knows nothing, which is marked.
    """
    drawn = Figure(figsize=_SIZE, layout="constrained")
    axes = drawn.subplots()
    axes.axhline(chance, color="#999999", linewidth=1)
    for curve, (color, style) in zip(curves, _LOOKS, strict=False):
        axes.fill_between(curve.steps, curve.low, curve.high, color=color, alpha=0.18, linewidth=0)
        axes.plot(curve.steps, curve.middle, style, color=color, linewidth=1.8, label=curve.name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_ylim(0, max(1.0, float(np.median([curve.middle[0] for curve in curves])) * 1.2))
    axes.annotate("ln 2: knows nothing", (1, chance), (-2, 3), ("axes fraction", "data"), "offset points", ha="right")
    axes.legend(frameon=False, loc="upper right")
    draw_grid(axes)
    return drawn
