"""The networks of `check_study.py`: healthy, broken and between, by width, depth and what was done to them.

What a network truly is, its bank of trials says; the groups here are only the order of the tables.
"""

from __future__ import annotations

import math
from typing import Any

from varprobe.frozen import dataclass

SQRT2 = math.sqrt(2)


@dataclass(frozen=True)
class Network:
    """A network of the study.

    Attributes:
        config: what `varprobe.load` takes.
        bank: trials of its bank.
        fresh: checks with seeds of their own.
    """

    name: str
    config: dict[str, Any]
    bank: int = 600
    fresh: int = 100


def chain(activation: str, init: Any, width: int, depth: int, batch: int = 16) -> dict[str, Any]:
    """Layers that are all alike."""
    return stack(activation, init, width, [{"dense": width, "repeat": depth}], batch)


def stack(activation: str, init: Any, features: int, layers: list[Any], batch: int = 16) -> dict[str, Any]:
    """Entries in turn."""
    return {
        "input": {"features": features},
        "defaults": {"activation": activation, "init": init},
        "layers": layers,
        "probe": {"batch": batch},
    }


def tilted(width: int, depth: int, total: float, batch: int = 16) -> dict[str, Any]:
    """relu with He, whose true T is not 0 but `total`, in natural logs."""
    return chain("relu", {"name": "he", "gain": SQRT2 * math.exp(total / depth / 2)}, width, depth, batch)


def widths(*sizes: int) -> list[Any]:
    """Dense layers of these widths, the last without an activation."""
    return [*({"dense": size} for size in sizes[:-1]), {"dense": {"width": sizes[-1], "activation": "linear"}}]


def residual(width: int, depth: int, scale: float) -> dict[str, Any]:
    """Residual blocks, relu before the branch's map."""
    first = {"dense": {"width": width, "init": "lecun"}}
    branch = [{"activation": "relu"}, {"dense": width}]
    return stack("linear", "he", width, [first, {"residual": {"scale": scale, "layers": branch}, "repeat": depth}])


def normed(norm: str, width: int, depth: int, batch: int = 16) -> dict[str, Any]:
    """Dense, norm, relu."""
    block = [{"dense": width}, {"norm": norm}, {"activation": "relu"}]
    return stack("linear", "he", width, [{"block": block, "repeat": depth}], batch)


EDGE = {"name": "mean_field", "sw": 1.7609546**0.5, "sb": 0.05**0.5}
CHAOS = {"name": "mean_field", "sw": 2.5, "sb": 0.3}
FAN_OUT = {"name": "he", "mode": "fan_out"}
PRE_NORM = [
    {"norm": "layer"},
    {"dense": {"width": 64, "activation": "relu"}},
    {"dense": {"width": 64, "init": "lecun"}},
]
BAD_HALF = [{"dense": {"width": 128, "init": "xavier"}, "repeat": 20}, {"dense": 128, "repeat": 20}]

NETWORKS = (
    # Meant to be healthy.
    Network("relu, he, 128 x 3", chain("relu", "he", 128, 3)),
    Network("relu, he, 1024 x 10", chain("relu", "he", 1024, 10)),
    Network("relu, he, 256 x 20", chain("relu", "he", 256, 20, 32)),
    Network("relu, he, 32 x 20", chain("relu", "he", 32, 20)),
    Network("relu, he, 64 x 40", chain("relu", "he", 64, 40)),
    Network("relu, he, 256 x 200", chain("relu", "he", 256, 200), bank=400, fresh=10),
    Network("relu, he, 64 x 64", chain("relu", "he", 64, 64), fresh=50),
    Network("relu, he, 64 x 100", chain("relu", "he", 64, 100), bank=1000, fresh=20),
    Network("relu, he, 32 x 50", chain("relu", "he", 32, 50), bank=1000, fresh=50),
    Network("relu, he, 32 x 100", chain("relu", "he", 32, 100), bank=1000, fresh=10),
    Network("relu, T = -1.4, 64 x 40", tilted(64, 40, -1.4), bank=1000, fresh=25),
    Network("relu, T = +1.4, 32 x 20", tilted(32, 20, 1.4), bank=1000, fresh=50),
    Network("relu, orthogonal, 64 x 50", chain("relu", {"name": "orthogonal", "gain": SQRT2}, 64, 50), fresh=50),
    Network("leaky_relu, he, 128 x 40", chain("leaky_relu", "he", 128, 40)),
    Network("tanh, xavier, 256 x 30", chain("tanh", "xavier", 256, 30, 32), fresh=50),
    Network("tanh, edge of chaos, 128 x 50", chain("tanh", EDGE, 128, 50), fresh=50),
    Network("tanh, edge of chaos, 32 x 100", chain("tanh", EDGE, 32, 100), fresh=5),
    Network("tanh, orthogonal, 64 x 40", chain("tanh", "orthogonal", 64, 40)),
    Network("linear, xavier, 64 x 50", chain("linear", "xavier", 64, 50)),
    Network("linear, lecun, 32 x 60", chain("linear", "lecun", 32, 60), fresh=50),
    Network("selu, lecun, 128 x 16", chain("selu", "lecun", 128, 16)),
    Network("gelu, gain auto, 128 x 8", chain("gelu", {"name": "lecun", "gain": "auto"}, 128, 8)),
    Network("784-256-256-10, relu, he", stack("relu", "he", 784, widths(256, 256, 10), 64)),
    Network("pyramid 512-...-32, relu, he", stack("relu", "he", 784, widths(512, 256, 128, 64, 32), 32)),
    Network("residual scale 0.25, 64 x 12", residual(64, 12, 0.25)),
    Network("residual scale 0.1, 64 x 100", residual(64, 100, 0.1), fresh=50),
    Network("pre-norm residual 0.2, 64 x 16",
            stack("linear", "he", 64, [{"dense": {"width": 64, "init": "lecun"}},
                                       {"residual": {"scale": 0.2, "layers": PRE_NORM}, "repeat": 16}])),
    Network("layer norm, relu, 64 x 12", normed("layer", 64, 12)),
    Network("batch norm, relu, 128 x 3", normed("batch", 128, 3, 32)),
    Network("dropout 0.1, relu, he, 128 x 10",
            stack("relu", "he", 128, [{"block": [{"dense": 128}, {"dropout": 0.1}], "repeat": 10}])),
    # Meant to be broken.
    Network("relu, xavier, 256 x 20", chain("relu", "xavier", 256, 20, 32), fresh=50),
    Network("relu, xavier, 64 x 50", chain("relu", "xavier", 64, 50)),
    Network("relu, xavier, 32 x 12", chain("relu", "xavier", 32, 12)),
    Network("forgotten sqrt 2, relu, 64 x 20", chain("relu", "lecun", 64, 20)),
    Network("gain 1.2, relu, 64 x 30", chain("relu", {"name": "he", "gain": 1.2}, 64, 30)),
    Network("relu, T = -8, 64 x 100", tilted(64, 100, -8.0), bank=1000),
    Network("relu, T = +8, 64 x 100", tilted(64, 100, 8.0), bank=1000),
    Network("relu, T = +8, 32 x 50", tilted(32, 50, 8.0), bank=1000),
    Network("pyramid 1024-128-16-2, fan_out", stack("relu", FAN_OUT, 1024, widths(1024, 128, 16, 2), 32)),
    Network("decoder 2-16-128-1024, fan_out", stack("relu", FAN_OUT, 2, widths(2, 16, 128, 1024), 32)),
    Network("residual unscaled, 64 x 12", residual(64, 12, 1.0)),
    Network("residual unscaled, 64 x 50", residual(64, 50, 1.0)),
    Network("torch Linear's default, relu, 256 x 10", chain("relu", "torch.linear_default", 256, 10)),
    Network("bad first half, 128 x 40", stack("relu", "he", 128, BAD_HALF)),
    Network("tanh, sw 2.5 sb 0.3, 128 x 20", chain("tanh", CHAOS, 128, 20)),
    Network("tanh, large, 128 x 8", chain("tanh", "large", 128, 8)),
    Network("tanh, small, 256 x 6", chain("tanh", "small", 256, 6)),
    Network("sigmoid, xavier, 64 x 12", chain("sigmoid", "xavier", 64, 12)),
    Network("batch norm, relu, 64 x 30", normed("batch", 64, 30)),
    Network("selu, lecun, 64 x 150", chain("selu", "lecun", 64, 150), bank=400, fresh=50),
    Network("gelu, he, 128 x 50", chain("gelu", "he", 128, 50), fresh=25),
    # Meant to be between.
    Network("relu, T = -2.3, 64 x 40", tilted(64, 40, -2.3), fresh=5),
    Network("relu, T = +2.3, 64 x 40", tilted(64, 40, 2.3), fresh=5),
    Network("relu, T = -4.6, 64 x 40", tilted(64, 40, -4.6), fresh=5),
    Network("relu, T = +3.5, 128 x 40", tilted(128, 40, 3.5), fresh=5),
    Network("relu, xavier, 64 x 8", chain("relu", "xavier", 64, 8), fresh=5),
)  # fmt: skip
