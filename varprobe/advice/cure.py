"""What theory would change, as the remedy of findings: which layers, by what factor, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from varprobe.advice.changes import (
    branch_line,
    change_line,
    change_of,
    compare_modes,
    digits,
    explain,
    find_changes,
    fold,
    modes_line,
    unit_input,
)
from varprobe.advice.edits import find_edits
from varprobe.advice.predicted_verdict import PredictedVerdict
from varprobe.advice.proposal import Proposal, propose
from varprobe.advice.variants import find_shared_mean
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.config.loading import Experiment
from varprobe.config.parts import DEFAULT_INIT
from varprobe.errors import VarprobeError
from varprobe.formatting import power
from varprobe.frozen import dataclass, field
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.spec import Settings
from varprobe.verdict.records import DirectionVerdict, Finding

# Bias variance of the edge of chaos that is proposed against a slow decay.
_EDGE_BIAS = 0.05
# Rows above which a search would take seconds.
_DEEPEST = 3000
# Runs of layers and edits that a remedy spells out.
_MOST_RUNS, _MOST_EDITS = 3, 2


@dataclass(frozen=True)
class Cure:
    """A remedy, and what it does.

    Attributes:
        is_whole: it makes both directions stable.
        is_early: it takes away the change in the first layers too.
        factors: of the weights of each row that it changes.
    """

    text: str
    is_whole: bool = True
    is_early: bool = True
    factors: Mapping[int, float] = field(default_factory=dict)

    def point_back(self, first: Finding, finding: Finding) -> str:
        """The remedy of a finding where that of the first says it all."""
        what = f"The remedy of {first.code}" if first.code != finding.code else "The remedy above"
        text = f"{what} {'mends this too' if self.is_whole else 'is all there is for this too'}"
        factor = self.factors.get(finding.layer or 0) if finding.code == "jump" else None
        return f"{text}." if factor is None else f"{text}; here it is x{digits(factor)}."


def find_cure(experiment: Experiment, settings: Settings, *, is_steady: bool) -> Cure | None:
    """The remedy that theory has; None where it has none, or the search would take seconds.

    Arguments:
        is_steady: the depth changes nothing; what the first layers change is all there is to cure.
    """
    spec = experiment.network
    if len(spec.rows) > _DEEPEST or find_shared_mean(spec):
        return None
    if is_steady:
        return _hold_up(experiment, settings)
    found = propose(spec, settings, thorough=False)
    is_whole = found.outcome is ProposalOutcome.SOUND
    if not (found.by if is_whole else found.outcome in (ProposalOutcome.COMPROMISE, ProposalOutcome.UNMOVED)):
        return None
    smaller = "" if is_whole else unit_input(spec, settings)
    if smaller:
        return Cure(smaller)
    factors = {change.layer: change.factor for change in find_changes(spec, found.steps)[0]}
    return Cure(" ".join(_sentences(experiment, settings, found)), is_whole, _is_steady(found.after), factors)


def _hold_up(experiment: Experiment, settings: Settings) -> Cure | None:
    """Of a steady network what its first layers lose: biases hold up what decays slowly, as tanh under Xavier."""
    smaller = unit_input(experiment.network, settings)
    if smaller:
        return Cure(smaller)
    found = propose(experiment.network, settings, by=By.EDGE, sb=math.sqrt(_EDGE_BIAS), thorough=False)
    if found.by is None or not _is_steady(found.after):
        return None
    try:
        options = " ".join(f"--set '{edit.path}={edit.text}'" for edit in find_edits(experiment, found, 6))
    except VarprobeError:
        return None
    return Cure(
        "Accept a slow, not exponential, decay in the first layers, or let biases hold the signal up, at the edge of "
        f"chaos: `{options}`. Theory then gives {_seen(found.after.forward)} forward and {_seen(found.after.backward)} "
        "backward between the first layer and the last."
    )


def _seen(direction: DirectionVerdict) -> str:
    return f"x {power(direction.total_log10 or 0.0)}"


def _is_steady(outlook: PredictedVerdict) -> bool:
    seen = [outlook.forward.total_log10, outlook.backward.total_log10]
    return outlook.is_sound and all(each is not None and abs(each) < 1 for each in seen)


def _sentences(experiment: Experiment, settings: Settings, found: Proposal) -> Iterator[str]:
    spec, is_whole = experiment.network, found.outcome is ProposalOutcome.SOUND
    if not is_whole:
        yield explain(found, spec)
    if found.by:
        yield from _changes(experiment, found)
    if is_whole:
        yield (
            f"Theory then gives {change_of(found.after.forward)} forward and {change_of(found.after.backward)} "
            "backward over the depth, stable both ways."
        )
    else:
        yield "Fewer layers or residual blocks with a small scale change less."
    modes = {} if found.before.reason else compare_modes(spec, settings)
    if modes:
        ways = (("forward", found.before.forward), ("backward", found.before.backward))
        kept = [f"only {way} is" for way, direction in ways if direction.label == "stable"]
        yield (
            f"As the widths change, {kept[0] if kept else 'neither direction is'} preserved now; with the activations' "
            f"gains the modes give {modes_line(modes)}."
        )


def _changes(experiment: Experiment, found: Proposal) -> Iterator[str]:
    spec = experiment.network
    changes, branches = find_changes(spec, found.steps)
    runs = fold(changes, spec)
    if len(runs) == 1 and len(runs[0]) > 1:
        change = runs[0][0]
        where = f"in layers {change.layer} to {runs[0][-1].layer}"
        std = f"{change.before:.3g} -> {change.after:.3g}"
        yield f"Multiply the weights' standard deviation by about {change.factor:.4g} {where}: {std}, {change.scheme}."
    elif runs:
        shown = "; ".join(f"{change_line(run)}, {run[0].scheme}" for run in runs[:_MOST_RUNS])
        more = f"; {len(runs) - _MOST_RUNS} more" if len(runs) > _MOST_RUNS else ""
        yield f"Change {shown}{more}."
    if branches:
        yield f"Change the {branch_line(branches)}."
    try:
        yield _options(experiment, found)
    except VarprobeError:  # the config's own words cannot say it
        return


def _options(experiment: Experiment, found: Proposal) -> str:
    """The options that do it, or `tune` where they would be many."""
    name = _one_name(experiment, found)
    if name:
        return f"That is `--init {name}`."
    edits = find_edits(experiment, found, 6 if len(experiment.network.rows) < 1000 else 8)
    if not 0 < len(edits) <= _MOST_EDITS:
        return "`varprobe tune` writes them into the config."
    options = [f"{edit.path}={edit.text}" for edit in edits]
    shown = " ".join(f"--set '{option}'" if set(option) & set(" {") else f"--set {option}" for option in options)
    return f"That is `{shown}`."


def _one_name(experiment: Experiment, found: Proposal) -> str:
    """The scheme that `--init` would have to name, where all layers are on the defaults and become exactly that."""
    spec = experiment.network
    changes, _ = find_changes(spec, found.steps)
    names = {change.scheme for change in changes}
    if len(names) != 1 or found.branches != 1.0 or not names <= set(INITIALIZERS):
        return ""
    edits = find_edits(experiment, found)
    default_only = len(edits) == 1 and edits[0].path.startswith("defaults.init")
    written = (experiment.document.get("defaults") or {}).get("init", DEFAULT_INIT)
    scheme = INITIALIZERS.get(written if isinstance(written, str) else written.get("name", ""))
    has_own_bias = scheme is None or scheme.bias is not None
    everywhere = len(changes) == sum(step.layer.weights is not None for step in spec.steps)
    return names.pop() if default_only and everywhere and not has_own_bias else ""
