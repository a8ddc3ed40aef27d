"""Does the signal survive the depth of this network?

>>> import varprobe
>>> report = varprobe.run({"input": {"features": 16}, "layers": [{"dense": 16, "repeat": 4}], "probe": {"batch": 8}})
>>> report.verdict.overall
'stable'
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varprobe.api import check, load, measure, predict, run, sweep
    from varprobe.config.loading import Experiment
    from varprobe.errors import VarprobeError
    from varprobe.network.spec import NetworkSpec, Settings
    from varprobe.report.records import Report
    from varprobe.version import __version__

# Loaded at first use, so that the command line can catch Ctrl-C before anything heavy is imported.
_HOMES = {
    "Experiment": "varprobe.config.loading",
    "NetworkSpec": "varprobe.network.spec",
    "Report": "varprobe.report.records",
    "Settings": "varprobe.network.spec",
    "VarprobeError": "varprobe.errors",
    "__version__": "varprobe.version",
    "check": "varprobe.api",
    "load": "varprobe.api",
    "measure": "varprobe.api",
    "predict": "varprobe.api",
    "run": "varprobe.api",
    "sweep": "varprobe.api",
}

__all__ = [
    "Experiment",
    "NetworkSpec",
    "Report",
    "Settings",
    "VarprobeError",
    "__version__",
    "check",
    "load",
    "measure",
    "predict",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'varprobe' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
