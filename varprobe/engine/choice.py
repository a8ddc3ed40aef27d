"""Which engine handles a layer: its weights drawn, or never formed."""

from __future__ import annotations

from varprobe.engine.matrix_free import has_symmetry
from varprobe.errors import ConfigError
from varprobe.frozen import dataclass
from varprobe.network.laws import Orthogonal
from varprobe.network.spec import NetworkSpec, Settings, Step

EXPLICIT, MATRIX_FREE = "explicit", "matrix-free"


@dataclass(frozen=True)
class Cost:
    """Nanoseconds of a layer in one trial beyond its statistics, forward and backward, by what is counted.

    Measured by `tests/benchmarks/engines.py` on two cores from 64 to 2,048 units and 1 to 512 rows, and fitted; where
    the engines differ by more than a third the fit names the quicker one.

    Attributes:
        weight: for each weight: drawing it, and its part of a QR decomposition's overhead.
        product: for each weight and row of the batch.
        decomposition: for each weight and unit of the narrower side.
        layer: for each layer, however small: the decompositions' overhead.
        value: for each value of input and output: the normals drawn for them.
        pair: for each value and row of the batch: Gram matrices, and products with matrices of the batch's size.
        cube: for each three rows of the batch: the decompositions of those matrices.
    """

    weight: float
    product: float
    decomposition: float
    layer: float
    value: float
    pair: float
    cube: float

    def explicit(self, fan_in: int, fan_out: int, batch: int) -> float:
        weights = fan_in * fan_out
        return weights * (self.weight + self.product * batch + self.decomposition * min(fan_in, fan_out))

    def matrix_free(self, fan_in: int, fan_out: int, batch: int) -> float:
        values = batch * (fan_in + fan_out)
        return self.layer + values * (self.value + self.pair * batch) + self.cube * batch**3


GAUSSIAN = Cost(weight=4.1, product=0.035, decomposition=0.0, layer=45_000, value=8.5, pair=0.076, cube=0.26)
ORTHOGONAL = Cost(weight=85, product=0.035, decomposition=0.08, layer=45_000, value=30, pair=0.29, cube=0.36)


def engine_of(step: Step, settings: Settings) -> str | None:
    """The engine of a layer's weights, by their law, its widths and the batch alone; None where it has none."""
    weights = step.layer.weights
    if weights is None:
        return None
    if settings.engine == "explicit" or not has_symmetry(weights):
        return EXPLICIT
    if settings.engine == MATRIX_FREE:
        return MATRIX_FREE
    cost = ORTHOGONAL if isinstance(weights, Orthogonal) else GAUSSIAN
    layer = step.fan_in, step.fan_out, settings.batch
    return MATRIX_FREE if cost.matrix_free(*layer) < cost.explicit(*layer) else EXPLICIT


def check_engine(spec: NetworkSpec, settings: Settings) -> None:
    """Refuses `matrix-free` where a law has no symmetry.

    Raises:
        ConfigError: naming the first such layer.
    """
    if settings.engine != MATRIX_FREE:
        return
    for step in spec.steps:
        if step.layer.weights and not has_symmetry(step.layer.weights):
            message = f"{step.name} has {step.layer.init_label} weights, which cannot be sampled without forming them"
            hint = "use engine: auto, or normal or orthogonal weights"
            raise ConfigError(message, hint=hint, place=spec.place, field="probe.engine")
