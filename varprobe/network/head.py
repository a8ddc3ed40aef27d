"""The head: the last linear map, which is often small, zero or of another scheme on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from varprobe.network.spec import Step


def find_head(steps: Sequence[Step]) -> int | None:
    """The position of the head among the steps; None where the network has none.

    It is the last dense layer, if it is linear, outside every residual block, and not alike with the dense layer
    before it: what bends behind it, its width or its scheme is another, or it belongs to a residual branch. A step's
    `role` overrides that.
    """
    dense = [position for position, step in enumerate(steps) if step.layer.weights is not None]
    if not dense:
        return None
    last = dense[-1]
    if steps[last].role is not None:
        return last if steps[last].role == "head" else None
    bends = {here: _bends(steps[here:after]) for here, after in pairwise([*dense, len(steps)])}
    if len(dense) == 1 or bends[last] or not steps[last].trunk:
        return None
    before = dense[-2]
    here, other = steps[last].layer, steps[before].layer
    is_alike = steps[before].trunk and not bends[before]
    is_alike &= (here.fan_out, here.init_label) == (other.fan_out, other.init_label)
    return None if is_alike else last


def _bends(steps: Sequence[Step]) -> bool:
    """Whether a dense layer, or what follows it before the next, is no linear function."""
    return any(step.layer.bends for step in steps)
