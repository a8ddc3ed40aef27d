"""A small task that a lesson's networks learn by plain SGD: what their verdicts mean for learning.

All draws and step sizes of one network are trained at once, and share the batches and nothing else.
Shapes: x (members, batch, units), W (members, fan_in, fan_out).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.frozen import dataclass
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec
from varprobe.verdict.intervals import student_quantile

Values = NDArray[np.float64]
Array = NDArray[Any]

# Step sizes, draws of the weights, steps, rows of a batch, points of the task, and steps that a loss is a mean over.
RATES = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
DRAWS, STEPS, BATCH, POINTS, WINDOW = 6, 500, 32, 512, 10
# The loss of a network that says one half to everything.
CHANCE = math.log(2)


@dataclass(frozen=True)
class Learning:
    """How one network learned, at the step size that served it best.

    Attributes:
        losses: mean over draws of the loss in each window of steps.
        low, high: its 95 % interval, Student's over draws.
        rates: of each step size, the mean loss over the last window.
    """

    name: str
    rate: float
    losses: Values
    low: Values
    high: Values
    rates: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return float(self.losses[-1])

    @property
    def error(self) -> float:
        """Half the interval of the last loss."""
        return float(self.high[-1] - self.low[-1]) / 2


def train(name: str, spec: NetworkSpec) -> Learning:
    """Trains a tanh network with a linear head of one unit on which side of a sine a point lies.

    Arguments:
        spec: dense layers alone, of normal weights without biases.
    """
    losses = _descend(spec)
    windows = losses.reshape(STEPS // WINDOW, WINDOW, len(RATES), DRAWS).mean(axis=1)
    means = windows.mean(axis=2)
    best = int(np.argmin(means[-1]))
    chosen = windows[:, best]
    half = student_quantile(0.975, DRAWS - 1) * chosen.std(axis=1, ddof=1) / math.sqrt(DRAWS)
    middle = means[:, best]
    rates = tuple((rate, float(loss)) for rate, loss in zip(RATES, means[-1], strict=True))
    return Learning(name, RATES[best], middle, middle - half, middle + half, rates)


def make_task() -> tuple[Array, Array]:
    """Points of two normal coordinates (points, 2) float32, and whether each lies above sin(2 x), as 0 and 1."""
    points = np.random.default_rng(0).standard_normal((POINTS, 2)).astype(np.float32)
    return points, (points[:, 1] > np.sin(2 * points[:, 0])).astype(np.float32)


def _draw_weights(spec: NetworkSpec) -> list[Array]:
    """The weights of all members; those of one draw are alike at every step size."""
    weights = []
    for place, step in enumerate(spec.steps):
        assert isinstance(step.layer, Dense)
        std = math.sqrt(step.layer.weights.variance(step.fan_in, step.fan_out) or 0.0)
        rng = np.random.default_rng((spec.settings.seed, place))
        drawn = rng.normal(0.0, std, (DRAWS, step.fan_in, step.fan_out)).astype(np.float32)
        weights.append(np.tile(drawn, (len(RATES), 1, 1)))
    return weights


def _descend(spec: NetworkSpec) -> Values:
    """The loss of every step and member, before that step: (steps, members)."""
    weights = _draw_weights(spec)
    rates = np.repeat(np.array(RATES, np.float32), DRAWS)[:, None, None]
    x, y = make_task()
    order = np.random.default_rng((spec.settings.seed, len(weights)))
    losses = np.empty((STEPS, len(RATES) * DRAWS))
    for step in range(STEPS):
        rows = order.choice(POINTS, BATCH, replace=False)
        signals = [np.broadcast_to(x[rows], (len(rates), BATCH, x.shape[1]))]
        for matrix in weights[:-1]:
            signals.append(np.tanh(signals[-1] @ matrix))
        answer = (signals[-1] @ weights[-1])[:, :, 0]
        losses[step] = (np.logaddexp(0, answer) - y[rows] * answer).mean(axis=1)
        gradient = ((1 / (1 + np.exp(-np.clip(answer, -60, 60))) - y[rows]) / BATCH)[:, :, None]
        for place in reversed(range(len(weights))):
            change = np.swapaxes(signals[place], 1, 2) @ gradient
            if place:
                gradient = gradient @ np.swapaxes(weights[place], 1, 2) * (1 - signals[place] ** 2)
            weights[place] -= rates * change
    return losses
