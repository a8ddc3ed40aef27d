"""What the page takes from the package's tables: activations, schemes, limits and words, as JavaScript."""

from __future__ import annotations

import json
import math
from typing import Any

from varprobe.errors import VarprobeError
from varprobe.lab.tracing import trace
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Law, Normal, Orthogonal, Uniform
from varprobe.reporters.verdict_phrases import SAMPLE_WORDS, SIZE_WORDS
from varprobe.verdict.intervals import student_quantile
from varprobe.verdict.judged import FEWEST
from varprobe.verdict.rule import BROKEN, FADING, MOST_ADVISED, ORDER, PRESERVED, STABLE

SCHEMES = ("small", "large", "xavier", "he", "lecun", "orthogonal", "torch.linear_default")
# The parameter that a slider moves.
FREE = "slope"
_SHAPES = {Normal: "normal", Uniform: "uniform", Orthogonal: "orthogonal"}


def write_tables() -> str:
    """The tables as declarations that the page's scripts begin with."""
    limits = {
        "stable": STABLE,
        "broken": BROKEN,
        "preserved": PRESERVED,
        "fading": FADING,
        "fewest": FEWEST,
        "mostAdvised": MOST_ADVISED,
        "order": ORDER,
        "student": [round(student_quantile(0.975, freedom), 5) for freedom in range(1, MOST_ADVISED)],
    }
    words = {"size": SIZE_WORDS, "samples": SAMPLE_WORDS}
    schemes = {name: _describe_scheme(name) for name in SCHEMES}
    declared = {"SCHEMES": schemes, "LIMITS": limits, "WORDS": words}
    lines = [f"const {name} = {json.dumps(value, separators=(',', ':'))};" for name, value in declared.items()]
    return "\n".join((*lines, "const ACTIVATIONS = {", *(_write_activation(name) for name in ACTIVATIONS), "};", ""))


def _write_activation(name: str) -> str:
    kind, made = ACTIVATIONS[name], make_activation(name)
    parameters = {key: parameter.default for key, parameter in kind.parameters.items()}
    free = FREE if FREE in parameters else None
    about: dict[str, Any] = {
        "name": name,
        "formula": kind.formula,
        "free": free,
        "standard": parameters.get(FREE, 0.0),
        "degree": made.degree,
        "near": made.near,
        "far": made.far,
        "saturation": made.saturation,
        "unit": made.unit,
        "kinks": made.kinks,
        "straight": made.straight,
        "period": made.period,
    }
    return f"{name}: {{ ...{json.dumps(about)},\n{trace(kind.build, parameters, free)} }},"


def _describe_scheme(name: str) -> dict[str, Any]:
    """Its law where all layers are as wide as the input: the shape, and the standard deviation factor width^power."""
    kind = INITIALIZERS[name]
    one, four = (_law_of(name, width) for width in (64, 256))
    std, other = _std(one, 64), _std(four, 256)
    power = round(math.log(other / std) / math.log(4), 12)
    arguments = {key: parameter.default for key, parameter in kind.parameters.items()}
    bias = 0.0 if kind.bias is None else _std(kind.bias(Context(1, 1), **arguments), 1)
    return {
        "law": kind.law,
        "variance": kind.variance,
        "shape": _SHAPES[type(one)],
        "factor": std / 64**power,
        "power": power,
        "biasShape": "normal" if kind.bias is None else "uniform",
        "biasFactor": bias,
    }


def _law_of(name: str, width: int) -> Law:
    kind = INITIALIZERS[name]
    arguments = {key: parameter.default for key, parameter in kind.parameters.items()}
    return kind.build(Context(width, width), **arguments)


def _std(law: Law, width: int) -> float:
    variance = law.variance(width, width)
    if variance is None:
        raise VarprobeError(f"{type(law).__name__} has no variance before it is drawn", hint="leave it out")
    return math.sqrt(variance)
