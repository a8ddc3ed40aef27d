"""A layer in words and sizes: what a measurement, a prediction and the report have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np

from varprobe.frozen import dataclass
from varprobe.network.laws import FromFile
from varprobe.network.layers import Join
from varprobe.network.spec import NetworkSpec, Step


@dataclass(frozen=True)
class LayerDescription:
    """A row of the report; another source of layers than a spec may fill it just as well.

    Attributes:
        kind: dense, norm, activation, dropout or residual (the join).
        has_weights: it draws or is given some, as a dense layer.
        name, path, line, repeat_index: its place in the config; see `network.spec.Step`.
        activation, init: labels, None in rows that have none.
        expected_std: standard deviation of one weight by its law; None where there is none.
        trunk: outside every residual branch.
        given: its weights come from a file.
        likeness: equal for layers whose law is the same.
        group: (path of the repeated entry around it, which copy, from 1), or None.
        curved: its activation is not straight on both sides of 0, so that the rate depends on the size of the signal.
        is_head: it is the network's head, which is not judged with its body.
        variant: which norm it is; None where it is none.
        skip: what a residual join multiplies its skip by.
    """

    kind: str
    has_weights: bool
    name: str
    path: str
    line: int | None
    repeat_index: int
    fan_in: int
    fan_out: int
    activation: str | None
    init: str | None
    engine: str | None
    expected_std: float | None
    trunk: bool
    given: bool
    likeness: Hashable
    group: tuple[str, int] | None
    curved: bool = False
    is_head: bool = False
    variant: str | None = None
    skip: float = 1.0


def describe_rows(
    spec: NetworkSpec, engine_of: Callable[[Step], str | None] = lambda _: None
) -> tuple[LayerDescription, ...]:
    """The rows of the report, in the words of the steps; `engine_of` gives the engine of a step's weights."""
    head = spec.head
    return tuple(_describe(step, engine_of(step), is_head=step is head) for step in spec.rows)


def _describe(step: Step, engine: str | None, *, is_head: bool) -> LayerDescription:
    layer = step.layer
    variance = layer.weights.variance(step.fan_in, step.fan_out) if layer.weights else None
    return LayerDescription(
        kind=layer.kind,
        has_weights=layer.weights is not None,
        name=step.name,
        path=step.path,
        line=step.line,
        repeat_index=step.repeat_index,
        fan_in=step.fan_in,
        fan_out=step.fan_out,
        activation=layer.activation_label,
        init=layer.init_label,
        engine=engine if layer.weights else None,
        expected_std=None if variance is None else float(np.sqrt(variance)),
        trunk=step.trunk,
        given=isinstance(layer.weights, FromFile),
        likeness=layer.likeness,
        group=step.group,
        curved=layer.activation is not None and layer.activation.degree != 1,
        is_head=is_head,
        variant=layer.variant,
        skip=layer.skip if isinstance(layer, Join) else 1.0,
    )
