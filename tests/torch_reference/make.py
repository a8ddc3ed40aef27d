"""Computes `reference.json` with PyTorch: float64, its own operations, its own autograd.

Run from the repository's root, with the extra `torch` installed:

    PYTHONPATH=.:tests python -m torch_reference.make

Nothing here reads a config with varprobe or computes with it; only the random targets of the objectives are drawn
from its streams. PyTorch is imported inside the functions, so that collecting the tests does not need it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch_reference.networks import GRID, NETWORKS, ROUNDING, Arrays, Entry, Network, array_name

if TYPE_CHECKING:
    import torch

STORED = Path(__file__).with_name("reference.json")

# The range of each bounded function: saturated is what lies within half a per cent of the range from a limit.
LIMITS: dict[str, tuple[float | None, float | None]] = {
    "relu6": (None, 6.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softsign": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
    "arctan": (-math.pi / 2, math.pi / 2),
}

# Cases besides every function with its defaults.
ARGUED = (
    ("leaky_relu", {"slope": 0.2}),
    ("prelu", {"slope": 0.1}),
    ("elu", {"alpha": 0.7}),
    ("celu", {"alpha": 2.0}),
    ("soft_shrink", {"threshold": 0.7}),
    ("sin", {"frequency": 2.5}),
    ("cos", {"frequency": 2.5}),
    ("squareplus", {"b": 1.0}),
)


def functions() -> dict[str, Callable[..., torch.Tensor]]:
    """Activations by varprobe's names."""
    import torch
    from torch.nn import functional

    return {
        "linear": lambda x: x,
        "relu": functional.relu,
        "leaky_relu": lambda x, slope=0.01: functional.leaky_relu(x, slope),
        "prelu": lambda x, slope=0.25: functional.prelu(x, torch.tensor(slope, dtype=x.dtype)),
        "relu6": functional.relu6,
        "elu": lambda x, alpha=1.0: functional.elu(x, alpha),
        "celu": lambda x, alpha=1.0: functional.celu(x, alpha),
        "selu": functional.selu,
        "gelu": functional.gelu,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
        "silu": functional.silu,
        "mish": functional.mish,
        "hard_swish": functional.hardswish,
        "tanh": torch.tanh,
        "hard_tanh": functional.hardtanh,
        "sigmoid": torch.sigmoid,
        # functional.hardsigmoid's backward holds 1/6 in single precision, also for doubles: 3e-8 off.
        "hard_sigmoid": lambda x: functional.hardtanh(x / 6 + 0.5, 0.0, 1.0),
        "log_sigmoid": functional.logsigmoid,
        # Above its threshold, 20 by default, PyTorch replaces softplus by x.
        "softplus": lambda x: functional.softplus(x, threshold=100.0),
        "softsign": functional.softsign,
        "soft_shrink": lambda x, threshold=0.5: functional.softshrink(x, threshold),
        "tanh_shrink": functional.tanhshrink,
        "erf": torch.special.erf,
        "arctan": torch.atan,
        "sin": lambda x, frequency=1.0: torch.sin(frequency * x),
        "cos": lambda x, frequency=1.0: torch.cos(frequency * x),
        "gaussian": lambda x: torch.exp(-x * x),
        "relu_squared": lambda x: functional.relu(x).square(),
        "abs": torch.abs,
        "squareplus": lambda x, b=4.0: (x + torch.sqrt(x * x + b)) / 2,
    }


@dataclass(frozen=True)
class Row:
    """A row of the report: its two tensors, the weights of a dense layer, the name of an activation."""

    kind: str
    before: torch.Tensor
    after: torch.Tensor
    fan_in: int
    weights: torch.Tensor | None = None
    activation: str | None = None


class Tracer:
    """Builds the graph of a config and keeps every tensor that a row of the report speaks of."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.functions = functions()
        self.rows: list[Row] = []

    def run(self, layers: list[Entry], x: torch.Tensor) -> torch.Tensor:
        for entry in layers:
            for _ in range(entry.get("repeat", 1)):
                x = self.entry(entry, x)
        return x

    def entry(self, entry: Entry, x: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        if "block" in entry:
            return self.run(entry["block"], x)
        if "residual" in entry:
            # The branch gets a view: the gradient of its first row is that which flows through the branch, and x
            # itself collects the branch's and the skip's.
            branch = self.run(entry["residual"]["layers"], kept(x.view_as(x)))
            return self.add(Row("residual", x, x + entry["residual"].get("scale", 1.0) * branch, x.shape[1]))
        if "dense" in entry:
            return self.dense(entry["dense"], x)
        if "norm" in entry:
            return self.add(Row("norm", x, self.norm(entry["norm"], x), x.shape[1]))
        if "activation" in entry:
            name, phi = self.activation(entry["activation"])
            return self.add(Row("activation", x, phi(x), x.shape[1], activation=name))
        return self.add(Row("dropout", x, functional.dropout(x, entry["dropout"], training=True), x.shape[1]))

    def add(self, row: Row) -> torch.Tensor:
        kept(row.before)
        self.rows.append(row)
        return kept(row.after)

    def dense(self, model: Entry, x: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        # A leaf of its own for every copy, so that a repeated layer's gradients stay apart.
        weights = kept(self.given(model["init"]).requires_grad_())
        bias = self.given(model["bias"]) if "bias" in model else None
        name, phi = self.activation(model["activation"])
        z = functional.linear(x, weights, bias)
        return self.add(Row("dense", z, phi(z), x.shape[1], weights, name))

    def norm(self, model: Any, x: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        model = model if isinstance(model, dict) else {"kind": model}
        eps = model.get("eps", 1e-5)
        gamma, beta = (self.given(model[part]) if part in model else None for part in ("gamma", "beta"))
        if model["kind"] == "layer":
            return functional.layer_norm(x, x.shape[1:], gamma, beta, eps)
        if model["kind"] == "batch":
            return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
        out = functional.rms_norm(x, x.shape[1:], gamma, eps)
        return out if beta is None else out + beta

    def activation(self, part: Any) -> tuple[str, Callable[[torch.Tensor], torch.Tensor]]:
        arguments = dict(part) if isinstance(part, dict) else {"name": part}
        name = arguments.pop("name")
        return name, lambda x: self.functions[name](x, **arguments)

    def given(self, file: dict[str, str]) -> torch.Tensor:
        import torch

        return torch.tensor(np.ascontiguousarray(self.arrays[array_name(file)]), dtype=torch.float64)


def kept(x: torch.Tensor) -> torch.Tensor:
    """The tensor, which will keep its gradient."""
    x.retain_grad()
    return x


def network_reference(network: Network) -> dict[str, Any]:
    """Every statistic of the report, row by row, and the gradients at both ends."""
    import torch
    from torch.nn import functional

    arrays = network.arrays()
    source = torch.tensor(arrays["batch"], dtype=torch.float64, requires_grad=True)
    tracer = Tracer(arrays)
    output = kept(tracer.run(list(network.layers), source))
    if network.gradient == "mse":
        functional.mse_loss(output, torch.tensor(network.targets())).backward()
    elif network.gradient == "cross_entropy":
        functional.cross_entropy(output, torch.tensor(network.targets())).backward()
    else:
        output.backward(torch.tensor(arrays["cotangent"]))
    unit = output.grad.square().mean().item()
    return {
        "output_gradient": unit,
        "input_gradient": source.grad.square().mean().item() / unit,
        "rows": [row_reference(row, unit) for row in tracer.rows],
    }


def row_reference(row: Row, unit: float) -> dict[str, Any]:
    """One row, under the report's keys."""
    after = row.after.detach()
    shares = {
        "saturated": saturated(after, LIMITS.get(row.activation or "")),
        "dead": (after == 0).all(dim=0).double().mean().item(),
        "max_abs": after.abs().max().item(),
    }
    return {
        "kind": row.kind,
        "fan_in": row.fan_in,
        "fan_out": row.after.shape[1],
        "weights_std": None if row.weights is None else row.weights.detach().std(correction=0).item(),
        "preactivation": signal(row.before.detach()),
        "activation": {**signal(after), **shares},
        "gradient": gradient(row.before, unit),
        "activation_gradient": gradient(row.after, unit),
        "weight_gradient": None if row.weights is None else gradient(row.weights, unit),
        "effective_rank": effective_rank(after),
    }


def effective_rank(x: torch.Tensor) -> float | None:
    """Participation ratio of the singular values of (batch, units), centred over the batch; None of zeros."""
    import torch

    squares = torch.linalg.svdvals(x - x.mean(dim=0)).square()
    total = squares.sum().item()
    return total**2 / squares.square().sum().item() if total > ROUNDING * x.square().sum().item() else None


def signal(x: torch.Tensor) -> dict[str, float | None]:
    """Mean, second moment, variance and sample variance of (batch, units)."""
    second = x.square().mean().item()
    return {
        "mean": exact(x.mean().item(), math.sqrt(second)),
        "second_moment": second,
        "variance": exact(x.var(correction=0).item(), second),
        "sample_variance": exact(x.var(dim=0, correction=1).mean().item(), second) if len(x) > 1 else None,
    }


def gradient(x: torch.Tensor, unit: float) -> dict[str, float]:
    """Second moment and variance of a tensor's gradient, in units of the output gradient's second moment."""
    second = x.grad.square().mean().item()
    return {"second_moment": second / unit, "variance": exact(x.grad.var(correction=0).item(), second) / unit}


def exact(value: float, size: float) -> float:
    """The value, or 0.0 where it is nothing but rounding of entries of that size."""
    return value if abs(value) > ROUNDING * size else 0.0


def saturated(x: torch.Tensor, limits: tuple[float | None, float | None] | None) -> float | None:
    """The share of values within half a per cent of the range from a limit."""
    if limits is None:
        return None
    low, high = limits
    margin = 0.005 * ((high or 0.0) - (low or 0.0))
    bottom = x < low + margin if low is not None else x.isnan()
    top = x > high - margin if high is not None else x.isnan()
    return (bottom | top).double().mean().item()


def curve_reference(name: str, arguments: Mapping[str, float]) -> dict[str, Any]:
    """Value and derivative of one activation on the grid."""
    import torch

    x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    value = functions()[name](x, **arguments)
    (derivative,) = torch.autograd.grad(value.sum(), x)
    return {"name": name, "arguments": arguments, "value": value.tolist(), "derivative": derivative.tolist()}


def reference() -> dict[str, Any]:
    """All that `reference.json` holds."""
    cases = [*((name, {}) for name in functions()), *ARGUED]
    return {
        "networks": {network.name: network_reference(network) for network in NETWORKS},
        "activations": [curve_reference(name, arguments) for name, arguments in cases],
    }


def lines(data: dict[str, Any]) -> str:
    """JSON with a row of a network, or an activation, to a line; floats with all their digits."""
    networks = []
    for name, network in data["networks"].items():
        rows = ",\n".join(f"  {json.dumps(row)}" for row in network["rows"])
        ends = ", ".join(f'"{key}": {network[key]!r}' for key in ("output_gradient", "input_gradient"))
        networks.append(f'{json.dumps(name)}: {{{ends}, "rows": [\n{rows}\n ]}}')
    curves = ",\n ".join(json.dumps(curve) for curve in data["activations"])
    inner = ",\n ".join(networks)
    return f'{{"networks": {{\n {inner}\n}},\n"activations": [\n {curves}\n]}}\n'


if __name__ == "__main__":
    STORED.write_text(lines(reference()))
