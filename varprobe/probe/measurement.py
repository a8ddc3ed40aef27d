"""What was measured: the layers by name, and every statistic per trial."""

from __future__ import annotations

from varprobe.engine.record import StackStatistics
from varprobe.frozen import dataclass
from varprobe.network.description import LayerDescription


@dataclass(frozen=True)
class Measurement:
    """Statistics of every trial. Gradients are divided by the second moment of dObjective/d(output).

    Attributes:
        statistics: per trial and row; the rows are `layers`, in order.
        dtype: what the arithmetic ran in.
        code_density: as the input law has it; None where the input is no code, or not known to be.
        target_square: mean square of given targets of mse; None where they are drawn.
        threads: how many were used.
        seconds: wall time.
    """

    layers: tuple[LayerDescription, ...]
    statistics: StackStatistics
    features: int
    batch: int
    trials: int
    dtype: str
    objective: str
    threads: int
    seconds: float
    code_density: float | None = None
    target_square: float | None = None
