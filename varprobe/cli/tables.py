"""What `varprobe list` prints: the tables of parts, as rows of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from varprobe.audit.findings import AUDIT_FINDINGS
from varprobe.network.activations import ACTIVATIONS
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.layer_kinds import LAYER_KINDS
from varprobe.network.parameters import Parameters
from varprobe.verdict.findings import FINDINGS

Kind = Literal["activations", "initializers", "layers", "findings"]
Rows = Iterator[tuple[str, str]]


def _activations() -> Rows:
    for name, kind in ACTIVATIONS.items():
        yield name, _lines(kind.formula, _arguments(kind.parameters), _others(kind.aliases))


def _initializers() -> Rows:
    for name, kind in INITIALIZERS.items():
        others = _arguments(kind.parameters), _others(kind.aliases)
        yield name, _lines(kind.law, f"Var W = {kind.variance}", *others)


def _layers() -> Rows:
    for word, kind in sorted(LAYER_KINDS.items(), key=lambda item: item[0] == "block"):  # no layer itself: last
        yield word, _lines(kind.meaning, kind.form)


def _findings() -> Rows:
    for code, kind in FINDINGS.items():
        yield code, f"{kind.severity}: {kind.meaning}"
    for code, audited in AUDIT_FINDINGS.items():
        yield code, f"{audited.severity}, of an audit: {audited.meaning}"


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _others(aliases: tuple[str, ...]) -> str:
    return f"also called {', '.join(aliases)}" if aliases else ""


def _arguments(parameters: Parameters) -> str:
    shown = ", ".join(f"{key}{_default(parameter.default)}" for key, parameter in parameters.items())
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
