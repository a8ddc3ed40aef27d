"""The remedies of a verdict: which layers, by what factor, which scheme, and what theory says comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from varprobe.advice.edits import edits
from varprobe.advice.predicted_verdict import PredictedVerdict
from varprobe.advice.proposal import COMPROMISE, UNMOVED, Proposal, plan
from varprobe.advice.variants import moved_together
from varprobe.advice.words import (
    branch_changes,
    branch_line,
    change_line,
    change_of,
    digits,
    fold,
    is_pyramid,
    mode_outlooks,
    modes_line,
    scale_changes,
    unit_input,
    why,
)
from varprobe.config.loading import Experiment
from varprobe.errors import VarprobeError
from varprobe.formatting import power
from varprobe.frozen import dataclass, field
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.spec import Settings
from varprobe.verdict.records import DirectionVerdict, Finding, Verdict

# The findings whose remedy is a scale; it stands at the first of them that is there, and the others point to it.
CURABLE = tuple(
    [f"{way}-{label}" for label in ("exploding", "vanishing", "borderline") for way in ("forward", "backward")]
    + ["jump", "chaotic"]
)
# Bias variance of the edge of chaos that is proposed against a slow decay.
_EDGE_BIAS = 0.05
# Rows above which a search would take seconds: the verdict's own remedies stay.
_DEEPEST = 3000
# Runs of layers and edits that a remedy spells out.
_MOST_RUNS, _MOST_EDITS = 3, 2


@dataclass(frozen=True)
class Remedy:
    """A sentence, and what it does.

    Attributes:
        is_whole: it makes both directions stable.
        is_early: it takes away the change in the first layers too.
        factors: of the weights of each row that it changes.
    """

    text: str
    is_whole: bool
    is_early: bool = False
    factors: Mapping[int, float] = field(default_factory=dict)


def with_remedies(experiment: Experiment, settings: Settings, verdict: Verdict) -> Verdict:
    """The verdict with the remedies that theory has; where it has none, those of the verdict stay.

    A healthy network costs nothing: without a finding that a scale could cure nothing is searched.
    """
    spec = experiment.network
    ill = [finding for finding in verdict.findings if finding.code in CURABLE]
    early = [finding for finding in verdict.findings if finding.code == "total-change"]
    if (not ill and not early) or len(spec.rows) > _DEEPEST or moved_together(spec):
        return verdict
    found = plan(spec, settings, thorough=False) if ill else None
    remedy = _remedy(experiment, settings, found) if found else _held_up(experiment, settings)
    if remedy is None:
        return verdict
    cured = [finding for finding in verdict.findings if finding in ill or (remedy.is_early and finding in early)]
    findings = tuple(
        finding
        if finding not in cured
        else replace(finding, remedy=remedy.text if finding is cured[0] else _pointer(cured[0], finding, remedy))
        for finding in verdict.findings
    )
    return replace(verdict, findings=findings)


def _held_up(experiment: Experiment, settings: Settings) -> Remedy | None:
    """Of a steady network what its first layers lose: biases hold up what decays slowly, as tanh under Xavier."""
    spec = experiment.network
    smaller = unit_input(spec, settings)
    if smaller:
        return Remedy(smaller, is_whole=True, is_early=True)
    found = plan(spec, settings, by="edge", sb=math.sqrt(_EDGE_BIAS), thorough=False)
    if found.by != "edge" or not _is_steady(found.after):
        return None
    try:
        options = " ".join(f"--set '{edit.path}={edit.text}'" for edit in edits(experiment, found, 6))
    except VarprobeError:
        return None
    text = (
        "Accept a slow, not exponential, decay in the first layers, or let biases hold the signal up, at the edge of "
        f"chaos: `{options}`. Theory then gives {_seen(found.after.forward)} forward and {_seen(found.after.backward)} "
        "backward between the first layer and the last."
    )
    return Remedy(text, is_whole=True, is_early=True)


def _seen(direction: DirectionVerdict) -> str:
    return f"x {power(direction.measured_log10 or 0.0)}"


def _is_steady(outlook: PredictedVerdict) -> bool:
    seen = [outlook.forward.measured_log10, outlook.backward.measured_log10]
    return outlook.is_sound and all(each is not None and abs(each) < 1 for each in seen)


def _pointer(first: Finding, finding: Finding, remedy: Remedy) -> str:
    what = f"The remedy of {first.code}" if first.code != finding.code else "The remedy above"
    text = f"{what} {'mends this too' if remedy.is_whole else 'is all there is for this too'}"
    factor = remedy.factors.get(finding.layer or 0) if finding.code == "jump" else None
    return f"{text}." if factor is None else f"{text}; here it is x{digits(factor)}."


def _remedy(experiment: Experiment, settings: Settings, found: Proposal) -> Remedy | None:
    spec = experiment.network
    if found.reason not in ("", COMPROMISE, UNMOVED) or (not found.by and not found.reason):
        return None
    parts = [why(found, spec)] if found.reason else []
    smaller = unit_input(spec, settings) if found.reason else ""
    if smaller:
        return Remedy(smaller, is_whole=True, is_early=True)
    if found.by:
        parts += _changes(experiment, found)
    if not found.reason:
        parts.append(
            f"Theory then gives {change_of(found.after.forward)} forward and {change_of(found.after.backward)} "
            "backward over the depth, stable both ways."
        )
    else:
        parts.append("Fewer layers or residual blocks with a small scale change less.")
    if is_pyramid(spec) and not found.before.reason:
        preserved = [
            way for way, each in (("forward", found.before.forward), ("backward", found.before.backward))
            if each.label == "stable"
        ]  # fmt: skip
        which = f"only {preserved[0]} is preserved" if preserved else "neither direction is preserved"
        modes = modes_line(mode_outlooks(spec, settings))
        parts.append(f"As the widths change, {which} now; with the activations' gains the modes give {modes}.")
    factors = {change.layer: change.factor for change in scale_changes(spec, found.steps)}
    return Remedy(" ".join(parts), not found.reason, _is_steady(found.after), factors)


def _changes(experiment: Experiment, found: Proposal) -> list[str]:
    spec = experiment.network
    parts: list[str] = []
    runs = fold(scale_changes(spec, found.steps), spec)
    if len(runs) == 1 and len(runs[0]) > 1:
        change = runs[0][0]
        where = f"in layers {change.layer} to {runs[0][-1].layer}"
        std = f"{change.std_before:.3g} -> {change.std_after:.3g}"
        text = f"Multiply the weights' standard deviation by about {change.factor:.4g} {where}: {std}, {change.scheme}"
        parts.append(f"{text}.")
    elif runs:
        shown = "; ".join(f"{change_line(run)}, {run[0].scheme}" for run in runs[:_MOST_RUNS])
        more = f"; {len(runs) - _MOST_RUNS} more" if len(runs) > _MOST_RUNS else ""
        parts.append(f"Change {shown}{more}.")
    branches = branch_changes(spec, found.steps)
    if branches:
        parts.append(f"Change the {branch_line(branches)}.")
    paste = _paste(experiment, found)
    return [*parts, paste] if paste else parts


def _paste(experiment: Experiment, found: Proposal) -> str:
    """The options that do it, or `tune` where they would be many."""
    name = _one_name(experiment, found)
    if name:
        return f"That is `--init {name}`."
    try:
        changed = edits(experiment, found, 6 if len(experiment.network.rows) < 1000 else 8)
    except VarprobeError:
        return ""
    if not 0 < len(changed) <= _MOST_EDITS:
        return "`varprobe tune` writes them into the config."
    options = [f"{edit.path}={edit.text}" for edit in changed]
    shown = " ".join(f"--set '{option}'" if any(c in option for c in " {") else f"--set {option}" for option in options)
    return f"That is `{shown}`."


def _one_name(experiment: Experiment, found: Proposal) -> str:
    """The scheme that `--init` would have to name, where all layers are on the defaults and become exactly that."""
    spec = experiment.network
    changes = scale_changes(spec, found.steps)
    names = {change.scheme for change in changes}
    if len(names) != 1 or found.branches != 1.0:
        return ""
    name = names.pop()
    overrides = edits(experiment, found)
    default_only = len(overrides) == 1 and overrides[0].path.startswith("defaults.init")
    dense = [step for step in spec.steps if step.layer.kind == "dense"]
    written = (experiment.document.get("defaults") or {}).get("init", "xavier")
    scheme = written if isinstance(written, str) else written.get("name", "")
    own_bias = INITIALIZERS[scheme].bias is not None if scheme in INITIALIZERS else True
    return name if name in INITIALIZERS and default_only and not own_bias and len(changes) == len(dense) else ""
