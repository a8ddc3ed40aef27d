"""The same probe as a straightforward PyTorch script: modules, `torch.nn.init`, hooks forward and backward.

It takes the statistics that a report holds of each dense layer, once per trial, and prints the seconds of each round.
Run by the benchmarks with a Python that has torch; it needs nothing of this project.
"""

import argparse
import time

import torch
from torch import nn


def moments(x: torch.Tensor) -> list[float]:
    """Mean, second moment, variance, and the variance across the batch averaged over units."""
    mean = x.mean()
    second = (x * x).mean()
    across = x.var(dim=0).mean() if len(x) > 1 else mean
    return [mean.item(), second.item(), (second - mean * mean).item(), across.item()]


def histogram(x: torch.Tensor) -> list[float]:
    unit = x / x.square().mean().sqrt()
    return torch.histc(unit.clamp(-5, 5), 80, -5, 5).tolist()


def saturated(a: torch.Tensor) -> float:
    return ((a > 0.99) | (a < -0.99)).float().mean().item()


class Probe:
    """Collects the statistics of a network in its hooks."""

    def __init__(self, net: nn.Sequential) -> None:
        self.rows: list[list[float]] = []
        for module in net:
            if isinstance(module, nn.Linear):
                module.register_forward_hook(self.of_preactivation)
            else:
                module.register_forward_hook(self.of_activation)

    def of_preactivation(self, module: nn.Module, _: object, z: torch.Tensor) -> None:
        self.rows.append([*moments(z.detach()), module.weight.std().item()])
        z.register_hook(self.of_gradient)

    def of_activation(self, module: nn.Module, _: object, a: torch.Tensor) -> None:
        x = a.detach()
        dead = (x == 0).all(dim=0).float().mean().item()
        self.rows.append([*moments(x), x.abs().max().item(), saturated(x), dead, *histogram(x)])
        a.register_hook(self.of_activation_gradient)

    def of_gradient(self, gradient: torch.Tensor) -> None:
        self.rows.append([*moments(gradient)[:3], gradient.abs().max().item(), *histogram(gradient)])

    def of_activation_gradient(self, gradient: torch.Tensor) -> None:
        self.rows.append(moments(gradient)[:3])


def trial(width: int, depth: int, batch: int, init: str) -> list[list[float]]:
    """One draw of everything, forward and backward."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        with torch.no_grad():
            linear = nn.utils.skip_init(nn.Linear, width, width)
            {
                "xavier": nn.init.xavier_normal_,
                "xavier-uniform": nn.init.xavier_uniform_,
                "orthogonal": nn.init.orthogonal_,
            }[init](linear.weight)
            nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    net = nn.Sequential(*layers)
    probe = Probe(net)
    x = torch.randn(batch, width, requires_grad=True)
    output = net(x)
    output.backward(torch.randn_like(output))
    for module in net:
        if isinstance(module, nn.Linear):
            gradient = module.weight.grad
            second = gradient.square().mean().item()
            probe.rows.append([second, second - gradient.mean().item() ** 2])
    return probe.rows


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("width", "depth", "batch", "trials", "threads", "rounds"):
        parser.add_argument(name, type=int)
    parser.add_argument("init")
    said = parser.parse_args()
    torch.set_num_threads(said.threads)
    torch.manual_seed(0)
    trial(8, 2, 4, "xavier")
    for _ in range(said.rounds):
        started = time.perf_counter()
        for _ in range(said.trials):
            trial(said.width, said.depth, said.batch, said.init)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
