"""The initialisation schemes by name, framework dialects included, each a recipe for a law.

To add one, write its entry in `INITIALIZERS`; a test holds 10^6 draws of it to the variance it states.
The laws are those of the frameworks' own sources: a dialect differs from its namesake where they differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass, field
from varprobe.network.laws import (
    CUT_STD,
    Constant,
    Identity,
    Law,
    Lsuv,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from varprobe.network.parameters import (
    Gain,
    Number,
    Parameter,
    Parameters,
    Text,
    Whole,
    choice,
    not_negative,
    positive,
    real,
)

MODES = ("fan_avg", "fan_in", "fan_out", "fan_geo_avg")
SHAPES = ("normal", "uniform", "truncated_normal")
KERAS_SHAPES = ("truncated_normal", "untruncated_normal", "uniform")
# What `torch.nn.init.calculate_gain` knows; anything else is an error there.
TORCH_NONLINEARITIES = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")


@dataclass(frozen=True)
class Context:
    """What a scheme may look at: the layer's shape and its place in the network.

    Attributes:
        first: the network's first dense layer.
        last_in_branch: the last dense layer of a residual branch.
        branches: how many residual branches the network has.
    """

    fan_in: int
    fan_out: int
    first: bool = False
    last_in_branch: bool = False
    branches: int = 0

    def fan(self, mode: str) -> float:
        fans = {
            "fan_in": float(self.fan_in),
            "fan_out": float(self.fan_out),
            "fan_avg": (self.fan_in + self.fan_out) / 2,
            "fan_geo_avg": math.sqrt(self.fan_in * self.fan_out),
        }
        return fans[mode]


@dataclass(frozen=True)
class InitializerKind:
    """An entry of the table.

    Attributes:
        law: what is drawn, in words and formulas.
        variance: Var of one entry, as text.
        build: (context, arguments) -> law; `gain` reaches it as a number or None.
        parameters: its arguments; every scheme that takes `gain` takes `gain: auto` too.
        bias: the scheme's own bias, where it draws one.
    """

    law: str
    variance: str
    build: Callable[..., Law]
    parameters: Parameters = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    bias: Callable[..., Law] | None = None


def spread(distribution: str, std: float) -> Law:
    """A centred law with exactly that standard deviation; the truncated one is corrected for its cut at 2 sd."""
    if distribution == "uniform":
        return Uniform(-math.sqrt(3) * std, math.sqrt(3) * std)
    if distribution == "truncated_normal":
        return TruncatedNormal(std / CUT_STD, -2 * std / CUT_STD, 2 * std / CUT_STD)
    return Normal(std)


def torch_gain(nonlinearity: str, slope: float = 0.01) -> float:
    """What `torch.nn.init.calculate_gain` returns.

    >>> torch_gain("tanh") == 5 / 3
    True
    """
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "selu": 0.75}
    return gains.get(nonlinearity, 1.0)


def _factor(gain: float | None) -> float:
    return 1.0 if gain is None else gain


def _he(context: Context, *, mode: str, distribution: str, slope: float | None, gain: float | None) -> Law:
    if gain is not None and slope is not None:
        raise VarprobeError("takes a gain or a slope, not both", hint="the gain replaces sqrt(2/(1 + slope^2))")
    own = math.sqrt(2 / (1 + (slope or 0.0) ** 2))
    return spread(distribution, (own if gain is None else gain) / math.sqrt(context.fan(mode)))


def _by_fan(context: Context, *, mode: str, distribution: str, gain: float | None = None, scale: float = 1.0) -> Law:
    shape = "normal" if distribution == "untruncated_normal" else distribution
    return spread(shape, _factor(gain) * math.sqrt(scale / context.fan(mode)))


def _uniform(context: Context, *, low: float, high: float, gain: float | None) -> Law:
    if not low < high:
        raise VarprobeError(f"low must be below high, given {low:g} and {high:g}", hint="for one value use constant")
    return Uniform(low, high).scaled(_factor(gain))


def _truncated(context: Context, *, std: float, gain: float | None, cut: float = 2.0) -> Law:
    return TruncatedNormal(std, -cut * std, cut * std).scaled(_factor(gain))


def _torch_truncated(context: Context, *, mean: float, std: float, a: float, b: float, gain: float | None) -> Law:
    if not a < b:
        raise VarprobeError(f"a must be below b, given {a:g} and {b:g}", hint="a and b are the absolute bounds")
    return TruncatedNormal(std, a, b, mean).scaled(_factor(gain))


def _siren(context: Context, *, w0: float, gain: float | None) -> Law:
    bound = 1 / context.fan_in if context.first else math.sqrt(6 / context.fan_in) / w0
    return Uniform(-bound, bound).scaled(_factor(gain))


def _gpt2(context: Context, *, std: float, branches: int | None, gain: float | None) -> Law:
    count = context.branches if branches is None else branches
    return Normal(std / (math.sqrt(count) if context.last_in_branch else 1.0) * _factor(gain))


def _kaiming(context: Context, *, distribution: str, a: float, mode: str, nonlinearity: str, gain: float | None) -> Law:
    std = torch_gain(nonlinearity, a) / math.sqrt(context.fan(mode))
    return spread(distribution, std * _factor(gain))


def _inverse_root(context: Context, *, gain: float | None = None) -> Law:
    bound = 1 / math.sqrt(context.fan_in)
    return Uniform(-bound, bound).scaled(_factor(gain))


def _haiku(context: Context, *, gain: float | None) -> Law:
    std = _factor(gain) / math.sqrt(context.fan_in)
    return TruncatedNormal(std, -2 * std, 2 * std)


def _plain_normal(context: Context, *, std: float, mean: float = 0.0, gain: float | None) -> Law:
    return Normal(std, mean).scaled(_factor(gain))


_GAIN: Parameters = {"gain": Parameter(Gain(), None)}


def _scaling(mode: str) -> Parameters:
    return {"mode": choice(mode, MODES), "distribution": choice("normal", SHAPES), **_GAIN}


def _std(std: float) -> Parameters:
    return {"std": not_negative(std), **_GAIN}


_KAIMING: Parameters = {
    "a": real(0.0),
    "mode": choice("fan_in", ("fan_in", "fan_out")),
    "nonlinearity": choice("leaky_relu", TORCH_NONLINEARITIES),
    **_GAIN,
}
_BOUNDS: Parameters = {"low": real(-0.05), "high": real(0.05), **_GAIN}
_ORTHOGONAL = InitializerKind(
    "Haar-distributed, times gain",
    "gain^2/max(fan_in, fan_out)",
    lambda context, gain: Orthogonal(_factor(gain)),
    _GAIN,
)
_CORRECTED = "truncated normal, corrected"
_SPARSE = InitializerKind(
    "N(0, std^2), ceil(sparsity fan_out) zeros in each column",
    "(1 - ceil(sparsity fan_out)/fan_out) std^2",
    lambda context, sparsity, std, gain: Sparse(std, sparsity).scaled(_factor(gain)),
    {"sparsity": Parameter(Number(0.0, 1.0), 0.9), **_std(0.01)},
)


def _fixed(
    law: str, distribution: str, mode: str, scale: float = 1.0, aliases: tuple[str, ...] = ()
) -> InitializerKind:
    """Variance scale / fan, with no argument but the gain."""
    variance = "2/(fan_in + fan_out)" if mode == "fan_avg" else f"{scale:g}/{mode}"
    build = partial(_by_fan, mode=mode, distribution=distribution, scale=scale)
    return InitializerKind(law, variance, build, _GAIN, aliases)


INITIALIZERS: dict[str, InitializerKind] = {
    "small": InitializerKind("N(0, std^2), std 0.01", "std^2", _plain_normal, _std(0.01)),
    "large": InitializerKind("N(0, std^2), std 1", "std^2", _plain_normal, _std(1.0)),
    "normal": InitializerKind(
        "N(mean, std^2)", "std^2", _plain_normal, {"std": not_negative(0.01), "mean": real(0.0), **_GAIN}
    ),
    "uniform": InitializerKind("U(low, high)", "(high - low)^2 / 12", _uniform, _BOUNDS),
    "truncated_normal": InitializerKind(
        "N(0, std^2) cut at +-cut sd, not corrected",
        "0.773741 std^2 at cut 2",
        _truncated,
        {"std": not_negative(0.01), "cut": positive(2.0), **_GAIN},
        ("trunc_normal",),
    ),
    "constant": InitializerKind(
        "value", "0", lambda context, value, gain: Constant(value * _factor(gain)), {"value": real(0.0), **_GAIN}
    ),
    "zeros": InitializerKind("0", "0", lambda context: Constant(0.0), aliases=("zero",)),
    "ones": InitializerKind("1", "0", lambda context, gain: Constant(_factor(gain)), _GAIN),
    "identity": InitializerKind(
        "1 on the diagonal, 0 elsewhere",
        "(1 - 1/n)/n over the entries, n = max(fan_in, fan_out)",
        lambda context, gain: Identity(_factor(gain)),
        _GAIN,
        ("eye",),
    ),
    "xavier": InitializerKind(
        "variance 2/(fan_in + fan_out); mode fan_in or fan_out: 1/fan",
        "2/(fan_in + fan_out)",
        _by_fan,
        _scaling("fan_avg"),
        ("glorot",),
    ),
    "he": InitializerKind(
        "variance 2/fan_in; with a slope 2/((1 + slope^2) fan); a gain replaces sqrt 2",
        "2/fan_in",
        _he,
        {**_scaling("fan_in"), "slope": real(None)},
        ("kaiming",),
    ),
    "lecun": InitializerKind("variance 1/fan_in", "1/fan_in", _by_fan, _scaling("fan_in")),
    "variance_scaling": InitializerKind(
        "variance scale/fan", "scale/fan", _by_fan, {"scale": not_negative(1.0), **_scaling("fan_in")}
    ),
    "mean_field": InitializerKind(
        "N(0, sw^2/fan_in), bias N(0, sb^2)",
        "sw^2/fan_in",
        lambda context, sw, sb, gain: Normal(sw / math.sqrt(context.fan_in) * _factor(gain)),
        {"sw": not_negative(1.0), "sb": not_negative(0.0), **_GAIN},
        bias=lambda context, sb, **_: Normal(sb),
    ),
    "orthogonal": replace(_ORTHOGONAL, aliases=("haar",)),
    "sparse": _SPARSE,
    "siren": InitializerKind(
        "first layer U(+-1/fan_in), then U(+-sqrt(6/fan_in)/w0); goes with sin(frequency=w0)",
        "1/(3 fan_in^2), then 2/(fan_in w0^2)",
        _siren,
        {"w0": positive(30.0), **_GAIN},
    ),
    "gpt2": InitializerKind(
        "N(0, std^2), std 0.02; the last map of a residual branch std/sqrt(branches), counted where not given",
        "std^2, or std^2/branches",
        _gpt2,
        {**_std(0.02), "branches": Parameter(Whole(1, 1_000_000), None)},
    ),
    "lsuv": InitializerKind(
        "orthogonal, then rescaled to output variance gain^2 on the batch",
        "depends on the data",
        lambda context, gain: Lsuv(_factor(gain)),
        _GAIN,
    ),
    "file": InitializerKind(
        "the array `key` of a .npz file, or a .npy file, shape (fan_out, fan_in)",
        "measured",
        lambda context, path, key: Constant(math.nan),  # the loader puts the array in its place
        {"path": Parameter(Text(), ...), "key": Parameter(Text(), None)},
    ),
    "torch.linear_default": InitializerKind(
        "U(+-1/sqrt(fan_in)), weights and bias: what torch.nn.Linear draws",
        "1/(3 fan_in)",
        _inverse_root,
        _GAIN,
        bias=lambda context, gain: _inverse_root(context),
    ),
    "torch.xavier_normal": _fixed("N(0, 2/(fan_in + fan_out)), not truncated", "normal", "fan_avg"),
    "torch.xavier_uniform": _fixed("U(+-sqrt(6/(fan_in + fan_out)))", "uniform", "fan_avg"),
    "torch.kaiming_normal": InitializerKind(
        "N(0, gain(nonlinearity, a)^2/fan), not truncated",
        "gain^2/fan, 2/fan_in by default",
        partial(_kaiming, distribution="normal"),
        _KAIMING,
    ),
    "torch.kaiming_uniform": InitializerKind(
        "uniform, variance gain(nonlinearity, a)^2/fan",
        "gain^2/fan, 2/fan_in by default",
        partial(_kaiming, distribution="uniform"),
        _KAIMING,
    ),
    "torch.orthogonal": _ORTHOGONAL,
    "torch.sparse": _SPARSE,
    "torch.trunc_normal": InitializerKind(
        "N(mean, std^2) cut to a..b (absolute), not corrected",
        "0.773741 std^2 at -2 std..2 std",
        _torch_truncated,
        {"mean": real(0.0), "std": positive(1.0), "a": real(-2.0), "b": real(2.0), **_GAIN},
    ),
    "keras.glorot_normal": _fixed(_CORRECTED, "truncated_normal", "fan_avg"),
    "keras.glorot_uniform": _fixed("U(+-sqrt(6/(fan_in + fan_out))): what keras Dense draws", "uniform", "fan_avg"),
    "keras.he_normal": _fixed(_CORRECTED, "truncated_normal", "fan_in", 2.0),
    "keras.he_uniform": _fixed("U(+-sqrt(6/fan_in))", "uniform", "fan_in", 2.0),
    "keras.lecun_normal": _fixed(_CORRECTED, "truncated_normal", "fan_in"),
    "keras.lecun_uniform": _fixed("U(+-sqrt(3/fan_in))", "uniform", "fan_in"),
    "keras.variance_scaling": InitializerKind(
        "variance scale/fan; normal means truncated and corrected",
        "scale/fan",
        _by_fan,
        {
            "scale": not_negative(1.0),
            "mode": choice("fan_in", ("fan_in", "fan_out", "fan_avg")),
            "distribution": choice("truncated_normal", KERAS_SHAPES),
            **_GAIN,
        },
    ),
    "keras.truncated_normal": InitializerKind(
        "N(0, std^2) cut at +-2 sd, not corrected, std 0.05", "0.773741 std^2", _truncated, _std(0.05)
    ),
    "keras.random_normal": InitializerKind("N(0, std^2), std 0.05", "std^2", _plain_normal, _std(0.05)),
    "keras.random_uniform": InitializerKind("U(low, high), +-0.05", "(high - low)^2 / 12", _uniform, _BOUNDS),
    "jax.he_normal": _fixed(_CORRECTED, "truncated_normal", "fan_in", 2.0),
    "jax.lecun_normal": _fixed(_CORRECTED, "truncated_normal", "fan_in"),
    "jax.glorot_normal": _fixed(_CORRECTED, "truncated_normal", "fan_avg"),
    "jax.truncated_normal": InitializerKind(
        "N(0, std^2) cut at +-2 sd, not corrected, std 0.01", "0.773741 std^2", _truncated, _std(0.01)
    ),
    "jax.uniform": InitializerKind(
        "U[0, scale), scale 0.01: not centred",
        "scale^2/12",
        lambda context, scale, gain: Uniform(0.0, scale * _factor(gain)),
        {"scale": positive(0.01), **_GAIN},
    ),
    "flax.default": _fixed(
        "lecun_normal: truncated, corrected; bias 0",
        "truncated_normal",
        "fan_in",
        aliases=("flax.linear_default", "flax.lecun_normal"),
    ),
    "haiku.linear_default": InitializerKind(
        "N(0, 1/fan_in) cut at +-2 sd, not corrected", "0.773741/fan_in", _haiku, _GAIN
    ),
}
