"""Gains: by what factor weights must be scaled so that a layer keeps its second moment, or its gradient."""

from __future__ import annotations

import math

from varprobe.frozen import dataclass
from varprobe.gaussian.expectations import expectations
from varprobe.network.activations import Activation
from varprobe.network.initializers import TORCH_NONLINEARITIES, torch_gain


@dataclass(frozen=True)
class ActivationGain:
    """What one activation does to N(0, q), and the gains that undo it. The names are the keys of the JSON.

    Attributes:
        mean, second_moment, variance: of phi.
        derivative_second_moment: E[phi'^2].
        forward_gain, backward_gain: 1/sqrt(E[phi^2]) and 1/sqrt(E[phi'^2]); None for a flat function.
        torch_gain: what `torch.nn.init.calculate_gain` says; None where it is an error there.
        chi1_forward, chi1_torch: gain^2 E[phi'^2], the gradient's factor per layer with that gain.
        slope: d ln E[phi^2] / d ln q; q is a stable fixed point of the gain that keeps it where this is below 1.
    """

    activation: str
    q: float
    mean: float
    second_moment: float
    variance: float
    derivative_second_moment: float
    forward_gain: float | None
    backward_gain: float | None
    torch_gain: float | None
    chi1_forward: float | None
    chi1_torch: float | None
    slope: float | None

    @property
    def fixed_point(self) -> str:
        """Whether q is held: stable, neutral (every q is), or unstable."""
        if self.slope is None:
            return "-"
        if abs(self.slope - 1) < 1e-12:
            return "neutral"
        return "stable" if abs(self.slope) < 1 else "unstable"


def gain_of(activation: Activation, q: float = 1.0) -> ActivationGain:
    """The gains of an activation on N(0, q).

    >>> from varprobe.network.activations import make_activation
    >>> round(gain_of(make_activation("relu")).forward_gain, 6)
    1.414214
    """
    known = expectations(activation, 0.0, q)
    forward, steep = known.second_moment, known.derivative_second_moment
    slope_argument = float(activation.arguments.get("slope", 0.01))
    torch = torch_gain(activation.name, slope_argument) if activation.name in TORCH_NONLINEARITIES else None
    return ActivationGain(
        activation=activation.label,
        q=q,
        mean=known.mean,
        second_moment=forward,
        variance=known.variance,
        derivative_second_moment=steep,
        forward_gain=1 / math.sqrt(forward) if forward > 0 else None,
        backward_gain=1 / math.sqrt(steep) if steep > 0 else None,
        torch_gain=torch,
        chi1_forward=steep / forward if forward > 0 else None,
        chi1_torch=None if torch is None else torch**2 * steep,
        slope=q * known.slope / forward if forward > 0 else None,
    )
