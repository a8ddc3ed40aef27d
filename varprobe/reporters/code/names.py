"""The frameworks in whose lines a remedy can be printed, by name."""

from __future__ import annotations

from enum import StrEnum


class FrameworkName(StrEnum):
    """A key of `FRAMEWORKS`, and of what standard output can be for a report."""

    TORCH = "torch"
    KERAS = "keras"
    FLAX = "flax"
    NUMPY = "numpy"
