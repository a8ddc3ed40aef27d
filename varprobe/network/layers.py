"""The kinds of layers: what each does to a signal, in the operations of the stage that asks, and what it keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from enum import Flag
from typing import ClassVar, Literal, Protocol, Self, TypeVar

from varprobe.frozen import dataclass, field
from varprobe.network.activations import SELU_ALPHA, SELU_SCALE, Activation
from varprobe.network.laws import FromFile, Law, Lsuv


class Signal(Protocol):
    """What flows through the layers of a stage: values, their moments, a gradient."""

    def times(self, factor: float) -> Self:
        """The signal times a number."""


S = TypeVar("S", bound=Signal)
# What selu tends to at minus infinity.
SELU_LIMIT = -SELU_ALPHA * SELU_SCALE


class Stage(Protocol[S]):
    """The operations that layers are made of, as one stage has them: measuring or theory, forward or backward.

    A stage that goes backward is handed the gradient behind a layer and gives that before it.
    """

    def map(self, layer: Dense, signal: S) -> S:
        """Weights, bias and activation."""

    def normalise(self, layer: Norm, signal: S) -> S:
        """A norm."""

    def activate(self, layer: Pointwise, signal: S) -> S:
        """An activation of its own."""

    def drop(self, layer: Dropout, signal: S) -> S:
        """Random zeros."""

    def open(self, signal: S) -> S:
        """A residual block begins."""

    def join(self, layer: Join, signal: S) -> S:
        """A residual block ends."""


class Kept(Flag):
    """What a layer holds from its way forward for its way back."""

    NOTHING = 0
    SOURCE = 1
    # Values of its output's size; and where they are the output, the next layer may keep them as its source.
    OUTPUT = 2
    OUTPUT_ITSELF = 6


class Layer(ABC):
    """One kind of layer; its fields are what a config may vary.

    Attributes:
        kind: its name in reports.
        fan_out: the units that go out; None where as many as come in.
        activation, activation_label: its own; None where it has none.
        weights, init_label: their law, and its scheme in the config's words; None where it has none.
        variant: which norm it is; None where it is none.
        dropped_share: of the entries, at random, that it sets to zero.
        opens, joins: it is where a residual block begins or ends.

    A kind that has one of these as a field says `= field()`, without which it would stay what it is here.
    """

    kind: ClassVar[str]
    fan_out: int | None = None
    activation: Activation | None = None
    activation_label: str | None = None
    weights: Law | None = None
    init_label: str | None = None
    variant: Literal["layer", "batch", "rms"] | None = None
    dropped_share: float = 0.0
    opens: ClassVar[bool] = False
    joins: ClassVar[bool] = False

    @abstractmethod
    def through(self, stage: Stage[S], signal: S) -> S:
        """What goes out, from what comes in; in a stage that goes backward the gradients of these."""

    @property
    @abstractmethod
    def kept(self) -> Kept:
        """What it holds for the way back, beside its weights."""

    @property
    @abstractmethod
    def likeness(self) -> Hashable:
        """Equal for layers that differ in nothing but their draw and their fan_in."""

    @property
    @abstractmethod
    def uncovered(self) -> str:
        """Why theory ends at it, whatever comes in; empty where it does not."""

    @property
    def is_row(self) -> bool:
        """Whether it is a row of the report."""
        return not self.opens

    @property
    def is_edge(self) -> bool:
        """Whether it is where a residual block begins or ends."""
        return self.opens or self.joins

    @property
    def bends(self) -> bool:
        """Whether its output is no linear function of its input."""
        return self.variant is not None or (self.activation is not None and not self.activation.is_linear)


@dataclass(frozen=True)
class Dense(Layer):
    """z = W a + b, then the activation. Weights are (fan_out, fan_in)."""

    fan_out: int = field()
    weights: Law = field()
    bias: Law
    activation: Activation = field()
    activation_label: str = field()
    init_label: str = field()
    kind = "dense"

    def through(self, stage: Stage[S], signal: S) -> S:
        return stage.map(self, signal)

    @property
    def kept(self) -> Kept:
        return Kept.SOURCE if self.activation.is_linear else Kept.SOURCE | Kept.OUTPUT

    @property
    def likeness(self) -> Hashable:
        bias = self.bias.source if isinstance(self.bias, FromFile) else self.bias
        return self.kind, self.fan_out, self.activation_label, self.init_label, bias

    @property
    def uncovered(self) -> str:
        for what, law in (("weights", self.weights), ("biases", self.bias)):
            if isinstance(law, FromFile):
                return f"given {what} have no law"
        return "lsuv depends on the data" if isinstance(self.weights, Lsuv) else ""


@dataclass(frozen=True)
class Norm(Layer):
    """Normalisation over features (layer, rms) or over the batch (batch), with the biased variance."""

    variant: Literal["layer", "batch", "rms"] = field()
    eps: float
    gamma: FromFile | None
    beta: FromFile | None
    kind = "norm"

    def through(self, stage: Stage[S], signal: S) -> S:
        return stage.normalise(self, signal)

    @property
    def kept(self) -> Kept:
        return Kept.OUTPUT if self.gamma or self.beta else Kept.OUTPUT_ITSELF

    @property
    def likeness(self) -> Hashable:
        return self.kind, self.variant, self.eps, self.gamma is None, self.beta is None

    @property
    def uncovered(self) -> str:
        return "given gamma and beta have no law" if self.gamma or self.beta else ""


@dataclass(frozen=True)
class Pointwise(Layer):
    """An activation of its own."""

    activation: Activation = field()
    activation_label: str = field()
    kind = "activation"
    uncovered = ""
    kept = Kept.SOURCE

    def through(self, stage: Stage[S], signal: S) -> S:
        return stage.activate(self, signal)

    @property
    def likeness(self) -> Hashable:
        return self.kind, self.activation_label


@dataclass(frozen=True)
class Dropout(Layer):
    """Each entry is zeroed with probability `dropped_share`, the rest divided by 1 - dropped_share.

    With `is_alpha`, where entries are dropped they are set to what selu tends to, -alpha scale; then a x + b is taken
    of all, which keeps mean 0 and variance 1 (Klambauer et al. 2017, as torch.nn.AlphaDropout has it).
    """

    dropped_share: float = field()
    is_alpha: bool = False
    kind = "dropout"
    uncovered = ""
    kept = Kept.OUTPUT

    def through(self, stage: Stage[S], signal: S) -> S:
        return stage.drop(self, signal)

    @property
    def kept_factor(self) -> float:
        """What kept entries are multiplied by."""
        keep = 1 - self.dropped_share
        return (keep * (1 + SELU_LIMIT**2 * self.dropped_share)) ** -0.5 if self.is_alpha else 1 / keep

    @property
    def kept_shift(self) -> float:
        """What is then added to them."""
        return -SELU_LIMIT * self.kept_factor * self.dropped_share if self.is_alpha else 0.0

    @property
    def dropped_value(self) -> float:
        """What dropped entries become."""
        return SELU_LIMIT * self.kept_factor * (1 - self.dropped_share) if self.is_alpha else 0.0

    @property
    def mean_factor(self) -> float:
        """The output is so many times the input in the mean over what is dropped."""
        return self.kept_factor * (1 - self.dropped_share) if self.is_alpha else 1.0

    @property
    def likeness(self) -> Hashable:
        return self.kind, self.dropped_share, self.is_alpha


@dataclass(frozen=True)
class Open(Layer):
    """A residual block begins: what flows in here is also the skip."""

    kind = "open"
    likeness = "open"
    uncovered = ""
    kept = Kept.NOTHING
    opens = True

    def through(self, stage: Stage[S], signal: S) -> S:
        return stage.open(signal)


@dataclass(frozen=True)
class Join(Layer):
    """A residual block ends: skip * what came in + scale * branch."""

    scale: float
    skip: float = 1.0
    kind = "residual"
    uncovered = ""
    kept = Kept.NOTHING
    joins = True

    def through(self, stage: Stage[S], signal: S) -> S:
        return stage.join(self, signal)

    @property
    def likeness(self) -> Hashable:
        return self.kind, self.scale, self.skip
