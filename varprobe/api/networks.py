"""One network: read, measured, predicted, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.config.given import Part, Source, edits_of, read_source
from varprobe.config.loading import Experiment
from varprobe.config.overrides import Override
from varprobe.errors import ConfigError, Place, VarprobeError
from varprobe.gate.records import MAX_TRIALS, CheckResult
from varprobe.network.spec import EngineName, NetworkSpec, Settings, with_threads
from varprobe.report.records import Report
from varprobe.verdict.records import ALPHA

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement
    from varprobe.theory.records import Prediction

_MOST_THREADS = 1024


def load(
    source: Source,
    overrides: Sequence[Override] = (),
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
) -> Experiment:
    """The network that a config describes, and what the config expects of it.

    Arguments:
        source: a path, `-` for standard input, YAML text, the config as a mapping, or what `load` returned. A string is
            text where it has a line break or `: ` and no file is called so.
        overrides: edits as `parse_assignment` makes them, before those by keyword.
        init: scheme of every layer that does not name one: its name, or a mapping with its arguments.
        activation: of every layer that does not name one, likewise.
        set: config path -> value for anything else, such as `{"layers.0.repeat": 20}`.
        trials: independent draws.
        batch: rows of a batch.
        seed: of all draws; `random` is a new one, which the result has.
        engine: `auto`, `explicit` or `matrix-free`.

    Raises:
        VarprobeError: with file, line, column, field and a hint; the message of the command line.

    >>> experiment = load("input: {features: 8}\\nlayers: [{dense: 8, repeat: 4}]", set={"layers.0.repeat": 20})
    >>> len(experiment.network.rows)
    20
    """
    edits = edits_of(set, init=init, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine)
    return read_source(source, [*overrides, *edits])


def run(
    source: Source,
    settings: Settings | None = None,
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> Report:
    """Measures the network that a config describes, and judges it.

    Arguments:
        source: a path, `-` for standard input, YAML text, the config as a mapping, or what `load` returned.
        settings: how to measure, in place of what the config says and of `trials`, `batch`, `seed` and `engine`.
        init, activation, set, trials, batch, seed, engine: edits of the config, as for `load`.
        threads: threads to use; by default all cores. Draws do not depend on it.

    Returns:
        The report: variances by layer and trial, theory beside them, and the verdict. It shows itself in a notebook;
        `.summary()`, `.plot()`, `.to_frame()` and `.save(path)` give the rest.

    Raises:
        VarprobeError: where the config does not describe a network that can be measured. What it measures, nan and
            overflow too, is never an error.

    >>> report = run({"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 4}]}, init="small", batch=8)
    >>> report.verdict.overall
    'vanishing'
    """
    from varprobe.diagnose import diagnose

    edits = _edits(
        settings, set, init=init, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine
    )
    experiment = read_source(source, edits)
    return diagnose(experiment, settings_of(experiment, settings, threads))


def measure(
    source: Source | NetworkSpec,
    settings: Settings | None = None,
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> Measurement:
    """What `run` measures, before it is judged: arrays (trials, rows), natural logarithms of second moments.

    Arguments and errors as for `run`; the source may be a `NetworkSpec` too, which takes no edits.

    >>> measured = measure({"input": {"features": 8}, "layers": [{"dense": 8, "repeat": 4}]}, trials=3, batch=4)
    >>> measured.statistics.log_activation_second_moment.shape
    (3, 4)
    """
    from varprobe.probe.measure import measure as draw

    edits = _edits(
        settings, set, init=init, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine
    )
    spec = _network(source, edits)
    return draw(spec, with_threads(settings or spec.settings, checked_threads(threads)))


def predict(
    source: Source,
    settings: Settings | None = None,
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
) -> Report:
    """What mean-field theory says of a network, judged; nothing is drawn.

    Arguments and errors as for `run`. In the report what a run would measure is None.

    >>> predict({"input": {"features": 64}, "layers": [{"dense": 64, "repeat": 9}]}, init="small").verdict.overall
    'vanishing'
    """
    from varprobe.diagnose import predict_report

    edits = _edits(settings, set, init=init, activation=activation, trials=trials, batch=batch)
    experiment = read_source(source, edits)
    return predict_report(experiment, settings_of(experiment, settings, None))


def derive(
    source: Source | NetworkSpec,
    settings: Settings | None = None,
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
) -> Prediction:
    """What `predict` judges: theory's moments by row, at any size, and the fixed point.

    Arguments and errors as for `run`; the source may be a `NetworkSpec` too, which takes no edits.

    >>> network = {"input": {"features": 64}, "layers": [{"dense": 64, "repeat": 9}]}
    >>> theory = derive(network, activation="relu", init="he")
    >>> round(theory.rows[0].source.second_moment, 3), theory.fixed_point.regime
    (2.0, 'edge of chaos')
    """
    from varprobe.theory.predict import predict as foresee

    edits = _edits(settings, set, init=init, activation=activation, trials=trials, batch=batch)
    return foresee(_network(source, edits), settings)


def check(
    source: Source,
    settings: Settings | None = None,
    *,
    init: Part | None = None,
    activation: Part | None = None,
    set: Mapping[str, Any] | None = None,
    trials: int | None = None,
    batch: int | None = None,
    seed: int | str | None = None,
    engine: EngineName | None = None,
    threads: int | None = None,
    alpha: float = ALPHA,
    max_trials: int = MAX_TRIALS,
    baseline: Report | str | Path | None = None,
) -> CheckResult:
    """Holds a network to its config's `expect`, or to stability both ways where it has none.

    Arguments:
        source, settings, init, activation, set, trials, batch, seed, engine, threads: as for `run`; the first look is
            at `trials` draws.
        alpha: the chance that any decision is wrong, over all expectations and looks.
        max_trials: draw no more; what is undecided then is not met.
        baseline: a report of the same network, or its file, from which no statistic may have drifted.

    Raises:
        VarprobeError: where the config does not describe a network that can be measured, or that can have what is
            expected of it. An expectation that fails is no error: `outcome` says it.

    >>> check({"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 5}]}, init="small", batch=8).outcome
    'failed'
    """
    from varprobe.gate.check import check as hold
    from varprobe.results.baseline import load_baseline

    edits = _edits(
        settings, set, init=init, activation=activation, trials=trials, batch=batch, seed=seed, engine=engine
    )
    experiment = read_source(source, edits)
    stored = baseline if isinstance(baseline, Report) or baseline is None else load_baseline(Path(baseline))
    settings = settings_of(experiment, settings, threads)
    return hold(experiment, settings, alpha=alpha, max_trials=max_trials, baseline=stored)


def settings_of(experiment: Experiment, settings: Settings | None, threads: int | None) -> Settings:
    """How to measure: what was given, else what the config says; and on how many threads.

    Raises:
        ConfigError: for settings that no config could say.
    """
    if settings is not None:
        given = {name: value for name, value in vars(settings).items() if name != "threads"}
        read_source(experiment, edits_of({"probe": {**experiment.document.get("probe", {}), **given}}))
        checked_threads(settings.threads)
    return with_threads(settings or experiment.network.settings, checked_threads(threads))


def checked_threads(threads: int | None) -> int | None:
    """The same, where so many threads can be used."""
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        message = f"must be a whole number from 1 to {_MOST_THREADS:,}, given {threads}"
        raise VarprobeError(message, hint="leave it out for all cores", place=Place("threads"))
    return threads


def _edits(settings: Settings | None, set: Mapping[str, Any] | None, **named: Any) -> list[Override]:
    """The edits by keyword; none of them may be what `settings` says already."""
    twice = [name for name in ("trials", "batch", "seed", "engine") if settings and named.get(name) is not None]
    if twice:
        message = f"`settings` says {' and '.join(twice)} already"
        raise ConfigError(message, hint="give either settings or keywords", place=Place(twice[0]))
    return edits_of(set, **named)


def _network(source: Source | NetworkSpec, edits: Sequence[Override]) -> NetworkSpec:
    if not isinstance(source, NetworkSpec):
        return read_source(source, edits).network
    if edits:
        hint = "give the config or the experiment that it came from, or change it by dataclasses.replace"
        raise ConfigError("a NetworkSpec takes no edits", hint=hint, place=Place(edits[0].option))
    return source
