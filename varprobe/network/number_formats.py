"""The number formats that networks are computed in."""

from __future__ import annotations

from varprobe.frozen import dataclass


@dataclass(frozen=True)
class NumberFormat:
    """A format by its largest finite number and its smallest positive one, subnormal ones included."""

    name: str
    largest: float
    smallest: float


# IEEE 754 and the bfloat16 of its users; float8 as the Open Compute Project has it (e4m3 without infinities).
FORMATS = (
    NumberFormat("float32", (2 - 2.0**-23) * 2.0**127, 2.0**-149),
    NumberFormat("bfloat16", (2 - 2.0**-7) * 2.0**127, 2.0**-133),
    NumberFormat("float16", 65504.0, 2.0**-24),
    NumberFormat("float8_e5m2", 57344.0, 2.0**-16),
    NumberFormat("float8_e4m3", 448.0, 2.0**-9),
)
