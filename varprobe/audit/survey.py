"""A tensor read once: its moments and the structure of its rows."""

from __future__ import annotations

from varprobe.audit.moments import Moments, MomentTally
from varprobe.audit.structure import RowTally, Structure
from varprobe.audit.tensors import Tensor
from varprobe.frozen import dataclass


@dataclass(frozen=True)
class Survey:
    """What one reading of one tensor yields."""

    tensor: Tensor
    moments: Moments
    structure: Structure


def survey(tensor: Tensor) -> Survey:
    """Reads a tensor, once unless weights are far out or rows look alike."""
    tally, rows = MomentTally(tensor.size), RowTally(tensor)
    for block in tensor.blocks():
        tally.see(block)
        rows.see(block)
    return Survey(tensor, tally.moments(tensor), rows.structure(tensor))
