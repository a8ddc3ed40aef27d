"""A finding's remedy as what is pasted: each form of it is a tab. A new form is an entry of `_FORMS`."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial

from varprobe.config.overrides import Override, apply_overrides, parse_assignment
from varprobe.config.rewriting import write_config
from varprobe.config.yaml_tree import plant
from varprobe.errors import Place, VarprobeError
from varprobe.frozen import dataclass
from varprobe.report.records import Report
from varprobe.reporters.code.frameworks import FRAMEWORKS
from varprobe.reporters.code.names import FrameworkName
from varprobe.reporters.code.write import code_of_changes
from varprobe.verdict.records import Finding

_OPTIONS = re.compile(r"`(--set [^`]+)`")


@dataclass(frozen=True)
class Form:
    """One way to write a remedy down: what its tab says, and the text to paste."""

    name: str
    text: str


@dataclass(frozen=True)
class Advised:
    """A finding that says what to do, and its remedy in every form that it has."""

    finding: Finding
    forms: tuple[Form, ...]


def advise(report: Report, file: str) -> tuple[Advised, ...]:
    """The errors and warnings, each with what to do; `file` is the config's."""
    severe = (finding for finding in report.verdict.findings if finding.severity != "info")
    return tuple(Advised(finding, forms_of(report, finding, file)) for finding in severe)


def notes_of(report: Report) -> tuple[Finding, ...]:
    """The findings that ask for nothing."""
    return tuple(finding for finding in report.verdict.findings if finding.severity == "info")


def forms_of(report: Report, finding: Finding, file: str) -> tuple[Form, ...]:
    """Every form of the finding's remedy; none where it has neither options nor changes."""
    made = ((name, "\n".join(write(report, finding, file))) for name, write in _FORMS)
    return tuple(Form(name, text) for name, text in made if text)


def _write_commands(report: Report, finding: Finding, file: str) -> Iterator[str]:
    for edits in _edits_of(finding):
        options = shlex.join(word for edit in edits for word in ("--set", f"{edit.path}={edit.text}"))
        yield f"varprobe run {file} {options}"


def _write_yaml(report: Report, finding: Finding, file: str) -> Iterator[str]:
    """The lines of the config that change, where there is one way to change it."""
    ways = list(_edits_of(finding))
    if len(ways) != 1:
        return
    try:
        after = apply_overrides(plant(dict(report.spec), Place(file)), ways[0]).plain()
    except VarprobeError:  # a stored report's spec may be of anything
        return
    old, new = (write_config(one).splitlines() for one in (dict(report.spec), after))
    yield from (line for line in difflib.ndiff(old, new) if line.startswith(("- ", "+ ")))


def _edits_of(finding: Finding) -> Iterator[tuple[Override, ...]]:
    """The edits of each way that the remedy names; what else stands there, as a name would, is none."""
    for options in _OPTIONS.findall(finding.remedy):
        try:
            words = shlex.split(options)
            if words[::2] == ["--set"] * (len(words) // 2):
                yield tuple(map(parse_assignment, words[1::2]))
        except (ValueError, VarprobeError):
            continue


def _write_code(framework: FrameworkName, report: Report, finding: Finding, file: str) -> Iterator[str]:
    code = code_of_changes(finding.changes, framework)
    return iter([code] if code else [])


_FORMS: tuple[tuple[str, Callable[[Report, Finding, str], Iterator[str]]], ...] = (
    ("--set", _write_commands),
    ("YAML", _write_yaml),
    *((FRAMEWORKS[each].title, partial(_write_code, each)) for each in FrameworkName),
)
