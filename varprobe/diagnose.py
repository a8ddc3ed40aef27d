"""The whole job: a network and settings in, a Report out, measured or by theory alone."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from varprobe.advice.remedies import advise
from varprobe.config.expectation import Expectation
from varprobe.config.loading import Experiment
from varprobe.network.spec import NetworkSpec, Settings
from varprobe.report.records import (
    SCHEMA_VERSION,
    Expected,
    ObjectiveUsed,
    Provenance,
    Report,
    SettingsUsed,
)
from varprobe.report.rows import layer_rows, network_prediction, objective_of, theory_rows
from varprobe.theory.predict import predict
from varprobe.theory.records import Prediction
from varprobe.verdict.agreement import compare, foresee
from varprobe.verdict.case import Case, build_case, foresee_case
from varprobe.verdict.judge import Diagnosis, conclude
from varprobe.verdict.labels import Direction, Label, Outcome
from varprobe.verdict.possible import OVERALL, decide, possible, settle
from varprobe.verdict.ranges import format_ranges
from varprobe.verdict.records import ALPHA
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

    spec, settings = experiment.network, settings or experiment.network.settings
    measurement = measure(spec, settings, progress)
    diagnosis = examine(spec, settings, predict(spec, settings), measurement)
    return report_on(experiment, settings, diagnosis, remedies=remedies)


def predict_report(experiment: Experiment, settings: Settings | None = None) -> Report:
    """The report of theory alone: nothing is drawn, and what a run would measure is None.

    Arguments:
        experiment: a network as its config has it, from `load`.
        settings: the batch counts for batch norm, the dtype for the rounding floor of the signal.
    """
    started, spec = time.perf_counter(), experiment.network
    settings = settings or spec.settings
    report = report_on(experiment, settings, examine(spec, settings, predict(spec, settings)))
    return replace(report, provenance=replace(report.provenance, seconds=time.perf_counter() - started))


def examine(
    spec: NetworkSpec, settings: Settings, prediction: Prediction, measurement: Measurement | None = None
) -> Diagnosis:
    """Judges a measurement with theory beside it, or theory alone."""
    formats = format_ranges(spec, settings, prediction, measurement)
    if measurement is None:
        return conclude(foresee_case(spec, settings, foresee(prediction, settings.trials), formats))
    return conclude(build_case(measurement, compare(measurement, prediction), formats))


def report_on(experiment: Experiment, settings: Settings, diagnosis: Diagnosis, *, remedies: bool = True) -> Report:
    """What was judged of a network that has a config, written down."""
    case, measurement = diagnosis.case, diagnosis.case.measurement
    assert case.agreement is not None
    if measurement is None:
        layers, objective = (
            theory_rows(case.layers, case.agreement),
            ObjectiveUsed(experiment.network.objective.kind, None),
        )
    else:
        settings = replace(settings, trials=measurement.trials)
        layers, objective = layer_rows(measurement, case.agreement), objective_of(measurement)
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
            threads=measurement.threads if measurement else 1,
            seconds=measurement.seconds if measurement else 0.0,
        ),
        layers=layers,
        verdict=advise(experiment, settings, case, diagnosis.verdict, search=remedies),
        prediction=network_prediction(case.agreement.prediction),
        formats=case.formats,
        expect=_expectations(experiment.expect, case),
    )


def _expectations(expect: Expectation | None, case: Case) -> tuple[Expected, ...]:
    """What a check of these trials alone would conclude of the labels."""
    if expect is None:
        return ()
    level = ALPHA / count_decisions(expect)
    return tuple(
        Expected(what, allowed, found.label, settle(decide(found, allowed), allowed) == Outcome.MET)
        for what, allowed in label_sides(expect).items()
        for found in [possible(case, what, level)]
    )


def label_sides(expect: Expectation) -> dict[str, tuple[str, ...]]:
    """The labels that are allowed, of each that has any."""
    sides = {
        Direction.FORWARD: expect.forward,
        Direction.BACKWARD: expect.backward,
        OVERALL: expect.overall,
        Direction.SIGNAL: expect.signal,
    }
    return {what: allowed for what, allowed in sides.items() if allowed}


def expects_stable(expect: Expectation) -> bool:
    """Whether error-level findings are against it: a network that is expected to explode may jump."""
    return any(Label.STABLE in allowed for allowed in label_sides(expect).values())


def count_decisions(expect: Expectation) -> int:
    """How many decisions share the chance of error of a check."""
    ranges = (expect.head_scale, expect.initial_loss, expect.effective_rank)
    limits = sum(limit is not None for limit in (*ranges, expect.saturated, expect.dead))
    alone = (expect.theory, expects_stable(expect))
    several = (expect.rate, expect.total_log10, expect.layers, expect.safe_in)
    return len(label_sides(expect)) + limits + sum(alone) + sum(map(len, several)) or 1
