"""PyTorch's own lines of remedies, run on real stacks of nn.Linear: they do what the remedy promises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from varprobe.advice.plan import find_plan
from varprobe.advice.ways import By
from varprobe.config.loading import Experiment, load
from varprobe.diagnose import diagnose
from varprobe.network.description import describe_rows
from varprobe.network.laws import Constant, Normal, Uniform
from varprobe.network.layers import Dense, Join, Norm, Pointwise
from varprobe.network.spec import NetworkSpec
from varprobe.probe.measure import measure
from varprobe.reporters.code.names import FrameworkName
from varprobe.reporters.code.write import code_of_report
from varprobe.verdict.judged import pick_points

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

DRAWS, BATCH, WIDTH = 20, 32, 64
FUNCTIONS = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.2),
}
# Means of ln over draws of the two programs agree to this many standard errors of their difference.
ERRORS = 5


class Residual(torch.nn.Module):
    def __init__(self, branch: torch.nn.Module, scale: float, skip: float) -> None:
        super().__init__()
        self.branch, self.scale, self.skip = branch, scale, skip

    def forward(self, x: Any) -> Any:
        return self.skip * x + self.scale * self.branch(x)


class Function(torch.nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name.split("(")[0]

    def forward(self, x: Any) -> Any:
        return FUNCTIONS[self.name](x)


def build(spec: NetworkSpec, outputs: list[Any]) -> torch.nn.Sequential:
    """The network with weights drawn as its config says; `outputs` gets what each layer hands on, in order."""
    levels: list[list[torch.nn.Module]] = [[]]
    for step in spec.steps:
        layer = step.layer
        if layer.opens:
            levels.append([])
            continue
        if isinstance(layer, Join):
            branch = torch.nn.Sequential(*levels.pop())
            levels[-1].append(Residual(branch, layer.scale, layer.skip))
        elif isinstance(layer, Dense):
            linear = torch.nn.Linear(step.fan_in, step.fan_out)
            fill(linear.weight, layer.weights)
            fill(linear.bias, layer.bias)
            levels[-1] += [linear, Function(layer.activation_label)]
        elif isinstance(layer, Norm):
            levels[-1].append(torch.nn.LayerNorm(step.fan_in, eps=layer.eps, elementwise_affine=False))
        elif isinstance(layer, Pointwise):
            levels[-1].append(Function(layer.activation_label))
        levels[-1][-1].register_forward_hook(lambda module, given, made: outputs.append(made))
    return torch.nn.Sequential(*levels[0])


def fill(values: Any, law: Any) -> None:
    with torch.no_grad():
        match law:
            case Normal(std, mean):
                values.normal_(mean, std)
            case Uniform(low, high):
                values.uniform_(low, high)
            case Constant(value):
                values.fill_(value)
            case _:
                raise TypeError(law)


def draws(spec: NetworkSpec, code: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per draw ln of the second moments of what the rows hand on, and of the gradients there over that at the end."""
    source = spec.input
    for seed in range(DRAWS):
        torch.manual_seed(seed)
        outputs: list[Any] = []
        model = build(spec, outputs)
        x = source.mean + source.std * torch.randn(BATCH, source.features)
        blocks = [module for module in model.modules() if isinstance(module, Residual)]
        scope = {"model": model, "x": x, "blocks": blocks}
        exec(compile(code, "remedy", "exec"), scope)
        model(scope["x"])
        for each in outputs:
            each.retain_grad()
        outputs[-1].backward(torch.randn_like(outputs[-1]))
        forward = np.array([math.log(each.detach().double().square().mean()) for each in outputs])
        backward = np.array([math.log(each.grad.double().square().mean()) for each in outputs])
        yield forward, backward - backward[-1]


def network(layers: list[Any], activation: Any = "tanh", init: Any = "xavier", **more: Any) -> dict[str, Any]:
    probe = {"batch": BATCH, "trials": DRAWS}
    source = {"features": WIDTH, **more.pop("input", {})}
    defaults = {"activation": activation, "init": init, **more}
    return {"input": source, "defaults": defaults, "layers": layers, "probe": probe}


def deep(layers: int, activation: str = "tanh", init: str = "xavier", **more: Any) -> dict[str, Any]:
    return network([{"dense": WIDTH, "repeat": layers}], activation, init, **more)


LINEAR = {"width": WIDTH, "activation": "linear"}
PLAIN = [{"dense": WIDTH, "repeat": 12}]
SMALL = {"dense": {"width": WIDTH, "init": "small"}}
NORMED = [{"dense": LINEAR}, {"norm": {"kind": "layer", "eps": 10.0}}, {"activation": "tanh"}]
HEAD = {"dense": {"width": 4, "activation": "linear"}}
NETWORKS: dict[str, tuple[dict[str, Any], str]] = {
    "xavier on relu": (
        network([{"dense": WIDTH, "repeat": 20}], "relu"),
        'kaiming_normal_(layer.weight, nonlinearity="relu")',
    ),
    "small": (network(PLAIN, init="small"), "xavier_normal_(layer.weight"),
    "large": (network(PLAIN, "linear", "large"), "xavier_normal_(layer.weight"),
    "uniform": (
        network([{"dense": WIDTH, "repeat": 24}], "relu", {"name": "xavier", "distribution": "uniform"}),
        'kaiming_uniform_(layer.weight, nonlinearity="relu")',
    ),
    "torch's own": (
        network([{"dense": WIDTH, "repeat": 20}], "relu", "torch.linear_default"),
        "_uniform_(layer.weight",
    ),
    "leaky": (
        network([{"dense": WIDTH, "repeat": 40}], {"name": "leaky_relu", "slope": 0.2}, "xavier"),
        "_normal_(layer.weight",
    ),
    "biases that drown": (network(PLAIN, bias=3.0), "zeros_(layer.bias)"),
    "an input far off": (
        network([{"dense": WIDTH, "repeat": 8}], input={"mean": 40.0, "std": 2.0}),
        "x = (x - 40.0) / 2.0",
    ),
    "one layer": (
        network([{"dense": WIDTH, "repeat": 5}, {"dense": {"width": WIDTH, "init": "small"}}, *PLAIN]),
        "layer = dense[5]",
    ),
    "blocks that add up": (
        network([{"residual": {"layers": [{"dense": WIDTH}, {"dense": LINEAR}]}, "repeat": 16}], "relu", "he"),
        "block.scale = ",
    ),
    "loud norms": (
        network(
            [
                {
                    "block": [{"dense": LINEAR}, {"norm": {"kind": "layer", "eps": 10.0}}, {"activation": "tanh"}],
                    "repeat": 12,
                }
            ]
        ),
        "norm.eps = ",
    ),
    "a head": (network([{"dense": WIDTH, "repeat": 4}, HEAD], "relu", "small"), "layer.weight"),
}


def promised(experiment: Experiment) -> NetworkSpec:
    """The network that the remedy was judged with, as the config's edits make it."""
    by = By.INPUT if experiment.network.input.mean else None
    plan = find_plan(experiment, experiment.network.settings, may_draw=True, by=by)
    assert plan.is_whole
    return plan.network


@pytest.mark.parametrize("name", NETWORKS)
def test_the_lines_make_the_network_that_was_judged(name: str) -> None:
    """Layer by layer the means over draws of ln of both second moments are those that varprobe measures of it."""
    config, line = NETWORKS[name]
    experiment = load(config)
    report = diagnose(experiment)
    code = code_of_report(report, FrameworkName.TORCH)
    assert line in code
    spec = promised(experiment)
    found = measure(spec).statistics
    ours = (found.log_activation_second_moment, found.log_activation_gradient_second_moment)
    theirs = [np.stack(each) for each in zip(*draws(experiment.network, code), strict=True)]
    for one, other in zip(ours, theirs, strict=True):
        error = np.sqrt((one.var(axis=0, ddof=1) + other.var(axis=0, ddof=1)) / DRAWS)
        assert (abs(one.mean(axis=0) - other.mean(axis=0)) < ERRORS * error + 1e-4).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_lines_make_it_stable_and_without_them_it_is_not(name: str) -> None:
    """By the rule: the mean over draws of ln of the change from the first judged layer to the last, within ln 100."""
    experiment = load(NETWORKS[name][0])
    report = diagnose(experiment)
    code = code_of_report(report, FrameworkName.TORCH)
    assert max(changes(experiment.network, code)) < math.log(100)
    # An input far off is told for what it saturates, not for what the depth makes of it.
    was_stable = report.verdict.overall == "stable"
    assert was_stable == (name == "an input far off")
    assert was_stable or max(changes(experiment.network, "")) > math.log(100)


def changes(spec: NetworkSpec, code: str) -> tuple[float, float]:
    """Of the forward and of the backward signal, in size."""
    points = pick_points(describe_rows(spec))
    first, last = points[0].output, points[-1].output
    forward, backward = (np.mean(each, axis=0) for each in zip(*draws(spec, code), strict=True))
    return abs(forward[last] - forward[first]), abs(backward[first] - backward[last])
