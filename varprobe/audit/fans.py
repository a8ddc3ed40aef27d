"""fan_in and fan_out of a stored tensor: which of its axes are inputs depends on who stored it."""

from __future__ import annotations

import math
from enum import StrEnum
from fnmatch import fnmatchcase

from varprobe.frozen import dataclass


class Layout(StrEnum):
    """Order of a weight's axes: torch (out, in, *kernel), keras and flax (*kernel, in, out)."""

    TORCH = "torch"
    KERAS = "keras"
    FLAX = "flax"


@dataclass(frozen=True)
class Reading:
    """How tensors are read whose names match a pattern.

    Attributes:
        transposed: the two axes of a matrix are the other way round than the layout has them.
        packed: so many matrices stand one upon the other along the outputs, such as 3 for query, key and value.
        groups: of a grouped convolution.
    """

    pattern: str
    transposed: bool = False
    packed: int = 1
    groups: int = 1


@dataclass(frozen=True)
class Fans:
    """Of one map: inputs that an output sums over, and outputs that an input reaches.

    Attributes:
        outputs: rows of the matrix (outputs, fan_in) that a kernel is as a map; fan_out where there is no kernel.
    """

    fan_in: int
    fan_out: int
    outputs: int

    def swapped(self) -> Fans:
        return Fans(self.fan_out, self.fan_in, self.outputs)


def find_fans(name: str, shape: tuple[int, ...], layout: Layout, readings: tuple[Reading, ...] = ()) -> Fans | None:
    """The fans of a tensor with two axes or more, by the first reading that matches; None for vectors.

    Source: PyTorch's `_calculate_fan_in_and_fan_out` and Keras' `compute_fans`; in grouped convolutions an output sums
    over its group's inputs, which is what PyTorch's shape gives, and an input reaches its group's outputs.

    >>> find_fans("conv", (64, 16, 3, 3), Layout.TORCH)
    Fans(fan_in=144, fan_out=576, outputs=64)
    >>> find_fans("attn.weight", (768, 2304), Layout.TORCH, (Reading("attn.*", transposed=True, packed=3),))
    Fans(fan_in=768, fan_out=768, outputs=768)
    """
    if len(shape) < 2:
        return None
    reading = next((one for one in readings if fnmatchcase(name, one.pattern)), Reading(name))
    if layout is Layout.TORCH:
        outputs, inputs, kernel = shape[0], shape[1], math.prod(shape[2:])
    else:
        outputs, inputs, kernel = shape[-1], shape[-2], math.prod(shape[:-2])
    if reading.transposed:
        outputs, inputs = inputs, outputs
    rows = max(outputs // reading.packed, 1)
    return Fans(inputs * kernel, max(rows * kernel // reading.groups, 1), rows)
