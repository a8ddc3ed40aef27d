"""The laws that a tensor of some shape could come from: every scheme of the table, and a few that code bases share."""

from __future__ import annotations

import math
from functools import cache

from varprobe.audit.fans import Fans
from varprobe.audit.law_moments import LawMoments, moments_of
from varprobe.frozen import dataclass
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Law, Normal, TruncatedNormal, Uniform

# Schemes that say nothing before the draw, or anything, or are told by another name.
_OPEN = ("lsuv", "file", "constant", "gpt2")
# What else of the arguments of a scheme is common: (scheme, arguments).
_VARIANTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("xavier", {"distribution": "uniform"}),
    ("xavier", {"distribution": "truncated_normal"}),
    ("he", {"distribution": "uniform"}),
    ("he", {"distribution": "truncated_normal"}),
    ("he", {"mode": "fan_out"}),
    ("he", {"mode": "fan_out", "distribution": "uniform"}),
    ("he", {"mode": "fan_out", "distribution": "truncated_normal"}),
    ("lecun", {"distribution": "uniform"}),
    ("lecun", {"distribution": "truncated_normal"}),
    ("xavier", {"mode": "fan_out"}),
    ("torch.xavier_normal", {"gain": 5 / 3}),
    ("torch.xavier_uniform", {"gain": 5 / 3}),
    ("orthogonal", {"gain": math.sqrt(2)}),
    ("orthogonal", {"gain": 0.01}),
    ("normal", {"std": 0.02}),
    ("normal", {"std": 1.0}),
    ("normal", {"std": 0.006}),
    ("truncated_normal", {"std": 0.02}),
)


@dataclass(frozen=True)
class Candidate:
    """A law under the name that the table has for it; further names of the same law are behind it.

    Attributes:
        swapped: it is the law of the transposed matrix.
    """

    name: str
    law: Law
    moments: LawMoments
    swapped: bool = False


@cache
def list_candidates(fans: Fans) -> list[Candidate]:
    """The laws of the table for a matrix, each once, under the first of its names."""
    found: dict[LawMoments, Candidate] = {}
    schemes: list[tuple[str, dict[str, object]]] = [(name, {}) for name in INITIALIZERS if name not in _OPEN]
    for name, arguments in (*schemes, *_VARIANTS):
        context = Context(fans.fan_in, fans.fan_out)
        _add(found, _label(name, arguments), draw_law(name, arguments, context), fans)
    _add(found, "siren (first layer)", draw_law("siren", {}, Context(fans.fan_in, fans.fan_out, first=True)), fans)
    return list(found.values())


@cache
def list_bias_candidates(fan_in: int | None) -> list[Candidate]:
    """The laws of a vector, whose layer has that fan_in where it is known."""
    found: dict[LawMoments, Candidate] = {}
    one = Fans(1, 1, 1)
    for name in ("zeros", "ones", "small", "large"):
        _add(found, name, draw_law(name, {}, Context(1, 1)), one)
    _add(found, "normal(std=0.02)", Normal(0.02), one)
    _add(found, "truncated_normal(std=0.02)", TruncatedNormal(0.02, -0.04, 0.04), one)
    _add(found, "uniform(0, 1)", Uniform(0.0, 1.0), one)
    if fan_in:
        bound = 1 / math.sqrt(fan_in)
        _add(found, "torch.linear_default", Uniform(-bound, bound), one)
    return list(found.values())


def draw_law(name: str, arguments: dict[str, object], context: Context) -> Law:
    """The law of a scheme of the table, with what is not given at its default."""
    kind = INITIALIZERS[name]
    given = {key: arguments.get(key, one.default) for key, one in kind.parameters.items()}
    return kind.build(context, **given)


def _add(found: dict[LawMoments, Candidate], name: str, law: Law, fans: Fans) -> None:
    moments = moments_of(law, fans.fan_in, fans.outputs)
    if moments is None:
        return
    known = next((one for one in found if _alike(one, moments)), moments)
    found.setdefault(known, Candidate(name, law, moments))


def _alike(one: LawMoments, other: LawMoments) -> bool:
    """One law computed in two ways."""
    numbers = (one.mean, one.std, one.low, one.high), (other.mean, other.std, other.low, other.high)
    return (
        one.pattern == other.pattern
        and all(a == b or math.isclose(a, b, rel_tol=1e-9) for a, b in zip(*numbers, strict=True))
        and (one.kurtosis == other.kurtosis or (math.isnan(one.kurtosis) and math.isnan(other.kurtosis)))
    )


def _label(name: str, arguments: dict[str, object]) -> str:
    inner = ", ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in arguments.items()
    )
    return f"{name}({inner})" if inner else name
