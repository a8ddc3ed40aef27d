"""CheckRun -> Markdown, as the summary of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from varprobe.formatting import printable
from varprobe.gate.records import CheckError, CheckResult, CheckRun, Decision
from varprobe.reporters.check import words
from varprobe.reporters.text import escape_markdown, markdown_table

# GitHub refuses a summary that is larger.
MAX_BYTES = 2**20
_CUT = "\nCut here: a job summary holds 1 MiB. The rest is in the JSON, `-o check.json`.\n"


def render_markdown(checks: CheckRun) -> str:
    """What broke comes first, then what passed; a table a config."""
    first = sorted(checks.checked, key=lambda checked: checked.outcome == "passed")
    lines = [f"# varprobe check: {words.counts_line(checks)}", ""]
    return _cut([*lines, *(line for checked in first for line in _section(checked))])


def _section(checked: CheckResult) -> Iterator[str]:
    yield f"## {words.word(checked.outcome)}: {_escape(checked.name)}"
    yield ""
    troubles = words.troubles_of(checked)
    if troubles:
        yield from (_troubled(checked, trouble) for trouble in troubles)
        yield ""
        return
    yield f"{_escape(words.place(checked))}: {_escape(words.how(checked))}, alpha {checked.alpha:g}"
    yield ""
    since = words.since_lines(checked)
    if since:
        yield "Since the baseline:"
        yield ""
        yield from (f"- {_escape(line)}" for line in since)
        yield ""
    yield from _table(checked)
    for decision in words.broken(checked):
        yield _broken(checked, decision)
    if words.broken(checked):
        yield ""


def _troubled(checked: CheckResult, trouble: CheckError) -> str:
    at = _escape(words.place(checked, trouble.line, trouble.column))
    said = (words.trouble_words(trouble), trouble.hint)
    return f"- **{words.word(checked.outcome)}** at {at}: " + " ".join(
        _escape(words.sentence(part)) for part in said if part
    )


def _table(checked: CheckResult) -> Iterator[str]:
    if checked.decisions:
        rows = (_cells(checked, decision) for decision in checked.decisions)
        yield from markdown_table(("expectation", "wanted", "found", "outcome", "trials"), rows)
        yield ""


def _cells(checked: CheckResult, decision: Decision) -> tuple[str, ...]:
    trials = f"{checked.trials:,}"
    if decision.outcome == "undecided" and decision.needed is not None:
        trials += f" of about {decision.needed:,}"
    texts = map(_escape, (decision.expectation, decision.wanted, decision.found))
    return *texts, words.word(decision.outcome), trials


def _broken(checked: CheckResult, decision: Decision) -> str:
    what, where = map(_escape, (words.subject(decision), words.where(checked, decision)))
    said = (words.tell(decision), *words.to_do(checked, decision))
    return f"- **{words.word(decision.outcome)}: {what}** at {where}: " + " ".join(
        _escape(words.sentence(one)) for one in said
    )


def _escape(text: str) -> str:
    """As `escape_markdown`, and nobody is mentioned."""
    return escape_markdown(printable(text)).replace("@", "\\@")


def _cut(lines: Iterable[str]) -> str:
    """The lines that fit, with a notice where not all do."""
    room = MAX_BYTES - len(_CUT)
    kept: list[str] = []
    whole = list(lines)
    for line in whole:
        room -= len(line.encode()) + 1
        if room < 0:
            return "\n".join(kept) + "\n" + _CUT
        kept.append(line)
    return "\n".join(kept)
