"""What a check yields."""

from __future__ import annotations

from varprobe.frozen import dataclass
from varprobe.verdict.labels import Severity


@dataclass(frozen=True)
class Found:
    """A `Finding` before the table gives it a severity, and advice a remedy; the fields are those of `Finding`.

    Attributes:
        severity: where it is another than the table's.
    """

    code: str
    message: str
    layer: int | None = None
    measured: float | None = None
    limit: float | None = None
    severity: Severity | None = None
