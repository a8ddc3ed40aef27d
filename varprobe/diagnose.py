"""The whole job: a network and settings in, a Report out, measured or by theory alone."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from varprobe.advice.remedies import advise
from varprobe.config.expectation import Expectation
from varprobe.config.experiment import Experiment
from varprobe.network.description import describe
from varprobe.network.spec import Settings
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
from varprobe.report.theory import network_prediction, theory_rows
from varprobe.theory.predict import predict
from varprobe.verdict.agreement import compare, foreseen
from varprobe.verdict.judge import measured_case, predicted_case, verdict_of
from varprobe.verdict.ranges import format_ranges
from varprobe.verdict.records import FormatRange, Verdict
from varprobe.version import __version__

if TYPE_CHECKING:
    from varprobe.probe.measurement import Measurement


def diagnose(
    experiment: Experiment,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    remedies: bool = True,
) -> Report:
    """Measures a network and judges it.

    Arguments:
        experiment: a network as its config has it, from `load`.
        settings: how to measure; by default what the config says.
        progress: called after every pass through a layer with how many are done and how many there are.
        remedies: whether the remedies that take a search are looked for; without it those findings have none.

    Raises:
        VarprobeError: where the network cannot be measured; what it measures is never an error.
    """
    from varprobe.probe.measure import measure  # theory alone needs no engine

    settings = settings or experiment.network.settings
    measurement = measure(experiment.network, settings, progress)
    return report_on(experiment, settings, measurement, remedies=remedies)


def report_on(experiment: Experiment, settings: Settings, measurement: Measurement, *, remedies: bool = True) -> Report:
    """The report on a measurement, with the theory of a network beside it; normally the network that was measured."""
    from varprobe.report.rows import layer_rows, objective_of

    spec = experiment.network
    prediction = predict(spec, settings)
    agreement = compare(measurement, prediction)
    formats = format_ranges(spec, settings, prediction, measurement)
    case = measured_case(measurement, agreement, formats)
    return _report(
        experiment,
        settings,
        verdict=advise(experiment, settings, case, verdict_of(case), search=remedies),
        layers=layer_rows(measurement, agreement),
        objective=objective_of(measurement),
        prediction=network_prediction(prediction),
        formats=formats,
        threads=measurement.threads,
        seconds=measurement.seconds,
    )


def predict_report(experiment: Experiment, settings: Settings | None = None) -> Report:
    """The report of theory alone: nothing is drawn, and what a run would measure is None.

    Arguments:
        experiment: a network as its config has it, from `load`.
        settings: the batch counts for batch norm, the dtype for the rounding floor of the signal.
    """
    started, spec = time.perf_counter(), experiment.network
    settings = settings or spec.settings
    prediction = predict(spec, settings)
    agreement = foreseen(prediction, settings.trials)
    formats = format_ranges(spec, settings, prediction)
    layers = tuple(describe(step) for step in spec.rows)
    case = predicted_case(spec, settings, agreement, formats, layers)
    return _report(
        experiment,
        settings,
        verdict=advise(experiment, settings, case, verdict_of(case)),
        layers=theory_rows(layers, agreement),
        objective=Objective(spec.objective.kind, None),
        prediction=network_prediction(prediction),
        formats=formats,
        threads=1,
        seconds=time.perf_counter() - started,
    )


def _report(
    experiment: Experiment,
    settings: Settings,
    *,
    verdict: Verdict,
    layers: tuple[LayerRow, ...],
    objective: Objective,
    prediction: NetworkPrediction | None,
    formats: tuple[FormatRange, ...],
    threads: int,
    seconds: float,
) -> Report:
    return Report(
        schema_version=SCHEMA_VERSION,
        name=experiment.network.name,
        spec=experiment.document,
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
        formats=formats,
        expect=_expectations(experiment.expect, verdict),
    )


def _expectations(expect: Expectation | None, verdict: Verdict) -> tuple[Expected, ...]:
    if expect is None:
        return ()
    sides = {
        "forward": (expect.forward, verdict.forward.label),
        "backward": (expect.backward, verdict.backward.label),
        "overall": (expect.overall, verdict.overall),
        "signal": (expect.signal, verdict.signal.label),
    }
    return tuple(
        Expected(what, allowed, found, found in allowed) for what, (allowed, found) in sides.items() if allowed
    )
