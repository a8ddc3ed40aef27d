"""Variants of a network: what may be changed in it, and the network so changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from varprobe.advice.neighbours import Schemes, fan, take_schemes
from varprobe.config.data import standardise_columns
from varprobe.frozen import dataclass, field
from varprobe.network.laws import Constant, FromFile, Identity, Law, Lsuv, Normal, TruncatedNormal, Uniform
from varprobe.network.layers import Dense, Join, Layer, Norm
from varprobe.network.spec import InputLaw, NetworkSpec, Step
from varprobe.theory.forward import step_forward
from varprobe.theory.shared_mean import weight_mean

Steps = tuple[Step, ...]
# The eps that norms have by default, and the share of the variance from which on it counts.
USUAL_EPS, _EPS_SHARE = 1e-5, 0.1


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


@dataclass(frozen=True)
class Variation:
    """What is changed in a network.

    Attributes:
        recipes: of config entries, by path.
        branches: factor of every residual scale.
        is_standard: the input has mean 0 and standard deviation 1, by columns where it is given.
        no_bias: config entries whose biases are zero, by path.
        eps: of every norm whose own counts.
        centred: config entries whose weights have lost their mean, by path.
        schemes: that config entries take, by path.
    """

    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    branches: float = 1.0
    is_standard: bool = False
    no_bias: tuple[str, ...] = ()
    eps: float | None = None
    centred: tuple[str, ...] = ()
    schemes: Schemes = field(default_factory=dict)


def vary(spec: NetworkSpec, change: Variation) -> NetworkSpec:
    """The network with a change."""
    source = standardise(spec.input) if change.is_standard else spec.input
    steps = spec.steps
    if change.no_bias:
        steps = tuple(_without_bias(step) if step.path in change.no_bias else step for step in steps)
    if change.eps is not None:
        loud = set(find_loud_norms(spec))
        steps = tuple(_with_eps(step, change.eps) if at in loud else step for at, step in enumerate(steps))
    if change.centred:
        steps = tuple(_centre_step(step) if step.path in change.centred else step for step in steps)
    if change.schemes:
        steps = take_schemes(replace(spec, steps=steps), change.schemes)
    if change.branches != 1.0:
        steps = with_branches(replace(spec, steps=steps), change.branches)
    if change.recipes:
        steps = with_recipes(replace(spec, steps=steps), change.recipes)
    return replace(spec, input=source, steps=steps)


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
    """The steps of the body whose weights' scale matters: those that a norm takes out again do not count.

    Nor does a first layer of waves, whose scale is the bandwidth that it passes on: its size hardly depends on it.
    """
    found: list[int] = []
    first = next((step for step in spec.steps if step.layer.weights is not None), None)
    waves = first if first and first.layer.activation and first.layer.activation.period else None
    alone = sum(waves is not None and step.path == waves.path for step in spec.steps) == 1
    loud = set(find_loud_norms(spec))
    head, after, takes_out = spec.head, None, False
    for index in range(len(spec.steps) - 1, -1, -1):
        step = spec.steps[index]
        layer: Layer = step.layer
        if (
            is_tunable(step)
            and (layer.bends or after is None or not takes_out)
            and step is not head
            and not (alone and step is waves)
        ):
            found.append(index)
        if layer.activation or layer.variant or layer.is_edge:  # what else there is hands a scale on
            after, takes_out = layer, layer.variant is not None and index not in loud
    return tuple(reversed(found))


def find_loud_norms(spec: NetworkSpec) -> tuple[int, ...]:
    """The steps that are norms whose eps is comparable with the variance they see: they do not take a scale out."""
    norms = [at for at, step in enumerate(spec.steps) if isinstance(step.layer, Norm)]
    if not norms:
        return ()
    seen = step_forward(spec, spec.settings)
    found = []
    for at in norms:
        layer, source = spec.steps[at].layer, seen[at].source
        assert isinstance(layer, Norm)
        if source is None:
            continue
        variance = {"rms": source.second_moment, "batch": source.sample_variance}.get(layer.variant) or source.variance
        if variance < layer.eps / _EPS_SHARE:
            found.append(at)
    return tuple(found)


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
        replace(step, layer=replace(step.layer, scale=step.layer.scale * factor))
        if isinstance(step.layer, Join)
        else step
        for step in spec.steps
    )


def standardise(source: InputLaw) -> InputLaw:
    """The input with mean 0 and standard deviation 1: of each column, where it is given."""
    if source.rows is None:
        return replace(source, mean=1.0) if source.distribution == "constant" else replace(source, mean=0.0, std=1.0)
    return replace(source, rows=standardise_columns(source.rows))


def centre(law: Law, fan_in: int, fan_out: int) -> Law:
    """The law without its mean; a law whose shape is not even about it is left as it is."""
    mean = weight_mean(law, fan_in, fan_out)
    if isinstance(law, Normal):
        return Normal(law.std)
    if isinstance(law, Uniform):
        return Uniform(-(law.high - law.low) / 2, (law.high - law.low) / 2)
    if isinstance(law, TruncatedNormal) and abs(law.high + law.low - 2 * law.centre) < 1e-9 * (law.high - law.low):
        return TruncatedNormal(law.std, law.low - mean, law.high - mean)
    return law


def _centre_step(step: Step) -> Step:
    layer = step.layer
    if not isinstance(layer, Dense) or not weight_mean(layer.weights, step.fan_in, step.fan_out):
        return step
    return replace(step, layer=replace(layer, weights=centre(layer.weights, step.fan_in, step.fan_out)))


def _without_bias(step: Step) -> Step:
    layer = step.layer
    return replace(step, layer=replace(layer, bias=Constant(0.0))) if isinstance(layer, Dense) else step


def _with_eps(step: Step, eps: float) -> Step:
    layer = step.layer
    return replace(step, layer=replace(layer, eps=eps)) if isinstance(layer, Norm) else step


def find_biased(spec: NetworkSpec) -> tuple[str, ...]:
    """The entries whose biases are not zero and not given, by path."""
    return _paths(
        step
        for step in spec.steps
        if isinstance(step.layer, Dense)
        and not isinstance(step.layer.bias, FromFile)
        and step.layer.bias != Constant(0.0)
    )


def find_centrable(spec: NetworkSpec) -> tuple[str, ...]:
    """The entries whose weights have a mean that can be taken out, by path; equal weights have nothing else."""
    found = []
    for step in spec.steps:
        law = step.layer.weights
        if law is None or isinstance(law, FromFile) or not weight_mean(law, step.fan_in, step.fan_out):
            continue
        if not weight_mean(centre(law, step.fan_in, step.fan_out), step.fan_in, step.fan_out):
            found.append(step)
    return _paths(found)


def _paths(steps: Iterable[Step]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.path for step in steps))


def find_shared_mean(spec: NetworkSpec) -> str:
    """The first layer whose weights have a mean, by name; empty where there is none."""
    for step in spec.steps:
        if step.layer.weights and weight_mean(step.layer.weights, step.fan_in, step.fan_out):
            return step.name
    return ""
