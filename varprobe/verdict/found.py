"""What a check yields."""

from __future__ import annotations

from varprobe.frozen import dataclass


@dataclass(frozen=True)
class Found:
    """A `Finding` before the table gives it a severity, and advice a remedy; the fields are those of `Finding`."""

    code: str
    message: str
    layer: int | None = None
    measured: float | None = None
    limit: float | None = None
