"""What Python users call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varprobe.config.loading import Experiment, load
from varprobe.diagnose import diagnose
from varprobe.gate.records import MAX_TRIALS, CheckResult
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.report.records import Report
from varprobe.verdict.records import ALPHA

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from varprobe.probe.measurement import Measurement
    from varprobe.sweeps.records import Sweep
    from varprobe.theory.records import Prediction

__all__ = ["check", "load", "measure", "predict", "run", "sweep"]

Source = str | Path | Mapping[str, Any] | Experiment


def run(source: Source, settings: Settings | None = None) -> Report:
    """Measures the network that a config describes, and judges it.

    Arguments:
        source: a path, `-` for standard input, the config as a mapping, or what `load` returned.
        settings: how to measure; by default what the config says.

    Raises:
        VarprobeError: where the config does not describe a network that can be measured.
    """
    return diagnose(_load(source), settings)


def measure(source: Source | NetworkSpec, settings: Settings | None = None) -> Measurement:
    """What `run` measures, before it is judged; arguments and errors as there."""
    from varprobe.probe.measure import measure as draw

    return draw(_network(source), settings)


def predict(source: Source | NetworkSpec, settings: Settings | None = None) -> Prediction:
    """What mean-field theory says of a network; nothing is drawn, arguments and errors as for `run`."""
    from varprobe.theory.predict import predict as foresee

    return foresee(_network(source), settings)


def _network(source: Source | NetworkSpec) -> NetworkSpec:
    return source if isinstance(source, NetworkSpec) else _load(source).network


def _load(source: Source) -> Experiment:
    return source if isinstance(source, Experiment) else load(source)


def check(
    source: Source,
    settings: Settings | None = None,
    *,
    alpha: float = ALPHA,
    max_trials: int = MAX_TRIALS,
    baseline: Report | str | Path | None = None,
) -> CheckResult:
    """Holds a network to its config's `expect`, or to stability both ways where it has none.

    Arguments:
        source: as for `run`.
        settings: how to measure; by default what the config says.
        alpha: the chance that any decision is wrong, over all expectations and looks.
        max_trials: draw no more; what is undecided then is not met.
        baseline: a report of the same network, or its file, from which no statistic may have drifted.

    Raises:
        VarprobeError: where the config does not describe a network that can be measured, or that can have what is
            expected of it.
    """
    from varprobe.gate.check import check as hold
    from varprobe.results.baseline import load_baseline

    experiment = _load(source)
    stored = baseline if isinstance(baseline, Report) or baseline is None else load_baseline(Path(baseline))
    return hold(experiment, settings, alpha=alpha, max_trials=max_trials, baseline=stored)


def sweep(
    source: str | Path | Mapping[str, Any],
    vary: Mapping[str, str | Sequence[Any]],
    *,
    executor: Executor | None = None,
    threads: int | None = None,
    journal: str | Path | None = None,
) -> Sweep:
    """Measures a network at every combination of one or two settings' values.

    Arguments:
        source: a path, `-` for standard input, or the config as a mapping.
        vary: config path -> values, as a list or as text: `low:high:count`, the same with `:log`, or `a,b,c`.
        executor: where points run, such as `dask.distributed.Client(...).get_executor()`; by default processes of
            this machine. A script that uses these needs the usual `if __name__ == "__main__":`.
        threads: cores of this machine to use; default: all.
        journal: a file that takes every finished point at once; called again with it, the sweep goes on where it was.

    Raises:
        VarprobeError: where a value does not fit the config, or no point could be measured.
    """
    from contextlib import nullcontext

    from varprobe.config.loading import ConfigText, read_config
    from varprobe.config.rewriting import flow
    from varprobe.sweeps.axes import parse_axis
    from varprobe.sweeps.job import plan_sweep, sweep_points
    from varprobe.sweeps.journal import Journal

    if isinstance(source, Mapping):
        config = ConfigText(flow(dict(source)), "config", Path(), "network")
    else:
        config = read_config(source)
    texts = {path: one if isinstance(one, str) else ",".join(map(flow, one)) for path, one in vary.items()}
    plan = plan_sweep(config, (), [parse_axis(f"{path}={text}") for path, text in texts.items()])
    with Journal(Path(journal)) if journal else nullcontext() as kept:
        return sweep_points(plan, executor=executor, threads=threads, journal=kept)
