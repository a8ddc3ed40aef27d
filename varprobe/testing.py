"""A check as tests ask for it: paths from where the test is, settings from the test run.

The pytest plugin imports this module when the first check runs, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from varprobe.api import audit
from varprobe.audit.fans import Layout
from varprobe.audit.records import Audit, AuditOutcome
from varprobe.config.given import assign
from varprobe.config.loading import Experiment, load
from varprobe.config.overrides import Override
from varprobe.engine.schedule import available_cores
from varprobe.errors import InputFileError, Place, VarprobeError
from varprobe.frozen import dataclass
from varprobe.gate.check import check
from varprobe.gate.records import CheckResult
from varprobe.network.spec import with_threads
from varprobe.report.records import Report
from varprobe.results.baseline import load_baseline


@dataclass(frozen=True)
class Surroundings:
    """Where a test is, and how it checks.

    Attributes:
        folders: where paths that are not absolute are looked for, the first that has them.
        shown_from: the folder that messages count paths from.
        processes: how many test processes share the cores.
    """

    folders: Sequence[Path]
    shown_from: Path
    processes: int
    alpha: float
    max_trials: int


def hold(
    config: str | Path | Mapping[str, Any] | Experiment,
    edits: Mapping[str, Any],
    baseline: Report | str | Path | None,
    around: Surroundings,
) -> CheckResult:
    """What the check of a network concludes.

    Arguments:
        edits: config path -> value.

    Raises:
        VarprobeError: where there is no such file, or what it says cannot be checked.
    """
    try:
        experiment = _load(config, [assign(path, value) for path, value in edits.items()], around)
        stored = load_baseline(_find(baseline, around)) if isinstance(baseline, (str, Path)) else baseline
        settings = with_threads(experiment.network.settings, _threads(around.processes))
        done = check(experiment, settings, alpha=around.alpha, max_trials=around.max_trials, baseline=stored)
    except VarprobeError as error:
        if error.place is not None:
            error.place = replace(error.place, source=_shorten(error.place.source, around))
        raise
    return replace(done, config=_shorten(done.config, around))


def hold_weights(
    what: Any, expect: Mapping[str, str] | None, folders: Sequence[Path], **settings: Any
) -> tuple[str, Audit]:
    """The audit of weights, and what to say where they are not what was meant; empty where they are.

    Arguments:
        folders: where paths that are not absolute are looked for, the first that has them.

    Raises:
        VarprobeError: where there is no such file, or it cannot be audited.
    """
    found = audit(_find_in(what, folders) if isinstance(what, (str, Path)) else what, expect, **settings)
    return "" if found.outcome is AuditOutcome.PASSED else found.summary(), found


@dataclass(frozen=True)
class Marked:
    """What a test holds weights to; the fixture's own arguments."""

    law: str | Mapping[str, str]
    shape: tuple[int, ...] | None
    layout: str
    alpha: float
    tolerance: float
    draws: int
    seed: int


def grade_weights(weights: Any, asked: Marked, folders: Sequence[Path]) -> CheckResult:
    """What grading a function, arrays or a file concludes.

    Raises:
        VarprobeError: where the weights cannot be had, or the law has no value for them.
    """
    from varprobe.classroom.grading import Marking, grade_arrays, grade_file, grade_function

    for name, share in (("alpha", asked.alpha), ("tolerance", asked.tolerance)):
        if not 0 < share < 1 and not (name == "tolerance" and share == 0):
            raise VarprobeError(
                f"{name} must be a share below 1, given {share!r}", hint="the usual one is in the guide"
            )
    if asked.layout not in tuple(Layout):
        raise VarprobeError(f"no layout is called '{asked.layout}'", hint=f"there are {', '.join(Layout)}")
    laws = {"*": asked.law} if isinstance(asked.law, str) else asked.law
    marking = Marking(laws, Layout(asked.layout), asked.alpha, asked.tolerance)
    if callable(weights) != (asked.shape is not None):
        raise VarprobeError("a function needs the shape that it is asked for", hint="and what is no function has one")
    if callable(weights) and asked.shape is not None:
        return grade_function(weights, tuple(asked.shape), marking, draws=asked.draws, seed=asked.seed)
    if isinstance(weights, (str, Path)):
        return grade_file(_find_in(weights, folders), marking)
    return grade_arrays(weights if isinstance(weights, Mapping) else {"weights": weights}, marking)


def _load(
    config: str | Path | Mapping[str, Any] | Experiment, overrides: list[Override], around: Surroundings
) -> Experiment:
    if isinstance(config, (str, Path)):
        return load(_find(config, around), overrides)
    if not isinstance(config, Experiment):
        return load(config, overrides)
    if overrides:
        hint = "give the config itself, or change it before `varprobe.load`"
        raise VarprobeError("a network that has been loaded takes no init and no set", hint=hint)
    return config


def _find(path: str | Path, around: Surroundings) -> Path:
    return _find_in(path, around.folders)


def _find_in(path: str | Path, folders: Sequence[Path]) -> Path:
    existing = next((folder / path for folder in folders if (folder / path).exists()), None)
    if existing is None:
        looked = " and ".join(dict.fromkeys(map(str, folders)))
        hint = "name it from the folder of the test's file, or from pytest's root folder"
        raise InputFileError(f"no such file in {looked}", hint=hint, place=Place(str(path)))
    return existing


def _shorten(source: str, around: Surroundings) -> str:
    """The path as people write it; what is no path below the folder stays as it is."""
    path = Path(source)
    return str(path.relative_to(around.shown_from)) if path.is_relative_to(around.shown_from) else source


def _threads(processes: int) -> int | None:
    """This process's share of the cores; draws do not depend on it."""
    return None if processes == 1 else max(1, available_cores() // processes)
