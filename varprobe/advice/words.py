"""A plan in words: which layers, by what factor, which scheme, what remains and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from varprobe.advice.gains import keeping_gains
from varprobe.advice.predicted_verdict import PredictedVerdict, bench_for
from varprobe.advice.proposal import COMPROMISE, NAMED, UNMOVED, Proposal
from varprobe.advice.variants import fan, is_tunable, std_of, tunable, with_recipes
from varprobe.formatting import count, number, power
from varprobe.frozen import dataclass
from varprobe.network.laws import Orthogonal
from varprobe.network.layers import Join
from varprobe.network.spec import NetworkSpec, Settings, Step
from varprobe.verdict.records import Direction

# A scheme is named as it is up to this relative difference, and as near up to the next.
_EXACT, _NEAR = 1e-5, 0.02
_UNCHANGED = 1e-9
MODES = ("fan_in", "fan_avg", "fan_out")


@dataclass(frozen=True)
class ScaleChange:
    """What becomes of one layer: `layer` is its row in the report, from 1."""

    layer: int
    name: str
    path: str
    std_before: float
    std_after: float
    factor: float
    scheme: str


@dataclass(frozen=True)
class BranchChange:
    """What becomes of one residual scale."""

    layer: int
    name: str
    path: str
    scale_before: float
    scale_after: float
    factor: float


def scale_changes(spec: NetworkSpec, steps: Sequence[Step]) -> tuple[ScaleChange, ...]:
    """Every layer whose weights have another scale in `steps`."""
    found = []
    for row, (old, new) in enumerate(_rows(spec, steps), 1):
        before, after = std_of(old), std_of(new)
        if before and after and abs(after / before - 1) > _UNCHANGED:
            found.append(ScaleChange(row, old.name, old.path, before, after, after / before, scheme_name(new)))
    return tuple(found)


def branch_changes(spec: NetworkSpec, steps: Sequence[Step]) -> tuple[BranchChange, ...]:
    """Every residual block whose branch has another scale in `steps`."""
    found = []
    for row, (old, new) in enumerate(_rows(spec, steps), 1):
        if isinstance(old.layer, Join) and isinstance(new.layer, Join) and old.layer.scale != new.layer.scale:
            factor = new.layer.scale / old.layer.scale
            found.append(BranchChange(row, old.name, old.path, old.layer.scale, new.layer.scale, factor))
    return tuple(found)


def _rows(spec: NetworkSpec, steps: Sequence[Step]) -> list[tuple[Step, Step]]:
    return [pair for pair in zip(spec.steps, steps, strict=True) if pair[0].layer.is_row]


def scheme_name(step: Step) -> str:
    """The named scheme whose standard deviation is nearest, with the gain that it takes where none is near.

    >>> from varprobe.config.loading import load
    >>> defaults = {"init": {"name": "small", "std": 0.125}}
    >>> scheme_name(load({"input": {"features": 64}, "defaults": defaults, "layers": [{"dense": 64}]}).network.steps[0])
    'xavier'
    """
    std = std_of(step)
    if not std:
        return "-"
    if isinstance(step.layer.weights, Orthogonal):
        gain = step.layer.weights.gain
        return "orthogonal" if abs(gain - 1) < _EXACT else f"orthogonal with gain {gain:.3g}"
    square = step.fan_in == step.fan_out
    names = [*NAMED, ("he fan_out", "fan_out", math.sqrt(2)), ("xavier fan_out", "fan_out", 1.0)]
    if square:
        names = [("xavier", "fan_avg", 1.0), NAMED[2]]
    ratios = [(name, std * math.sqrt(fan(mode, step)) / gain) for name, mode, gain in names]
    name, ratio = min(ratios, key=lambda pair: abs(math.log(pair[1])))
    if abs(ratio - 1) < _EXACT:
        return name
    if abs(ratio - 1) < _NEAR:
        return f"{name} within {100 * abs(ratio - 1):.1g} %"
    return f"{'xavier' if square else 'lecun'} with gain {std * math.sqrt(step.fan_in):.3g}"


def fold(changes: Sequence[ScaleChange], spec: NetworkSpec) -> list[tuple[ScaleChange, ...]]:
    """Runs of neighbouring dense layers with the same change."""
    dense = [row for row, step in enumerate(spec.rows, 1) if step.layer.weights]
    place = {row: position for position, row in enumerate(dense)}
    runs: list[list[ScaleChange]] = []
    for change in changes:
        last = runs[-1][-1] if runs else None
        same = last is not None and _alike(last, change) and place[change.layer] == place[last.layer] + 1
        if same:
            runs[-1].append(change)
        else:
            runs.append([change])
    return [tuple(run) for run in runs]


def _alike(one: ScaleChange, other: ScaleChange) -> bool:
    pairs = (one.std_before, other.std_before), (one.std_after, other.std_after)
    return one.scheme == other.scheme and all(math.isclose(a, b, rel_tol=1e-9) for a, b in pairs)


def change_line(run: Sequence[ScaleChange]) -> str:
    """`layers 2 to 20: std 0.0100 -> 0.0884, x8.84`, and the scheme."""
    first, last = run[0], run[-1]
    where = f"layer {first.layer}" if len(run) == 1 else f"layers {first.layer} to {last.layer}"
    return f"{where}: std {digits(first.std_before)} -> {digits(first.std_after)}, x{digits(first.factor)}"


def digits(value: float) -> str:
    """Three significant digits, zeros at the end kept.

    >>> digits(0.01), digits(8.8388), digits(1234.5)
    ('0.0100', '8.84', '1.23e+03')
    """
    return f"{value:#.3g}".rstrip(".")


def change_of(direction: Direction) -> str:
    """The change over the depth, as a factor."""
    if direction.total_log10 is None:
        return direction.label
    return f"x {power(direction.total_log10)}"


def why(plan: Proposal, spec: NetworkSpec) -> str:
    """Why the plan does not make the network stable, with the growth that remains; empty where it does."""
    if not plan.reason:
        return ""
    left = _remains(plan.after)
    if plan.reason not in (UNMOVED, COMPROMISE):
        return f"It is not tuned: {plan.reason}."
    if plan.reason == COMPROMISE:
        return f"No change of scale makes it stable both ways{_conflict(spec)}. The best one leaves {left}."
    norms = [step.layer.variant for step in spec.steps if step.layer.variant]
    if norms:
        cause = "batch norm" if "batch" in norms else f"{norms[0]} norm"
        activation = next(
            (phi.name for step in spec.steps if (phi := step.layer.activation) and not phi.is_linear), "the activation"
        )
        return (
            f"No scale of the weights helps: {cause} takes it out again, of the signal and of the gradient. "
            f"What {cause} and {activation} make of the gradient remains: {left}."
        )
    if not tunable(spec):
        return f"There are no weights here whose scale could be changed. It leaves {left}."
    return f"No change of scale makes it better{_conflict(spec)}. It leaves {left}."


def _conflict(spec: NetworkSpec) -> str:
    names = {phi.name for step in spec.steps if (phi := step.layer.activation) and not phi.is_linear}
    if len(names) != 1:
        return ""
    return f": with {names.pop()} what holds the activations at this depth does not hold the gradient"


def unit_input(spec: NetworkSpec, settings: Settings) -> str:
    """What to say where an input of size 1 would make the network stable; empty where it would not, or is one."""
    source = spec.input
    size = math.hypot(source.mean, source.std)
    if source.rows is not None or not size or 0.1 < size < 10:
        return ""
    unit = replace(spec, input=replace(source, mean=source.mean / size, std=source.std / size))
    if not bench_for(unit, settings).outlook(unit.steps).is_sound:
        return ""
    return f"It comes from the input, whose root mean square is {size:.4g}: with one of 1 the network is stable."


def _remains(outlook: PredictedVerdict) -> str:
    parts = []
    for way, direction in (("activations", outlook.forward), ("gradient", outlook.backward)):
        rate = f" ({direction.rate:.4g} a layer)" if direction.rate is not None else ""
        if direction.label != "stable":
            parts.append(f"the {way} {change_of(direction)} over the depth{rate}")
    if outlook.jump is not None:
        parts.append("a step beyond a factor 100")
    return " and ".join(parts) or f"the activations {change_of(outlook.forward)}, the gradient stable"


def is_pyramid(spec: NetworkSpec) -> bool:
    """Whether weights that can be scaled lead from one width to another between judged layers."""
    return sum(is_tunable(step) and step.fan_in != step.fan_out for step in spec.steps) > 1


def mode_outlooks(spec: NetworkSpec, settings: Settings) -> dict[str, PredictedVerdict]:
    """What each fan mode would give, with the gains that the activations ask for."""
    bench = bench_for(spec, settings)
    base = keeping_gains(spec, [spec.steps[index].path for index in tunable(spec)])
    return {
        mode: bench.outlook(with_recipes(spec, {path: replace(recipe, mode=mode) for path, recipe in base.items()}))
        for mode in MODES
    }


def modes_line(outlooks: dict[str, PredictedVerdict]) -> str:
    """`fan_in x 1 forward and x 1 backward, fan_avg ...`."""
    return ", ".join(
        f"{mode} {change_of(each.forward)} forward and {change_of(each.backward)} backward"
        for mode, each in outlooks.items()
    )


def branch_line(changes: Sequence[BranchChange]) -> str:
    """`residual scale of 16 blocks: 1 -> 0.25`."""
    first = changes[0]
    usual = math.isclose(abs(first.scale_after), 1 / math.sqrt(len(changes)), rel_tol=1e-6)
    name = ": 1/sqrt(blocks)" if usual and len(changes) > 1 else ""
    return (
        f"residual scale of {count(len(changes), 'block')} (layers {first.layer} to {changes[-1].layer}): "
        f"{number(first.scale_before)} -> {number(first.scale_after)}, x{digits(first.factor)}{name}"
    )
