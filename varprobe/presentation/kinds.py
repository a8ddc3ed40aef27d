"""`SHOWN`: how Python shows each kind of result. A new kind is an entry here, and tested by that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from varprobe.frozen import dataclass, field
from varprobe.results.kinds import RESULTS, find


@dataclass(frozen=True)
class Shown:
    """A kind of result. Functions are "module:name" below `varprobe`, imported at first use.

    Attributes:
        noun: for messages.
        outline: result -> what its `repr` says.
        summary: result -> lines.
        formats: of files, by suffix; a function that takes the result and the path.
        rows: result -> a mapping a row, for a data frame; empty where the CSV file has them.
        picture: result -> the result in whose entry of `RESULTS` the picture is; empty where there is none.
        thin: result and a number of layers -> the same with the histograms of so many; empty where it has none.
    """

    noun: str
    outline: str
    summary: str
    formats: Mapping[str, str]
    rows: str = ""
    picture: str = ""
    thin: str = ""


_SAME = "presentation.kinds:same"


def _stored(noun: str) -> dict[str, str]:
    return dict.fromkeys(RESULTS[noun].formats, "presentation.saving:render_file")


SHOWN: dict[str, Shown] = {
    "report.records:Report": Shown(
        noun="report",
        outline="presentation.reports:outline_report",
        summary="presentation.reports:summarise_report",
        formats=_stored("report"),
        picture=_SAME,
        thin="presentation.reports:thin_report",
    ),
    "comparison:Comparison": Shown(
        noun="comparison",
        outline="presentation.comparisons:outline_comparison",
        summary="presentation.comparisons:summarise_comparison",
        formats=_stored("comparison"),
        picture=_SAME,
        thin="presentation.comparisons:thin_comparison",
    ),
    "sweeps.records:Sweep": Shown(
        noun="sweep",
        outline="presentation.sweeps:outline_sweep",
        summary="presentation.sweeps:summarise_sweep",
        formats=_stored("sweep"),
        picture=_SAME,
    ),
    "gate.records:CheckResult": Shown(
        noun="check",
        outline="presentation.checks:outline_check",
        summary="presentation.checks:summarise_check",
        formats=dict.fromkeys(RESULTS["check"].formats, "presentation.checks:render_check"),
        rows="presentation.checks:list_decisions",
        picture="presentation.checks:report_of",
    ),
    "gate.records:CheckRun": Shown(
        noun="check",
        outline="presentation.checks:outline_run",
        summary="presentation.checks:summarise_run",
        formats=_stored("check"),
        rows="presentation.checks:list_all_decisions",
    ),
    "audit.records:Audit": Shown(
        noun="audit",
        outline="presentation.audits:outline_audit",
        summary="presentation.audits:summarise_audit",
        formats=_stored("audit"),
        picture=_SAME,
    ),
    "tuning:Tuning": Shown(
        noun="tuning",
        outline="presentation.tunings:outline_tuning",
        summary="presentation.tunings:summarise_tuning",
        formats={
            ".yaml": "presentation.tunings:render_config",
            ".yml": "presentation.tunings:render_config",
            ".json": "presentation.tunings:render_json",
        },
        rows="presentation.tunings:list_changes",
    ),
}


@dataclass(frozen=True)
class Outline:
    """What a `repr` says: the verdict, facts that are always told, and items as far as there is room."""

    verdict: str
    facts: tuple[str, ...] = ()
    items: tuple[str, ...] = field(default=())


def shown_of(result: Any) -> Shown:
    """The entry of a result."""
    return SHOWN[f"{type(result).__module__.removeprefix('varprobe.')}:{type(result).__name__}"]


def call(path: str, *given: Any) -> Any:
    """Calls a function of the table."""
    return find(path)(*given)


def same(result: Any) -> Any:
    """The result itself."""
    return result
