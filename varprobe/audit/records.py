"""What an audit yields."""

from __future__ import annotations

from varprobe.frozen import record
from varprobe.presentable import Presentable
from varprobe.verdict.labels import Severity, Word

AUDIT_VERSION = 1
# The chance that any tensor of a model that is as intended is called otherwise, and what difference matters.
ALPHA, TOLERANCE = 1e-3, 0.02


class AuditOutcome(Word):
    """Of an audit: whether everything that was intended is there."""

    PASSED = "passed"
    FAILED = "failed"


class Fault(Word):
    """How a tensor is not what was meant."""

    NOT_FINITE = "not finite"
    CONSTANT = "constant"
    NOT_CONSTANT = "not constant"
    STRUCTURE = "structure"
    FANS_SWAPPED = "fans swapped"
    STD_AS_MEAN = "std as mean"
    SCALE = "scale"
    SUPPORT = "support"
    CENTRE = "centre"
    SHAPE = "shape"


@record(frozen=True)
class Intended:
    """What was meant by a tensor, and whether it is there.

    Attributes:
        pattern, law: as they were written.
        std: the law's standard deviation.
        met: the draw is compatible with the law, or off by less than the tolerance.
        z: the largest score of its tests; null where no draw from the law looks like this.
        ratio: the tensor's standard deviation over the law's; null where the law has none.
        fault, instead: how it is off where it is not met, and what it looks like.
        line: of its pattern in the config, where there is one.
    """

    pattern: str
    law: str
    std: float
    met: bool
    z: float | None
    ratio: float | None
    fault: Fault | None = None
    instead: str = ""
    line: int | None = None


@record(frozen=True)
class TensorAudit:
    """One tensor: numbers are null where no weight is finite, or where they have no meaning.

    Attributes:
        group: the name with its indices starred; tensors of one group and shape are siblings.
        aliases: other names of the same memory.
        kurtosis: 3 for a normal law, 1.8 for a uniform one.
        largest: the largest distance from the mean, in standard deviations.
        far: weights beyond 7.5 robust standard deviations.
        pattern: `orthogonal`, `identity` or empty.
        laws: those of the table that a draw like this could come from; none where it fits none.
        nearest: where it fits none, a law scaled by the number of siblings that it fits, or the nearest shape.
    """

    name: str
    group: str
    shape: tuple[int, ...]
    dtype: str
    fan_in: int | None
    fan_out: int | None
    aliases: tuple[str, ...]
    count: int
    not_finite: int
    zeros: int
    mean: float | None
    std: float | None
    kurtosis: float | None
    largest: float | None
    low: float | None
    high: float | None
    far: int
    pattern: str
    laws: tuple[str, ...]
    nearest: str
    intended: Intended | None = None


@record(frozen=True)
class AuditFinding:
    """Something to know about some tensors.

    Attributes:
        tensors: their names, the first thousand.
        count: of all of them.
        measured, limit: the figure that decided, and what it was held to, where there is one.
    """

    code: str
    severity: Severity
    tensors: tuple[str, ...]
    count: int
    message: str
    remedy: str
    measured: float | None = None
    limit: float | None = None


@record(frozen=True, repr=False)
class Audit(Presentable):
    """A model's or file's weights, as they are and as they were meant.

    Attributes:
        config: the file that says what was meant; empty where there is none.
        source: the file, or the factory.
        draws: independent draws that were pooled.
        baseline: the stored audit that it was held to; empty where there is none.
        alpha, tolerance: the family-wise chance of a false alarm, and the practical limit, of what was intended.
    """

    audit_version: int
    name: str
    config: str
    source: str
    draws: int
    layout: str
    alpha: float
    tolerance: float
    baseline: str
    outcome: AuditOutcome
    varprobe: str
    numpy: str
    findings: tuple[AuditFinding, ...]
    tensors: tuple[TensorAudit, ...]
