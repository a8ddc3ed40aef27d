"""Which dense layer is the head: every clause, on networks that differ in nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from varprobe.config.loading import load

LINEAR = {"width": 16, "activation": "linear"}
BRANCH = {"residual": {"layers": [{"dense": LINEAR}]}, "repeat": 2}


def _has_head(*layers: Any, **defaults: Any) -> bool:
    config = {"input": {"features": 16}, "defaults": {"activation": "tanh", "init": "xavier", **defaults}}
    network = load({**config, "layers": list(layers)}).network
    assert network.head is None or network.head is network.steps[-1]
    return network.head is not None


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([{"dense": 16, "repeat": 3}], False),  # it bends
        ([{"dense": LINEAR}], False),  # there is no body before it
        ([{"dense": 16, "repeat": 3}, {"dense": LINEAR}], True),  # the layer before it bends
        ([{"dense": LINEAR, "repeat": 4}], False),  # alike
        ([{"dense": LINEAR, "repeat": 3}, {"dense": {**LINEAR, "width": 4}}], True),  # another width
        ([{"dense": LINEAR, "repeat": 3}, {"dense": {**LINEAR, "init": "he"}}], True),  # another scheme
        ([{"dense": LINEAR, "repeat": 3}, {"activation": "relu"}, {"dense": LINEAR}], True),  # what follows it bends
        ([{"dense": LINEAR, "repeat": 3}, {"dropout": 0.1}, {"dense": LINEAR}], False),  # dropout bends nothing
        ([{"dense": 16, "repeat": 3}, {"dense": LINEAR}, {"activation": "relu"}], False),  # it bends, by what follows
        ([{"dense": 16, "repeat": 3}, {"dense": LINEAR}, {"norm": "layer"}], False),
        ([{"dense": 16}, BRANCH], False),  # inside a block
        ([{"dense": 16}, BRANCH, {"dense": LINEAR}], True),  # the layer before it is a block
    ],
)
def test_the_head_is_the_last_linear_map_that_is_not_alike(layers: list[Any], found: bool) -> None:
    assert _has_head(*layers) is found


def test_a_role_overrides_what_would_be_found() -> None:
    assert not _has_head({"dense": 16, "repeat": 3}, {"dense": LINEAR, "role": "body"})
    assert _has_head({"dense": LINEAR, "repeat": 3}, {"dense": LINEAR, "role": "head"})
