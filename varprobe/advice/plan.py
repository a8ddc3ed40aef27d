"""A proposal made real: the edits, the network that they make, and what is to be expected of that very network.

What is printed to paste is what was judged here: the config is loaded again with the edits, rounded as they are shown.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from varprobe.advice.edits import find_edits, keep_head, largest_difference
from varprobe.advice.frequency import match_frequency
from varprobe.advice.measuring import MeasuringBench, describes_a_draw, is_small, may_run_again
from varprobe.advice.predicted_verdict import PredictedVerdict, TheoryBench, bench_for, outlook_of
from varprobe.advice.proposal import Proposal
from varprobe.advice.propose import propose
from varprobe.advice.variants import Variation, vary
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.config.loading import Experiment, load_edited
from varprobe.config.overrides import Override
from varprobe.errors import ConfigError, VarprobeError
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import conclude
from varprobe.verdict.labels import Severity
from varprobe.verdict.records import Verdict

_CAUSES = (By.INPUT, By.BIAS, By.NORM, By.MEAN, By.SCHEME)
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
        network: what they make of the network.
        after: what is to be expected of it.
        measured: the verdict of a measurement of it, where one was needed.
        is_drawn: the search went by drawing variants, not by theory.
        is_of_draws: what was judged is what a draw does, not the mean over draws at a width where they differ.
        frequency: that sin layers and their siren scheme are both given; None where it is no matter of that.
    """

    found: Proposal
    edits: tuple[Override, ...]
    tuned: Experiment = field(repr=False)
    network: NetworkSpec = field(repr=False)
    after: PredictedVerdict
    measured: Verdict | None = None
    is_drawn: bool = False
    is_of_draws: bool = True
    frequency: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it makes the network stable both ways."""
        errors = self.measured and [each for each in self.measured.findings if each.severity == Severity.ERROR]
        return self.found.outcome is ProposalOutcome.SOUND and self.after.is_sound and not errors and self.is_of_draws

    @property
    def is_vague(self) -> bool:
        """Whether theory at large width alone calls what it makes stable, and draws differ there."""
        return bool(self.edits) and self.found.outcome is ProposalOutcome.SOUND and not self.is_of_draws

    @property
    def is_held(self) -> bool:
        """Whether its change may be told: a scale that no draw was asked about, where draws differ, is no remedy."""
        return self.is_of_draws or self.found.by in _CAUSES

    @property
    def is_advised(self) -> bool:
        """Whether its change is worth making: of draws only what makes the network stable, by theory what holds."""
        is_sound = self.found.outcome is ProposalOutcome.SOUND
        return self.found.by is not None and (self.is_held if is_sound else not self.is_drawn)


def find_plan(
    experiment: Experiment,
    settings: Settings,
    *,
    may_draw: bool,
    must_draw: bool = False,
    by: By | None = None,
    sb: float | None = None,
    thorough: bool = False,
) -> Plan:
    """The simplest change that makes the network stable, as the config can say it.

    Arguments:
        may_draw: where theory finds none, or does not describe what a draw of the changed network does, variants are
            drawn, if the network is small; of a larger one only what theory found, and once.
        must_draw: draw them if the network is small, whatever theory finds.
        by, sb, thorough: as in `propose`.

    Raises:
        ConfigError: where the config cannot say what was asked for by `by`.
    """
    spec = experiment.network
    if by in (None, By.SCHEME):
        matched = _match(experiment, settings)
        if matched is not None:
            return matched
    search = partial(_search, experiment, settings, by=by, sb=sb, thorough=thorough)
    plan = search(bench_for(spec, settings))
    is_done = plan.found.by is not None and plan.is_whole
    if may_draw and is_small(spec, settings) and (must_draw or not (is_done or _is_told(experiment, settings, plan))):
        sure = _measured(plan, settings) if plan.edits and not must_draw else plan
        drawn = sure if sure.measured and sure.is_whole else search(MeasuringBench(spec, settings))
        return drawn if drawn.is_whole else _unmoved(experiment, drawn)
    if may_draw and plan.is_vague and may_run_again(spec, settings):
        sure = _measured(plan, settings)
        return sure if sure.is_whole else plan
    return plan


def _match(experiment: Experiment, settings: Settings) -> Plan | None:
    """The plan that gives sin layers and their scheme one frequency, where that is what makes the network stable."""
    match, bench = match_frequency(experiment), bench_for(experiment.network, settings)
    before = bench.outlook(experiment.network) if match else None
    if match is None or before is None or before.is_sound:
        return None
    tuned = load_edited(experiment, match.edits)
    after, is_of_draws = bench.outlook(tuned.network), describes_a_draw(tuned.network, settings)
    found = Proposal(before, after, By.SCHEME)
    plan = Plan(found, match.edits, tuned, tuned.network, after, is_of_draws=is_of_draws, frequency=match.frequency)
    return plan if after.is_sound else None


def _unmoved(experiment: Experiment, plan: Plan) -> Plan:
    """A plan by draws that does not do enough, without its change: what a few draws make of it is too uncertain."""
    before, outcome = plan.found.before, plan.found.outcome
    outcome = ProposalOutcome.UNMOVED if outcome is ProposalOutcome.COMPROMISE else outcome
    found = replace(plan.found, after=before, by=None, change=Variation(), outcome=outcome)
    return Plan(found, (), experiment, experiment.network, before, is_drawn=True)


def _measured(plan: Plan, settings: Settings) -> Plan:
    """The plan with a measurement of what it makes."""
    from varprobe.probe.measure import measure  # theory alone needs no engine

    case = build_case(measure(plan.network, settings))
    after, verdict = outlook_of(case.forward, case.backward), conclude(case).verdict
    found = replace(plan.found, outcome=ProposalOutcome.SOUND)
    return replace(plan, found=found, after=after, measured=verdict, is_drawn=True, is_of_draws=True)


def _is_told(experiment: Experiment, settings: Settings, plan: Plan) -> bool:
    """Whether theory describes a draw of the network, so that there is no more to be had by drawing."""
    is_reached = plan.found.outcome is not ProposalOutcome.UNREACHED and plan.is_of_draws
    return is_reached and describes_a_draw(experiment.network, settings)


def _search(
    experiment: Experiment,
    settings: Settings,
    bench: TheoryBench | MeasuringBench,
    *,
    by: By | None,
    sb: float | None,
    thorough: bool,
) -> Plan:
    made: list[Plan] = []
    vague: list[Plan] = []
    errors: list[VarprobeError] = []

    def realise(found: Proposal, *, is_final: bool = True) -> Plan | None:
        try:
            return _realise(experiment, settings, found, bench, is_final=is_final)
        except VarprobeError as error:
            errors.append(error)
            return None

    def confirm(found: Proposal) -> bool:
        plan = realise(found)
        if plan is not None and plan.is_whole:
            made.append(plan)
            return True
        if plan is not None and not plan.is_of_draws:
            vague.append(plan)
            # What is a cause is mended before a scale is, though draws must then show what is left.
            if found.by in _CAUSES and found.is_calm:
                made.append(plan)
                return True
        return False

    spec = experiment.network
    found = propose(spec, settings, by=by, sb=sb, thorough=thorough, bench=bench, confirm=confirm)
    plan = next((each for each in made if each.found is found), None)
    if plan is None and found.by is not None:
        plan = realise(found, is_final=False)
    if plan is None and vague:
        plan = vague[0]
    if plan is None and errors and by is not None:
        raise errors[0]
    return plan or Plan(found, (), experiment, spec, found.after, is_drawn=isinstance(bench, MeasuringBench))


def _realise(
    experiment: Experiment,
    settings: Settings,
    found: Proposal,
    bench: TheoryBench | MeasuringBench,
    *,
    is_final: bool = True,
) -> Plan:
    """The plan of a proposal, judged anew where it is to be made.

    Raises:
        ConfigError: where the config cannot say it.
    """
    spec = experiment.network
    edits = find_edits(experiment, found.change, _DIGITS if len(spec.rows) < _DEEP else _DEEP_DIGITS)
    tuned = load_edited(experiment, edits)
    kept = keep_head(experiment, tuned)
    if kept:
        edits = (*edits, *kept)
        tuned = load_edited(experiment, edits)
    wanted = vary(spec, found.change)
    if largest_difference(spec, tuned.network, wanted) > _NEAR:
        hint = "give the layers an `init` of their own"
        raise ConfigError("its entries cannot hold what was found", hint=hint, place=spec.place)
    network = tuned.network
    plan = Plan(found, edits, tuned, network, found.after, is_drawn=isinstance(bench, MeasuringBench))
    if not is_final:
        return plan
    if isinstance(bench, TheoryBench):
        after = bench_for(network, settings).outlook(network)
        return replace(plan, after=after, is_of_draws=describes_a_draw(network, settings))
    bench.spend()
    return _measured(plan, settings)
