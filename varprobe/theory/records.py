"""What theory says, per row and for the network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """A signal at one place, over units and the ensemble of weights.

    Attributes:
        second_moment: E[x^2].
        mean: E[x].
        spread: E[x^2] - E[x x'] for two samples: the sample variance; None where it is not known.
        gaussian: its law is Gaussian, also jointly for two samples, so that an activation can follow.
    """

    second_moment: float
    mean: float
    spread: float | None
    gaussian: bool

    @property
    def variance(self) -> float:
        """Second moment minus squared mean."""
        return max(self.second_moment - self.mean**2, 0.0)


@dataclass(frozen=True)
class RowPrediction:
    """One row of the report; `source` is z (in other rows the input), `output` is a.

    Attributes:
        chi1: fan_in Var(W) E[phi'^2], the factor of the gradient per layer at constant width; dense rows only.
        gradient: second moment of dObjective/d(source), divided by that of the output; `output_gradient` likewise.
        reason: why fields are None.
    """

    source: Level | None = None
    output: Level | None = None
    chi1: float | None = None
    gradient: float | None = None
    output_gradient: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class FixedPoint:
    """Where a layer that is repeated for ever leads.

    Attributes:
        regime: ordered, edge of chaos or chaotic; None where the second moment has no fixed point.
        second_moment: q*, 0 or infinite where it vanishes or explodes.
        chi1: at q*.
        xi_q, xi_c, xi_gradient: depth scales in layers of the second moment, the correlation and the gradient.
        trainable_depth: 6 xi_c, beyond which two samples cannot be told apart, or not related.
    """

    regime: str | None
    second_moment: float | None
    chi1: float | None
    xi_q: float | None
    xi_c: float | None
    xi_gradient: float | None
    trainable_depth: float | None


@dataclass(frozen=True)
class Prediction:
    """Everything that theory says of a network; `rows` in the order of the report."""

    rows: tuple[RowPrediction, ...]
    input: Level
    input_gradient: float | None
    fixed_point: FixedPoint | None
