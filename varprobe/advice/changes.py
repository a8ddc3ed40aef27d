"""A proposal in numbers and words: which layers, by what factor, which scheme, what remains and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from varprobe.advice.gains import find_gains
from varprobe.advice.neighbours import fan
from varprobe.advice.predicted_verdict import PredictedVerdict, bench_for
from varprobe.advice.proposal import Proposal
from varprobe.advice.scale_search import NAMED
from varprobe.advice.variants import Variation, find_loud_norms, find_tunable, is_tunable, scale_of, std_of, vary
from varprobe.advice.ways import ProposalOutcome
from varprobe.formatting import count, number, power
from varprobe.frozen import dataclass
from varprobe.network.laws import Orthogonal
from varprobe.network.spec import NetworkSpec, Settings, Step
from varprobe.verdict.records import DirectionVerdict

# A scheme is named as it is up to this relative difference, and as near up to the next.
_EXACT, _NEAR = 1e-5, 0.02
# Layers over width up to which draws are alike.
WIDE = 0.5
_UNCHANGED = 1e-9
MODES = ("fan_in", "fan_avg", "fan_out")


@dataclass(frozen=True)
class ScaleChange:
    """What becomes of one scale.

    Attributes:
        layer: its row in the report, from 1.
        before, after: standard deviation of the weights, or the scale of the residual branch.
        scheme: the name of the new one; empty of a branch.
    """

    layer: int
    name: str
    path: str
    before: float
    after: float
    scheme: str

    @property
    def factor(self) -> float:
        return self.after / self.before


def find_changes(spec: NetworkSpec, steps: Sequence[Step]) -> tuple[tuple[ScaleChange, ...], tuple[ScaleChange, ...]]:
    """Every layer whose weights have another scale in `steps`, and every residual block whose branch has one."""
    pairs = [pair for pair in zip(spec.steps, steps, strict=True) if pair[0].layer.is_row]
    found = [
        ScaleChange(row, old.name, old.path, before, after, scheme_name(new))
        for row, (old, new) in enumerate(pairs, 1)
        if (before := scale_of(old)) and (after := scale_of(new)) and abs(after / before - 1) > _UNCHANGED
    ]
    return tuple(each for each in found if each.scheme), tuple(each for each in found if not each.scheme)


def scheme_name(step: Step) -> str:
    """The scheme whose standard deviation is nearest, with a gain where none is near; empty where nothing is drawn.

    >>> from varprobe.config.loading import load
    >>> defaults = {"init": {"name": "small", "std": 0.125}}
    >>> scheme_name(load({"input": {"features": 64}, "defaults": defaults, "layers": [{"dense": 64}]}).network.steps[0])
    'xavier'
    """
    std = std_of(step)
    if not std:
        return ""
    if isinstance(step.layer.weights, Orthogonal):
        gain = step.layer.weights.gain
        return "orthogonal" if abs(gain - 1) < _EXACT else f"orthogonal with gain {gain:.3g}"
    square = step.fan_in == step.fan_out
    names = [*NAMED, ("he fan_out", "fan_out", math.sqrt(2)), ("xavier fan_out", "fan_out", 1.0)]
    ratios = [(name, std * math.sqrt(fan(mode, step)) / gain) for name, mode, gain in (NAMED[1:] if square else names)]
    name, ratio = min(ratios, key=lambda pair: abs(math.log(pair[1])))
    if abs(ratio - 1) < _EXACT:
        return name
    if abs(ratio - 1) < _NEAR:
        return f"{name} within {100 * abs(ratio - 1):.1g} %"
    return f"{'xavier' if square else 'lecun'} with gain {std * math.sqrt(step.fan_in):.3g}"


def fold(changes: Sequence[ScaleChange], spec: NetworkSpec) -> list[list[ScaleChange]]:
    """Runs of neighbouring dense layers with the same change."""
    dense = [row for row, step in enumerate(spec.rows, 1) if step.layer.weights is not None]
    place = {row: position for position, row in enumerate(dense)}
    runs: list[list[ScaleChange]] = []
    for change in changes:
        last = runs[-1][-1] if runs else None
        if last is not None and _is_alike(last, change) and place[change.layer] == place[last.layer] + 1:
            runs[-1].append(change)
        else:
            runs.append([change])
    return runs


def _is_alike(one: ScaleChange, other: ScaleChange) -> bool:
    pairs = (one.before, other.before), (one.after, other.after)
    return one.scheme == other.scheme and all(math.isclose(a, b, rel_tol=1e-9) for a, b in pairs)


def change_line(run: Sequence[ScaleChange]) -> str:
    """`layers 2 to 20: std 0.0100 -> 0.0884, x8.84`."""
    first, last = run[0], run[-1]
    where = f"layer {first.layer}" if len(run) == 1 else f"layers {first.layer} to {last.layer}"
    return f"{where}: std {digits(first.before)} -> {digits(first.after)}, x{digits(first.factor)}"


def branch_line(changes: Sequence[ScaleChange]) -> str:
    """`residual scale of 16 blocks (layers 3 to 33): 1 -> 0.25, x0.250: 1/sqrt(blocks)`."""
    first = changes[0]
    usual = math.isclose(abs(first.after), 1 / math.sqrt(len(changes)), rel_tol=1e-6)
    name = ": 1/sqrt(blocks)" if usual and len(changes) > 1 else ""
    return (
        f"residual scale of {count(len(changes), 'block')} (layers {first.layer} to {changes[-1].layer}): "
        f"{number(first.before)} -> {number(first.after)}, x{digits(first.factor)}{name}"
    )


def digits(value: float) -> str:
    """Three significant digits, zeros at the end kept.

    >>> digits(0.01), digits(8.8388), digits(1234.5)
    ('0.0100', '8.84', '1.23e+03')
    """
    return f"{value:#.3g}".rstrip(".")


def change_of(direction: DirectionVerdict) -> str:
    """The change over the depth, as a factor."""
    return direction.label if direction.total_log10 is None else f"x {power(direction.total_log10)}"


_NOT_TUNED = {
    ProposalOutcome.UNREACHED: "theory does not reach it: {found.before.reason}",
    ProposalOutcome.DEGENERATE: "the signal is exactly zero somewhere, and no factor changes zero",
    ProposalOutcome.NO_WAY: "there is nothing to be had here by `{found.asked}`",
}


def explain(found: Proposal, spec: NetworkSpec, *, is_drawn: bool = False) -> str:
    """Why the proposal does not make the network stable, with the growth that remains; empty where it does.

    Arguments:
        is_drawn: variants were judged by drawing them.
    """
    if found.outcome is ProposalOutcome.SOUND:
        return ""
    if found.outcome in _NOT_TUNED:
        return f"It is not tuned: {_NOT_TUNED[found.outcome].format(found=found)}."
    left = _remains(found.after)
    narrow = tell_width(spec)
    if is_drawn and narrow and not any(step.layer.variant == "batch" for step in spec.steps):
        return f"No change of scale holds its draws together: {narrow}. Widen the layers or use fewer."
    if found.outcome is ProposalOutcome.COMPROMISE:
        return f"No change of scale makes it stable both ways{_conflict(spec)}. The best one leaves {left}."
    return _explain_unmoved(spec, left)


def tell_width(spec: NetworkSpec) -> str:
    """`20 layers of width 1, and depth over width sets how far draws differ`; empty where layers are wide."""
    head = spec.head
    widths = [step.fan_out for step in spec.rows if step.layer.weights is not None and step is not head]
    if sum(1 / width for width in widths) <= WIDE:
        return ""
    least = min(widths)
    share = "width" if least == max(widths) else "width down to"
    return f"it has {count(len(widths), 'layer')} of {share} {least:,}, and depth over width sets how far draws differ"


def has_norm(spec: NetworkSpec) -> bool:
    """Whether any layer is a norm."""
    return any(step.layer.variant for step in spec.steps)


def _explain_unmoved(spec: NetworkSpec, left: str) -> str:
    norms = [step.layer.variant for step in spec.steps if step.layer.variant]
    if norms and not find_loud_norms(spec):
        cause = "batch norm" if "batch" in norms else f"{norms[0]} norm"
        return (
            f"No scale of the weights helps: {cause} takes it out again, of the signal and of the gradient. "
            f"What {cause} and {next(iter(_curved(spec)), 'the activation')} make of the gradient remains: {left}."
        )
    if not find_tunable(spec):
        return f"There are no weights here whose scale could be changed. It leaves {left}."
    return f"No change of scale makes it better{_conflict(spec)}. It leaves {left}."


def _conflict(spec: NetworkSpec) -> str:
    names = _curved(spec)
    degrees = {step.layer.activation.degree for step in spec.steps if step.layer.activation} - {None, 1}
    if len(names) == 1 and len(degrees) == 1:
        degree, layers = degrees.pop(), sum(step.layer.weights is not None for step in spec.steps)
        assert degree is not None
        return (
            f": {names[0]} raises a deviation from the one size that it would keep to the power {number(degree)}, "
            f"after {count(layers, 'layer')} to the power {number(float(degree) ** layers)}"
        )
    if len(names) != 1:
        return ""
    return f": with {names[0]} what holds the activations at this depth does not hold the gradient"


def _curved(spec: NetworkSpec) -> list[str]:
    """The names of its activations but linear, each once, in their order."""
    found = (step.layer.activation for step in spec.steps)
    return list(dict.fromkeys(each.name for each in found if each is not None and not each.is_linear))


def _remains(outlook: PredictedVerdict) -> str:
    parts = []
    for way, direction in (("activations", outlook.forward), ("gradient", outlook.backward)):
        rate = f" ({direction.rate:.4g} a layer)" if direction.rate is not None else ""
        if direction.label != "stable":
            parts.append(f"the {way} {change_of(direction)} over the depth{rate}")
    if outlook.jump and not parts:
        parts.append("layers apart by more than a factor 1000")
    return " and ".join(parts) or f"the activations {change_of(outlook.forward)}, the gradient stable"


def compare_modes(spec: NetworkSpec, settings: Settings) -> dict[str, PredictedVerdict]:
    """What each fan mode would give, with the gains that the activations ask for; empty where no width changes.

    Widths change where weights that can be scaled lead from one to another between judged layers, more than once.
    """
    if sum(is_tunable(step) and step.fan_in != step.fan_out for step in spec.steps) < 2:
        return {}
    bench = bench_for(spec, settings)
    base = find_gains(spec, [spec.steps[index].path for index in find_tunable(spec)])
    return {
        mode: bench.outlook(
            vary(spec, Variation(recipes={path: replace(recipe, mode=mode) for path, recipe in base.items()}))
        )
        for mode in MODES
    }


def modes_line(outlooks: dict[str, PredictedVerdict]) -> str:
    """`fan_in x 1 forward and x 1 backward, fan_avg ...`."""
    return ", ".join(
        f"{mode} {change_of(each.forward)} forward and {change_of(each.backward)} backward"
        for mode, each in outlooks.items()
    )
