"""What Python users call; `varprobe` itself names the same functions."""

from varprobe.api.audits import audit, draws_from
from varprobe.api.networks import check, derive, load, measure, predict, run
from varprobe.api.stored import show
from varprobe.api.studies import compare, sweep, tune

__all__ = [
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
