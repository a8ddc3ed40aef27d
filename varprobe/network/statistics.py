"""The statistics of a layer that an expectation may bound, by the report's own keys."""

from __future__ import annotations

from collections.abc import Callable

from varprobe.frozen import dataclass
from varprobe.network.layers import Layer


@dataclass(frozen=True)
class Statistic:
    """Which layers have it: `belongs` says whether such a layer does, at a batch of that size."""

    belongs: Callable[[Layer, int], bool]


_ALL = Statistic(lambda layer, batch: True)
_SEVERAL = Statistic(lambda layer, batch: batch > 1)
_DENSE = Statistic(lambda layer, batch: layer.weights is not None)
_LIMITED = Statistic(lambda layer, batch: layer.activation is not None and layer.activation.saturation is not None)

STATISTICS: dict[str, Statistic] = {
    "preactivation.mean": _ALL,
    "preactivation.second_moment": _ALL,
    "preactivation.variance": _ALL,
    "preactivation.sample_variance": _SEVERAL,
    "activation.mean": _ALL,
    "activation.second_moment": _ALL,
    "activation.variance": _ALL,
    "activation.sample_variance": _SEVERAL,
    "activation.saturated": _LIMITED,
    "activation.dead": _ALL,
    "activation.max_abs": _ALL,
    "activation.effective_rank": _SEVERAL,
    "gradient.second_moment": _ALL,
    "gradient.variance": _ALL,
    "activation_gradient.second_moment": _ALL,
    "activation_gradient.variance": _ALL,
    "weight_gradient.second_moment": _DENSE,
    "weight_gradient.variance": _DENSE,
}
