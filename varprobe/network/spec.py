"""The network as engines and theory see it: a flat sequence of steps, repeats unrolled.

A residual block stands as `Open`, the steps of its branch, `Join`. Every step but `Open` is a row of the report.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from varprobe.errors import Place
from varprobe.frozen import dataclass, field
from varprobe.network.head import find_head
from varprobe.network.layers import Layer

# The share of the range between an activation's limits, about its middle, beyond which a value is saturated.
SATURATED_ABOVE = 0.99
# Shares of entries that are not zero up to which an input is a code: whatever they are, and where they are all alike.
_SPARSE, _FLAGS = 0.1, 0.5
EngineName = Literal["auto", "explicit", "matrix-free"]


@dataclass(frozen=True)
class Step:
    """One layer at its place in the unrolled network.

    Attributes:
        path: the config entry, such as `layers[0]` or `layers[2].residual.layers[0]`.
        line: its line in the config, from 1; None where there is no file.
        repeat_index: which copy this is, from 1, of the innermost repeated entry around it.
        group: (path of the most often repeated entry around it, which copy of that, from 1), or None.
        trunk: outside every residual branch.
        role: what the config says it is; None where it says nothing.
    """

    layer: Layer
    name: str
    path: str
    line: int | None
    repeat_index: int
    group: tuple[str, int] | None
    fan_in: int
    fan_out: int
    trunk: bool
    role: Literal["body", "head"] | None = None


@dataclass(frozen=True)
class InputLaw:
    """Where the batch comes from.

    Attributes:
        distribution: one_hot is a single 1 at a place drawn for each row; sparse is N(mean, std^2) with the chance
            `density`, else 0.
        rows: given ones, shape (batch, features).
    """

    features: int
    distribution: Literal["normal", "uniform", "constant", "one_hot", "sparse", "file"]
    mean: float
    std: float
    rows: NDArray[np.floating[Any]] | None = field(default=None, repr=False, compare=False)
    density: float = 1.0

    @cached_property
    def code_density(self) -> float | None:
        """The share of entries that are not zero, where they are a code and not figures: one-hot, flags, counts.

        That is where a tenth of them or fewer are not zero, or half or fewer and all these are the same; else None.
        """
        if self.distribution == "one_hot":
            return 1 / self.features
        if self.rows is None:
            return self.density if self.distribution == "sparse" and self.density <= _SPARSE else None
        values = self.rows[self.rows != 0]
        share = values.size / self.rows.size
        is_code = 0 < share <= _SPARSE or (0 < share <= _FLAGS and bool((values == values[0]).all()))
        return share if is_code else None


@dataclass(frozen=True)
class Objective:
    """What is propagated backward.

    Attributes:
        cotangent: a given one, shape (batch, width of the last layer).
        targets: given ones of the loss: classes (batch,) of cross_entropy, else numbers (batch, width).
    """

    kind: Literal["random", "mse", "cross_entropy", "bce", "file"]
    cotangent: NDArray[np.floating[Any]] | None = field(default=None, repr=False, compare=False)
    targets: NDArray[Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Settings:
    """How to measure. `threads` None means all of the machine's."""

    batch: int = 128
    trials: int = 20
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    engine: EngineName = "auto"
    threads: int | None = None


def with_threads(settings: Settings, threads: int | None) -> Settings:
    """The same settings on that many threads; None leaves them as they are."""
    return settings if threads is None else replace(settings, threads=threads)


@dataclass(frozen=True)
class NetworkSpec:
    """A network, its objective, and the settings that its config names.

    Attributes:
        place: the config, for messages.
        saturated_above: the share of the range between an activation's limits, about its middle, beyond which `expect`
            counts a value as saturated; findings and the report count from `SATURATED_ABOVE` on.
    """

    name: str
    input: InputLaw
    steps: tuple[Step, ...]
    objective: Objective
    settings: Settings = field(default_factory=Settings)
    place: Place | None = None
    saturated_above: float = SATURATED_ABOVE

    @property
    def rows(self) -> tuple[Step, ...]:
        """The steps that are rows of the report."""
        return tuple(step for step in self.steps if step.layer.is_row)

    @property
    def head(self) -> Step | None:
        """The last linear map, where it is not judged with the body; see `network.head`."""
        position = find_head(self.steps)
        return None if position is None else self.steps[position]

    @property
    def width(self) -> int:
        """Units of the last layer."""
        return self.steps[-1].fan_out
