"""An odd layer among others that are alike: the least change is to give it the scheme of its neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from varprobe.frozen import dataclass
from varprobe.network.laws import FromFile, Identity, Law, Lsuv, Normal
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec, Step

# The standard deviation is another from this factor on.
_OTHER = 1.5
# How many odd entries are tried alone, before all of them together.
_ALONE = 3
# By what the variance of schemes goes; of others it is taken to be the same at every width.
_FANS = {
    "he": "fan_in",
    "lecun": "fan_in",
    "xavier": "fan_avg",
    "mean_field": "fan_in",
    "torch.linear_default": "fan_in",
}


@dataclass(frozen=True)
class Scheme:
    """A scheme that a config entry takes: that of another entry, or where there is none to take, one with a name.

    Attributes:
        path: of the entry whose scheme it is; empty of one with a name.
        name: as reports have it.
    """

    path: str
    name: str


Schemes = Mapping[str, Scheme]


def find_schemes(spec: NetworkSpec) -> Iterator[Schemes]:
    """What odd entries may take, by their path: each alone, the oddest first, then all of them together.

    Odd is an entry whose neighbours on both sides share a scheme that is not its own and that more layers have, with
    another scale. Where every layer is zero, all take the scheme that their activation is used with.
    """
    dense = [step for step in spec.steps if _may_take(step) and step is not spec.head]
    if dense and all(_is_zero(step) for step in dense):
        yield {step.path: Scheme("", "he" if _is_rectifier(step) else "xavier") for step in dense}
        return
    odd = sorted(_find_odd(dense), key=lambda pair: -pair[2])
    found = {path: scheme for path, scheme, _ in odd}
    yield from ({path: scheme} for path, scheme, _ in odd[:_ALONE])
    if len(found) > 1:
        yield found


def _find_odd(dense: list[Step]) -> Iterator[tuple[str, Scheme, float]]:
    """With how far its scale is off, in ln."""
    entries = [dense[0], *(here for before, here in pairwise(dense) if here.path != before.path)] if dense else []
    sizes = {label: sum(step.layer.init_label == label for step in dense) for label in map(_label, dense)}
    for at, step in enumerate(entries):
        near = entries[max(at - 1, 0) : at] + entries[at + 1 : at + 2]
        labels = {_label(each) for each in near}
        if len(labels) != 1 or _label(step) in labels or sizes[_label(step)] >= sizes[_label(near[0])]:
            continue
        if len(near) == 1 and sizes[_label(near[0])] < 3 * sizes[_label(step)]:
            continue
        before, after = _std(step), _std(adopt(step, near[0]))
        off = abs(math.log(after / before)) if before and after else math.inf
        if after and off > math.log(_OTHER):
            yield step.path, Scheme(near[0].path, _label(near[0])), off


def fan(mode: str, step: Step) -> float:
    """The fan that a scheme's variance is divided by."""
    return {"fan_in": step.fan_in, "fan_out": step.fan_out}.get(mode, (step.fan_in + step.fan_out) / 2)


def take_schemes(spec: NetworkSpec, schemes: Schemes) -> tuple[Step, ...]:
    """The steps with these schemes, by path."""
    first = {step.path: step for step in reversed(spec.steps)}
    steps = []
    for step in spec.steps:
        scheme = schemes.get(step.path)
        if scheme is not None and _may_take(step):
            step = adopt(step, first[scheme.path]) if scheme.path else _draw(step, scheme.name)
        steps.append(step)
    return tuple(steps)


def adopt(step: Step, other: Step) -> Step:
    """The step with the law of another one, where that goes by a fan at its own."""
    law = other.layer.weights
    assert law is not None
    mode = _FANS.get(_label(other).split("(")[0])
    if mode is not None and (step.fan_in, step.fan_out) != (other.fan_in, other.fan_out):
        law = law.scaled(math.sqrt(fan(mode, other) / fan(mode, step)))
    return _with(step, law)


def _draw(step: Step, name: str) -> Step:
    variance = 2 / step.fan_in if name == "he" else 2 / (step.fan_in + step.fan_out)
    return _with(step, Normal(math.sqrt(variance)))


def _with(step: Step, law: Law) -> Step:
    layer = step.layer
    assert isinstance(layer, Dense)
    return replace(step, layer=replace(layer, weights=law))


def _may_take(step: Step) -> bool:
    return isinstance(step.layer, Dense) and not isinstance(step.layer.weights, (FromFile, Lsuv, Identity))


def _std(step: Step) -> float:
    law = step.layer.weights
    return math.sqrt((law.variance(step.fan_in, step.fan_out) if law else None) or 0.0)


def _is_zero(step: Step) -> bool:
    law = step.layer.weights
    return not _std(step) and not getattr(law, "value", 0.0) and not getattr(law, "mean", 0.0)


def _is_rectifier(step: Step) -> bool:
    activation = step.layer.activation
    return activation is not None and activation.degree == 1 and not activation.is_linear


def _label(step: Step) -> str:
    return step.layer.init_label or ""
