"""Report -> the terminal: header, table by layer, what else was found, and at the end the verdict and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from varprobe.advice.remedies import AS_ABOVE
from varprobe.formatting import count
from varprobe.report.records import Report
from varprobe.reporters import report_phrases as phrases
from varprobe.reporters.report.columns import EVERY, EVERY_THEORY
from varprobe.reporters.report.layer_table import layer_lines
from varprobe.reporters.text import wrap
from varprobe.reporters.verdict_phrases import (
    DIRECTIONS,
    FIGURES,
    SUBJECTS,
    direction_figures,
    verdict_lines,
    verdict_sentences,
)
from varprobe.verdict.findings import LABEL_CODES
from varprobe.verdict.labels import Direction, Label, Severity, SignalLabel
from varprobe.verdict.records import Finding

STYLES = {
    Label.STABLE: "bold green",
    SignalLabel.PRESERVED: "bold green",
    Label.BORDERLINE: "bold yellow",
    Label.INCONCLUSIVE: "bold yellow",
    SignalLabel.FADING: "bold yellow",
    SignalLabel.UNDEFINED: "bold",
}
BAD = "bold red"
_SEVERITIES = {Severity.ERROR: BAD, Severity.WARNING: "bold yellow"}
# Findings that the sentence on their direction tells.
_TOLD = {LABEL_CODES[way, label] for way in (Direction.FORWARD, Direction.BACKWARD)
         for label in (Label.VANISHING, Label.EXPLODING, Label.BORDERLINE)}  # fmt: skip
# Findings and remedies that are told, unless all are asked for.
_MOST = 5


def print_report(
    report: Report,
    console: Console,
    *,
    every_row: bool = False,
    columns: Sequence[str] = (),
    brief: bool = False,
    number_formats: bool = False,
    explain: bool = False,
) -> None:
    """Prints the report.

    Arguments:
        every_row: fold nothing: all layers, theory's numbers, all findings.
        columns: of the table by layer, keys of `COLUMNS`.
        brief: the verdict alone.
        number_formats: print first where the number formats are left.
        explain: print before all how theory's numbers come about.
    """
    if explain:
        from varprobe.reporters.report.explanation import print_explanation

        print_explanation(report, console, every_row=every_row)
    if number_formats:
        from varprobe.reporters.report.number_formats import print_number_formats

        print_number_formats(report, console)
    if not brief:
        _print_details(report, console, every_row=every_row, columns=columns)
    _print_verdict(report, console, every_row=every_row)


def _print_details(report: Report, console: Console, *, every_row: bool, columns: Sequence[str]) -> None:
    console.print(Text(phrases.title(report), style="bold"))
    console.print(Text(phrases.made_with(report)))
    console.print()
    every = EVERY_THEORY if phrases.is_predicted(report) else EVERY
    names = tuple(dict.fromkeys((*(every if every_row else ()), *columns)))
    for line in layer_lines(
        report, console.width, every_row=every_row, names=names, ascii_only=console.options.ascii_only
    ):
        console.print(line, soft_wrap=True)
    console.print()
    before = list(_facts(report, every_row=every_row))
    for fact, style in before:
        put(console, fact, style=style)
    if before:
        console.print()


def _facts(report: Report, *, every_row: bool) -> Iterator[tuple[str, str]]:
    """What stands between the table and the verdict: lines, and the style of what stands before their first colon."""
    if every_row:
        yield from ((line, "") for line in _figure_lines(report))
    if every_row or phrases.is_predicted(report):
        yield from ((line, "") for line in (phrases.theory_line(report), phrases.tested_line(report)) if line)
    yield from ((line, "") for line in verdict_lines(report.verdict))
    told = _told_findings(report, every_row=every_row)
    for finding in told:
        yield f"{phrases.finding_head(finding)}: {finding.message}", _SEVERITIES.get(Severity(finding.severity), "bold")
    left_out = [one for one in report.verdict.findings if one not in told and one.code not in _TOLD]
    if left_out and not every_row:
        yield f"{_amounts(left_out)}; --all tells all", ""
    yield from ((line, "") for line in _expectations(report, every_row=every_row))


def _told_findings(report: Report, *, every_row: bool) -> list[Finding]:
    """Findings that have lines of their own: of errors and warnings the first of each code."""
    findings = report.verdict.findings
    if every_row:
        return list(findings)
    grave = {one.code: one for one in reversed(findings) if one.severity != Severity.INFO and one.code not in _TOLD}
    return [one for one in findings if any(one is other for other in grave.values())][:_MOST]


def _amounts(findings: Sequence[Finding]) -> str:
    """How many more findings there are, with codes and layers."""
    places: dict[str, list[str]] = {}
    for finding in findings:
        places.setdefault(finding.code, []).append("" if finding.layer is None else f"layer {finding.layer:,}")
    told = [
        f"{code} ({_join_places(where)})" if any(where) or len(where) > 1 else code for code, where in places.items()
    ]
    notes = all(finding.severity == Severity.INFO for finding in findings)
    amount = count(len(findings), "note") if notes else f"{len(findings):,} more"
    return f"{amount}: {', '.join(told[:_MOST])}{' and others' if len(told) > _MOST else ''}"


def _join_places(where: list[str]) -> str:
    return ", ".join(where) if all(where) else f"{len(where):,} times"


def _figure_lines(report: Report) -> Iterator[str]:
    for way in DIRECTIONS:
        figures = zip(FIGURES, direction_figures(getattr(report.verdict, way)), strict=True)
        told = [f"{heading} {figure}" for heading, figure in figures if figure != "-"]
        if told:
            yield f"{SUBJECTS[way]}: {'; '.join(told)}"


def _expectations(report: Report, *, every_row: bool) -> list[str]:
    """What is met in a line, what is not in a line each."""
    lines = phrases.expectation_lines(report)
    met = [one for one in report.expect if one.met]
    if every_row or len(met) < 2:
        return lines
    others = [line for one, line in zip(report.expect, lines, strict=True) if not one.met]
    return [f"as expected: {', '.join(f'{SUBJECTS.get(one.what, one.what)} {one.found}' for one in met)}", *others]


def _print_verdict(report: Report, console: Console, *, every_row: bool) -> None:
    verdict, exact = report.verdict, phrases.is_predicted(report)
    counts = f" ({phrases.finding_counts(report)})" if verdict.findings else ""
    console.print(Text(f"{verdict.overall}{counts}", style=STYLES.get(Label(verdict.overall), BAD)))
    sentences = verdict_sentences(verdict, shallow=phrases.is_shallow(report), exact=exact)
    for way, sentence in zip(DIRECTIONS, sentences, strict=True):
        label = getattr(verdict, way).label
        start = len(SUBJECTS[way]) + 2
        put(console, sentence, style=STYLES.get(label, BAD), styled=(start, start + len(label)))
    remedies = _remedies(report, every_row=every_row)
    for codes, remedy in remedies:
        whose = f"{', '.join(codes)}: " if len(remedies) > 1 else ""
        put(console, f"-> {whose}{remedy}", indent="   ")


def _remedies(report: Report, *, every_row: bool) -> list[tuple[list[str], str]]:
    """Each remedy once, with the codes that it is for; those of notes only where all is asked for."""
    found: dict[str, list[str]] = {}
    for finding in report.verdict.findings:
        if finding.remedy and (every_row or finding.severity != Severity.INFO) and finding.remedy != AS_ABOVE:
            codes = found.setdefault(finding.remedy, [])
            if finding.code not in codes:
                codes.append(finding.code)
    return [(codes, remedy) for remedy, codes in found.items()][: None if every_row else _MOST]


def put(
    console: Console, line: str, *, indent: str = "  ", style: str = "", styled: tuple[int, int] | None = None
) -> None:
    """A sentence in the console's width, some of its first line in a style: by default what ends at a colon."""
    for number, part in enumerate(wrap(line, console.width, indent)):
        text = Text(part)
        if style and number == 0:
            text.stylize(style, *(styled or (0, part.find(": "))))
        console.print(text, soft_wrap=True)
