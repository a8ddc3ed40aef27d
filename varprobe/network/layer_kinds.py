"""How a config names the kinds of layers, what it may say of each, and the layers that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol

from varprobe.frozen import dataclass
from varprobe.network.activations import Activation
from varprobe.network.laws import FromFile, Law
from varprobe.network.layers import Dense, Dropout, Join, Layer, Norm, Open, Pointwise
from varprobe.network.parameters import (
    Choice,
    Defined,
    Domain,
    Number,
    Parameter,
    Parameters,
    Whole,
    choice,
    not_negative,
    real,
)

MAX_WIDTH = 100_000_000


class NamedPart(Protocol):
    """An activation or initialiser as a config names it."""

    name: str
    label: str


@dataclass(frozen=True)
class Fields:
    """A mapping of the config, by its keys; a bare value stands for the key `shorthand`.

    Attributes:
        about: what it is, for the JSON Schema.
    """

    about: str
    parameters: Parameters
    shorthand: str | None = None


class Site(Protocol):
    """Where a layer is made: it turns what the config says into what holds there."""

    def activation(self, part: NamedPart | None) -> tuple[Activation, str]:
        """The activation, or the default one, and its label."""

    def weights(self, part: NamedPart | None, fan_out: int) -> tuple[Law, Law, str]:
        """The laws of the weights and of their scheme's own bias, by an initialiser or the default one; its label."""

    def bias(self, bias: Any | None, fan_out: int) -> Law | None:
        """The law of the biases, where the config says one."""

    def vector(self, file: Any | None, key: str) -> FromFile | None:
        """A given vector of the width here, which stands in the config under `key`."""


@dataclass(frozen=True)
class LayerKind:
    """A layer in a config.

    Attributes:
        meaning: what it does, in a line.
        form: how it is written.
        takes: what stands behind its word.
        make: the layer, from a site and what was given, the values of `Fields` by name.
    """

    meaning: str
    form: str
    takes: Domain | Fields
    make: Callable[..., Layer]
    has_weights: bool = False


@dataclass(frozen=True)
class GroupKind:
    """A group of layers in a config, which are what it takes, or stand there under `layers`.

    Attributes:
        edges: the layers before and behind them, from what else was given.
    """

    meaning: str
    form: str
    takes: Domain | Fields
    edges: Callable[..., tuple[Layer, Layer] | None]
    has_weights: ClassVar[bool] = False


def _dense(site: Site, width: int, activation: NamedPart | None, init: NamedPart | None, bias: Any | None) -> Dense:
    weights, own_bias, init_label = site.weights(init, width)
    phi, label = site.activation(activation)
    return Dense(width, weights, site.bias(bias, width) or own_bias, phi, label, init_label)


def _norm(site: Site, kind: Literal["layer", "batch", "rms"], eps: float, gamma: Any | None, beta: Any | None) -> Norm:
    return Norm(kind, eps, site.vector(gamma, "gamma"), site.vector(beta, "beta"))


# In the order of the JSON Schema and of messages.
LAYER_KINDS: dict[str, LayerKind | GroupKind] = {
    "dense": LayerKind(
        "z = W a + b, then the activation",
        "dense: 256, or dense: {width: 256, activation, init, bias}; beside it role: body or head",
        Fields(
            "An affine map, then its activation.",
            {
                "width": Parameter(Whole(1, MAX_WIDTH), ...),
                "activation": Parameter(Defined("activation"), None),
                "init": Parameter(Defined("initializer"), None),
                "bias": Parameter(Defined("bias"), None),
            },
            "width",
        ),
        _dense,
        has_weights=True,
    ),
    "norm": LayerKind(
        "(x - mean) / sqrt(variance + eps) over features (layer) or batch (batch); rms: x / sqrt(mean(x^2) + eps)",
        "norm: layer, or norm: {kind: batch, eps: 1e-5, gamma: {path, key}, beta: {path, key}}",
        Fields(
            "Layer, batch or rms normalisation, with the biased variance.",
            {
                "kind": Parameter(Choice(("layer", "batch", "rms")), ...),
                "eps": not_negative(1e-5),
                "gamma": Parameter(Defined("file"), None),
                "beta": Parameter(Defined("file"), None),
            },
            "kind",
        ),
        _norm,
    ),
    "activation": LayerKind(
        "an activation of its own",
        "activation: relu",
        Defined("activation"),
        lambda site, part: Pointwise(*site.activation(part)),
    ),
    "dropout": LayerKind(
        "zero with probability rate, else divided by 1 - rate; kind alpha, for selu: its limit in place of zero, then "
        "a x + b, which keeps mean 0 and variance 1",
        "dropout: 0.1, or dropout: {rate: 0.1, kind: alpha}",
        Fields(
            "Random zeros, or with alpha dropout random values of selu's limit.",
            {
                "rate": Parameter(Number(0.0, 1.0, below=True), ...),
                "kind": choice("inverted", ("inverted", "alpha")),
            },
            "rate",
        ),
        lambda site, rate, kind: Dropout(rate, is_alpha=kind == "alpha"),
    ),
    "block": GroupKind("a group of layers, to repeat it", "block: [...], repeat: 8", Defined("layers"), lambda: None),
    "residual": GroupKind(
        "skip * x + scale * branch(x)",
        "residual: {scale: 1.0, skip: 1.0, layers: [...]}",
        Fields(
            "skip * x + scale * branch(x); the branch keeps the width.",
            {"layers": Parameter(Defined("layers"), ...), "scale": real(1.0), "skip": real(1.0)},
        ),
        lambda scale, skip: (Open(), Join(scale, skip)),
    ),
}
