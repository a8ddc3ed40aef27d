"""The networks of `trainability_study.py`: drawn from a stated law with a fixed seed, in a random order.

Half of the plain chains are as people write them; the gains of the others are off, by some percent or by what changes
the signal by a stated number of decades over the whole depth, so that all changes from none to 10^8 are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import forward_gain
from varprobe.network.activations import make_activation

SEED = 13
COUNTS = {"chain": 105, "tilted chain": 125, "residual": 95, "norm stack": 80}
# Every so many networks are trained on the second task too, and with warm-up on the first.
SECOND_EVERY, WARM_EVERY = 2, 6
WIDTHS = (32, 64, 128, 256)
SHARES = (0.81, 0.14, 0.04, 0.01)
SHALLOWEST, DEEPEST = 3, {32: 32, 64: 32, 128: 16, 256: 8}
# Of the narrowest this share is deeper: what it costs to train grows with the depth.
DEEP_SHARE, DEEP = 0.06, 100
PERCENT = (-20, -10, -5, -2, 2, 5, 10, 20)
DECADES = 8.0
LEAKY = {"name": "leaky_relu", "slope": 0.1}
EDGE = {"name": "mean_field", "sw": 1.7609546**0.5, "sb": 0.05**0.5}
AS_WRITTEN: tuple[tuple[Any, Any], ...] = (
    ("relu", "he"), ("relu", "he"), ("relu", "xavier"), ("relu", "orthogonal"), ("relu", "torch.linear_default"),
    ("relu", {"name": "normal", "std": 0.1}), (LEAKY, {"name": "he", "slope": 0.1}), ("tanh", "xavier"),
    ("tanh", "xavier"), ("tanh", "he"), ("tanh", "orthogonal"), ("tanh", EDGE), ("tanh", "torch.linear_default"),
    ("tanh", {"name": "lecun", "gain": 5 / 3}), ("tanh", "large"), ("tanh", {"name": "small", "std": 0.1}),
    ("sigmoid", "xavier"), ("sigmoid", "he"), ("gelu", "he"), ("gelu", "xavier"),
    ("gelu", {"name": "lecun", "gain": "auto"}), ("silu", "he"), ("silu", "torch.linear_default"),
    ("selu", "lecun"), ("elu", "he"), ("elu", "lecun"), ("softsign", "xavier"), ("sin", "lecun"), ("erf", "lecun"),
    ("softplus", "lecun"),
)  # fmt: skip
TILTED: tuple[Any, ...] = ("relu", "relu", "tanh", "tanh", LEAKY, "gelu", "silu", "selu", "elu", "sigmoid", "erf")
BENT: tuple[Any, ...] = ("relu", "relu", "tanh", "gelu", "silu", LEAKY)
NORMS = ("layer", "batch", "rms")


@dataclass(frozen=True)
class Network:
    """One network without its input and head.

    Attributes:
        depth: dense layers of the body.
        body: entries of a config's `layers`.
        has_norm: there are norms.
    """

    name: str
    family: str
    width: int
    depth: int
    defaults: dict[str, Any]
    body: list[Any]
    has_norm: bool

    def config(self, features: int, classes: int) -> dict[str, Any]:
        """What `varprobe.load` takes: the body and a linear head of LeCun's variance."""
        head = {"dense": {"width": classes, "activation": "linear", "init": "lecun"}}
        return {"input": {"features": features}, "defaults": self.defaults, "layers": [*self.body, head]}


Maker = Callable[[np.random.Generator, int, int], Network]


def networks(counts: dict[str, int] = COUNTS) -> list[Network]:
    """All of them, in an order that mixes the families."""
    random = np.random.default_rng(SEED)
    named: dict[str, Network] = {}
    for family, count in counts.items():
        most = len(named) + count
        while len(named) < most:
            width = int(random.choice(WIDTHS, p=SHARES))
            network = MAKERS[family](random, width, draw_depth(random, width))
            named.setdefault(network.name, network)
    found = list(named.values())
    return [found[place] for place in random.permutation(len(found))]


def draw_depth(random: np.random.Generator, width: int) -> int:
    """Log-uniform between the shallowest and the deepest of that width; a few of width 32 beyond."""
    is_deep = width == WIDTHS[0] and random.random() < DEEP_SHARE
    low, high = (DEEPEST[width], DEEP) if is_deep else (SHALLOWEST, DEEPEST[width])
    return round(math.exp(random.uniform(math.log(low), math.log(high))))


def as_written(random: np.random.Generator, width: int, depth: int) -> Network:
    """A plain chain of a scheme and an activation that are met together."""
    activation, init = pick(random, AS_WRITTEN)
    return chain("chain", activation, init, f"{label(activation)}, {label(init)}", width, depth)


def tilted(random: np.random.Generator, width: int, depth: int) -> Network:
    """A plain chain whose gain is off the one that keeps a unit second moment (tanh, erf: off 1)."""
    activation = pick(random, TILTED)
    if random.random() < 0.5:
        percent = pick(random, PERCENT)
        off, word = 1 + percent / 100, f"gain {percent:+d} %"
    else:
        decades = random.uniform(-DECADES, DECADES)
        off, word = 10 ** (decades / (2 * depth)), f"tilted by {decades:+.1f} decades"
    base = 1.0 if activation in ("tanh", "erf") else exact_gain(activation)
    scheme = "orthogonal" if activation in ("tanh", "relu") and random.random() < 0.3 else "lecun"
    init = {"name": scheme, "gain": base * off}
    return chain("tilted chain", activation, init, f"{label(activation)}, {scheme}, {word}", width, depth)


def chain(family: str, activation: Any, init: Any, words: str, width: int, depth: int) -> Network:
    """Layers that are all alike."""
    defaults, body = {"activation": activation, "init": init}, [{"dense": width, "repeat": depth}]
    return Network(f"{words}, {width} x {depth}", family, width, depth, defaults, body, has_norm=False)


def residual(random: np.random.Generator, width: int, depth: int) -> Network:
    """A first layer, then residual blocks of one or two dense layers: without norm, norm first, or norm last."""
    activation, norm, kind = pick(random, BENT), pick(random, NORMS), pick(random, ("no norm", "pre-norm", "post-norm"))
    layers = 2 if depth >= 6 and random.random() < 0.6 else 1
    blocks = max(2, (depth - 1) // layers)
    gain = float(pick(random, (0.5, 1.0, 1.0, 1.1, 1.5))) * exact_gain(activation)
    scale = pick(random, (1.0, 1.0, 1 / math.sqrt(blocks), 0.3)) if kind == "no norm" else 1.0
    inner = {"dense": {"width": width, "activation": activation}}
    last = {"dense": {"width": width, "activation": "linear"}}
    branch: list[Any] = [inner, last] if layers == 2 else [{"activation": activation}, last]
    if kind == "pre-norm":
        branch = [{"norm": norm}, *branch]
    block: list[Any] = [{"residual": {"scale": scale, "layers": branch}}]
    body: list[Any] = [{"dense": {"width": width, "init": "lecun", "activation": "linear"}}]
    words = f"{kind}, scale {scale:.2g}"
    if kind == "post-norm":
        block.append({"norm": norm})
    body.append({"block": block, "repeat": blocks})
    if kind == "pre-norm" and random.random() < 0.5:
        body.append({"norm": norm})
        words += ", norm at the end"
    if kind != "no norm":
        words += f", {norm} norm"
    name = f"residual, {label(activation)}, {words}, gain {gain:.2f}, {width} x {blocks} blocks of {layers}"
    defaults = {"activation": activation, "init": {"name": "lecun", "gain": gain}}
    return Network(name, "residual", width, 1 + blocks * layers, defaults, body, has_norm=kind != "no norm")


def norm_stack(random: np.random.Generator, width: int, depth: int) -> Network:
    """Dense layers, each with a norm before or behind its activation."""
    activation, norm = pick(random, BENT), pick(random, NORMS)
    init = pick(random, ("he", "xavier", "torch.linear_default", "small", "large", {"name": "lecun", "gain": 2.0}))
    linear = {"dense": {"width": width, "activation": "linear"}}
    before = random.random() < 0.6
    block = [linear, {"norm": norm}, {"activation": activation}] if before else [{"dense": width}, {"norm": norm}]
    place = "before" if before else "behind"
    name = f"{norm} norm {place} {label(activation)}, {label(init)}, {width} x {depth}"
    body = [{"block": block, "repeat": depth}]
    return Network(name, "norm stack", width, depth, {"activation": activation, "init": init}, body, has_norm=True)


MAKERS: dict[str, Maker] = {
    "chain": as_written, "tilted chain": tilted, "residual": residual, "norm stack": norm_stack,
}  # fmt: skip


def exact_gain(activation: Any) -> float:
    """The gain that keeps a unit second moment."""
    arguments = dict(activation) if isinstance(activation, dict) else {"name": activation}
    return forward_gain(make_activation(arguments.pop("name"), **arguments))


def label(part: Any) -> str:
    """An activation or a scheme in short."""
    if not isinstance(part, dict):
        return str(part)
    inner = " ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in part.items()
        if key != "name"
    )
    return f"{part['name']} {inner}"


def pick(random: np.random.Generator, choices: tuple[Any, ...]) -> Any:
    """One of them."""
    return choices[int(random.integers(len(choices)))]
