"""Does the signal survive the depth of this network?

>>> import varprobe
>>> report = varprobe.run({"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 4}], "probe": {"batch": 8}})
>>> report.verdict.overall
'stable'
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varprobe.api import audit, check, compare, derive, draws_from, load, measure, predict, run, show, sweep, tune
    from varprobe.audit.records import Audit
    from varprobe.comparison import Comparison
    from varprobe.config.loading import Experiment
    from varprobe.errors import VarprobeError
    from varprobe.gate.records import CheckResult
    from varprobe.network.spec import NetworkSpec, Settings
    from varprobe.report.records import Report
    from varprobe.sweeps.records import Sweep
    from varprobe.tuning import Tuning
    from varprobe.version import __version__

# Loaded at first use, so that the command line can catch Ctrl-C before anything heavy is imported.
_HOMES = {
    "CheckResult": "varprobe.gate.records",
    "Audit": "varprobe.audit.records",
    "Comparison": "varprobe.comparison",
    "Experiment": "varprobe.config.loading",
    "NetworkSpec": "varprobe.network.spec",
    "Report": "varprobe.report.records",
    "Settings": "varprobe.network.spec",
    "Sweep": "varprobe.sweeps.records",
    "Tuning": "varprobe.tuning",
    "VarprobeError": "varprobe.errors",
    "__version__": "varprobe.version",
    "audit": "varprobe.audit",
    "check": "varprobe.api",
    "compare": "varprobe.api",
    "derive": "varprobe.api",
    "draws_from": "varprobe.api",
    "load": "varprobe.api",
    "measure": "varprobe.api",
    "predict": "varprobe.api",
    "run": "varprobe.api",
    "show": "varprobe.api",
    "sweep": "varprobe.api",
    "tune": "varprobe.api",
}

__all__ = [
    "Audit",
    "CheckResult",
    "Comparison",
    "Experiment",
    "NetworkSpec",
    "Report",
    "Settings",
    "Sweep",
    "Tuning",
    "VarprobeError",
    "__version__",
    "audit",
    "check",
    "compare",
    "derive",
    "draws_from",
    "load",
    "measure",
    "predict",
    "run",
    "show",
    "sweep",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'varprobe' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(_HOMES[name])
    value = home if _HOMES[name] == f"{__name__}.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
