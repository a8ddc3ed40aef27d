"""Variants of a network: its steps with other scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from varprobe.frozen import dataclass
from varprobe.network.laws import Constant, FromFile, Identity, Law, Lsuv, Normal
from varprobe.network.layers import Dense, Join, Layer
from varprobe.network.spec import NetworkSpec, Step
from varprobe.theory.shared_mean import weight_mean

Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Recipe:
    """What all dense layers of a config entry shall have: their own scheme times `factor`, or gain/sqrt(fan).

    Attributes:
        factor: of the standard deviation, where `mode` is None.
        mode: fan_in, fan_avg or fan_out; the standard deviation is then gain/sqrt(fan).
        bias: standard deviation of the biases; None leaves them.
    """

    factor: float = 1.0
    mode: str | None = None
    gain: float = 1.0
    bias: float | None = None

    def times(self, factor: float) -> Recipe:
        """The same, its standard deviation times a factor."""
        if self.mode is None:
            return replace(self, factor=self.factor * factor)
        return replace(self, gain=self.gain * factor)


def fan(mode: str, step: Step) -> float:
    """The fan that a scheme's variance is divided by."""
    return {"fan_in": step.fan_in, "fan_out": step.fan_out}.get(mode, (step.fan_in + step.fan_out) / 2)


def std_of(step: Step) -> float | None:
    """Standard deviation of one weight; None where it has no law, or the step no weights."""
    variance = step.layer.weights.variance(step.fan_in, step.fan_out) if step.layer.weights else None
    return None if variance is None else variance**0.5


def scale_of(step: Step) -> float | None:
    """The standard deviation of its weights, or the scale of its residual branch; None where it has neither."""
    return step.layer.scale if isinstance(step.layer, Join) else std_of(step)


def is_tunable(step: Step) -> bool:
    """Whether a factor of the weights changes the layer's scale, and nothing else about it."""
    return not isinstance(step.layer.weights, (FromFile, Lsuv, Identity, Constant)) and bool(std_of(step))


def find_tunable(spec: NetworkSpec) -> tuple[int, ...]:
    """The steps whose weights' scale matters: those that a norm takes out again do not count."""
    found: list[int] = []
    after: Layer | None = None
    for index in range(len(spec.steps) - 1, -1, -1):
        step = spec.steps[index]
        layer = step.layer
        if is_tunable(step) and (layer.bends or after is None or after.variant is None):
            found.append(index)
        if layer.activation or layer.variant or layer.is_edge:  # what else there is hands a scale on
            after = layer
    return tuple(reversed(found))


def with_recipes(spec: NetworkSpec, recipes: Mapping[str, Recipe]) -> Steps:
    """The steps with the recipes of their entries, by path."""
    cache: dict[tuple[int, int, int], Dense] = {}

    def changed(step: Step) -> Step:
        recipe = recipes.get(step.path)
        if recipe is None or not isinstance(step.layer, Dense) or not is_tunable(step):
            return step
        key = (id(step.layer), step.fan_in, step.fan_out)
        if key not in cache:
            cache[key] = _dense(step.layer, step, recipe)
        return replace(step, layer=cache[key])

    return tuple(changed(step) for step in spec.steps)


def shorten(spec: NetworkSpec, most: int) -> NetworkSpec:
    """The same with at most so many copies of what is repeated: its rates are those of the whole."""
    kept = tuple(step for step in spec.steps if step.group is None or step.group[1] <= most)
    return spec if len(kept) == len(spec.steps) else replace(spec, steps=kept)


def _dense(layer: Dense, step: Step, recipe: Recipe) -> Dense:
    std = std_of(step)
    assert std
    factor = recipe.factor if recipe.mode is None else recipe.gain / fan(recipe.mode, step) ** 0.5 / std
    weights: Law = layer.weights.scaled(factor)
    return replace(layer, weights=weights, bias=layer.bias if recipe.bias is None else Normal(recipe.bias))


def with_branches(spec: NetworkSpec, factor: float) -> Steps:
    """The steps with every residual scale times a factor."""
    return tuple(
        replace(step, layer=Join(step.layer.scale * factor)) if isinstance(step.layer, Join) else step
        for step in spec.steps
    )


def find_shared_mean(spec: NetworkSpec) -> str:
    """The first layer whose weights have a mean, by name; empty where there is none."""
    for step in spec.steps:
        if step.layer.weights and weight_mean(step.layer.weights, step.fan_in, step.fan_out):
            return step.name
    return ""
