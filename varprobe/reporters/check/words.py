"""Sentences that the reporters of checks share. All of them are printable: names from configs cannot leave a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from varprobe.audit.records import AuditFinding
from varprobe.formatting import count, printable
from varprobe.frozen import dataclass
from varprobe.gate.audits import NOT_INTENDED, SINCE_BASELINE
from varprobe.gate.records import CheckError, CheckResult, CheckRun, Decision, Difference
from varprobe.report.records import LayerRow
from varprobe.reporters.audit.words import outcome_line, place_line, title_line
from varprobe.reporters.report_phrases import row_label
from varprobe.reporters.verdict_phrases import SUBJECTS, verdict_lines, verdict_words
from varprobe.verdict.records import Finding

# What is bad is written so that it is found without colour.
WORDS = {
    "passed": "passed",
    "met": "met",
    "failed": "FAILED",
    "undecided": "UNDECIDED",
    "error": "ERROR",
    "fault": "FAULT",
}
# The order in which configs are counted.
_COUNTED = ("passed", "failed", "undecided", "error", "fault")
# Differences of a config, and runs of layers' names, that are told.
_DIFFERENCES, _NAMES = 10, 8
# Outcomes of configs that could not be checked.
_TROUBLED = ("error", "fault")
_STDIN = ("-", "<stdin>")


def word(outcome: str) -> str:
    """The outcome as it is shown."""
    return WORDS.get(outcome, printable(outcome))


def broken(checked: CheckResult) -> list[Decision]:
    """The decisions that were not met: drift from the baseline, then the others in the order of the config."""
    found = [decision for decision in checked.decisions if decision.outcome != "met"]
    return sorted(found, key=lambda decision: decision.expectation != "baseline")


def since_lines(checked: CheckResult) -> list[str]:
    """What differs from the baseline: the config, layers, versions; of what passed, only where something does."""
    since = checked.since
    if since is None:
        return []
    if since.is_nothing:
        same = "config, layers and versions of varprobe, numpy and python are the same"
        return [] if checked.outcome == "passed" else [same]
    lines = [_differs(one) for one in since.config[:_DIFFERENCES]]
    more = len(since.config) - len(lines)
    lines += [f"and {count(more, 'more difference')} of the config; -o check.json has all"] if more else []
    named = (("removed", since.removed), ("added", since.added))
    lines += [f"{count(len(names), 'layer')} {what}: {_fold(names)}" for what, names in named if names]
    return [*lines, *map(_differs, since.versions)]


def _differs(one: Difference) -> str:
    if one.before is None or one.after is None:
        what = f"added: {one.after}" if one.before is None else f"removed: {one.before}"
        return printable(f"{one.path} {what}")
    return printable(f"{one.path}: {one.before} -> {one.after}")


def _fold(names: Sequence[str]) -> str:
    """Names that are numbered on as a range, names that are repeated with their number; the first of many.

    >>> _fold(["dense7", "dense8", "dense9", "trunk", "trunk"])
    'dense7 to dense9, trunk (2)'
    """
    runs: list[list[str]] = []
    for name in names:
        if runs and (name == runs[-1][-1] or name == _next(runs[-1][-1])):
            runs[-1].append(name)
        else:
            runs.append([name])
    told = [printable(_run_words(run)) for run in runs[:_NAMES]]
    return ", ".join([*told, "..."] if len(runs) > _NAMES else told)


def _next(name: str) -> str:
    stem = name.rstrip("0123456789")
    return f"{stem}{int(name[len(stem) :]) + 1}" if 0 < len(name) - len(stem) < 10 else ""


def _run_words(run: Sequence[str]) -> str:
    if len(run) == 1 or (len(run) == 2 and run[0] != run[1]):
        return ", ".join(run)
    return f"{run[0]} ({len(run)})" if run[0] == run[-1] else f"{run[0]} to {run[-1]}"


def counts_line(checks: CheckRun) -> str:
    """How many configs came to each outcome."""
    found = [checked.outcome for checked in checks.checked]
    parts = [_count_words(found.count(outcome), outcome) for outcome in _COUNTED if outcome in found]
    return ", ".join(parts) or "nothing was checked"


def _count_words(amount: int, outcome: str) -> str:
    return count(amount, outcome) if outcome in _TROUBLED else f"{amount:,} {outcome}"


def is_file(checked: CheckResult) -> bool:
    """Whether the config is a file that an annotation can point to."""
    return checked.config not in _STDIN


def place(checked: CheckResult, line: int | None = None, column: int | None = None) -> str:
    """The config, with line and column where they are known."""
    return printable(":".join(str(part) for part in (checked.config, line, column) if part is not None))


def how(checked: CheckResult) -> str:
    """The network, and what it took to decide."""
    if checked.audit:
        return f"{title_line(checked.audit)}, {checked.seconds:.2f} s"
    trials = count(checked.trials, "trial")
    return f"{printable(checked.name)} ({trials}, {checked.seconds:.2f} s)"


def row_of(checked: CheckResult, layer: int | None) -> LayerRow | None:
    """The row of the report that a decision or a finding is about."""
    rows = checked.report.layers if checked.report else ()
    return next((row for row in rows if row.index == layer), None)


def layer_words(checked: CheckResult, layer: int | None) -> str:
    """The layer with its name and its place in the config; empty where it is none."""
    if layer is None:
        return ""
    row = row_of(checked, layer)
    return f"layer {layer:,}" if row is None else f"layer {layer:,} ({row_label(row)}, {printable(row.path)})"


def where(checked: CheckResult, decision: Decision) -> str:
    """Place and layer of a decision."""
    layer = layer_words(checked, decision.layer)
    return ", ".join(part for part in (place(checked, decision.line), layer) if part)


def subject(decision: Decision) -> str:
    """What the decision is about, as verdicts say it: `activations` for the expectation `forward`."""
    return printable(SUBJECTS.get(decision.expectation, decision.expectation))


def tell(decision: Decision) -> str:
    """What was wanted and what was found."""
    return f"wanted {printable(decision.wanted)}, found {printable(decision.found)}"


def to_do(checked: CheckResult, decision: Decision) -> list[str]:
    """What would decide an open decision, and the remedy."""
    lines = []
    if decision.outcome == "undecided":
        drawn = f"{count(checked.trials, 'trial')} did not decide it"
        lines.append(drawn if decision.needed is None else f"{drawn}; about {decision.needed:,} probably would")
    return lines + ([printable(decision.remedy)] if decision.remedy else [])


def sentence(text: str) -> str:
    """The text with the full stop that it may lack.

    >>> sentence("found 3"), sentence("Widen it.")
    ('found 3.', 'Widen it.')
    """
    return text if text.endswith((".", "!", "?")) else f"{text}."


def decision_lines(checked: CheckResult, decision: Decision) -> list[str]:
    """What was wanted and found, where, and what to do."""
    return [tell(decision), f"at {where(checked, decision)}", *to_do(checked, decision)]


def hint_lines(trouble: CheckError) -> list[str]:
    """The way out, where one is known."""
    return [f"hint: {printable(trouble.hint)}"] if trouble.hint else []


def troubles_of(checked: CheckResult) -> tuple[CheckError, ...]:
    """Why the config could not be checked; empty where it could."""
    if checked.trouble is None:
        return (CheckError("could not be checked", ""),) if checked.outcome in _TROUBLED else ()
    return (checked.trouble, *checked.further)


def trouble_words(trouble: CheckError) -> str:
    """The field and the mistake."""
    return ": ".join(printable(part) for part in (trouble.field, trouble.message) if part)


@dataclass(frozen=True)
class Noted:
    """A finding of a config's report, or of its audit.

    Attributes:
        text: the message and the remedy.
        line: of the layer's entry in the config.
        layer: the row of the report that it is about.
        which: tells it from others of its code.
        where: the layer, or the tensors, in words.
        names: of what it is about: short, and whole.
    """

    code: str
    severity: str
    text: str
    line: int | None
    layer: int | None
    which: str
    where: str
    names: tuple[tuple[str, str], ...]


def noted(checked: CheckResult) -> Iterator[Noted]:
    """The findings of the report, or of the audit but those that decisions tell."""
    for finding in checked.report.verdict.findings if checked.report else ():
        row, text = row_of(checked, finding.layer), _both(finding)
        names = ((printable(row.name), printable(row.path)),) if row else ()
        line, where = row.line if row else None, layer_words(checked, finding.layer)
        yield Noted(finding.code, finding.severity, text, line, finding.layer, f"{finding.layer}", where, names)
    for found in checked.audit.findings if checked.audit else ():
        if found.code not in (NOT_INTENDED, *SINCE_BASELINE):
            first = printable(found.tensors[0])
            where = place_line(found)
            yield Noted(found.code, found.severity, _both(found), None, None, first, where, ((first, first),))


def _both(finding: Finding | AuditFinding) -> str:
    return " ".join(sentence(printable(part)) for part in (finding.message, finding.remedy) if part)


def verdict_line(checked: CheckResult) -> str:
    """The report's verdict, or the audit's outcome, in sentences; empty where there is neither."""
    if checked.audit:
        return outcome_line(checked.audit)
    if checked.report is None:
        return ""
    verdict = checked.report.verdict
    return " ".join((f"{verdict.overall}: {verdict_words(verdict)}", *verdict_lines(verdict)))
