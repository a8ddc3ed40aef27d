"""The whole job: a network and settings in, a Report out, measured or by theory alone."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import numpy as np

from varprobe.advice.remedies import with_remedies
from varprobe.probe.measure import measure
from varprobe.report.records import (
    SCHEMA_VERSION,
    Expected,
    LayerRow,
    NetworkPrediction,
    Objective,
    Provenance,
    Report,
    SettingsUsed,
)
from varprobe.report.rows import layer_rows, objective_of
from varprobe.report.theory import network_prediction, theory_rows
from varprobe.spec.described import describe
from varprobe.spec.network import NetworkSpec, Settings
from varprobe.theory.predict import predict
from varprobe.verdict.agreement import compare, foreseen
from varprobe.verdict.judge import judge, judge_prediction
from varprobe.verdict.records import Verdict
from varprobe.version import __version__


def diagnose(
    spec: NetworkSpec, settings: Settings | None = None, progress: Callable[[float], None] | None = None
) -> Report:
    """Measures a network and judges it.

    Arguments:
        spec: the network, from `load`.
        settings: how to measure; by default what the config says.
        progress: called now and then with the share that is done.

    Raises:
        VarprobeError: where the network cannot be measured; what it measures is never an error.
    """
    settings = settings or spec.settings
    measurement = measure(spec, settings, progress)
    prediction = predict(spec, settings)
    agreement = compare(measurement, prediction)
    return _report(
        spec,
        settings,
        verdict=with_remedies(spec, settings, judge(measurement, agreement)),
        layers=layer_rows(measurement, agreement),
        objective=objective_of(measurement),
        prediction=network_prediction(prediction),
        threads=measurement.threads,
        seconds=measurement.seconds,
    )


def foretell(spec: NetworkSpec, settings: Settings | None = None) -> Report:
    """The report of theory alone: nothing is drawn, and what a run would measure is None.

    Arguments:
        spec: the network, from `load`.
        settings: the batch counts for batch norm, the dtype for the rounding floor of the signal.
    """
    started = time.perf_counter()
    settings = settings or spec.settings
    prediction = predict(spec, settings)
    agreement = foreseen(prediction, settings.trials)
    layers = tuple(describe(step) for step in spec.rows)
    return _report(
        spec,
        settings,
        verdict=with_remedies(spec, settings, judge_prediction(spec, settings, agreement)),
        layers=theory_rows(layers, agreement),
        objective=Objective(spec.objective.kind, None),
        prediction=network_prediction(prediction),
        threads=1,
        seconds=time.perf_counter() - started,
    )


def _report(
    spec: NetworkSpec,
    settings: Settings,
    *,
    verdict: Verdict,
    layers: tuple[LayerRow, ...],
    objective: Objective,
    prediction: NetworkPrediction | None,
    threads: int,
    seconds: float,
) -> Report:
    return Report(
        schema_version=SCHEMA_VERSION,
        name=spec.name,
        spec=spec.document,
        settings=SettingsUsed(settings.batch, settings.trials, settings.seed, settings.dtype, settings.engine),
        objective=objective,
        provenance=Provenance(
            varprobe=__version__,
            numpy=np.__version__,
            python=platform.python_version(),
            seed=settings.seed,
            threads=threads,
            seconds=seconds,
        ),
        layers=layers,
        verdict=verdict,
        prediction=prediction,
        expect=_expectations(spec, verdict),
    )


def _expectations(spec: NetworkSpec, verdict: Verdict) -> tuple[Expected, ...]:
    if spec.expect is None:
        return ()
    sides = {
        "forward": (spec.expect.forward, verdict.forward.label),
        "backward": (spec.expect.backward, verdict.backward.label),
        "overall": (spec.expect.overall, verdict.overall),
        "signal": (spec.expect.signal, verdict.signal.label),
    }
    return tuple(
        Expected(what, allowed, found, found in allowed) for what, (allowed, found) in sides.items() if allowed
    )
