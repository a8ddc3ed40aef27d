"""Networks that experts judge at a glance, and what PyTorch draws of them: computes `cases.json`.

    PYTHONPATH=.:tests python -m torch_reference.cases

Every draw is made with PyTorch's own initialisers in float64, sent forward and, from a random cotangent at the body's
output, backward by its autograd. Kept is the log10 of the change of the judged outputs' second moment from the first
layer to the last, and of entries times the gradient's second moment on the way back: mean, sd, and share of zeros.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_reference.make import functions

if TYPE_CHECKING:
    import torch

STORED = Path(__file__).with_name("cases.json")
DRAWS = 100
Entry = dict[str, Any]


@dataclass(frozen=True)
class ExpertCase:
    """A network and what an expert says of it.

    Attributes:
        config: what `varprobe.load` takes.
        forward, backward, signal: the labels that are right; None where several are.
        codes: findings that must be there; `never` those that must not.
        head: the last entry is not judged.
    """

    config: Entry
    forward: str | None = "stable"
    backward: str | None = "stable"
    signal: str | None = "preserved"
    codes: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    head: bool = True


def _net(features: int, layers: Sequence[Entry], defaults: Entry, **others: Any) -> Entry:
    source = {"features": features, **others.pop("source", {})}
    return {"input": source, "defaults": defaults, "layers": list(layers), "probe": others}


def _out(width: int, init: Any = None) -> Entry:
    return {"dense": {"width": width, "activation": "linear", **({"init": init} if init else {})}}


def _norm(eps: float) -> Entry:
    return {"norm": {"kind": "batch", "eps": eps}}


_LEAKY = {"activation": {"name": "leaky_relu", "slope": 0.2}}
_ERRORS = ("jump", "excursion", "chaotic", "scattered")

CASES: dict[str, ExpertCase] = {
    "pre-norm stack of 400 blocks": ExpertCase(
        _net(
            64,
            [
                {"residual": {"layers": [{"norm": "layer"}, {"activation": "relu"}, {"dense": 64}]}, "repeat": 400},
                {"norm": "layer"},
                {"dense": {"width": 64, "init": "xavier"}},
            ],
            {"activation": "linear", "init": "he"},
            trials=5,
        ),
        never=_ERRORS,
    ),
    "tanh of width 1": ExpertCase(
        _net(1, [{"dense": 1, "repeat": 20}], {"activation": "tanh", "init": "xavier"}),
        "vanishing",
        "vanishing",
        codes=("finite-width",),
        head=False,
    ),
    "relu of width 2": ExpertCase(
        _net(1, [{"dense": 2, "repeat": 10}, _out(1)], {"activation": "relu", "init": "he"}),
        "degenerate",
        "degenerate",
        None,
        never=("zero-head",),
    ),
    "an input of a million": ExpertCase(
        _net(64, [{"dense": 64, "repeat": 10}], {"activation": "tanh", "init": "xavier"}, source={"std": 1e6}),
        codes=("input-scale",),
        never=_ERRORS,
        head=False,
    ),
    "policy head of 0.01 on orthogonal weights": ExpertCase(
        _net(
            17,
            [{"dense": 64, "repeat": 2}, _out(6, {"name": "orthogonal", "gain": 0.01})],
            {"activation": "tanh", "init": {"name": "orthogonal", "gain": 1.41421356}},
        ),
        codes=("small-head",),
        never=_ERRORS,
    ),
    "generator with batch norm of a large eps": ExpertCase(
        _net(
            100,
            [
                {"dense": 128},
                _LEAKY,
                *({"block": [{"dense": width}, _norm(0.8), _LEAKY]} for width in (256, 512, 1024)),
                {"dense": {"width": 784, "activation": "tanh"}},
            ],
            {"activation": "linear", "init": "torch.linear_default"},
            batch=64,
        ),
        "borderline",
        "borderline",
        head=False,
    ),
    "biases of 100": ExpertCase(
        _net(64, [{"dense": 64, "repeat": 10}], {"activation": "tanh", "init": "xavier", "bias": {"std": 100}}),
        "stable",
        "vanishing",
        "collapsing",
        codes=("saturated",),
        head=False,
    ),
    "sigmoid classifier": ExpertCase(
        _net(
            64,
            [{"dense": 64, "repeat": 6}, _out(10)],
            {"activation": "sigmoid", "init": "xavier"},
            gradient="cross_entropy",
        ),
        "stable",
        "vanishing",
        "collapsing",
    ),
    "rezero": ExpertCase(
        _net(
            64,
            [{"residual": {"scale": 0, "layers": [_out(64)]}, "repeat": 4}, _out(10)],
            {"activation": "tanh", "init": "xavier"},
        ),
        codes=("zero-branch",),
        never=("float32-range", "float16-range", "bfloat16-range", "frozen-branch"),
    ),
    "branches of zeros": ExpertCase(
        _net(
            64,
            [{"residual": {"layers": [{"dense": 64}, _out(64)]}, "repeat": 4}, _out(10, "xavier")],
            {"activation": "relu", "init": "zeros"},
        ),
        codes=("frozen-branch",),
        never=("float32-range",),
    ),
    "positive weights": ExpertCase(
        _net(
            784,
            [{"dense": 100, "repeat": 3}, _out(10)],
            {"activation": "relu", "init": {"name": "uniform", "low": 0, "high": 1}},
            source={"distribution": "uniform", "mean": 0.13, "std": 0.31},
        ),
        "exploding",
        "exploding",
        None,
    ),
    "zero head": ExpertCase(
        _net(64, [{"dense": 64, "repeat": 4}, _out(10, "zeros")], {"activation": "relu", "init": "he"}),
        codes=("zero-head",),
        never=("float32-range", "float16-range", *_ERRORS),
    ),
    "siren": ExpertCase(
        _net(
            2,
            [{"dense": 256, "repeat": 5}, _out(3)],
            {"activation": {"name": "sin", "frequency": 30}, "init": "siren"},
            source={"distribution": "uniform"},
        ),
        codes=("small-head",),
        never=_ERRORS,
    ),
    "shallow classifier with norms": ExpertCase(
        _net(
            784,
            [entry for width in (1024, 1024, 512) for entry in ({"dense": width}, {"norm": "layer"}, {"dropout": 0.1})]
            + [_out(10)],
            {"activation": "gelu", "init": "xavier"},
            gradient="cross_entropy",
        ),
        never=_ERRORS,
    ),
    "fan_out where fan_in is meant": ExpertCase(
        _net(
            32,
            [{"dense": 256, "repeat": 20}, _out(10)],
            {"activation": "relu", "init": {"name": "he", "mode": "fan_out"}},
        ),
        "stable",
        "stable",
        None,
        codes=("fan-mode",),
    ),
    "mlp half of gpt2": ExpertCase(
        _net(
            512,
            [
                {
                    "residual": {
                        "layers": [{"norm": "layer"}, {"dense": {"width": 2048, "activation": "gelu"}}, {"dense": 512}]
                    },
                    "repeat": 12,
                },
                {"norm": "layer"},
            ],
            {"activation": "linear", "init": "gpt2"},
            trials=3,
        ),
        codes=("branch-count",),
        never=_ERRORS,
        head=False,
    ),
    "makemore": ExpertCase(
        _net(
            30,
            [{"dense": 100, "repeat": 5}, _out(27, {"name": "lecun", "gain": 0.1})],
            {"activation": "tanh", "init": {"name": "lecun", "gain": 1.6666667}},
            batch=32,
            gradient="cross_entropy",
        ),
        codes=("small-head",),
        never=_ERRORS,
    ),
    "product of a hundred matrices": ExpertCase(
        _net(
            4,
            [{"dense": 4, "repeat": 100}],
            {"activation": "linear", "init": {"name": "normal", "std": 1.0}},
            batch=4,
            trials=100,
        ),
        "exploding",
        "exploding",
        "preserved",
        codes=("finite-width", "rank-collapse"),
        head=False,
    ),
    "one unit many times": ExpertCase(
        _net(
            256,
            [
                {"dense": {"width": 256, "init": {"name": "constant", "value": 0.0625}}},
                {"dense": 256, "repeat": 10},
                _out(256, "xavier"),
            ],
            {"activation": "linear", "init": {"name": "constant", "value": 0.00390625}},
        ),
        "stable",
        None,
        codes=("symmetric-units",),
    ),
    "a hundred layers of std 1": ExpertCase(
        _net(
            256,
            [{"dense": 256, "repeat": 100}],
            {"activation": "linear", "init": {"name": "normal", "std": 1.0}},
            batch=16,
            trials=5,
        ),
        "exploding",
        "exploding",
        never=("jump", "excursion"),
        head=False,
    ),
    "gelu whose mean is rare draws": ExpertCase(
        _net(256, [{"dense": 256, "repeat": 50}], {"activation": "gelu", "init": "he"}, batch=64, seed=7),
        "vanishing",
        "vanishing",
        codes=("finite-width",),
        never=("inconclusive",),
        head=False,
    ),
    "narrow sigmoid": ExpertCase(
        _net(6, [{"dense": 6, "repeat": 15}], {"activation": "sigmoid", "init": "xavier"}),
        "stable",
        "vanishing",
        "collapsing",
        head=False,
    ),
}


# What the first remedy of a case says to paste, as config paths; what that brings is drawn with PyTorch too.
MENDED: dict[str, Entry] = {
    "an input of a million": {"input.std": 1.0},
    "generator with batch norm of a large eps": {f"layers.{at}.block.1.norm.eps": 1e-05 for at in (2, 3, 4)},
    "biases of 100": {"defaults.bias": 0},
    "sigmoid classifier": {"defaults.init.gain": 10.2825, "layers.1.dense.init": "xavier"},
    "positive weights": {"defaults.init": {"name": "uniform", "low": -0.173789, "high": 0.173789}},
    "fan_out where fan_in is meant": {"layers.1.dense.init": "he"},
    "mlp half of gpt2": {"defaults.init.branches": 24},
    "a hundred layers of std 1": {"defaults.init.std": 0.0625},
    "gelu whose mean is rare draws": {"defaults.init.gain": 1.467},
}


def mend(case: ExpertCase, edits: Entry) -> ExpertCase:
    """The case with the edits made; a scheme's name is a mapping as soon as it has arguments."""
    config = deepcopy(case.config)
    for path, value in edits.items():
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        node: Any = config
        for step in steps:
            if step == "init" and isinstance(node[step], str):
                node[step] = {"name": node[step]}
            node = node[step]
        node[last] = value
    return replace(case, config=config)


class Drawing:
    """One draw of a network: its layers in turn, and what the judged ones hand on."""

    def __init__(self, case: ExpertCase) -> None:
        self.defaults = case.config["defaults"]
        self.functions = functions()
        self.judged: list[torch.Tensor] = []
        self.branches = sum(entry.get("repeat", 1) for entry in case.config["layers"] if "residual" in entry)

    def run(self, layers: Sequence[Entry], x: torch.Tensor, *, trunk: bool) -> torch.Tensor:
        for entry in layers:
            for _ in range(entry.get("repeat", 1)):
                x = self.step(entry, x, trunk=trunk)
        return x

    def step(self, entry: Entry, x: torch.Tensor, *, trunk: bool) -> torch.Tensor:
        from torch.nn import functional

        if "block" in entry:
            return self.run(entry["block"], x, trunk=trunk)
        if "residual" in entry:
            branch = self.run(entry["residual"]["layers"], x, trunk=False)
            return self.hand_on(x + entry["residual"].get("scale", 1.0) * branch, trunk=trunk, first=True)
        if "dense" in entry:
            return self.hand_on(self.dense(entry["dense"], x, trunk=trunk), trunk=trunk, first=True)
        if "norm" in entry:
            x = self.norm(entry["norm"], x)
        elif "activation" in entry:
            x = self.activate(entry["activation"], x)
        else:
            x = functional.dropout(x, entry["dropout"], training=True)
        return self.hand_on(x, trunk=trunk, first=False)

    def hand_on(self, x: torch.Tensor, *, trunk: bool, first: bool) -> torch.Tensor:
        """Judged is the last tensor of a layer of the trunk: what follows it replaces it."""
        if trunk and (first or self.judged):
            if not first:
                self.judged.pop()
            x.requires_grad_() if x.is_leaf else x.retain_grad()
            self.judged.append(x)
        return x

    def dense(self, model: Any, x: torch.Tensor, *, trunk: bool) -> torch.Tensor:
        from torch.nn import functional

        model = {**self.defaults, **(model if isinstance(model, dict) else {"width": model})}
        weights, bias = draw_weights(model["init"], model["width"], x.shape[1], self.branches, trunk=trunk)
        if model.get("bias"):
            bias = model["bias"]["std"] * weights.new_empty(model["width"]).normal_()
        return self.activate(model["activation"], functional.linear(x, weights, bias))

    def norm(self, model: Any, x: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        if model == "layer":
            return functional.layer_norm(x, x.shape[1:])
        return functional.batch_norm(x, None, None, training=True, eps=model["eps"])

    def activate(self, part: Any, x: torch.Tensor) -> torch.Tensor:
        arguments = dict(part) if isinstance(part, dict) else {"name": part}
        return self.functions[arguments.pop("name")](x, **arguments)


def draw_weights(
    init: Any, width: int, fan_in: int, branches: int, *, trunk: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A matrix (width, fan_in) by PyTorch's initialisers, and the bias that its scheme draws."""
    import torch
    from torch.nn import init as draw

    arguments = dict(init) if isinstance(init, dict) else {"name": init}
    name, gain = arguments["name"], arguments.get("gain", 1.0)
    w = torch.empty(width, fan_in, dtype=torch.float64)
    if name == "he":
        if "gain" in arguments:
            return draw.normal_(w, 0.0, gain / math.sqrt(fan_in)), None
        return draw.kaiming_normal_(w, mode=arguments.get("mode", "fan_in")), None
    if name == "xavier":
        return draw.xavier_normal_(w, gain), None
    if name == "lecun":
        return draw.normal_(w, 0.0, gain / math.sqrt(fan_in)), None
    if name == "orthogonal":
        return draw.orthogonal_(w, gain), None
    if name == "normal":
        return draw.normal_(w, 0.0, arguments["std"]), None
    if name == "uniform":
        return draw.uniform_(w, arguments["low"], arguments["high"]), None
    if name in ("zeros", "constant"):
        return draw.constant_(w, arguments.get("value", 0.0)), None
    if name == "torch.linear_default":
        layer = torch.nn.Linear(fan_in, width, dtype=torch.float64)
        return layer.weight.detach(), layer.bias.detach()
    if name == "gpt2":
        last = not trunk and width < fan_in
        branches = arguments.get("branches", branches)
        return draw.normal_(w, 0.0, 0.02 / math.sqrt(branches) if last else 0.02), None
    assert name == "siren", name
    bound = 1 / fan_in if fan_in == 2 else math.sqrt(6 / fan_in) / 30
    return draw.uniform_(w, -bound, bound), None


def draw_changes(case: ExpertCase) -> tuple[float, float]:
    """log10 of the change both ways in one draw; -inf for an exact zero."""
    import torch

    source, batch = case.config["input"], case.config["probe"].get("batch", 128)
    size, mean = source.get("std", 1.0), source.get("mean", 0.0)
    x = torch.randn(batch, source["features"], dtype=torch.float64)
    if source.get("distribution") == "uniform":
        x = (torch.rand_like(x) * 2 - 1) * math.sqrt(3)
    x = (mean + size * x).requires_grad_()
    drawing = Drawing(case)
    layers = case.config["layers"][:-1] if case.head else case.config["layers"]
    output = drawing.run(layers, x, trunk=True)
    head = case.config["layers"][-1]["dense"] if case.head else None
    cotangent = torch.randn_like(output)
    if head is not None and head.get("init", drawing.defaults["init"]) != "zeros":
        weights, _ = draw_weights(
            head.get("init", drawing.defaults["init"]), head["width"], output.shape[1], drawing.branches, trunk=True
        )
        cotangent = torch.randn(batch, head["width"], dtype=torch.float64) @ weights
    output.backward(cotangent)
    judged = drawing.judged if len(drawing.judged) >= 4 else [x, *drawing.judged]
    first, last = judged[0], judged[-1]
    return _log10_ratio(_size(last), _size(first)), _log10_ratio(_flow(first), _flow(last))


def _size(x: torch.Tensor) -> float:
    return x.detach().square().mean().item()


def _flow(x: torch.Tensor) -> float:
    """Entries per sample times second moment of the gradient, up to the batch."""
    assert x.grad is not None
    return x.grad.square().sum().item()


def _log10_ratio(after: float, before: float) -> float:
    return math.log10(after / before) if after > 0 and before > 0 else -math.inf


def summarise(changes: Sequence[float]) -> dict[str, float | int]:
    """Mean and sd over the draws that live, and the share of the others."""
    alive = [change for change in changes if math.isfinite(change)]
    mean = sum(alive) / len(alive) if alive else 0.0
    square = sum((change - mean) ** 2 for change in alive)
    return {
        "mean": mean,
        "sd": math.sqrt(square / (len(alive) - 1)) if len(alive) > 1 else 0.0,
        "alive": len(alive),
        "draws": len(changes),
    }


def case_reference(case: ExpertCase) -> dict[str, Any]:
    """What `DRAWS` draws come to, or as many as the case asks for where that is costly."""
    import torch

    torch.manual_seed(0)
    costly = case.config["probe"].get("trials", DRAWS)
    pairs = [draw_changes(case) for _ in range(min(DRAWS, 2 * costly))]
    return {"forward": summarise([pair[0] for pair in pairs]), "backward": summarise([pair[1] for pair in pairs])}


def main() -> None:
    found = {
        "cases": {name: case_reference(case) for name, case in CASES.items()},
        "mended": {name: case_reference(mend(CASES[name], edits)) for name, edits in MENDED.items()},
    }
    STORED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
