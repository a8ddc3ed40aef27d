"""Many networks: side by side, at many settings, or tuned until one is stable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.api.networks import checked_threads, settings_of
from varprobe.config.given import Part, Source, edits_of, flow_text, read_source, read_text
from varprobe.config.overrides import Override
from varprobe.errors import ConfigError, Place, nearest
from varprobe.network.spec import EngineName
from varprobe.report.records import Report

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from varprobe.advice.ways import By
    from varprobe.comparison import Comparison
    from varprobe.sweeps.records import Sweep
    from varprobe.tuning import Tuning

_MOST_STD = 1e6


def compare(
    *sources: Source | Report,
    names: Sequence[str] | None = None,
    init: Part | Sequence[Part] | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> Comparison:
    """Puts networks side by side; of two reports of one network it says what changed beyond noise.

    Arguments:
        sources: configs as for `run`, reports, and paths of stored ones (.json); reports are not measured again.
        names: what the networks are shown as, one each; by default their own names.
        init: several schemes too, as a list or with commas: then each config is measured with each of them.
        activation, set, trials, batch, seed, engine, threads: of what is measured, as for `run`.

    Raises:
        VarprobeError: as for `run`; for less than two networks; for names that are not one each.

    >>> network = {"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 5}]}
    >>> [report.verdict.overall for report in compare(network, init=["small", "xavier"], batch=8).reports]
    ['vanishing', 'stable']
    """
    from varprobe.comparison import compare_reports

    schemes = _schemes(init)
    edits = [
        edits_of(set, init=one, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine)
        for one in schemes
    ]
    shown = [f", {one if isinstance(one, str) else flow_text(one)}" if one is not None else "" for one in schemes]
    experiments = [_plan(source, edits, shown) for source in sources]
    plans = [plan for each in experiments for plan in each]
    if len(plans) < 2:
        message = "one network is nothing to compare" if plans else "there is no network to compare"
        raise ConfigError(message, hint='name more, or several schemes by init=["small", "xavier"]')
    if names is not None and len(names) != len(plans):
        hint = "give one name a network; several schemes make several networks of a config"
        raise ConfigError(f"{len(names)} for {len(plans)} networks", hint=hint, place=Place("names"))
    reports = [source if isinstance(source, Report) else _measure(source, threads) for source, _ in plans]
    own = [f"{report.name}{more}" for report, (_, more) in zip(reports, plans, strict=True)]
    return compare_reports(list(names) if names is not None else _apart(own), reports)


def sweep(
    source: Source,
    vary: Mapping[str, str | Iterable[Any]],
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
    executor: Executor | None = None,
    threads: int | None = None,
    journal: str | Path | None = None,
) -> Sweep:
    """Measures a network at every combination of one or two settings' values.

    Arguments:
        source, init, activation, set, trials, batch, seed, engine: as for `run`.
        vary: config path -> values, as a list or an array, or as text: `low:high:count`, the same with `:log`, or
            `a,b,c`.
        executor: where points run, such as `dask.distributed.Client(...).get_executor()`; by default processes of
            this machine.
        threads: cores of this machine to use; default: all.
        journal: a file that takes every finished point at once; called again with it, the sweep goes on where it was.

    Raises:
        VarprobeError: where a value does not fit the config, or no point could be measured.

    >>> network = {"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 5}]}
    >>> found = sweep(network, {"defaults.init.gain": [0.01, 1.6]}, trials=4, batch=8, threads=1)
    >>> [point.verdict.overall for point in found.points]
    ['vanishing', 'stable']
    """
    from varprobe.sweeps.axes import parse_axis
    from varprobe.sweeps.job import sweep_points
    from varprobe.sweeps.journal import Journal
    from varprobe.sweeps.plan import plan_sweep

    edits = edits_of(set, init=init, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine)
    axes = [parse_axis(f"{path}={_axis_text(path, values)}") for path, values in vary.items()]
    plan = plan_sweep(read_text(source), edits, axes)
    with Journal(Path(journal), plan) if journal else nullcontext() as kept:
        return sweep_points(plan, executor=executor, threads=checked_threads(threads), journal=kept)


def tune(
    source: Source,
    *,
    by: By | str | None = None,
    sb: float | None = None,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> Tuning:
    """Finds the scales that make a network stable, and verifies them by measuring.

    Arguments:
        source, init, activation, set, trials, batch, seed, engine, threads: as for `run`; these edits belong to the
            result.
        by: change only this, as `scale`, `layers` or `edge`; by default the simplest that does it.
        sb: standard deviation of the biases, with `by="edge"`.

    Returns:
        What is changed, and the verdict before and after. `.tuned` is the new experiment, which `run` takes;
        `.save("tuned.yaml")` writes the config with just the changes in it.

    Raises:
        VarprobeError: where the config is none, or cannot say what was found.

    >>> tuning = tune({"input": {"features": 32}, "layers": [{"dense": 32, "repeat": 8}]}, init="small", batch=16)
    >>> tuning.is_confirmed
    True
    """
    from varprobe.tuning import tune as search

    edits = edits_of(set, init=init, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine)
    way = _way(by)
    _check_std(sb, way)
    return search(read_text(source), edits, by=way, sb=sb, threads=checked_threads(threads))


def _schemes(init: Part | Sequence[Part] | None) -> list[Part | None]:
    if init is None or isinstance(init, Mapping):
        return [init]
    if isinstance(init, str):
        return [one.strip() for one in init.split(",")]
    return list(init)


def _plan(source: Any, edits: Sequence[list[Override]], shown: Sequence[str]) -> list[tuple[Any, str]]:
    """What a source stands for: one report, or an experiment a scheme; and what tells these apart."""
    if isinstance(source, Report):
        return [(source, "")]
    if isinstance(source, (str, os.PathLike)) and os.fspath(source).endswith(".json"):
        from varprobe.results.store import load_report

        return [(load_report(Path(source)), "")]
    return [(read_source(source, each), more) for each, more in zip(edits, shown, strict=True)]


def _measure(experiment: Any, threads: int | None) -> Report:
    from varprobe.diagnose import diagnose

    return diagnose(experiment, settings_of(experiment, None, threads))


def _apart(names: list[str]) -> list[str]:
    """Numbered where two are alike."""
    alike = len(frozenset(names)) < len(names)
    return [f"{number}: {name}" for number, name in enumerate(names, 1)] if alike else names


def _axis_text(path: str, values: str | Iterable[Any]) -> str:
    if isinstance(values, str):
        return values
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        hint = 'write {"layers.0.repeat": [5, 10, 20]} or {"defaults.init.gain": "0.5:2:31"}'
        raise ConfigError(
            f"needs a list of values or a text, given {values!r}", hint=hint, place=Place("vary"), field=path
        )
    return ",".join(map(flow_text, values))


def _way(by: By | str | None) -> By | None:
    from varprobe.advice.ways import By

    known = [str(way.value) for way in By]
    if by is None or by in known:
        return None if by is None else By(by)
    near = nearest(str(by), known)
    hint = (f"did you mean '{near}'? " if near else "") + f"known are {', '.join(known)}"
    raise ConfigError(f"unknown way '{by}'", hint=hint, place=Place("by"))


def _check_std(sb: float | None, way: By | None) -> None:
    if sb is None:
        return
    if way is None or way.value != "edge":
        raise ConfigError('goes with by="edge"', hint='add by="edge", or leave it out', place=Place("sb"))
    if not 0 <= sb <= _MOST_STD:
        raise ConfigError(f"must be a number from 0 to {_MOST_STD:g}, given {sb:g}", hint="try 0.1", place=Place("sb"))
