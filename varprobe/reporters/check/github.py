"""CheckRun -> workflow commands, which GitHub turns into annotations at file and line."""

from __future__ import annotations

from pathlib import PurePath

from varprobe.formatting import count, printable
from varprobe.gate.records import CheckError, CheckResult, CheckRun, Decision
from varprobe.reporters.check import words

# GitHub shows that many errors, that many warnings and that many notices of a step.
SHOWN = 10


def render_github(checks: CheckRun) -> str:
    """What changed since a baseline, an error for everything not met, up to ten warnings beside, the counts."""
    notices, errors, warnings = [], [], []
    for checked in checks.checked:
        since = words.since_lines(checked)
        notices += [_of_since(checked, since)] if since else []
        errors += [_of_trouble(checked, trouble) for trouble in words.troubles_of(checked)]
        errors += [_of_decision(checked, decision) for decision in words.broken(checked)]
        warnings += [_of_finding(checked, one) for one in words.noted(checked) if one.severity == "warning"]
    lines = [*notices[:SHOWN], *errors, *warnings[:SHOWN]]
    if len(errors) > SHOWN:
        lines.append(f"{count(len(errors), 'error')}; GitHub annotates the first {SHOWN} of a step")
    return "\n".join([*lines, words.counts_line(checks)]) + "\n"


def _of_since(checked: CheckResult, since: list[str]) -> str:
    title = f"varprobe: {printable(checked.name)} since the baseline"
    return _command("notice", checked, None, None, title, since)


def _of_trouble(checked: CheckResult, trouble: CheckError) -> str:
    lines = [words.trouble_words(trouble), *words.hint_lines(trouble)]
    title = f"varprobe: {printable(checked.name)} could not be checked"
    return _command("error", checked, trouble.line, trouble.column, title, lines)


def _of_decision(checked: CheckResult, decision: Decision) -> str:
    title = f"varprobe: {printable(checked.name)}: {words.subject(decision)} {words.word(decision.outcome)}"
    return _command("error", checked, decision.line, None, title, words.decision_lines(checked, decision))


def _of_finding(checked: CheckResult, finding: words.Noted) -> str:
    title = f"varprobe: {printable(checked.name)}: {finding.code}"
    lines = [finding.text, *([f"at {finding.where}"] if finding.where else [])]
    return _command("warning", checked, finding.line, None, title, lines)


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
