"""Networks of `trainability_study.py` in PyTorch: many members at once, each a draw, an optimiser and a step size.

The weights are those that varprobe draws. Members share the batches and nothing else.
Shapes: x (members, batch, units), W (members, fan_in, fan_out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from varprobe.engine.draws import draw
from varprobe.engine.streams import Role, Streams
from varprobe.frozen import dataclass
from varprobe.network.layers import Dense, Join, Norm, Pointwise
from varprobe.network.spec import NetworkSpec, Step

BATCH = 64
STEPS = 200
# After so many steps only the step sizes of lowest loss go on.
SIFT, KEPT = 80, 3
WINDOW = 10
WARM_UP = 50
SGD_STEPS = tuple(10.0 ** (-4.5 + 0.75 * k) for k in range(7))
ADAM_STEPS = tuple(10.0 ** (-4.5 + 0.5 * k) for k in range(7))
BETA1, BETA2, ADAM_EPS = 0.9, 0.999, 1e-8

Parameters = Sequence[Sequence[Tensor]]

ACTIVATIONS = {
    "linear": lambda x, **_: x,
    "relu": lambda x, **_: torch.relu(x),
    "leaky_relu": lambda x, slope: torch.nn.functional.leaky_relu(x, slope),
    "tanh": lambda x, **_: torch.tanh(x),
    "sigmoid": lambda x, **_: torch.sigmoid(x),
    "gelu": lambda x, **_: torch.nn.functional.gelu(x),
    "silu": lambda x, **_: torch.nn.functional.silu(x),
    "selu": lambda x, **_: torch.selu(x),
    "elu": lambda x, **_: torch.nn.functional.elu(x),
    "softplus": lambda x, **_: torch.nn.functional.softplus(x),
    "softsign": lambda x, **_: torch.nn.functional.softsign(x),
    "sin": lambda x, frequency: torch.sin(frequency * x),
    "erf": lambda x, **_: torch.erf(x),
}


@dataclass(frozen=True)
class Task:
    """Training data: x (samples, features) float64, y (samples) class numbers; success is `target` accuracy."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.int64]
    target: float

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1


@dataclass(frozen=True)
class Cell:
    """How members are trained: each draw at each of the optimiser's step sizes."""

    optimiser: str
    warm_up: bool

    @property
    def name(self) -> str:
        return self.optimiser + ("+warm-up" if self.warm_up else "")

    @property
    def rates(self) -> tuple[float, ...]:
        return SGD_STEPS if self.optimiser == "sgd" else ADAM_STEPS


@dataclass(frozen=True)
class Trained:
    """How one draw came out in one cell.

    Attributes:
        steps: after how many the first member reached the target; None where none did.
        rate: that member's step size; that of the best accuracy where none reached it.
        accuracy: the best accuracy over a window at the end, or at success.
    """

    steps: int | None
    rate: float
    accuracy: float


def draw_parameters(spec: NetworkSpec, seed: int, draws: int) -> list[list[Tensor]]:
    """Of every dense layer W and bias, float64, the first axis the draws; norms have no gamma and beta of their own."""
    found: list[list[Tensor]] = []
    for position, step in enumerate(spec.steps):
        layer, trials = step.layer, range(draws)
        if isinstance(layer, Dense):
            drawn = draw(
                layer.weights,
                (step.fan_out, step.fan_in),
                Streams(seed, trials, Role.WEIGHTS, position),
                np.dtype(float),
            )
            bias = draw(layer.bias, (step.fan_out,), Streams(seed, trials, Role.BIAS, position), np.dtype(float))
            w = torch.from_numpy(drawn.values * drawn.factor).transpose(1, 2).expand(draws, step.fan_in, step.fan_out)
            b = torch.from_numpy(bias.values * bias.factor)[:, None].expand(draws, 1, step.fan_out)
            found.append([w.contiguous(), b.contiguous()])
        else:
            found.append([])
    return found


def run(steps: Sequence[Step], parameters: Parameters, x: Tensor) -> list[Tensor]:
    """The output of every step."""
    outputs: list[Tensor] = []
    skips: list[Tensor] = []
    for step, own in zip(steps, parameters, strict=True):
        layer = step.layer
        if isinstance(layer, Dense):
            x = activate(layer.activation, torch.baddbmm(own[1], x, own[0]))
        elif isinstance(layer, Norm):
            x = normalise(layer, x)
        elif isinstance(layer, Pointwise):
            x = activate(layer.activation, x)
        elif layer.opens:
            skips.append(x)
        elif isinstance(layer, Join):
            x = torch.add(skips.pop(), x, alpha=layer.scale)
        else:
            raise TypeError(layer)
        outputs.append(x)
    return outputs


def activate(activation: Any, z: Tensor) -> Tensor:
    """One of varprobe's activations."""
    return ACTIVATIONS[activation.name](z, **activation.arguments)


def normalise(layer: Norm, x: Tensor) -> Tensor:
    """A norm, with the biased variance; batch norm over the batch of each member."""
    functional = torch.nn.functional
    if layer.variant == "layer":
        return functional.layer_norm(x, x.shape[-1:], eps=layer.eps)
    if layer.variant == "rms":
        return functional.rms_norm(x, x.shape[-1:], eps=layer.eps)
    members, batch, units = x.shape
    flat = x.transpose(0, 1).reshape(batch, members * units)
    out = functional.batch_norm(flat, None, None, training=True, eps=layer.eps)
    return out.view(batch, members, units).transpose(0, 1)


def output_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """Of the mean cross entropy of each member."""
    return (torch.softmax(logits, -1) - torch.nn.functional.one_hot(labels, logits.shape[-1])) / logits.shape[1]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of each member."""
    return torch.logsumexp(logits, -1).mean(1) - logits[:, torch.arange(len(labels)), labels].mean(1)


def is_among_best(
    losses: NDArray[np.float32], group: NDArray[np.int64], living: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether a member is one of the KEPT of lowest loss among the living of its group."""
    order = np.lexsort((np.nan_to_num(losses, nan=np.inf), ~living, group))
    best = np.zeros(len(group), bool)
    for number in np.unique(group):
        best[order[group[order] == number][:KEPT]] = True
    return best


class Members:
    """Members that train side by side, SGD in the first, Adam in the rest; what is finished is taken out.

    Attributes:
        group: of each member the number of its draw and cell.
        rates: step sizes.
        parameters: of every step of the network; the first axis of each is the members.
        hits: accuracy on the batches of a window, (WINDOW, members).
        losses: summed over the window before SIFT.
    """

    def __init__(self, drawn: Parameters, draws: int, cells: Sequence[Cell]) -> None:
        places = enumerate((cell, draw) for cell in cells for draw in range(draws))
        members = [(group, draw, rate, cell) for group, (cell, draw) in places for rate in cell.rates]
        assert [cell.optimiser for *_, cell in members] == sorted((c.optimiser for *_, c in members), reverse=True)
        of_draw = torch.tensor([member[1] for member in members])
        self.group = np.array([member[0] for member in members])
        self.rates = torch.tensor([member[2] for member in members], dtype=torch.float32)
        self.warm_up = torch.tensor([member[3].warm_up for member in members])
        self.sgd = sum(member[3].optimiser == "sgd" for member in members)
        self.parameters = [[one[of_draw].float().requires_grad_() for one in own] for own in drawn]
        self.moments: dict[int, tuple[Tensor, Tensor]] = {}
        self.hits = torch.zeros(WINDOW, len(members))
        self.losses = torch.zeros(len(members))

    def keep(self, which: Tensor) -> None:
        """Of the members only those."""
        adam = which[which >= self.sgd] - self.sgd
        self.moments = {key: (m[adam], v[adam]) for key, (m, v) in self.moments.items()}
        self.sgd = int((which < self.sgd).sum())
        self.group = self.group[which.numpy()]
        self.rates, self.warm_up, self.losses = self.rates[which], self.warm_up[which], self.losses[which]
        self.hits = self.hits[:, which]
        self.parameters = [[one.detach()[which].requires_grad_() for one in own] for own in self.parameters]

    def step(self, number: int, spec: NetworkSpec, x: Tensor, labels: Tensor) -> Tensor:
        """One step of all on one batch; `number` counts from 1. Returns the logits before it."""
        flat = [one for own in self.parameters for one in own]
        logits = run(spec.steps, self.parameters, x.expand(len(self.group), -1, -1))[-1]
        with torch.no_grad():
            self.hits[number % WINDOW] = (logits.argmax(-1) == labels).float().mean(-1)
            if SIFT - WINDOW < number <= SIFT:
                self.losses += cross_entropy(logits, labels)
            gradients = torch.autograd.grad(logits, flat, output_gradient(logits.detach(), labels))
            self.move(number, flat, gradients)
        return logits.detach()

    def move(self, number: int, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """The step itself, in place."""
        rates = torch.where(self.warm_up, self.rates * min(1.0, number / WARM_UP), self.rates)
        small, large = rates[: self.sgd], rates[self.sgd :] / (1 - BETA1**number)
        for key, (all_, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            if self.sgd:
                all_[: self.sgd].addcmul_(gradient[: self.sgd], small.view(-1, 1, 1), value=-1.0)
            if self.sgd == len(all_):
                continue
            own = gradient[self.sgd :]
            if key not in self.moments:
                self.moments[key] = (torch.zeros_like(own), torch.zeros_like(own))
            first, second = self.moments[key]
            first.lerp_(own, 1 - BETA1)
            second.mul_(BETA2).addcmul_(own, own, value=1 - BETA2)
            size = (second / (1 - BETA2**number)).sqrt_().add_(ADAM_EPS)
            all_[self.sgd :].addcdiv_(first * large.view(-1, 1, 1), size, value=-1.0)


def train(
    spec: NetworkSpec,
    task: Task,
    drawn: Parameters,
    draws: int,
    cells: Sequence[Cell],
    seed: int,
    steps: int = STEPS,
) -> dict[str, list[Trained]]:
    """Every draw in every cell at its best step size: the first that reaches the target ends the draw's other ones.

    Arguments:
        cells: those of SGD first.

    Returns: by the name of the cell one outcome for each draw.
    """
    members = Members(drawn, draws, cells)
    ends: dict[int, Trained] = {}
    x, y = torch.from_numpy(task.x).float(), torch.from_numpy(task.y)
    batches = epochs(np.random.default_rng(seed), len(x))
    for number in range(1, steps + 1):
        rows = torch.from_numpy(next(batches))
        logits = members.step(number, spec, x[rows], y[rows])
        if number % WINDOW:
            continue
        finite = torch.isfinite(logits).flatten(1).all(1).numpy()
        finished = take_ends(members, finite, number, task.target, ends, last=number == steps)
        kept = finite & ~np.isin(members.group, list(finished))
        if number == SIFT:
            kept &= is_among_best(members.losses.numpy(), members.group, kept)
        if not kept.any():
            break
        if not kept.all():
            members.keep(torch.from_numpy(np.flatnonzero(kept)))
    return {cell.name: [ends[place * draws + draw] for draw in range(draws)] for place, cell in enumerate(cells)}


def take_ends(
    members: Members, finite: NDArray[np.bool_], number: int, target: float, ends: dict[int, Trained], *, last: bool
) -> set[int]:
    """Notes what members reached; returns the groups of which one reached the target."""
    accuracy = np.where(finite, members.hits.mean(0).numpy(), 0.0)
    finished: set[int] = set()
    for group, share, rate, lives in zip(members.group, accuracy, members.rates.tolist(), finite, strict=True):
        reached = share >= target
        if not (reached or last or not lives):
            continue
        here = Trained(number if reached else None, rate, float(share))
        if group not in ends or here.accuracy > ends[group].accuracy:
            ends[group] = here
        if reached:
            finished.add(int(group))
    return finished


def epochs(random: np.random.Generator, samples: int) -> Any:
    """Batches without end, every sample once an epoch; the rest of an epoch is left out."""
    while True:
        order = random.permutation(samples)
        for start in range(0, samples - BATCH + 1, BATCH):
            yield order[start : start + BATCH]
