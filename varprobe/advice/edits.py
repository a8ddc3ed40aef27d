"""A proposal as edits of the config, in the grammar of `--set`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from varprobe.advice.gains import bias_moment
from varprobe.advice.proposal import Proposal
from varprobe.advice.variants import Recipe, fan, find_tunable, is_tunable, scale_of, std_of
from varprobe.config.loading import Experiment
from varprobe.config.overrides import Override
from varprobe.config.parts import DEFAULT_INIT, INITIALIZER_PART, Part
from varprobe.config.rewriting import flow
from varprobe.errors import ConfigError
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.laws import Normal, Orthogonal, TruncatedNormal, Uniform
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec, Step

OPTION = "tune"
DIGITS = 8
# `gain: auto` is one number per layer; these can still be multiplied, as variance_scaling.
_SCALABLE = ("lecun", "xavier", "he")
_SHAPES = {Uniform: "uniform", TruncatedNormal: "truncated_normal"}
Init = dict[str, Any]


def find_edits(experiment: Experiment, found: Proposal, digits: int = DIGITS) -> tuple[Override, ...]:
    """What to set in the config to make it the proposed network, numbers to so many digits.

    Raises:
        ConfigError: where the config's own words cannot say it.
    """
    joins = {step.path: step.layer.scale for step in experiment.network.steps if isinstance(step.layer, Join)}
    scales = [(path, scale * found.branches) for path, scale in joins.items() if scale and found.branches != 1.0]
    edits = [(f"{path}.residual.scale", repr(_round(scale, digits))) for path, scale in scales]
    if found.recipes:
        edits += _inits(experiment, found.recipes, digits)
    return tuple(Override(path, text, OPTION) for path, text in edits)


def _inits(experiment: Experiment, recipes: Mapping[str, Recipe], digits: int) -> Iterator[tuple[str, str]]:
    """Own inits where entries have them; of those on the defaults, the most common change goes there."""
    spec, document = experiment.network, experiment.document
    entries: dict[str, list[Step]] = {}
    for index in find_tunable(spec):
        entries.setdefault(spec.steps[index].path, []).append(spec.steps[index])
    wanted: dict[str, tuple[Part, Init | None]] = {}
    for path, steps in entries.items():
        own, default = _look_up(document, path, "init")
        part = INITIALIZER_PART.parse(next((each for each in (own, default) if each is not None), DEFAULT_INIT))
        recipe = recipes.get(path)
        new = None if recipe is None else _new_init(part, recipe, steps, digits)
        if recipe is not None and recipe.bias is not None and _look_up(document, path, "bias") != (None, None):
            hint = "remove `bias`, or leave --sb away: then the weights are fitted to the biases that are there"
            raise ConfigError("has a bias of its own, which --sb would not change", hint=hint, field=path)
        if own is None:
            wanted[path] = part, new
        else:
            yield from _set(f"{path}.dense.init", part, new)
    if not wanted:
        return
    most = Counter(flow(new) for _, new in wanted.values()).most_common(1)[0][0]
    yield from _set("defaults.init", *next(pair for pair in wanted.values() if flow(pair[1]) == most))
    for path, (part, new) in wanted.items():
        if flow(new) != most:
            yield f"{path}.dense.init", _init_text(new or _as_mapping(part))


def _look_up(document: Mapping[str, Any], path: str, key: str) -> tuple[Any, Any]:
    """What a dense entry and what the defaults say of a key; None where they do not."""
    entry: Any = document
    for step in path.replace("[", ".").replace("]", "").split("."):
        entry = entry[int(step)] if step.isdecimal() else entry[step]
    dense = entry["dense"]
    return dense.get(key) if isinstance(dense, dict) else None, (document.get("defaults") or {}).get(key)


def _set(path: str, part: Part, new: Init | None) -> Iterator[tuple[str, str]]:
    """One number where that is all, else the whole mapping."""
    if new is None:
        return
    old = _as_mapping(part)
    changed = [key for key in new if old.get(key) != new[key]]
    if len(changed) == 1 and new["name"] == part.name and set(old) <= set(new):
        value = new[changed[0]]
        yield f"{path}.{changed[0]}", repr(value) if isinstance(value, float) else str(value)
    elif changed or set(old) != set(new):
        yield path, _init_text(new)


def _as_mapping(part: Part) -> Init:
    return {"name": part.name, **{key: part.arguments[key] for key in part.arguments if key in part.given}}


def _init_text(init: Init) -> str:
    return str(init["name"]) if len(init) == 1 else flow(init)


def _new_init(part: Part, recipe: Recipe, steps: list[Step], digits: int) -> Init:
    if recipe.mode is None:
        return _multiply(part, recipe.factor, steps, digits)
    gain, has_bias = _round(recipe.gain, digits), INITIALIZERS[part.name].bias is not None
    if recipe.bias is not None:
        return {"name": "mean_field", "sw": gain, "sb": _round(recipe.bias, digits)}
    factors = [recipe.gain / math.sqrt(fan(recipe.mode, step)) / (std_of(step) or 1.0) for step in steps]
    if has_bias and max(factors) / min(factors) < 1 + 1e-9:
        return _multiply(part, factors[0], steps, digits)
    layer = steps[0].layer
    assert isinstance(layer, Dense)
    if isinstance(layer.weights, Orthogonal) and all(step.fan_in >= step.fan_out for step in steps):
        return {"name": "orthogonal", "gain": gain}
    if isinstance(layer.bias, Normal) and has_bias:
        return {"name": "mean_field", "sw": gain, "sb": _round(math.sqrt(bias_moment(layer.bias)), digits)}
    new: Init = {"name": "lecun" if recipe.mode == "fan_in" else "xavier"}
    if recipe.mode == "fan_in" and abs(recipe.gain / math.sqrt(2) - 1) < 1e-9:
        new = {"name": "he"}
    elif abs(recipe.gain - 1) > 1e-9:
        new["gain"] = gain
    shape = _SHAPES.get(type(layer.weights))
    return {**new, "distribution": shape} if shape else new


def _multiply(part: Part, factor: float, steps: list[Step], digits: int) -> Init:
    """The same scheme, its standard deviation times a factor: by its std, its sw or its gain."""
    init, arguments = _as_mapping(part), part.arguments
    for key in ("std", "sw"):
        if key in arguments and part.name != "torch.trunc_normal":
            return {**init, key: _round(arguments[key] * factor, digits)}
    gain = arguments.get("gain")
    if gain == "auto" and "scale" in arguments and part.name != "jax.uniform":
        return {**init, "scale": _round(arguments["scale"] * factor**2, digits)}
    if gain == "auto":
        if part.name not in _SCALABLE:
            return _as_number(part, factor, steps, digits)
        kept: Init = {key: arguments[key] for key in ("mode", "distribution") if key in part.given}
        mode: Init = {"mode": "fan_avg"} if part.name == "xavier" else {}
        return {"name": "variance_scaling", "scale": _round(factor**2, digits), **mode, **kept, "gain": "auto"}
    if part.name == "he":
        init.pop("slope", None)
        own = math.sqrt(2 / (1 + (arguments.get("slope") or 0.0) ** 2))
        return {**init, "gain": _round((own if gain is None else gain) * factor, digits)}
    return {**init, "gain": _round((1.0 if gain is None else gain) * factor, digits)}


def _as_number(part: Part, factor: float, steps: list[Step], digits: int) -> Init:
    """`gain: auto` is one number for each layer; where it is the same for all copies it can be written out."""
    gains = [(std_of(step) or 0.0) * factor * math.sqrt(step.fan_in) for step in steps]
    if max(gains) / min(gains) > 1 + 1e-9 or INITIALIZERS[part.name].bias is not None:
        hint = "write the gain as a number; `varprobe gain` shows it"
        raise ConfigError(f"`gain: auto` of {part.name} cannot be multiplied", hint=hint)
    return {"name": "lecun", "gain": _round(gains[0], digits)}


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def largest_difference(spec: NetworkSpec, other: NetworkSpec, found: Proposal) -> float:
    """The largest relative difference of a weight's or branch's scale between a network and the one proposed."""
    worst, judged = 0.0, set(find_tunable(spec))
    for index, (step, wanted) in enumerate(zip(other.steps, found.steps, strict=True)):
        one, two = scale_of(step), scale_of(wanted)
        free = is_tunable(wanted) and index not in judged  # a norm takes its scale out again
        if one is not None and two and not free:
            worst = max(worst, abs(one / two - 1))
    return worst
