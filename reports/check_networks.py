"""The networks of `check_study.py`, by kind; what each of them truly is, its bank of draws says."""

from __future__ import annotations

import math
from typing import Any

from varprobe.frozen import dataclass

SQRT2 = math.sqrt(2)


@dataclass(frozen=True)
class Network:
    """A network of the study.

    Attributes:
        kind: the table that it stands in.
        config: what `varprobe.load` takes.
        truth: draws that its truth is from.
        draws: draws that are judged, others than those of the truth.
    """

    kind: str
    name: str
    config: dict[str, Any]
    truth: int = 500
    draws: int = 800


def chain(activation: Any, init: Any, width: int, depth: int, batch: int = 8, **defaults: Any) -> dict[str, Any]:
    """Layers that are all alike."""
    return stack(activation, init, width, [{"dense": width, "repeat": depth}], batch, **defaults)


def stack(activation: Any, init: Any, features: int, layers: list[Any], batch: int = 8, **defaults: Any) -> Any:
    """Entries in turn."""
    return {
        "input": {"features": features},
        "defaults": {"activation": activation, "init": init, **defaults},
        "layers": layers,
        "probe": {"batch": batch},
    }


def gained(scheme: str, factor: float) -> dict[str, Any]:
    """A scheme whose weights are so many times too large."""
    return {"name": scheme, "gain": factor * (SQRT2 if scheme == "he" else 1.0)}


def widths(*sizes: int, head: Any = None) -> list[Any]:
    """Dense layers of these widths, the last without an activation, by the scheme `head`."""
    last = {"width": sizes[-1], "activation": "linear", **({} if head is None else {"init": head})}
    return [*({"dense": size} for size in sizes[:-1]), {"dense": last}]


def headed(activation: str, init: Any, width: int, depth: int, outputs: int, head: Any) -> dict[str, Any]:
    """Layers that are alike, and a head."""
    last = {"dense": {"width": outputs, "activation": "linear", "init": head}}
    return stack(activation, init, width, [{"dense": width, "repeat": depth}, last])


def residual(width: int, depth: int, scale: float, activation: str = "relu", init: Any = "he") -> dict[str, Any]:
    """Residual blocks, the activation before the branch's map."""
    first = {"dense": {"width": width, "init": "lecun"}}
    branch = [{"activation": activation}, {"dense": width}]
    return stack("linear", init, width, [first, {"residual": {"scale": scale, "layers": branch}, "repeat": depth}])


def maps_of(width: int) -> tuple[dict[str, Any], list[Any]]:
    """The first layer of a stream, and the two maps of a branch."""
    linear = {"dense": {"width": width, "init": "lecun"}}
    return linear, [{"dense": {"width": width, "activation": "relu"}}, linear]


def pre_norm(width: int, depth: int, scale: float, *after: Any) -> dict[str, Any]:
    """Residual blocks with a norm and two maps in the branch."""
    first, maps = maps_of(width)
    blocks = {"residual": {"scale": scale, "layers": [{"norm": "layer"}, *maps]}, "repeat": depth}
    return stack("linear", "he", width, [first, blocks, *after])


def post_norm(width: int, depth: int) -> dict[str, Any]:
    """Residual blocks, and a norm behind each join."""
    first, maps = maps_of(width)
    block = [{"residual": {"layers": maps}}, {"norm": "layer"}]
    return stack("linear", "he", width, [first, {"block": block, "repeat": depth}])


def normed(norm: str, activation: str, width: int, depth: int, batch: int = 8, init: Any = "he") -> dict[str, Any]:
    """Dense, norm, activation."""
    block = [{"dense": width}, {"norm": norm}, {"activation": activation}]
    return stack("linear", init, width, [{"block": block, "repeat": depth}], batch)


def dropped(rate: float, width: int, depth: int) -> dict[str, Any]:
    """Dense, dropout."""
    return stack("relu", "he", width, [{"block": [{"dense": width}, {"dropout": rate}], "repeat": depth}])


def fed(config: dict[str, Any], **source: Any) -> dict[str, Any]:
    """The same with another input."""
    return {**config, "input": {**config["input"], **source}}


def aimed(config: dict[str, Any], objective: str) -> dict[str, Any]:
    """The same with another objective."""
    return {**config, "probe": {**config["probe"], "gradient": objective}}


EDGE = {"name": "mean_field", "sw": 1.7609546**0.5, "sb": 0.05**0.5}
CHAOS = {"name": "mean_field", "sw": 2.5, "sb": 0.3}
ORDER = {"name": "mean_field", "sw": 0.9, "sb": 0.3}
ORTHOGONAL, ORTHOGONAL2 = "orthogonal", {"name": "orthogonal", "gain": SQRT2}
FAN_OUT = {"name": "he", "mode": "fan_out"}
AUTO = {"name": "lecun", "gain": "auto"}
SMALL_HEAD = {"name": "orthogonal", "gain": 0.01}
SELF_NORMAL = ("selu", "lecun")
FINAL = ({"norm": "layer"}, {"dense": {"width": 10, "activation": "linear", "init": "lecun"}})
NECKS = [{"block": [{"dense": 128}, {"dense": 8}], "repeat": 10}]
WHOLE: dict[str, int] = {}
HALF = {"truth": 400, "draws": 600}
FEW = {"truth": 300, "draws": 400}

RECTIFIED = (
    ("relu, he, 128 x 3", chain("relu", "he", 128, 3), WHOLE),
    ("relu, he, 1024 x 10", chain("relu", "he", 1024, 10), WHOLE),
    ("relu, he, 256 x 200", chain("relu", "he", 256, 200, 4), FEW),
    ("relu, he, 64 x 400", chain("relu", "he", 64, 400, 4), FEW),
    ("relu, he, 256 x 20", chain("relu", "he", 256, 20), HALF),
    ("relu, he, 256 x 40", chain("relu", "he", 256, 40), HALF),
    ("relu, he, 32 x 20", chain("relu", "he", 32, 20), WHOLE),
    ("relu, he, 64 x 40", chain("relu", "he", 64, 40), WHOLE),
    ("relu, he, 64 x 100", chain("relu", "he", 64, 100), HALF),
    ("relu, he, 32 x 50", chain("relu", "he", 32, 50), WHOLE),
    ("relu, he, 32 x 100", chain("relu", "he", 32, 100), HALF),
    ("relu, orthogonal, 64 x 50", chain("relu", ORTHOGONAL2, 64, 50, 4), HALF),
    ("relu, he with biases, 64 x 30", chain("relu", "he", 64, 30, bias={"std": 0.1}), WHOLE),
    ("relu, he, constant input, 64 x 20", fed(chain("relu", "he", 64, 20), distribution="constant", mean=1.0), WHOLE),
    ("leaky_relu, he, 128 x 40", chain("leaky_relu", "he", 128, 40), HALF),
    ("prelu, he, 64 x 30", chain("prelu", {"name": "he", "slope": 0.25}, 64, 30), WHOLE),
    ("relu6, he, 64 x 20", chain("relu6", "he", 64, 20), WHOLE),
    ("abs, lecun, 64 x 30", chain("abs", "lecun", 64, 30), WHOLE),
    ("relu_squared, he, 64 x 5", chain("relu_squared", "he", 64, 5), WHOLE),
    ("relu, xavier, 32 x 12", chain("relu", "xavier", 32, 12), WHOLE),
    ("relu, xavier, 64 x 8", chain("relu", "xavier", 64, 8), WHOLE),
    ("relu, torch.linear_default, 128 x 20", chain("relu", "torch.linear_default", 128, 20), WHOLE),
    ("linear, xavier, 64 x 50", chain("linear", "xavier", 64, 50), WHOLE),
    ("linear, lecun, 32 x 60", chain("linear", "lecun", 32, 60), WHOLE),
    ("linear, orthogonal, 64 x 100", chain("linear", ORTHOGONAL, 64, 100, 4), FEW),
    ("linear, mean of weights 1/64, 64 x 20",
     chain("linear", {"name": "normal", "std": 0.125, "mean": 1 / 64}, 64, 20), WHOLE),
)  # fmt: skip

SIZES = ((128, 20), (64, 50))
FACTORS = (0.9, 0.95, 0.98, 1.02, 1.05, 1.1)
OFF = (
    *((f"relu, he x {factor}, {width} x {depth}", chain("relu", gained("he", factor), width, depth), HALF)
      for width, depth in SIZES for factor in FACTORS),
    *((f"relu, he x {factor}, 128 x 100", chain("relu", gained("he", factor), 128, 100, 4), FEW)
      for factor in (0.98, 1.02)),
    *((f"tanh, xavier x {factor}, 128 x 30", chain("tanh", gained("xavier", factor), 128, 30), HALF)
      for factor in (0.9, 0.95, 1.05, 1.1)),
    *((f"linear, lecun x {factor}, 64 x 50", chain("linear", gained("lecun", factor), 64, 50), HALF)
      for factor in (0.95, 1.05)),
    *((f"selu, lecun x {factor}, 64 x 40", chain("selu", gained("lecun", factor), 64, 40), HALF)
      for factor in (0.9, 1.1)),
)  # fmt: skip

BOUNDED = (
    ("tanh, xavier, 256 x 20", chain("tanh", "xavier", 256, 20), WHOLE),
    ("tanh, xavier, 256 x 100", chain("tanh", "xavier", 256, 100, 4), FEW),
    ("tanh, xavier, 16 x 100", chain("tanh", "xavier", 16, 100), WHOLE),
    ("tanh, edge of chaos, 128 x 50", chain("tanh", EDGE, 128, 50), HALF),
    ("tanh, edge of chaos, 32 x 100", chain("tanh", EDGE, 32, 100), HALF),
    ("tanh, orthogonal, 64 x 40", chain("tanh", ORTHOGONAL, 64, 40, 4), HALF),
    ("tanh, sw 2.5 sb 0.3, 128 x 20", chain("tanh", CHAOS, 128, 20), WHOLE),
    ("tanh, sw 0.9 sb 0.3, 128 x 20", chain("tanh", ORDER, 128, 20), WHOLE),
    ("tanh, large, 128 x 8", chain("tanh", "large", 128, 8), WHOLE),
    ("tanh, small, 256 x 6", chain("tanh", "small", 256, 6), WHOLE),
    ("tanh, xavier, 4 x 20", chain("tanh", "xavier", 4, 20), WHOLE),
    ("tanh, xavier, 4 x 60", chain("tanh", "xavier", 4, 60), WHOLE),
    ("tanh, xavier, 8 x 40", chain("tanh", "xavier", 8, 40), WHOLE),
    ("sigmoid, xavier, 64 x 12", chain("sigmoid", "xavier", 64, 12), WHOLE),
    ("sigmoid, xavier, 128 x 3", chain("sigmoid", "xavier", 128, 3), WHOLE),
    ("sigmoid, xavier, 4 x 10", chain("sigmoid", "xavier", 4, 10), WHOLE),
    ("hard_tanh, xavier, 64 x 30", chain("hard_tanh", "xavier", 64, 30), WHOLE),
    ("softsign, xavier, 64 x 30", chain("softsign", "xavier", 64, 30), WHOLE),
    ("erf, lecun, 64 x 20", chain("erf", "lecun", 64, 20), WHOLE),
    ("arctan, xavier, 64 x 20", chain("arctan", "xavier", 64, 20), WHOLE),
    ("sin, lecun, 64 x 20", chain("sin", "lecun", 64, 20), WHOLE),
    ("gaussian, lecun, 64 x 10", chain("gaussian", "lecun", 64, 10), WHOLE),
    ("hard_sigmoid, xavier, 64 x 8", chain("hard_sigmoid", "xavier", 64, 8), WHOLE),
)

TAILS = (
    ("selu, lecun, 128 x 16", chain(*SELF_NORMAL, 128, 16), WHOLE),
    ("selu, lecun, 64 x 150", chain(*SELF_NORMAL, 64, 150), FEW),
    ("selu, lecun, 8 x 60", chain(*SELF_NORMAL, 8, 60), WHOLE),
    ("elu, lecun, 64 x 20", chain("elu", "lecun", 64, 20), WHOLE),
    ("gelu, gain auto, 128 x 8", chain("gelu", AUTO, 128, 8), WHOLE),
    ("gelu, gain auto, 64 x 40", chain("gelu", AUTO, 64, 40), HALF),
    ("gelu, he, 128 x 12", chain("gelu", "he", 128, 12), WHOLE),
    ("gelu, he, 128 x 30", chain("gelu", "he", 128, 30), WHOLE),
    ("gelu, he, 256 x 50", chain("gelu", "he", 256, 50), HALF),
    ("gelu, he, 32 x 20", chain("gelu", "he", 32, 20), WHOLE),
    ("silu, he, 64 x 30", chain("silu", "he", 64, 30), WHOLE),
    ("silu, he, 256 x 10", chain("silu", "he", 256, 10), WHOLE),
    ("silu, lecun, 64 x 8", chain("silu", "lecun", 64, 8), WHOLE),
    ("mish, he, 64 x 40", chain("mish", "he", 64, 40), HALF),
    ("hard_swish, he, 64 x 20", chain("hard_swish", "he", 64, 20), WHOLE),
    ("quick_gelu, he, 64 x 20", chain("quick_gelu", "he", 64, 20), WHOLE),
    ("softplus, he, 64 x 10", chain("softplus", "he", 64, 10), WHOLE),
    ("squareplus, lecun, 64 x 10", chain("squareplus", "lecun", 64, 10), WHOLE),
    ("tanh_shrink, he, 64 x 6", chain("tanh_shrink", "he", 64, 6), WHOLE),
    ("log_sigmoid, lecun, 64 x 6", chain("log_sigmoid", "lecun", 64, 6), WHOLE),
)

NARROW = (
    ("relu, he, 4 x 3", chain("relu", "he", 4, 3), WHOLE),
    ("relu, he, 4 x 6", chain("relu", "he", 4, 6), WHOLE),
    ("relu, he, 4 x 12", chain("relu", "he", 4, 12), WHOLE),
    ("relu, he, 4 x 40", chain("relu", "he", 4, 40), WHOLE),
    ("relu, he, 6 x 20", chain("relu", "he", 6, 20), WHOLE),
    ("relu, he, 8 x 20", chain("relu", "he", 8, 20), WHOLE),
    ("relu, he, 8 x 60", chain("relu", "he", 8, 60), WHOLE),
    ("relu, he, 16 x 40", chain("relu", "he", 16, 40), WHOLE),
    ("relu, xavier, 4 x 12", chain("relu", "xavier", 4, 12), WHOLE),
    ("relu, xavier, 8 x 30", chain("relu", "xavier", 8, 30), WHOLE),
    ("leaky_relu, he, 4 x 10", chain("leaky_relu", "he", 4, 10), WHOLE),
    ("linear, lecun, 4 x 10", chain("linear", "lecun", 4, 10), WHOLE),
    ("linear, lecun, 16 x 60", chain("linear", "lecun", 16, 60), WHOLE),
)

SHAPED = (
    ("784-256-256-10, relu, he", stack("relu", "he", 784, widths(256, 256, 10)), WHOLE),
    ("pyramid 512-...-32, relu, he", stack("relu", "he", 784, widths(512, 256, 128, 64, 32)), WHOLE),
    ("pyramid 1024-...-4, relu, xavier", stack("relu", "xavier", 1024, widths(1024, 512, 128, 32, 8, 4)), WHOLE),
    ("pyramid 1024-128-16-2, fan_out", stack("relu", FAN_OUT, 1024, widths(1024, 128, 16, 2)), WHOLE),
    ("decoder 2-16-128-1024, fan_out", stack("relu", FAN_OUT, 2, widths(2, 16, 128, 1024)), WHOLE),
    ("decoder 8-...-784, relu, he", stack("relu", "he", 8, widths(32, 64, 128, 256, 784)), WHOLE),
    ("necks of 8, relu, he, 128 x 20", stack("relu", "he", 128, NECKS), WHOLE),
    ("policy head, tanh, orthogonal", stack("tanh", ORTHOGONAL2, 17, widths(64, 64, 6, head=SMALL_HEAD), 4), HALF),
    ("zero head, relu, he, 64 x 8", headed("relu", "he", 64, 8, 10, "zeros"), WHOLE),
    ("1/width head, relu, he, 256 x 6", headed("relu", "he", 256, 6, 10, {"name": "normal", "std": 1 / 256}), WHOLE),
    ("head of cross entropy, relu, he, 64 x 10",
     aimed(headed("relu", "he", 64, 10, 10, "xavier"), "cross_entropy"), WHOLE),
    ("head of mse, tanh, lecun x 5/3, 100 x 5",
     aimed(headed("tanh", gained("lecun", 5 / 3), 100, 5, 27, gained("lecun", 0.1)), "mse"), WHOLE),
    ("large head, relu, xavier, 64 x 14", headed("relu", "xavier", 64, 14, 10, "large"), WHOLE),
)  # fmt: skip

RESIDUAL = (
    ("residual scale 0.25, 64 x 12", residual(64, 12, 0.25), WHOLE),
    ("residual scale 0.1, 64 x 100", residual(64, 100, 0.1), FEW),
    ("residual unscaled, 64 x 6", residual(64, 6, 1.0), WHOLE),
    ("residual unscaled, 64 x 12", residual(64, 12, 1.0), WHOLE),
    ("residual unscaled, 64 x 50", residual(64, 50, 1.0), FEW),
    ("residual unscaled, tanh, 64 x 20", residual(64, 20, 1.0, "tanh", "xavier"), WHOLE),
    ("residual scale 0, 64 x 20", residual(64, 20, 0.0), HALF),
    ("residual scale 0.5, 8 x 30", residual(8, 30, 0.5), WHOLE),
    ("pre-norm, scale 0.2, 64 x 16", pre_norm(64, 16, 0.2), HALF),
    ("pre-norm, 64 x 48", pre_norm(64, 48, 1.0), FEW),
    ("pre-norm, final norm, head, 64 x 24", pre_norm(64, 24, 1.0, *FINAL), HALF),
    ("post-norm, 64 x 16", post_norm(64, 16), HALF),
)

NORMS = (
    ("layer norm, relu, 64 x 12", normed("layer", "relu", 64, 12), WHOLE),
    ("layer norm, relu, 128 x 40", normed("layer", "relu", 128, 40), HALF),
    ("layer norm, relu, small, 64 x 12", normed("layer", "relu", 64, 12, init="small"), WHOLE),
    ("rms norm, tanh, 64 x 20", normed("rms", "tanh", 64, 20, init="xavier"), WHOLE),
    ("batch norm, relu, 128 x 3", normed("batch", "relu", 128, 3, 32), WHOLE),
    ("batch norm, relu, 64 x 10", normed("batch", "relu", 64, 10, 16), WHOLE),
    ("batch norm, relu, 64 x 30", normed("batch", "relu", 64, 30, 16), HALF),
    ("batch norm, tanh, 64 x 20", normed("batch", "tanh", 64, 20, 16, "xavier"), HALF),
    ("dropout 0.1, relu, he, 128 x 10", dropped(0.1, 128, 10), WHOLE),
    ("dropout 0.5, relu, he, 64 x 30", dropped(0.5, 64, 30), WHOLE),
)

GROUPS = {
    "piecewise linear": RECTIFIED,
    "gains off by 2, 5 and 10 %": OFF,
    "bounded": BOUNDED,
    "smooth, heavy tails among them": TAILS,
    "narrow, dead draws among them": NARROW,
    "pyramids, decoders and heads": SHAPED,
    "residual": RESIDUAL,
    "norms and dropout": NORMS,
}
KINDS = tuple(GROUPS)
NETWORKS = tuple(Network(kind, name, config, **size) for kind, group in GROUPS.items() for name, config, size in group)
