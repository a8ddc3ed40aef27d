"""CheckRun -> Markdown, as the summary of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from varprobe.formatting import printable
from varprobe.gate.records import CheckResult, CheckRun, Decision
from varprobe.reporters.check_words import (
    broken,
    counts_line,
    how,
    place,
    sentence,
    to_do,
    told,
    trouble_of,
    trouble_words,
    where,
    word,
)
from varprobe.reporters.report_phrases import escaped_markdown

# GitHub refuses a summary that is larger.
MAX_BYTES = 2**20
_CUT = "\nCut here: a job summary holds 1 MiB. The rest is in the JSON, `-o check.json`.\n"


def render_check_markdown(checks: CheckRun) -> str:
    """What broke comes first, then what passed; a table a config."""
    first = sorted(checks.checked, key=lambda checked: checked.outcome == "passed")
    lines = [f"# varprobe check: {counts_line(checks)}", ""]
    return _cut([*lines, *(line for checked in first for line in _section(checked))])


def _section(checked: CheckResult) -> Iterator[str]:
    yield f"## {word(checked.outcome)}: {_escaped(checked.name)}"
    yield ""
    trouble = trouble_of(checked)
    if trouble:
        at = _escaped(place(checked, trouble.line, trouble.column))
        told_ = " ".join(_escaped(sentence(part)) for part in (trouble_words(trouble), trouble.hint) if part)
        yield f"- **{word(checked.outcome)}** at {at}: {told_}"
        yield ""
        return
    yield f"{_escaped(place(checked))}: {_escaped(how(checked))}, alpha {checked.alpha:g}"
    yield ""
    yield from _table(checked)
    for decision in broken(checked):
        yield _broken(checked, decision)
    if broken(checked):
        yield ""


def _table(checked: CheckResult) -> Iterator[str]:
    if not checked.decisions:
        return
    yield "| expectation | wanted | found | outcome | trials |"
    yield "|---|---|---|---|---|"
    for decision in checked.decisions:
        trials = f"{checked.trials:,}"
        if decision.outcome == "undecided" and decision.needed is not None:
            trials += f" of about {decision.needed:,}"
        texts = (decision.expectation, decision.wanted, decision.found)
        yield f"| {' | '.join(map(_escaped, texts))} | {word(decision.outcome)} | {trials} |"
    yield ""


def _broken(checked: CheckResult, decision: Decision) -> str:
    head = f"- **{word(decision.outcome)}: {_escaped(decision.expectation)}** at {_escaped(where(checked, decision))}: "
    return head + " ".join(_escaped(sentence(part)) for part in (told(decision), *to_do(checked, decision)))


def _escaped(text: str) -> str:
    """As `escaped_markdown`, and nobody is mentioned."""
    return escaped_markdown(printable(text)).replace("@", "\\@")


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
