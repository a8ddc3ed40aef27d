"""CheckRun -> the terminal: a line for what passed, and for the rest what broke, where, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.text import Text

from varprobe.formatting import tame
from varprobe.gate.records import CheckError, CheckResult, CheckRun, Decision
from varprobe.reporters.check import words
from varprobe.reporters.console import open_console

_STYLES = {
    "passed": "green",
    "failed": "bold red",
    "undecided": "bold yellow",
    "error": "bold red",
    "fault": "bold red",
}
_COLUMN = max(map(len, words.WORDS.values()))
# Decisions of one config that are told: a thousand layers may break at once.
_TOLD = 10


def print_checks(checks: CheckRun, console: Console) -> None:
    """Prints every config and how many came to what."""
    for checked in checks.checked:
        _print_one(checked, console)
    console.print()
    _put(console, words.counts_line(checks), style=_STYLES.get(checks.outcome, "bold"))


def text_of(checked: CheckResult) -> str:
    """What changed since the baseline, what of one config broke, and how it was checked, in the same words.

    The first line says the most: summaries of test runs show no other.
    """
    stream = StringIO()
    console = open_console(stream, color_system=None)
    if checked.since and not checked.since.is_nothing:
        _print_since(checked, console)
    _print_broken(checked, console)
    return f"{textwrap.dedent(stream.getvalue())}{tame(words.place(checked))}: {words.how(checked)}"


def _print_one(checked: CheckResult, console: Console) -> None:
    troubles = words.troubles_of(checked)
    if troubles:
        _print_troubles(checked, troubles, console)
        return
    _head(console, checked, f"{words.place(checked)}: {words.how(checked)}")
    _print_since(checked, console)
    _print_broken(checked, console)


def _print_troubles(checked: CheckResult, troubles: Sequence[CheckError], console: Console) -> None:
    """Every mistake at its place; the first stands beside the outcome."""
    for number, trouble in enumerate(troubles):
        line = f"{words.place(checked, trouble.line, trouble.column)}: {words.trouble_words(trouble)}"
        if number == 0:
            _head(console, checked, line)
        else:
            _put(console, line, 2)
        for hint in words.hint_lines(trouble):
            _put(console, hint, 4)


def _print_since(checked: CheckResult, console: Console) -> None:
    for number, line in enumerate(words.since_lines(checked)):
        _put(console, line if number else f"since the baseline: {line}", 4 if number else 2)


def _print_broken(checked: CheckResult, console: Console) -> None:
    decisions = words.broken(checked)
    for decision in decisions[:_TOLD]:
        _print_decision(checked, decision, console)
    if len(decisions) > _TOLD:
        _put(console, f"and {len(decisions) - _TOLD:,} more; -o check.json has all", 2)


def _print_decision(checked: CheckResult, decision: Decision, console: Console) -> None:
    shown = words.word(decision.outcome)
    line = f"{shown} {words.subject(decision)}: {words.tell(decision)}"
    _put(console, line, 2, style=_STYLES.get(decision.outcome, "bold"), styled=len(shown))
    _put(console, f"at {words.where(checked, decision)}", 4)
    for line in words.to_do(checked, decision):
        _put(console, f"-> {line}", 4)


def _head(console: Console, checked: CheckResult, line: str) -> None:
    """One line a config, whatever the width: build logs are searched by line."""
    text = Text(tame(f"{words.word(checked.outcome):<{_COLUMN}} {line}"))
    text.stylize(_STYLES.get(checked.outcome, "bold"), 0, _COLUMN)
    console.print(text, soft_wrap=True)


def _put(console: Console, line: str, indent: int = 0, *, style: str = "", styled: int | None = None) -> None:
    """Text in the console's width, its first `styled` characters in a style; a path is never broken."""
    room = max(20, console.width - indent - 2)
    lines = textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    for number, part in enumerate(lines):
        text = Text(" " * indent + ("  " if number else "") + tame(part))
        if number == 0:
            text.stylize(style, indent, None if styled is None else indent + styled)
        console.print(text, soft_wrap=True)
