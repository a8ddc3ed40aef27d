"""CheckRun -> workflow commands, which GitHub turns into annotations at file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from varprobe.formatting import count, printable
from varprobe.gate.records import CheckError, CheckResult, CheckRun, Decision
from varprobe.reporters.check import words
from varprobe.verdict.records import Finding

# GitHub shows that many errors and that many warnings of a step.
SHOWN = 10


def render_github(checks: CheckRun) -> str:
    """An error for everything not met, then up to ten warnings of the reports, then the counts."""
    errors = [line for checked in checks.checked for line in _errors(checked)]
    warnings = [line for checked in checks.checked for line in _warnings(checked)]
    lines = [*errors, *warnings[:SHOWN]]
    if len(errors) > SHOWN:
        lines.append(f"{count(len(errors), 'error')}; GitHub annotates the first {SHOWN} of a step")
    return "\n".join([*lines, words.counts_line(checks)]) + "\n"


def _errors(checked: CheckResult) -> Iterator[str]:
    trouble = words.trouble_of(checked)
    if trouble:
        yield _of_trouble(checked, trouble)
    for decision in words.broken(checked):
        yield _of_decision(checked, decision)


def _warnings(checked: CheckResult) -> Iterator[str]:
    for finding in checked.report.verdict.findings if checked.report else ():
        if finding.severity == "warning":
            yield _of_finding(checked, finding)


def _of_trouble(checked: CheckResult, trouble: CheckError) -> str:
    lines = [words.trouble_words(trouble), *([f"hint: {printable(trouble.hint)}"] if trouble.hint else [])]
    title = f"varprobe: {printable(checked.name)} could not be checked"
    return _command("error", checked, trouble.line, trouble.column, title, lines)


def _of_decision(checked: CheckResult, decision: Decision) -> str:
    lines = [words.told(decision), f"at {words.where(checked, decision)}", *words.to_do(checked, decision)]
    title = f"varprobe: {printable(checked.name)}: {printable(decision.expectation)} {words.word(decision.outcome)}"
    return _command("error", checked, decision.line, None, title, lines)


def _of_finding(checked: CheckResult, finding: Finding) -> str:
    layer = words.layer_words(checked, finding.layer)
    row = words.row_of(checked, finding.layer)
    title = f"varprobe: {printable(checked.name)}: {finding.code}"
    lines = [words.finding_words(finding), *([f"at {layer}"] if layer else [])]
    return _command("warning", checked, row.line if row else None, None, title, lines)


def _command(
    kind: str, checked: CheckResult, line: int | None, column: int | None, title: str, message: list[str]
) -> str:
    place = (
        {"file": printable(PurePath(checked.config).as_posix()), "line": line, "col": column}
        if words.is_file(checked)
        else {}
    )
    properties = {**place, "title": title}
    written = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value is not None)
    return f"::{kind} {written}::{_data(chr(10).join(message))}"


def _data(text: str) -> str:
    """Escaped as the runner reads the text of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escaped as the runner reads a command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
