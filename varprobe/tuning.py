"""The other whole job: a config in, the scales that make it stable out, verified by measuring."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from varprobe.advice.amendments import find_amendments
from varprobe.advice.changes import ScaleChange, compare_modes, explain, find_changes
from varprobe.advice.plan import Plan, find_plan
from varprobe.advice.plan_words import tell_causes
from varprobe.advice.predicted_verdict import PredictedVerdict
from varprobe.advice.propose import is_unusual
from varprobe.advice.remedies import advise
from varprobe.advice.variants import find_shared_mean
from varprobe.advice.ways import By, ProposalOutcome
from varprobe.config.loading import ConfigText, Experiment, load_text
from varprobe.config.overrides import Override
from varprobe.config.rewriting import rewrite
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec, with_threads
from varprobe.presentable import Presentable
from varprobe.probe.measure import measure
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import conclude
from varprobe.verdict.records import Amendment, Verdict

# Findings that speak against a network whose labels are stable.
UNSTABLE = ("jump", "excursion", "scattered")


@dataclass(frozen=True, repr=False)
class Tuning(Presentable):
    """What tuning a network came to.

    Attributes:
        by: what is changed; None where nothing is.
        causes: a sentence for each thing that is changed and is no scale.
        changes, branches: of the weights and of the residual branches.
        edits: of the config, beside those of the command line.
        before, after: by theory, or of a few draws where theory does not describe one.
        modes: what each fan mode would give, where widths change.
        measured: the verdict of the tuned network; None where nothing was tuned because theory does not reach it.
        is_drawn: before and after are of a few draws.
        reason: why it is not stable, where it is not; empty otherwise.
        network: before.
        tuned: what the config then says.
        config: as it was written.
    """

    by: By | None
    causes: tuple[str, ...]
    changes: tuple[ScaleChange, ...]
    branches: tuple[ScaleChange, ...]
    edits: tuple[Override, ...]
    before: PredictedVerdict
    after: PredictedVerdict
    modes: dict[str, PredictedVerdict]
    measured: Verdict | None
    reason: str
    is_drawn: bool
    network: NetworkSpec = field(repr=False)
    tuned: Experiment = field(repr=False)
    config: ConfigText = field(repr=False)

    @property
    def amendments(self) -> tuple[Amendment, ...]:
        """The same changes, one by one, in numbers."""
        return find_amendments(self.network, self.tuned.network)

    @property
    def is_confirmed(self) -> bool:
        """Whether the measurement says that the network is stable both ways, without a jump."""
        return self.measured is not None and is_stable(self.measured)


def is_stable(verdict: Verdict) -> bool:
    """Stable both ways, without a layer that another one takes back, or draws that scatter."""
    return verdict.overall == "stable" and not any(finding.code in UNSTABLE for finding in verdict.findings)


def tune(
    config: ConfigText,
    overrides: Sequence[Override] = (),
    *,
    by: By | None = None,
    sb: float | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tuning:
    """Finds what makes the network stable, and measures the result.

    Arguments:
        config: from `read_config`.
        overrides: edits that belong to the result.
        by: only by this way; by default the simplest that does it.
        sb: standard deviation of the biases at the edge of chaos.

    Raises:
        VarprobeError: where the config is none, or cannot say what was found.
    """
    experiment = load_text(config, overrides)
    spec = experiment.network

    def plan_by(way: By | None = by, *, thorough: bool = False, must_draw: bool = False) -> Plan:
        return find_plan(
            experiment, spec.settings, may_draw=True, must_draw=must_draw, by=way, sb=sb, thorough=thorough
        )

    plan = plan_by()
    plan = plan if plan.is_whole else plan_by(thorough=True)
    if by is None and plan.found.by is None and is_unusual(spec.input):
        standard = plan_by(By.INPUT)
        plan = standard if standard.is_whole else plan
    tuned, verdict = _verify(config, overrides, plan, threads, progress)
    if verdict is not None and plan.found.by and not is_stable(verdict) and not plan.is_drawn:
        other = plan_by(must_draw=True)
        if other.is_drawn and other.is_whole:
            plan = other
            tuned, verdict = _verify(config, overrides, plan, threads, progress)
    changes, branches = find_changes(spec, tuned.network.steps)
    return Tuning(
        by=plan.found.by,
        causes=tuple(tell_causes(spec, plan)) if plan.found.by else (),
        changes=changes,
        branches=branches,
        edits=plan.edits,
        before=plan.found.before,
        after=plan.after,
        modes={} if plan.found.before.reason or find_shared_mean(spec) else compare_modes(spec, spec.settings),
        measured=verdict,
        reason=explain(plan.found, spec, is_drawn=plan.is_drawn),
        is_drawn=plan.is_drawn,
        network=spec,
        tuned=tuned,
        config=config,
    )


def _verify(
    config: ConfigText,
    overrides: Sequence[Override],
    plan: Plan,
    threads: int | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Experiment, Verdict | None]:
    """The config with the edits, and its verdict by measuring, with the remedies that take no search."""
    tuned, found = load_text(config, (*overrides, *plan.edits)), plan.found
    if not found.by and found.outcome in (ProposalOutcome.UNREACHED, ProposalOutcome.DEGENERATE):
        return tuned, None
    settings = with_threads(tuned.network.settings, threads)
    case = build_case(measure(tuned.network, settings, progress))
    return tuned, advise(tuned, settings, case, conclude(case).verdict, search=False)


def rewrite_config(config: ConfigText, tuning: Tuning, target: Path) -> str:
    """The user's own config with the changes in it; relative paths hold from the target's folder."""
    here, there = os.path.realpath(config.folder), os.path.realpath(target.parent)
    document = tuning.tuned.document
    return rewrite(config.text, document if here == there else _move(document, here, there), config.label)


def _move(value: Any, here: str, there: str) -> Any:
    """The document with its relative paths as seen from another folder."""
    if isinstance(value, list):
        return [_move(child, here, there) for child in value]
    if not isinstance(value, dict):
        return value
    moved = {key: _move(child, here, there) for key, child in value.items()}
    path = moved.get("path")
    if isinstance(path, str) and not os.path.isabs(path):
        moved["path"] = os.path.relpath(os.path.join(here, path), there)
    return moved
