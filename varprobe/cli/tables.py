"""What `varprobe list` prints: the tables of parts, as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from varprobe.spec.activations import ACTIVATIONS
from varprobe.spec.initializers import INITIALIZERS
from varprobe.spec.parameters import Parameters
from varprobe.verdict.findings import FINDINGS

Kind = Literal["activations", "initializers", "layers", "findings"]
Rows = Iterator[tuple[str, ...]]

LAYERS = (
    ("dense", "z = W a + b, then the activation", "dense: 256, or dense: {width: 256, activation, init, bias}"),
    ("norm", "(x - mean) / sqrt(variance + eps) over features (layer) or batch (batch); rms: x / sqrt(mean(x^2) + eps)",
     "norm: layer, or norm: {kind: batch, eps: 1e-5, gamma: {path, key}, beta: {path, key}}"),
    ("activation", "an activation of its own", "activation: relu"),
    ("dropout", "zero with probability p, else divided by 1 - p", "dropout: 0.1"),
    ("residual", "skip + scale * branch", "residual: {scale: 1.0, layers: [...]}"),
    ("block", "a group of layers, to repeat it", "block: [...], repeat: 8"),
)  # fmt: skip


def _activations() -> Rows:
    for name, kind in ACTIVATIONS.items():
        yield _with_arguments(name, kind.parameters), kind.formula, ", ".join(kind.aliases)


def _initializers() -> Rows:
    for name, kind in INITIALIZERS.items():
        yield _with_arguments(name, kind.parameters), kind.law, kind.variance, ", ".join(kind.aliases)


def _layers() -> Rows:
    yield from LAYERS


def _findings() -> Rows:
    for code, kind in FINDINGS.items():
        yield code, kind.severity, kind.meaning


def _with_arguments(name: str, parameters: Parameters) -> str:
    shown = (f"{key}{_default(default)}" for key, (_, default) in parameters.items())
    inner = ", ".join(shown)
    return f"{name}({inner})" if inner else name


def _default(default: Any) -> str:
    return "" if default is None or default is ... else f"={default:g}" if isinstance(default, float) else f"={default}"


TABLES: dict[Kind, tuple[tuple[str, ...], Callable[[], Rows]]] = {
    "activations": (("activation", "formula", "also called"), _activations),
    "initializers": (("initializer", "law of a weight", "variance", "also called"), _initializers),
    "layers": (("layer", "what it does", "how to write it"), _layers),
    "findings": (("finding", "severity", "meaning"), _findings),
}
