"""The whole job: a network and settings in, a Report out."""

from __future__ import annotations

import platform
from collections.abc import Callable

import numpy as np

from varprobe.probe.measure import measure
from varprobe.probe.measurement import Measurement
from varprobe.report.records import SCHEMA_VERSION, Expected, Provenance, Report, SettingsUsed
from varprobe.report.rows import layer_rows, objective_of
from varprobe.spec.network import NetworkSpec, Settings
from varprobe.verdict.judge import judge
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
    verdict = judge(measurement)
    return Report(
        schema_version=SCHEMA_VERSION,
        name=spec.name,
        spec=spec.document,
        settings=SettingsUsed(settings.batch, settings.trials, settings.seed, settings.dtype, settings.engine),
        objective=objective_of(measurement),
        provenance=_provenance(measurement, settings),
        layers=layer_rows(measurement),
        verdict=verdict,
        expect=_expectations(spec, verdict),
    )


def _provenance(measurement: Measurement, settings: Settings) -> Provenance:
    return Provenance(
        varprobe=__version__,
        numpy=np.__version__,
        python=platform.python_version(),
        seed=settings.seed,
        threads=measurement.threads,
        seconds=measurement.seconds,
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
