"""The other whole job: a config in, the scales that make it stable out, verified by measuring."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from varprobe.advice.edits import differences, edits
from varprobe.advice.predicted_verdict import PredictedVerdict, bench_for
from varprobe.advice.proposal import Proposal, plan
from varprobe.advice.words import (
    BranchChange,
    ScaleChange,
    branch_changes,
    is_pyramid,
    mode_outlooks,
    scale_changes,
    unit_input,
    why,
)
from varprobe.config.loading import ConfigText, Experiment, load_text
from varprobe.config.overrides import Override
from varprobe.config.rewriting import rewrite
from varprobe.errors import ConfigError
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec, with_threads
from varprobe.probe.measure import measure
from varprobe.verdict.judge import judge
from varprobe.verdict.records import Verdict

# How exactly the config that is written holds what was planned.
_EXACT = 1e-6


@dataclass(frozen=True)
class Tuning:
    """What tuning a network came to.

    Attributes:
        by: layer, branch, scale, layers or edge; empty where nothing is changed.
        edits: of the config, beside those of the command line.
        before, after: by theory.
        modes: what each fan mode would give, where widths change.
        measured: the verdict of the tuned network; None where nothing was tuned because theory does not reach it.
        reason: why it is not stable, where it is not; empty otherwise.
        network: before.
        tuned: what the config then says.
    """

    by: str
    changes: tuple[ScaleChange, ...]
    branches: tuple[BranchChange, ...]
    edits: tuple[Override, ...]
    before: PredictedVerdict
    after: PredictedVerdict
    modes: dict[str, PredictedVerdict]
    measured: Verdict | None
    reason: str
    network: NetworkSpec = field(repr=False)
    tuned: Experiment = field(repr=False)

    @property
    def is_confirmed(self) -> bool:
        """Whether the measurement says that the network is stable both ways, without a jump."""
        return self.measured is not None and is_stable(self.measured)


def is_stable(verdict: Verdict) -> bool:
    """Stable both ways, and no single layer beyond a factor 100."""
    return verdict.overall == "stable" and not any(finding.code == "jump" for finding in verdict.findings)


def tune(
    config: ConfigText,
    overrides: Sequence[Override] = (),
    *,
    by: str | None = None,
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
    found = plan(spec, spec.settings, by=by, sb=sb)
    changed = edits(experiment, found)
    written = load_text(config, (*overrides, *changed))
    tuned = written.network
    if differences(spec, tuned, found) > _EXACT:
        hint = "give the layers an `init` of their own"
        raise ConfigError("its entries cannot hold what was found", hint=hint, place=spec.place)
    verdict = None if _is_unreached(found) else judge(measure(tuned, with_threads(tuned.settings, threads), progress))
    return Tuning(
        by=found.by,
        changes=scale_changes(spec, tuned.steps),
        branches=branch_changes(spec, tuned.steps),
        edits=changed,
        before=found.before,
        after=bench_for(tuned, tuned.settings).outlook(tuned.steps) if changed else found.after,
        modes=mode_outlooks(spec, spec.settings) if is_pyramid(spec) and not found.before.reason else {},
        measured=verdict,
        reason=" ".join(part for part in (why(found, spec), _of_the_input(found, spec)) if part),
        network=spec,
        tuned=written,
    )


def _of_the_input(found: Proposal, spec: NetworkSpec) -> str:
    return unit_input(spec, spec.settings) if found.reason and not _is_unreached(found) else ""


def _is_unreached(found: Proposal) -> bool:
    return not found.by and found.before.overall in ("inconclusive", "degenerate")


def tuned_text(config: ConfigText, tuning: Tuning, target: Path) -> str:
    """The user's own config with the changes in it; relative paths hold from the target's folder."""
    here, there = os.path.realpath(config.folder), os.path.realpath(target.parent)
    document = tuning.tuned.document
    return rewrite(config.text, document if here == there else _moved(document, here, there), config.label)


def _moved(value: Any, here: str, there: str) -> Any:
    if isinstance(value, list):
        return [_moved(child, here, there) for child in value]
    if not isinstance(value, dict):
        return value
    return {
        key: os.path.relpath(os.path.join(here, child), there)
        if key == "path" and isinstance(child, str) and not os.path.isabs(child)
        else _moved(child, here, there)
        for key, child in value.items()
    }
