"""A proposal made real: the edits, the network that they make, and what is to be expected of that very network.

What is printed to paste is what was judged here: the config is loaded again with the edits, rounded as they are shown.
"""

from __future__ import annotations

from dataclasses import replace

from varprobe.advice.edits import find_edits, largest_difference
from varprobe.advice.measuring import MeasuringBench, describes_a_draw, is_small
from varprobe.advice.predicted_verdict import PredictedVerdict, bench_for, outlook_of
from varprobe.advice.proposal import Proposal
from varprobe.advice.propose import propose
from varprobe.advice.variants import vary
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.config.loading import Experiment, load_edited
from varprobe.config.overrides import Override
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.theory.records import Prediction
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import conclude
from varprobe.verdict.labels import Severity
from varprobe.verdict.records import Verdict

# How near the config that the edits make is to what was proposed.
_NEAR = 1e-4
# Digits that are shown, and those of deep networks, where a small error of a gain adds up.
_DIGITS, _DEEP_DIGITS, _DEEP = 6, 8, 1000


@dataclass(frozen=True)
class Plan:
    """What to change in a config.

    Attributes:
        found: the proposal.
        edits: of the config; empty where nothing is changed, or only what no config says.
        tuned: the config with them.
        network: what they make of the network; with them its given input is standardised too, if that is proposed.
        after: what is to be expected of it.
        measured: the verdict of a measurement of it, where one was needed.
        is_drawn: the search went by drawing variants, not by theory.
    """

    found: Proposal
    edits: tuple[Override, ...]
    tuned: Experiment = field(repr=False)
    network: NetworkSpec = field(repr=False)
    after: PredictedVerdict
    measured: Verdict | None = None
    is_drawn: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it makes the network stable both ways."""
        errors = self.measured and [each for each in self.measured.findings if each.severity == Severity.ERROR]
        return self.found.outcome is ProposalOutcome.SOUND and self.after.is_sound and not errors

    @property
    def needs_other_rows(self) -> bool:
        """Whether the rows of the input file are to be standardised, which no edit does."""
        return self.found.change.is_standard and self.network.input.rows is not None


def find_plan(
    experiment: Experiment,
    settings: Settings,
    prediction: Prediction,
    *,
    may_draw: bool,
    must_draw: bool = False,
    by: By | None = None,
    sb: float | None = None,
    thorough: bool = False,
) -> Plan:
    """The simplest change that makes the network stable, as the config can say it.

    Arguments:
        prediction: theory of the network as it is.
        may_draw: where theory does not describe a draw and the network is small, variants are drawn.
        must_draw: draw them if the network is small, whatever theory describes.
        by, sb, thorough: as in `propose`.
    """
    spec = experiment.network
    draws = may_draw and is_small(spec, settings) and (must_draw or not describes_a_draw(spec, prediction))
    made: list[Plan] = []

    def confirm(found: Proposal) -> bool:
        plan = _realise(experiment, settings, found, draws=draws)
        if plan is None or not plan.is_whole:
            return False
        made.append(plan)
        return True

    bench = MeasuringBench(spec, settings) if draws else None
    found = propose(spec, settings, by=by, sb=sb, thorough=thorough, bench=bench, confirm=confirm)
    plan = next((each for each in made if each.found is found), None)
    if plan is None and found.by is not None:
        plan = _realise(experiment, settings, found, draws=False)
    return plan or Plan(found, (), experiment, spec, found.after, is_drawn=draws)


def _realise(experiment: Experiment, settings: Settings, found: Proposal, *, draws: bool) -> Plan | None:
    """The plan of a proposal; None where the config cannot say it."""
    spec = experiment.network
    try:
        edits = find_edits(experiment, found.change, _DIGITS if len(spec.rows) < _DEEP else _DEEP_DIGITS)
        tuned = load_edited(experiment, edits)
    except VarprobeError:
        return None
    wanted = vary(spec, found.change)
    if largest_difference(spec, tuned.network, wanted) > _NEAR:
        return None
    network = replace(tuned.network, input=wanted.input) if found.change.is_standard else tuned.network
    if not draws:
        return Plan(found, edits, tuned, network, bench_for(network, settings).outlook(network))
    from varprobe.probe.measure import measure  # theory alone needs no engine

    case = build_case(measure(network, settings))
    after = outlook_of(case.forward, case.backward)
    return Plan(found, edits, tuned, network, after, conclude(case).verdict, is_drawn=True)
