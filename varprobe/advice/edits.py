"""A plan as edits of the config, in the grammar of `--set`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from varprobe.advice.gains import bias_moment
from varprobe.advice.proposal import Proposal
from varprobe.advice.variants import Recipe, fan, is_tunable, std_of, tunable
from varprobe.config.experiment import Experiment
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
Init = Mapping[str, Any]


def edits(experiment: Experiment, plan: Proposal, digits: int = DIGITS) -> tuple[Override, ...]:
    """What to set in the config to make it the plan's network, numbers to so many digits.

    Raises:
        ConfigError: where the config's own words cannot say it.
    """
    inits = _inits(experiment, plan, digits) if plan.recipes else ()
    return (*_scales(experiment.network, plan, digits), *inits)


def _scales(spec: NetworkSpec, plan: Proposal, digits: int) -> Iterator[Override]:
    joins = {step.path: step.layer for step in spec.steps if isinstance(step.layer, Join)}
    for path, join in joins.items():
        if join.scale and plan.branches != 1.0:
            yield Override(f"{path}.residual.scale", _text(join.scale * plan.branches, digits), OPTION)


def _inits(experiment: Experiment, plan: Proposal, digits: int) -> Iterator[Override]:
    """Own inits where entries have them; of those on the defaults, the most common change goes there."""
    spec, document = experiment.network, experiment.document
    entries: dict[str, list[Step]] = {}
    for index in tunable(spec):
        entries.setdefault(spec.steps[index].path, []).append(spec.steps[index])
    common: Counter[str] = Counter()
    wanted: dict[str, tuple[Part, dict[str, Any] | None]] = {}
    for path, steps in entries.items():
        part, own = _part(document, path)
        recipe = plan.recipes.get(path)
        new = None if recipe is None else _new_init(part, recipe, steps, digits)
        if recipe is not None and recipe.bias is not None:
            _check_bias(document, path)
        if own:
            yield from _set(f"{path}.dense.init", part, new)
        else:
            wanted[path] = part, new
            common[flow(new)] += 1
    if not wanted:
        return
    most = common.most_common(1)[0][0]
    part, new = next(pair for pair in wanted.values() if flow(pair[1]) == most)
    yield from _set("defaults.init", part, new)
    for path, (part, new) in wanted.items():
        if flow(new) != most:
            own_init = new or _as_mapping(part)
            yield Override(f"{path}.dense.init", own_init["name"] if len(own_init) == 1 else flow(own_init), OPTION)


def _part(document: Mapping[str, Any], path: str) -> tuple[Part, bool]:
    """The scheme of an entry, and whether it is the entry's own."""
    dense = _dense_entry(document, path)
    own = dense.get("init") if isinstance(dense, dict) else None
    written = own if own is not None else (document.get("defaults") or {}).get("init")
    return INITIALIZER_PART.parse(DEFAULT_INIT if written is None else written), own is not None


def _dense_entry(document: Mapping[str, Any], path: str) -> Any:
    entry: Any = document
    for step in path.replace("[", ".").replace("]", "").split("."):
        entry = entry[int(step)] if step.isdecimal() else entry[step]
    return entry["dense"]


def _check_bias(document: Mapping[str, Any], path: str) -> None:
    dense = _dense_entry(document, path)
    own = dense.get("bias") if isinstance(dense, dict) else None
    default = (document.get("defaults") or {}).get("bias")
    if own is not None or default is not None:
        hint = "remove `bias`, or leave --sb away: then the weights are fitted to the biases that are there"
        raise ConfigError("has a bias of its own, which --sb would not change", hint=hint, field=path)


def _set(path: str, part: Part, new: dict[str, Any] | None) -> Iterator[Override]:
    """One number where that is all, else the whole mapping."""
    if new is None:
        return
    old = _as_mapping(part)
    changed = [key for key in new if old.get(key) != new[key]]
    if len(changed) == 1 and new["name"] == part.name and set(old) <= set(new):
        yield Override(f"{path}.{changed[0]}", _word(new[changed[0]]), OPTION)
    elif changed or set(old) != set(new):
        yield Override(path, new["name"] if len(new) == 1 else flow(new), OPTION)


def _as_mapping(part: Part) -> dict[str, Any]:
    return {"name": part.name, **{key: part.arguments[key] for key in part.arguments if key in part.given}}


def _new_init(part: Part, recipe: Recipe, steps: list[Step], digits: int) -> dict[str, Any]:
    if recipe.mode is None:
        return _multiplied(part, recipe.factor, steps, digits)
    if recipe.bias is not None:
        return {"name": "mean_field", "sw": _round(recipe.gain, digits), "sb": _round(recipe.bias, digits)}
    factors = [recipe.gain / math.sqrt(fan(recipe.mode, step)) / (std_of(step) or 1.0) for step in steps]
    if INITIALIZERS[part.name].bias is not None and max(factors) / min(factors) < 1 + 1e-9:
        return _multiplied(part, factors[0], steps, digits)
    new: dict[str, Any] = {"name": "lecun"} if recipe.mode == "fan_in" else {"name": "xavier"}
    if recipe.mode == "fan_in" and abs(recipe.gain / math.sqrt(2) - 1) < 1e-9:
        new = {"name": "he"}
    elif abs(recipe.gain - 1) > 1e-9:
        new["gain"] = _round(recipe.gain, digits)
    layer = steps[0].layer
    assert isinstance(layer, Dense)
    if isinstance(layer.weights, Orthogonal) and all(step.fan_in >= step.fan_out for step in steps):
        return {"name": "orthogonal", "gain": _round(recipe.gain, digits)}
    if type(layer.weights) in _SHAPES:
        new["distribution"] = _SHAPES[type(layer.weights)]
    if isinstance(layer.bias, Normal) and INITIALIZERS[part.name].bias is not None:
        new = {"name": "mean_field", "sw": _round(recipe.gain, digits)}
        new["sb"] = _round(math.sqrt(bias_moment(layer.bias)), digits)
    return new


def _multiplied(part: Part, factor: float, steps: list[Step], digits: int) -> dict[str, Any]:
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
        kept: dict[str, Any] = {key: arguments[key] for key in ("mode", "distribution") if key in part.given}
        mode: dict[str, Any] = {} if part.name != "xavier" or "mode" in kept else {"mode": "fan_avg"}
        return {"name": "variance_scaling", "scale": _round(factor**2, digits), **mode, **kept, "gain": "auto"}
    if part.name == "he":
        init.pop("slope", None)
        own = math.sqrt(2 / (1 + (arguments.get("slope") or 0.0) ** 2))
        return {**init, "gain": _round((own if gain is None else gain) * factor, digits)}
    return {**init, "gain": _round((1.0 if gain is None else gain) * factor, digits)}


def _as_number(part: Part, factor: float, steps: list[Step], digits: int) -> dict[str, Any]:
    """`gain: auto` is one number for each layer; where it is the same for all copies it can be written out."""
    gains = [(std_of(step) or 0.0) * factor * math.sqrt(step.fan_in) for step in steps]
    if max(gains) / min(gains) > 1 + 1e-9 or INITIALIZERS[part.name].bias is not None:
        hint = "write the gain as a number; `varprobe gain` shows it"
        raise ConfigError(f"`gain: auto` of {part.name} cannot be multiplied", hint=hint)
    return {"name": "lecun", "gain": _round(gains[0], digits)}


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _text(value: float, digits: int) -> str:
    return _word(_round(value, digits))


def _word(value: Any) -> str:
    return f"{value!r}" if isinstance(value, float) else str(value)


def differences(spec: NetworkSpec, other: NetworkSpec, plan: Proposal) -> float:
    """The largest relative difference of a weight's or branch's scale between a network and what a plan wants."""
    worst, judged = 0.0, set(tunable(spec))
    for index, (step, wanted) in enumerate(zip(other.steps, plan.steps, strict=True)):
        one, two = std_of(step), std_of(wanted)
        if isinstance(step.layer, Join) and isinstance(wanted.layer, Join):
            one, two = step.layer.scale, wanted.layer.scale
        free = is_tunable(wanted) and index not in judged  # a norm takes its scale out again
        if one is not None and two and not free:
            worst = max(worst, abs(one / two - 1))
    return worst
