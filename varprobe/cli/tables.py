"""What `varprobe list` prints: the tables of parts, as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from varprobe.config.parameters import Parameters
from varprobe.network.activations import ACTIVATIONS
from varprobe.network.initializers import INITIALIZERS
from varprobe.verdict.findings import FINDINGS

Kind = Literal["activations", "initializers", "layers", "findings"]
Rows = Iterator[tuple[str, str]]

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
        yield name, _lines(kind.formula, _arguments(kind.parameters), _others(kind.aliases))


def _initializers() -> Rows:
    for name, kind in INITIALIZERS.items():
        others = _arguments(kind.parameters), _others(kind.aliases)
        yield name, _lines(kind.law, f"Var W = {kind.variance}", *others)


def _layers() -> Rows:
    for name, meaning, form in LAYERS:
        yield name, _lines(meaning, form)


def _findings() -> Rows:
    for code, kind in FINDINGS.items():
        yield code, f"{kind.severity}: {kind.meaning}"


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _others(aliases: tuple[str, ...]) -> str:
    return f"also called {', '.join(aliases)}" if aliases else ""


def _arguments(parameters: Parameters) -> str:
    shown = ", ".join(f"{key}{_default(default)}" for key, (_, default) in parameters.items())
    return f"arguments {shown}" if shown else ""


def _default(default: Any) -> str:
    return "" if default is None or default is ... else f"={default:g}" if isinstance(default, float) else f"={default}"


# The heading of the first column, and the rows: a name, and what there is to say of it.
TABLES: dict[Kind, tuple[str, Callable[[], Rows]]] = {
    "activations": ("activation", _activations),
    "initializers": ("initializer", _initializers),
    "layers": ("layer", _layers),
    "findings": ("finding", _findings),
}
