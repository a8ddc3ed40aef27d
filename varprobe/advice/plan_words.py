"""A plan in words: what to change and why, the options that do it, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from varprobe.advice.changes import (
    ScaleChange,
    branch_line,
    change_line,
    change_of,
    explain,
    find_changes,
    fold,
    has_norm,
    tell_width,
)
from varprobe.advice.gains import bias_moment
from varprobe.advice.plan import Plan
from varprobe.advice.variants import find_loud_norms, std_of
from varprobe.advice.ways import ProposalOutcome
from varprobe.config.overrides import Override
from varprobe.formatting import number
from varprobe.network.laws import Uniform
from varprobe.network.layers import Dense, Norm
from varprobe.network.spec import NetworkSpec

# Runs of layers and edits that a remedy spells out.
_MOST_RUNS, _MOST_EDITS = 3, 4
# Tested where no scale holds the draws: of gelu, silu, softplus, sigmoid and relu_squared, and of layers down to this
# width. Of narrower ones a layer norm leaves next to nothing.
_HOLDS = (
    "Residual blocks of scale 1/sqrt(blocks), with a layer norm between the weights and the activation of each, hold "
    "it."
)
_LEAST_HELD = 4


def tell_plan(spec: NetworkSpec, plan: Plan) -> Iterator[str]:
    """The sentences of a remedy."""
    outcome = plan.found.outcome
    if outcome is ProposalOutcome.SOUND and plan.found.by is None:
        narrow = tell_width(spec)
        but = f", but {narrow}" if narrow else ""
        yield f"Theory at large width calls it stable{but}. Widen the layers or use fewer."
        return
    if outcome is ProposalOutcome.SOUND and not plan.is_held:
        narrow = tell_width(spec) or "they differ much here"
        yield (
            f"Theory at large width does not tell which change holds for the draws: {narrow}. `varprobe tune` measures "
            "what theory finds, and where the network is small draws other changes too."
        )
        yield _tell_hold(spec) or "Widen the layers or use fewer."
        return
    if outcome is not ProposalOutcome.SOUND:
        yield explain(plan.found, spec, is_drawn=plan.is_drawn)
    if plan.is_advised:
        yield from tell_changes(spec, plan)
        if plan.edits:
            yield f"That is {options_of(plan)}."
    if outcome is ProposalOutcome.SOUND:
        yield tell_outcome(plan)
    elif outcome in (ProposalOutcome.COMPROMISE, ProposalOutcome.UNMOVED) and not plan.is_drawn:
        yield "Fewer layers or residual blocks with a small scale change less."
    elif outcome is ProposalOutcome.UNMOVED and not has_norm(spec) and _tell_hold(spec):
        yield _tell_hold(spec)


def _tell_hold(spec: NetworkSpec) -> str:
    """What holds a signal that no scale holds; empty where layers are too narrow for that."""
    return _HOLDS if min(step.fan_out for step in spec.rows if step is not spec.head) >= _LEAST_HELD else ""


def options_of(plan: Plan) -> str:
    """The options that make the change, or the command that writes it where they would be many."""
    if len(plan.edits) > _MOST_EDITS:
        return "written into the config by `varprobe tune`"
    return f"`{' '.join(option_of(edit) for edit in plan.edits)}`"


def option_of(edit: Override) -> str:
    """An edit as it is pasted.

    >>> option_of(Override("defaults.init", "{name: he, gain: 2}", ""))
    "--set 'defaults.init={name: he, gain: 2}'"
    """
    text = f"{edit.path}={edit.text}"
    return f"--set '{text}'" if set(text) & set(" {[") else f"--set {text}"


def tell_outcome(plan: Plan) -> str:
    """What comes of it, and whether that was drawn or is theory's."""
    forward, backward = change_of(plan.after.forward), change_of(plan.after.backward)
    if plan.is_drawn:
        return f"Measured so, it gives {forward} forward and {backward} backward in a typical draw, stable both ways."
    if not plan.is_of_draws:
        but = tell_width(plan.network) or "draws differ much here"
        return f"Theory at large width then gives {forward} forward and {backward} backward, but {but}: measure it."
    return f"Theory then gives {forward} forward and {backward} backward over the depth, stable both ways."


def tell_changes(spec: NetworkSpec, plan: Plan) -> Iterator[str]:
    """A sentence for each thing that is changed, in the order in which it is to be mended."""
    yield from tell_causes(spec, plan)
    changes, branches = find_changes(spec, plan.network.steps)
    if plan.frequency is None:
        yield from _tell_weights(fold([each for each in changes if each.path not in plan.found.change.schemes], spec))
    if branches:
        yield f"Change the {branch_line(branches)}."


def tell_causes(spec: NetworkSpec, plan: Plan) -> Iterator[str]:
    """A sentence for each thing that is changed and is no scale."""
    change = plan.found.change
    if plan.frequency is not None:
        yield (
            f"Give sin and its siren scheme one frequency, {number(plan.frequency)}: the scheme divides the weights of "
            "all layers but the first by the frequency that the activation multiplies by. The first layer's own "
            "weights choose the bandwidth, and stay."
        )
    if change.is_standard:
        yield _tell_input(spec, plan)
    if change.no_bias:
        yield f"Set the biases to 0 ({_biases(spec)} now): they drown what the weights hand on."
    if change.eps is not None:
        yield (
            f"Lower the norms' eps to {change.eps:g} ({_list_eps(spec)} now): it is not small beside the variance that "
            "they see, and a norm then passes the scale on."
        )
    if change.centred:
        yield f"Take the mean out of the weights, which moves all units together{_bounds(plan)}."
    if change.schemes:
        yield from _tell_schemes(spec, plan)


def _tell_schemes(spec: NetworkSpec, plan: Plan) -> Iterator[str]:
    """`Give layer 7 the scheme of its neighbours, xavier: std 1 -> 0.0625.`"""
    schemes = plan.found.change.schemes
    rows = [(row, *pair) for row, pair in enumerate(zip(spec.rows, plan.network.rows, strict=True), 1)]
    changed = [each for each in rows if each[1].path in schemes and each[1].layer.weights is not None]
    for name in dict.fromkeys(scheme.name for scheme in schemes.values()):
        own = [each for each in changed if schemes[each[1].path].name == name]
        whose = f"its neighbours, {name}" if len(own) == 1 else f"their neighbours, {name}"
        where = f"layer {own[0][0]}" if len(own) == 1 else f"layers {_list_rows([row for row, _, _ in own])}"
        stds = dict.fromkeys(f"std {number(std_of(old) or 0.0)} -> {number(std_of(new) or 0.0)}" for _, old, new in own)
        if any(not scheme.path for scheme in schemes.values()):
            yield f"Draw the weights of {where}, which are zero, by {name}: {'; '.join(stds)}."
        else:
            yield f"Give {where} the scheme of {whose}: {'; '.join(stds)}."


def _list_rows(rows: Sequence[int]) -> str:
    """`5 and 10`, `1 to 4`."""
    if len(rows) > 2 and rows[-1] - rows[0] == len(rows) - 1:
        return f"{rows[0]} to {rows[-1]}"
    return f"{', '.join(map(str, rows[:-1]))} and {rows[-1]}"


def _tell_weights(runs: Sequence[Sequence[ScaleChange]]) -> Iterator[str]:
    if len(runs) == 1 and len(runs[0]) > 1:
        change = runs[0][0]
        where = f"in layers {change.layer} to {runs[0][-1].layer}"
        std = f"{change.before:.3g} -> {change.after:.3g}"
        yield f"Multiply the weights' standard deviation by about {change.factor:.4g} {where}: {std}, {change.scheme}."
    elif runs:
        shown = "; ".join(f"{change_line(run)}, {run[0].scheme}" for run in runs[:_MOST_RUNS])
        more = f"; {len(runs) - _MOST_RUNS} more" if len(runs) > _MOST_RUNS else ""
        yield f"Change {shown}{more}."


def _tell_input(spec: NetworkSpec, plan: Plan) -> str:
    source = spec.input
    if source.rows is not None:
        return "Standardise the input: mean 0 and standard deviation 1 for each column of the file."
    parts = [
        f"{name} {number(before)} -> {number(after)}"
        for name, before, after in (
            ("mean", source.mean, plan.network.input.mean),
            ("standard deviation", source.std, plan.network.input.std),
        )
        if before != after
    ]
    return f"Standardise the input: {' and '.join(parts)}."


def _biases(spec: NetworkSpec) -> str:
    sizes = {math.sqrt(bias_moment(step.layer.bias)) for step in spec.steps if isinstance(step.layer, Dense)}
    return f"root mean square {'up to ' if len(sizes) > 1 else ''}{number(max(sizes))}"


def _list_eps(spec: NetworkSpec) -> str:
    layers = [spec.steps[at].layer for at in find_loud_norms(spec)]
    return " and ".join(number(eps) for eps in sorted({layer.eps for layer in layers if isinstance(layer, Norm)}))


def _bounds(plan: Plan) -> str:
    """Where the weights of all entries lie between the same bounds, these."""
    laws = {step.layer.weights for step in plan.network.steps if step.path in plan.found.change.centred}
    law = laws.pop()
    return (
        f", and draw them from {number(law.low)} to {number(law.high)}" if not laws and isinstance(law, Uniform) else ""
    )
