"""Audit -> the terminal: a row for siblings, the findings, the outcome last."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from varprobe.audit.records import Audit, AuditOutcome
from varprobe.formatting import count, printable
from varprobe.reporters.audit import words
from varprobe.verdict.labels import Severity

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
# Rows that are printed where not all are asked for.
_ROWS = 40


def print_audit(audit: Audit, console: Console, *, every_row: bool = False) -> None:
    """Siblings of one shape share a row; `every_row` prints every tensor."""
    console.print(Text(words.title_line(audit), style="bold"))
    console.print()
    groups = [(one,) for one in audit.tensors] if every_row else words.group_tensors(audit)
    shown = groups if every_row else groups[:_ROWS]
    console.print(_table([words.tensor_row(group) for group in shown]))
    if len(shown) < len(groups):
        console.print(Text(f"{count(len(groups) - len(shown), 'more row')}: --all prints every tensor"))
    for finding in audit.findings:
        console.print()
        console.print(Text(words.finding_line(finding), style=_STYLES[finding.severity]))
        console.print(Padding(Text(words.place_line(finding)), (0, 0, 0, 2)))
        console.print(Padding(Text(f"-> {printable(finding.remedy)}"), (0, 0, 0, 2)))
    console.print()
    failed = audit.outcome is AuditOutcome.FAILED
    console.print(Text(words.outcome_line(audit), style="bold red" if failed else "bold green"))


def _table(rows: list[words.TensorRow]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("tensor", overflow="fold", min_width=14)
    table.add_column("shape", no_wrap=True)
    table.add_column("sd", justify="right", no_wrap=True)
    table.add_column("kurtosis", justify="right", no_wrap=True)
    table.add_column("fits", overflow="fold")
    meant = any(row.meant for row in rows)
    if meant:
        table.add_column("meant", overflow="fold")
    for row in rows:
        name = f"{row.name} ({row.tensors})" if row.tensors > 1 else row.name
        table.add_row(*map(Text, [name, row.shape, row.std, row.kurtosis, row.laws, *([row.meant] if meant else [])]))
    return table
