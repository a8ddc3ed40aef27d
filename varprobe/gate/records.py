"""What a check concludes. Their names are the keys of its JSON; `CHECK_VERSION` changes when they do."""

from __future__ import annotations

from varprobe.audit.records import Audit
from varprobe.frozen import record
from varprobe.presentable import Presentable
from varprobe.report.records import Report
from varprobe.verdict.labels import Word

CHECK_VERSION = 4
# The trials that a check may draw, unless told otherwise.
MAX_TRIALS = 400


class CheckOutcome(Word):
    """What a check of several decisions, or a run over several configs, comes to; the worst first."""

    FAULT = "fault"
    ERROR = "error"
    FAILED = "failed"
    UNDECIDED = "undecided"
    PASSED = "passed"


OUTCOMES = tuple(CheckOutcome)


@record(frozen=True)
class Decision:
    """One expectation, decided or not.

    Attributes:
        expectation: the path below `expect` in the config, such as `forward`, `rate.forward`,
            `layers.3.activation.variance`; `findings` for error-level findings, `baseline` for drift, `weights.PATTERN`
            for a law that weights were meant to be drawn from.
        wanted: what is expected, in words.
        outcome: met, failed or undecided.
        found: what was found, in words, with its interval.
        remedy: what to do about it; empty where it is met.
        layer: the row of the report, from 1, where it is that of one layer.
        line: of the layer's entry in the config, or of the expectation; None where there is no file.
        value, low, high: what was measured and its interval at `level`: a rate, a log10 of a total, or the statistic in
            the report's own unit; None where it is none of these or not known.
        level: the chance that this decision is wrong, its share of the check's alpha.
        needed: trials that would probably do, where it is undecided and a number is known.
    """

    expectation: str
    wanted: str
    outcome: str
    found: str
    remedy: str = ""
    layer: int | None = None
    line: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    needed: int | None = None


@record(frozen=True)
class CheckError:
    """Why a config could not be checked, with its place."""

    message: str
    hint: str
    field: str = ""
    line: int | None = None
    column: int | None = None


@record(frozen=True)
class Difference:
    """A value that differs: `before` in the baseline, `after` now, as a config writes it; None where there is none."""

    path: str
    before: str | None
    after: str | None


@record(frozen=True)
class SinceBaseline:
    """What differs from a baseline apart from what was measured.

    Attributes:
        config: key by key; an entry of `layers` that was removed has its place in the baseline.
        removed, added: names of layers, once for each of a name.
        versions: of varprobe, numpy and python, where they are others.
    """

    config: tuple[Difference, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    versions: tuple[Difference, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether nothing differs."""
        return not (self.config or self.removed or self.added or self.versions)


@record(frozen=True, repr=False)
class CheckResult(Presentable):
    """One config, held to its expectations.

    Attributes:
        config: the file as it was named, for messages and annotations.
        name: of the network; the file's stem where it could not be read.
        outcome: passed, failed, undecided (some expectation neither met nor failed at `max_trials`), error (the
            user's mistake) or fault (varprobe's).
        decisions: in the order of the config; empty where it could not be checked.
        trials, looks: how many were drawn, and how often they were looked at.
        alpha: the chance that any of the decisions is wrong, over all looks together.
        seconds: wall time.
        report: on all trials; None where it could not be checked.
        trouble: None unless the outcome is error or fault.
        further: mistakes of the config beside it, in the order of the file.
        since: what differs from the baseline; None where there is none.
        audit: of weights, in place of a report; `trials` then are its draws.
    """

    config: str
    name: str
    outcome: str
    decisions: tuple[Decision, ...]
    trials: int
    looks: int
    alpha: float
    max_trials: int
    seconds: float
    report: Report | None = None
    trouble: CheckError | None = None
    further: tuple[CheckError, ...] = ()
    since: SinceBaseline | None = None
    audit: Audit | None = None


@record(frozen=True, repr=False)
class CheckRun(Presentable):
    """All configs of one command, in the order they were named."""

    check_version: int
    outcome: str
    checked: tuple[CheckResult, ...]
