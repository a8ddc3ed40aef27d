"""What the draws of a network do to a batch of the data, at the outputs that the rule judges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from trainability_training import Parameters, Task, epochs, output_gradient, run

from varprobe.frozen import dataclass
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec, Step


def judged_positions(steps: Sequence[Step]) -> list[int]:
    """The steps whose outputs are judged: of each layer of the body the last row before the next layer or block."""
    dense = [position for position, step in enumerate(steps) if isinstance(step.layer, Dense)]
    found: list[int] = []
    open_blocks = 0
    for position, step in enumerate(steps):
        open_blocks += step.layer.opens
        open_blocks -= step.layer.joins
        if open_blocks or position == dense[-1]:
            continue
        if isinstance(step.layer, (Dense, Join)):
            found.append(position)
        elif found:
            found[-1] = position
    return found


@dataclass(frozen=True)
class Signals:
    """What the draws of a network do to one batch; all arrays (draws), logs natural, -inf for an exact zero.

    Attributes:
        forward: ln of the last judged output's second moment over the first's, or the input's with under 4 judged.
        backward: ln of the first's gradient over the last's, entries a sample times second moment.
        relative: the same of the sum of x^2 g^2 per sample.
        output: ln of the last judged output's second moment.
        sample_share: ln of (sample variance over second moment) at the last judged output over that of the input.
        effective_rank: participation ratio of the centred batch at the last judged output.
    """

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    relative: NDArray[np.float64]
    output: NDArray[np.float64]
    sample_share: NDArray[np.float64]
    effective_rank: NDArray[np.float64]


def signals(spec: NetworkSpec, task: Task, drawn: Parameters, seed: int) -> Signals:
    """Forward and backward of the drawn weights on one batch of the data, in float64."""
    rows = next(epochs(np.random.default_rng(seed), len(task.x)))
    batch, labels = torch.from_numpy(task.x[rows]), torch.from_numpy(task.y[rows])
    judged = judged_positions(spec.steps)
    draws = len(next(own[0] for own in drawn if own))
    x = batch.expand(draws, -1, -1).clone().requires_grad_()
    outputs = run(spec.steps, drawn, x)
    places = [x] if len(judged) < 4 else [outputs[judged[0]]]
    places.append(outputs[judged[-1]])
    logits = outputs[-1]
    gradients = torch.autograd.grad(logits, places, output_gradient(logits.detach(), labels))
    with torch.no_grad():
        moments = [log_mean_square(place) for place in places]
        backward = [log_mean_square(g) + math.log(g.shape[-1]) for g in gradients]
        relative = [log_mean_square(a * g) + math.log(g.shape[-1]) for a, g in zip(places, gradients, strict=True)]
        share = sample_share(places[-1]) - sample_share(batch[None])
        return Signals(
            *(
                one.numpy()
                for one in (
                    moments[1] - moments[0],
                    backward[0] - backward[1],
                    relative[0] - relative[1],
                    moments[1],
                    share,
                    effective_rank(places[-1]),
                )
            )
        )


def log_mean_square(x: Tensor) -> Tensor:
    """ln of the mean square of each member; squares are taken of x over its largest entry."""
    peak = x.abs().flatten(1).amax(1)
    scaled = x / torch.where(peak > 0, peak, 1.0).view(-1, 1, 1)
    return 2 * peak.log() + scaled.square().mean((1, 2)).log()


def sample_share(x: Tensor) -> Tensor:
    """ln of the sample variance over the second moment."""
    scaled = x / x.abs().flatten(1).amax(1).clamp_min(1e-300).view(-1, 1, 1)
    return (scaled.var(1, unbiased=True).mean(1) / scaled.square().mean((1, 2))).log()


def effective_rank(x: Tensor) -> Tensor:
    """(tr C)^2 / tr C^2 of the batch without its mean."""
    centred = x - x.mean(1, keepdim=True)
    centred = centred / centred.abs().flatten(1).amax(1).clamp_min(1e-300).view(-1, 1, 1)
    gram = centred @ centred.transpose(1, 2)
    return gram.diagonal(dim1=1, dim2=2).sum(1).square() / gram.square().sum((1, 2))
