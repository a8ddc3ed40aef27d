"""The activation functions: value, derivative and what the engines must know of each.

To add one, write its entry in `ACTIVATIONS`; the tests run over the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from varprobe.frozen import dataclass, field
from varprobe.network.parameters import Parameters, positive, real
from varprobe.network.special import Array, erf, normal_cdf, normal_density, sigmoid, softplus

Function = Callable[[Array], Array]

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# x - tanh(x) = x^3 (1/3 - 2 x^2/15 + ...), highest power first: the plain difference loses its digits near 0.
_TANH_SHRINK_SERIES = (
    1.0597268320104654e-06, -2.6147711512907546e-06, 6.451689215655431e-06, -1.5918905069328964e-05,
    3.927832388331683e-05, -9.691537956929451e-05, 0.00023912911424355248, -0.000590027440945586,
    0.0014558343870513183, -0.003592128036572481, 0.008863235529902197, -0.021869488536155203,
    0.05396825396825397, -0.13333333333333333, 0.3333333333333333,
)  # fmt: skip


@dataclass(frozen=True)
class Wave:
    """sin(frequency x), or cos(frequency x) where it is even."""

    frequency: float
    even: bool


@dataclass(frozen=True)
class ErrorFunction:
    """erf(x)."""


@dataclass(frozen=True, eq=False)
class Activation:
    """One activation function, its arguments bound. All functions are elementwise and keep shape and dtype.

    It is a value: equal to another of the same name and arguments, so that caches may ask for it.

    Attributes:
        value: phi(x).
        derivative: phi'(x); at a kink the value that PyTorch's autograd gives.
        degree: d where phi(c x) = c^d phi(x) for every c > 0, so that scales can be carried exactly; else None.
        near: slopes left and right of 0 where phi is linear there to rounding; None where phi(0) is not 0.
        far: slopes that phi approaches at minus and plus infinity; None for bounded functions.
        saturation: the limits (low, high) of a bounded function, either None if it has none on that side.
        unit: the size of x at which phi bends; `near` holds well below it and `far` well above.
        kinks: points where phi' or phi'' jumps; quadrature splits there.
        straight: phi is linear between its kinks.
        strip: how far from the real axis phi stays analytic, and tame enough for quadrature to use it; None with kinks.
        period: phi(x + period) - phi(x) is the same for every x, and `far` is it per unit of x; together with a strip.
        elementary: the function whose Gaussian integrals are known in closed form that phi is; None for all others.
        name, arguments: as the config says them.
    """

    value: Function
    derivative: Function
    degree: int | None = None
    near: tuple[float, float] | None = None
    far: tuple[float, float] | None = None
    saturation: tuple[float | None, float | None] | None = None
    unit: float = 1.0
    kinks: tuple[float, ...] = ()
    straight: bool = False
    strip: float | None = None
    period: float | None = None
    elementary: Wave | ErrorFunction | None = None
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Activation) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _key(self) -> tuple[object, ...]:
        """One that has no name is equal to itself alone."""
        return (self.name, *self.arguments.items()) if self.name else (id(self),)

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    @property
    def is_linear(self) -> bool:
        """Whether it changes nothing."""
        return self.degree == 1 and self.straight and not self.kinks

    @property
    def label(self) -> str:
        """The name with its arguments, such as `leaky_relu(slope=0.2)`."""
        inner = ", ".join(f"{key}={value:g}" for key, value in self.arguments.items())
        return f"{self.name}({inner})" if inner else self.name


@dataclass(frozen=True)
class ActivationKind:
    """An entry of the table: the formula as text, the builder, its parameters and other names."""

    formula: str
    build: Callable[..., Activation]
    parameters: Parameters = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


def _plain(
    formula: str, value: Function, derivative: Function, aliases: tuple[str, ...] = (), **properties: Any
) -> ActivationKind:
    """An entry without parameters."""
    return ActivationKind(formula, partial(Activation, value, derivative, **properties), aliases=aliases)


def _step(condition: Any, x: Array) -> Array:
    step: Array = condition.astype(x.dtype)
    return step


def _leaky_relu(slope: float) -> Activation:
    return Activation(
        lambda x: np.where(x > 0, x, slope * x),
        lambda x: np.where(x > 0, 1.0, slope).astype(x.dtype),
        degree=1,
        kinks=(0.0,),
        straight=True,
    )


def _exponential(alpha: float, unit: float = 1.0, scale: float = 1.0) -> Activation:
    """x above 0 and alpha (exp(x/unit) - 1) below, times the scale: elu, celu at unit alpha, selu."""
    slope = alpha / unit
    return Activation(
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0) / unit)),
        lambda x: scale * np.where(x > 0, 1.0, slope * np.exp(np.minimum(x, 0.0) / unit)).astype(x.dtype),
        near=(scale * slope, scale),
        far=(0.0, scale),
        unit=unit,
        kinks=(0.0,),
    )


def _times_sigmoid(rate: float) -> Activation:
    """x sigmoid(rate x): silu at rate 1, quick_gelu at 1.702."""

    def derivative(x: Array) -> Array:
        gate = sigmoid(rate * x)
        return gate * (1 + rate * x * sigmoid(-rate * x))

    return Activation(
        lambda x: x * sigmoid(rate * x), derivative, near=(0.5, 0.5), far=(0.0, 1.0), strip=math.pi / rate
    )


def _gelu_tanh_gate(x: Array) -> tuple[Array, Array]:
    """sigmoid(2 u) and x times its derivative, u = sqrt(2/pi) (x + 0.044715 x^3)."""
    clipped = np.clip(x, -40.0, 40.0)
    rate = 2 * math.sqrt(2 / math.pi)
    argument = rate * (clipped + 0.044715 * clipped**3)
    gate = sigmoid(argument)
    return gate, clipped * gate * sigmoid(-argument) * rate * (1 + 3 * 0.044715 * clipped**2)


def _mish_derivative(x: Array) -> Array:
    gate = np.tanh(softplus(x))
    return gate + np.clip(x, -80.0, 80.0) * sigmoid(x) * (1 - gate * gate)


def _soft_shrink(threshold: float) -> Activation:
    return Activation(
        lambda x: np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0),
        lambda x: _step(np.abs(x) > threshold, x),
        far=(1.0, 1.0),
        unit=threshold,
        kinks=(-threshold, threshold),
        straight=True,
    )


def _tanh_shrink(x: Array) -> Array:
    near = np.clip(x, -0.35, 0.35)
    square = near * near
    series = np.zeros_like(x)
    for coefficient in _TANH_SHRINK_SERIES:
        series = series * square + coefficient
    return np.where(np.abs(x) < 0.35, near * square * series, x - np.tanh(x))


def _wave(frequency: float, *, even: bool) -> Activation:
    slopes = None if even else (frequency, frequency)
    return Activation(
        lambda x: np.cos(frequency * x) if even else np.sin(frequency * x),
        lambda x: -frequency * np.sin(frequency * x) if even else frequency * np.cos(frequency * x),
        near=slopes,
        unit=1 / frequency,
        strip=2 / frequency,
        period=2 * math.pi / frequency,
        elementary=Wave(frequency, even),
    )


def _squareplus(b: float) -> Activation:
    def value(x: Array) -> Array:
        # Written so that nothing cancels for negative x: (x + r)/2 = (b/2)/(r - x).
        root = np.hypot(x, math.sqrt(b)) + np.abs(x)
        return np.where(x > 0, root / 2, b / 2 / root)

    return Activation(
        value, lambda x: (1 + x / np.hypot(x, math.sqrt(b))) / 2, far=(0.0, 1.0), unit=math.sqrt(b), strip=math.sqrt(b)
    )


ACTIVATIONS: dict[str, ActivationKind] = {
    "linear": _plain("x", lambda x: x, np.ones_like, aliases=("identity", "none"), degree=1, straight=True),
    "relu": _plain(
        "max(x, 0)", lambda x: np.maximum(x, 0.0), lambda x: _step(x > 0, x), degree=1, kinks=(0.0,), straight=True
    ),
    "leaky_relu": ActivationKind("x if x > 0 else slope x", _leaky_relu, {"slope": real(0.01)}, ("leakyrelu", "lrelu")),
    "prelu": ActivationKind("x if x > 0 else slope x, slope as it starts", _leaky_relu, {"slope": real(0.25)}),
    "relu6": _plain(
        "min(max(x, 0), 6)",
        lambda x: np.clip(x, 0.0, 6.0),
        lambda x: _step((x > 0) & (x < 6), x),
        near=(0.0, 1.0),
        saturation=(None, 6.0),
        kinks=(0.0, 6.0),
        straight=True,
    ),
    "elu": ActivationKind("x if x > 0 else alpha (exp(x) - 1)", _exponential, {"alpha": positive(1.0)}),
    "celu": ActivationKind(
        "x if x > 0 else alpha (exp(x/alpha) - 1)",
        lambda alpha: _exponential(alpha, unit=alpha),
        {"alpha": positive(1.0)},
    ),
    "selu": ActivationKind(
        "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1))", lambda: _exponential(SELU_ALPHA, scale=SELU_SCALE)
    ),
    "gelu": _plain(
        "x Phi(x), Phi the normal distribution function",
        lambda x: x * normal_cdf(x),
        lambda x: normal_cdf(x) + x * normal_density(x),
        near=(0.5, 0.5),
        far=(0.0, 1.0),
        strip=2.0,
    ),
    "gelu_tanh": _plain(
        "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2",
        lambda x: x * _gelu_tanh_gate(x)[0],
        lambda x: np.add(*_gelu_tanh_gate(x)),
        aliases=("gelu_new", "gelu_approximate"),
        near=(0.5, 0.5),
        far=(0.0, 1.0),
        strip=2.0,
    ),
    "quick_gelu": ActivationKind("x sigmoid(1.702 x)", lambda: _times_sigmoid(1.702), aliases=("quickgelu",)),
    "silu": ActivationKind("x sigmoid(x)", lambda: _times_sigmoid(1.0), aliases=("swish",)),
    "mish": _plain(
        "x tanh(ln(1 + exp(x)))",
        lambda x: x * np.tanh(softplus(x)),
        _mish_derivative,
        near=(0.6, 0.6),
        far=(0.0, 1.0),
        strip=3 * math.pi / 4,
    ),
    "hard_swish": _plain(
        "x min(max(x/6 + 1/2, 0), 1)",
        lambda x: x * np.clip(x / 6 + 0.5, 0.0, 1.0),
        lambda x: np.where(x <= -3, 0.0, np.where(x < 3, x / 3 + 0.5, 1.0)).astype(x.dtype),
        aliases=("hardswish", "hard_silu"),
        near=(0.5, 0.5),
        far=(0.0, 1.0),
        kinks=(-3.0, 3.0),
    ),
    "tanh": _plain(
        "tanh(x)",
        np.tanh,
        lambda x: 1 - np.square(np.tanh(x)),
        near=(1.0, 1.0),
        saturation=(-1.0, 1.0),
        strip=math.pi / 2,
    ),
    "hard_tanh": _plain(
        "min(max(x, -1), 1)",
        lambda x: np.clip(x, -1.0, 1.0),
        lambda x: _step(np.abs(x) < 1, x),
        aliases=("hardtanh",),
        near=(1.0, 1.0),
        saturation=(-1.0, 1.0),
        kinks=(-1.0, 1.0),
        straight=True,
    ),
    "sigmoid": _plain(
        "1 / (1 + exp(-x))",
        sigmoid,
        lambda x: sigmoid(x) * sigmoid(-x),
        aliases=("logistic",),
        saturation=(0.0, 1.0),
        strip=math.pi,
    ),
    "hard_sigmoid": _plain(
        "min(max(x/6 + 1/2, 0), 1)",
        lambda x: np.clip(x / 6 + 0.5, 0.0, 1.0),
        lambda x: _step(np.abs(x) < 3, x) / 6,
        aliases=("hardsigmoid",),
        saturation=(0.0, 1.0),
        kinks=(-3.0, 3.0),
        straight=True,
    ),
    "log_sigmoid": _plain(
        "-ln(1 + exp(-x))",
        lambda x: -softplus(-x),
        lambda x: sigmoid(-x),
        aliases=("logsigmoid",),
        far=(1.0, 0.0),
        strip=math.pi,
    ),
    "softplus": _plain("ln(1 + exp(x))", softplus, sigmoid, far=(0.0, 1.0), strip=math.pi),
    "softsign": _plain(
        "x / (1 + |x|)",
        lambda x: np.clip(x, -1e30, 1e30) / (1 + np.clip(np.abs(x), 0.0, 1e30)),
        lambda x: np.square(1 / (1 + np.abs(x))),
        near=(1.0, 1.0),
        saturation=(-1.0, 1.0),
        kinks=(0.0,),
    ),
    "soft_shrink": ActivationKind(
        "x - t if x > t, x + t if x < -t, else 0 (t the threshold)",
        _soft_shrink,
        {"threshold": positive(0.5)},
        ("softshrink",),
    ),
    "tanh_shrink": _plain(
        "x - tanh(x)",
        _tanh_shrink,
        lambda x: np.square(np.tanh(x)),
        aliases=("tanhshrink",),
        far=(1.0, 1.0),
        strip=math.pi / 2,
    ),
    "erf": _plain(
        "erf(x)",
        erf,
        lambda x: TWO_OVER_SQRT_PI * np.exp(-x * x),
        near=(TWO_OVER_SQRT_PI, TWO_OVER_SQRT_PI),
        saturation=(-1.0, 1.0),
        strip=2.0,
        elementary=ErrorFunction(),
    ),
    "arctan": _plain(
        "arctan(x)",
        np.arctan,
        lambda x: 1 / (1 + x * x),
        aliases=("atan",),
        near=(1.0, 1.0),
        saturation=(-math.pi / 2, math.pi / 2),
        strip=1.0,
    ),
    "sin": ActivationKind("sin(frequency x)", partial(_wave, even=False), {"frequency": positive(1.0)}, ("sine",)),
    "cos": ActivationKind("cos(frequency x)", partial(_wave, even=True), {"frequency": positive(1.0)}, ("cosine",)),
    "gaussian": _plain("exp(-x^2)", lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), strip=2.0),
    "relu_squared": _plain(
        "max(x, 0)^2",
        lambda x: np.square(np.maximum(x, 0.0)),
        lambda x: 2 * np.maximum(x, 0.0),
        aliases=("squared_relu", "relu2"),
        degree=2,
        kinks=(0.0,),
    ),
    "abs": _plain("|x|", np.abs, np.sign, aliases=("absolute",), degree=1, kinks=(0.0,), straight=True),
    "squareplus": ActivationKind("(x + sqrt(x^2 + b)) / 2", _squareplus, {"b": positive(4.0)}),
}


def make_activation(name: str, **arguments: Any) -> Activation:
    """The activation of that name with its arguments bound; those not given take their defaults.

    >>> make_activation("leaky_relu", slope=0.2).label
    'leaky_relu(slope=0.2)'
    """
    kind = ACTIVATIONS[name]
    bound = {key: arguments.get(key, parameter.default) for key, parameter in kind.parameters.items()}
    return replace(kind.build(**bound), name=name, arguments=bound)
