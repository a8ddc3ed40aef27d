"""The other whole job: a config in, the scales that make it stable out, verified by measuring."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from varprobe.advice.changes import ScaleChange, compare_modes, explain, find_changes, unit_input
from varprobe.advice.edits import find_edits, largest_difference
from varprobe.advice.predicted_verdict import PredictedVerdict, bench_for
from varprobe.advice.proposal import propose
from varprobe.advice.remedies import advise
from varprobe.advice.ways import By
from varprobe.config.loading import ConfigText, Experiment, load_text
from varprobe.config.overrides import Override
from varprobe.config.rewriting import rewrite
from varprobe.errors import ConfigError
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec, with_threads
from varprobe.probe.measure import measure
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import conclude
from varprobe.verdict.records import Verdict

# How exactly the config that is written holds what was planned.
_EXACT = 1e-6


@dataclass(frozen=True)
class Tuning:
    """What tuning a network came to.

    Attributes:
        by: what is changed; None where nothing is.
        changes, branches: of the weights and of the residual branches.
        edits: of the config, beside those of the command line.
        before, after: by theory.
        modes: what each fan mode would give, where widths change.
        measured: the verdict of the tuned network; None where nothing was tuned because theory does not reach it.
        reason: why it is not stable, where it is not; empty otherwise.
        network: before.
        tuned: what the config then says.
    """

    by: By | None
    changes: tuple[ScaleChange, ...]
    branches: tuple[ScaleChange, ...]
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
    found = propose(spec, spec.settings, by=by, sb=sb)
    edits = find_edits(experiment, found)
    tuned = load_text(config, (*overrides, *edits))
    if largest_difference(spec, tuned.network, found) > _EXACT:
        hint = "give the layers an `init` of their own"
        raise ConfigError("its entries cannot hold what was found", hint=hint, place=spec.place)
    verdict, reasons = None, [explain(found, spec)]
    if found.by or found.before.overall not in ("inconclusive", "degenerate"):
        verdict = _verify(tuned, threads, progress)
        reasons += [unit_input(spec, spec.settings)] if reasons[0] else []
    changes, branches = find_changes(spec, tuned.network.steps)
    return Tuning(
        by=found.by,
        changes=changes,
        branches=branches,
        edits=edits,
        before=found.before,
        after=bench_for(tuned.network, tuned.network.settings).outlook(tuned.network.steps) if edits else found.after,
        modes={} if found.before.reason else compare_modes(spec, spec.settings),
        measured=verdict,
        reason=" ".join(filter(None, reasons)),
        network=spec,
        tuned=tuned,
    )


def _verify(tuned: Experiment, threads: int | None, progress: Callable[[int, int], None] | None) -> Verdict:
    """The measured verdict, with the remedies that take no search: there has been one."""
    settings = with_threads(tuned.network.settings, threads)
    case = build_case(measure(tuned.network, settings, progress))
    return advise(tuned, settings, case, conclude(case).verdict, search=False)


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
