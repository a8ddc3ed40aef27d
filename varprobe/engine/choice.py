"""Which engine handles a layer: its weights drawn, or never formed."""

from __future__ import annotations

from varprobe.engine.matrix_free import has_symmetry
from varprobe.errors import ConfigError
from varprobe.spec.laws import Orthogonal
from varprobe.spec.network import Dense, NetworkSpec, Settings, Step

EXPLICIT, MATRIX_FREE = "explicit", "matrix-free"
# Weights over the values of a batch, batch (fan_in + fan_out), above which doing without the weights is quicker:
# measured from 256 to 2,048 units and 8 to 128 rows, where it took as long at 2 and half as long at 4. A Haar matrix
# costs a QR decomposition more.
BREAK_EVEN, BREAK_EVEN_ORTHOGONAL = 3.0, 1.0


def engine_of(step: Step, settings: Settings) -> str | None:
    """The engine of a dense layer, by its law, its widths and the batch alone; None for other layers."""
    if not isinstance(step.layer, Dense):
        return None
    if settings.engine == "explicit" or not has_symmetry(step.layer.weights):
        return EXPLICIT
    if settings.engine == MATRIX_FREE:
        return MATRIX_FREE
    weights, values = step.fan_in * step.fan_out, settings.batch * (step.fan_in + step.fan_out)
    break_even = BREAK_EVEN_ORTHOGONAL if isinstance(step.layer.weights, Orthogonal) else BREAK_EVEN
    return MATRIX_FREE if weights > break_even * values else EXPLICIT


def check_engine(spec: NetworkSpec, settings: Settings) -> None:
    """Refuses `matrix-free` where a law has no symmetry.

    Raises:
        ConfigError: naming the first such layer.
    """
    if settings.engine != MATRIX_FREE:
        return
    for step in spec.steps:
        if isinstance(step.layer, Dense) and not has_symmetry(step.layer.weights):
            message = f"{step.name} has {step.layer.init_label} weights, which cannot be sampled without forming them"
            hint = "use engine: auto, or normal or orthogonal weights"
            raise ConfigError(message, hint=hint, place=spec.place, field="probe.engine")
