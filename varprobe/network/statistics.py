"""The statistics of a layer that an expectation may bound, by the report's own keys."""

from __future__ import annotations

from collections.abc import Callable

from varprobe.frozen import dataclass
from varprobe.network.layers import Layer


@dataclass(frozen=True)
class Statistic:
    """Which layers have it: `belongs` says whether such a layer does, at a batch of that size."""

    belongs: Callable[[Layer, int], bool]


def _always(layer: Layer, batch: int) -> bool:
    return True


def _samples(layer: Layer, batch: int) -> bool:
    return batch > 1


def _limited(layer: Layer, batch: int) -> bool:
    return layer.activation is not None and layer.activation.saturation is not None


def _dense(layer: Layer, batch: int) -> bool:
    return layer.weights is not None


STATISTICS: dict[str, Statistic] = {
    "preactivation.mean": Statistic(_always),
    "preactivation.second_moment": Statistic(_always),
    "preactivation.variance": Statistic(_always),
    "preactivation.sample_variance": Statistic(_samples),
    "activation.mean": Statistic(_always),
    "activation.second_moment": Statistic(_always),
    "activation.variance": Statistic(_always),
    "activation.sample_variance": Statistic(_samples),
    "activation.saturated": Statistic(_limited),
    "activation.dead": Statistic(_always),
    "activation.max_abs": Statistic(_always),
    "gradient.second_moment": Statistic(_always),
    "gradient.variance": Statistic(_always),
    "activation_gradient.second_moment": Statistic(_always),
    "activation_gradient.variance": Statistic(_always),
    "weight_gradient.second_moment": Statistic(_dense),
    "weight_gradient.variance": Statistic(_dense),
}
