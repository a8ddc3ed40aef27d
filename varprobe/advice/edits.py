"""A change as edits of the config, in the grammar of `--set`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from varprobe.advice.gains import bias_moment
from varprobe.advice.neighbours import fan
from varprobe.advice.variants import (
    Recipe,
    Variation,
    centre,
    find_loud_norms,
    find_tunable,
    is_tunable,
    scale_of,
    std_of,
    vary,
)
from varprobe.config.loading import Experiment
from varprobe.config.overrides import Override
from varprobe.config.parts import ACTIVATION_PART, DEFAULT_ACTIVATION, DEFAULT_INIT, INITIALIZER_PART, Part
from varprobe.config.rewriting import flow
from varprobe.config.schema import read_constants
from varprobe.errors import ConfigError
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.laws import Normal, Orthogonal, TruncatedNormal, Uniform
from varprobe.network.layers import Dense, Join
from varprobe.network.spec import NetworkSpec, Step
from varprobe.theory.shared_mean import weight_mean
from varprobe.verdict.head_checks import LARGE, SMALL

OPTION = "tune"
DIGITS = 8
# `gain: auto` is one number per layer; these can still be multiplied, as variance_scaling.
_SCALABLE = ("lecun", "xavier", "he")
_SHAPES = {Uniform: "uniform", TruncatedNormal: "truncated_normal"}
Init = dict[str, Any]


def find_edits(experiment: Experiment, change: Variation, digits: int = DIGITS) -> tuple[Override, ...]:
    """What to set in the config to make that change, numbers to so many digits.

    Raises:
        ConfigError: where the config's own words cannot say it.
    """
    spec = experiment.network
    edits = [*_input(spec, change), *_biases(experiment, change), *_schemes(experiment, change)]
    if change.eps is not None:
        norms = dict.fromkeys(spec.steps[at].path for at in find_loud_norms(spec))
        edits += [(f"{path}.norm.eps", repr(change.eps)) for path in norms]
    joins = {step.path: step.layer.scale for step in spec.steps if isinstance(step.layer, Join)}
    scales = [(path, scale * change.branches) for path, scale in joins.items() if scale and change.branches != 1.0]
    edits += [(f"{path}.residual.scale", repr(_round(scale, digits))) for path, scale in scales]
    if change.recipes or change.centred:
        edits += _inits(experiment, change, digits)
    return tuple(Override(path, text, OPTION) for path, text in edits)


def _input(spec: NetworkSpec, change: Variation) -> Iterator[tuple[str, str]]:
    source, wanted = spec.input, vary(spec, Variation(is_standard=change.is_standard)).input
    if source.rows is not None:
        yield from [("input.standardize", "true")] * change.is_standard
    else:
        yield from (
            (f"input.{key}", repr(new))
            for key in ("mean", "std")
            if (new := getattr(wanted, key)) != getattr(source, key)
        )


def _biases(experiment: Experiment, change: Variation) -> Iterator[tuple[str, str]]:
    """Own biases where entries have them; the others follow the defaults."""
    own = [path for path in change.no_bias if _look_up(experiment.document, path, "bias")[0] is not None]
    yield from ((f"{path}.dense.bias", "0") for path in own)
    if len(own) < len(change.no_bias):
        yield "defaults.bias", "0"


def _schemes(experiment: Experiment, change: Variation) -> Iterator[tuple[str, str]]:
    """The init of the entries whose scheme is taken; where all take one, and all are on the defaults, it goes there."""
    document, texts = experiment.document, dict[str, str]()
    for path, scheme in change.schemes.items():
        taken = find_part(experiment, scheme.path, "init")[0] if scheme.path else None
        texts[path] = _init_text(_as_mapping(taken)) if taken else scheme.name
    head, dense = experiment.network.head, [step for step in experiment.network.steps if isinstance(step.layer, Dense)]
    followers = {step.path for step in dense if step is not head and _look_up(document, step.path, "init")[0] is None}
    if texts and followers == set(texts) and len(set(texts.values())) == 1:
        yield "defaults.init", next(iter(texts.values()))
        return
    yield from ((f"{path}.dense.init", text) for path, text in texts.items())


def _inits(experiment: Experiment, change: Variation, digits: int) -> Iterator[tuple[str, str]]:
    """Own inits where entries have them; of those on the defaults, the most common change goes there.

    What is not looked at, as a head on the defaults, follows them.
    """
    spec, document = experiment.network, experiment.document
    looked_at, entries, head = set(find_tunable(spec)), dict[str, list[Step]](), spec.head
    constants = read_constants(document)
    for index, step in enumerate(spec.steps):
        if step is head and step.path not in change.recipes and _look_up(document, step.path, "init")[0] is None:
            continue
        if index in looked_at or step.path in change.recipes or step.path in change.centred:
            entries.setdefault(step.path, []).append(step)
    wanted: dict[str, tuple[Part, Init | None]] = {}
    for path, steps in entries.items():
        own, default = _look_up(document, path, "init")
        part = INITIALIZER_PART.parse(
            next((each for each in (own, default) if each is not None), DEFAULT_INIT), constants
        )
        recipe, new = change.recipes.get(path), None
        if path in change.centred:
            new, steps = _centre(part, steps[0]), [_centred(step) for step in steps]
        if recipe is not None:
            new = _new_init(part if new is None else INITIALIZER_PART.parse(new), recipe, steps, digits)
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


def keep_head(experiment: Experiment, tuned: Experiment) -> tuple[Override, ...]:
    """What leaves a head as it was that follows the defaults which were changed for the body.

    A head whose output is far from the body's size, and would be near it with them, may follow.
    """
    before, after = experiment.network.head, tuned.network.head
    if before is None or after is None or before.layer.weights == after.layer.weights:
        return ()
    own, default = _look_up(experiment.document, before.path, "init")
    alone = sum(step.path == before.path for step in experiment.network.steps) == 1
    if own is not None or not alone or (not _is_usual(before) and _is_usual(after)):
        return ()
    part = INITIALIZER_PART.parse(DEFAULT_INIT if default is None else default)
    return (Override(f"{before.path}.dense.init", _init_text(_as_mapping(part)), OPTION),)


def _is_usual(head: Step) -> bool:
    """Whether its output is about as large as what comes in."""
    if head.layer.weights is None:
        return False
    mean = weight_mean(head.layer.weights, head.fan_in, head.fan_out)
    scale = head.fan_in * (std_of(head) or 0.0) ** 2 + (head.fan_in * mean) ** 2
    return 10**SMALL < scale < 10**LARGE


def _look_up(document: Mapping[str, Any], path: str, key: str) -> tuple[Any, Any]:
    """What a dense entry and what the defaults say of a key; None where they do not."""
    entry: Any = document
    for step in path.replace("[", ".").replace("]", "").split("."):
        entry = entry[int(step)] if step.isdecimal() else entry[step]
    dense = entry["dense"] if isinstance(entry, dict) else entry
    return dense.get(key) if isinstance(dense, dict) else None, (document.get("defaults") or {}).get(key)


def find_part(experiment: Experiment, path: str, key: str) -> tuple[Part, bool]:
    """The `init` or `activation` of a dense entry, and whether it is its own: else it is that of the defaults."""
    own, default = _look_up(experiment.document, path, key)
    parts, usual = (INITIALIZER_PART, DEFAULT_INIT) if key == "init" else (ACTIVATION_PART, DEFAULT_ACTIVATION)
    written = next((each for each in (own, default) if each is not None), usual)
    return parts.parse(written, read_constants(experiment.document)), own is not None


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


def _centre(part: Part, step: Step) -> Init:
    """The same scheme without its mean."""
    layer = _centred(step).layer
    assert isinstance(layer, Dense)
    law, kept = layer.weights, {key: value for key, value in _as_mapping(part).items() if key != "mean"}
    if isinstance(law, Uniform):
        return {"name": "uniform", "low": law.low, "high": law.high}
    if isinstance(law, TruncatedNormal):
        gain = part.arguments.get("gain") or 1.0
        if gain == "auto":
            raise ConfigError("`gain: auto` of weights with a mean cannot be kept", hint="write the gain as a number")
        return {**kept, "a": law.low / gain, "b": law.high / gain}
    return kept


def _centred(step: Step) -> Step:
    layer = step.layer
    assert isinstance(layer, Dense)
    return replace(step, layer=replace(layer, weights=centre(layer.weights, step.fan_in, step.fan_out)))


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
    if isinstance(layer.weights, Orthogonal) and max(factors) / min(factors) < 1 + 1e-9:
        return _multiply(part, factors[0], steps, digits)
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
    """The same scheme, its standard deviation times a factor: by its std, its sw, its bounds or its gain."""
    init, arguments = _as_mapping(part), part.arguments
    if {"low", "high"} <= set(arguments):
        return {**init, **{key: _round(arguments[key] * factor, digits) for key in ("low", "high")}}
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


def largest_difference(spec: NetworkSpec, other: NetworkSpec, wanted: NetworkSpec) -> float:
    """The largest relative difference of a weight's or branch's scale between a network and the one that was wanted."""
    worst, judged = 0.0, set(find_tunable(spec))
    for index, (step, meant) in enumerate(zip(other.steps, wanted.steps, strict=True)):
        one, two = scale_of(step), scale_of(meant)
        free = is_tunable(meant) and index not in judged  # a norm takes its scale out again, or it is the head's
        if one is not None and two and not free:
            worst = max(worst, abs(one / two - 1))
    return worst
