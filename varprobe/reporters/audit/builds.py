"""Audit -> JUnit XML, SARIF and workflow commands: those of the check that it amounts to."""

from __future__ import annotations

from varprobe.audit.records import Audit
from varprobe.gate.audits import check_of
from varprobe.gate.check import gather
from varprobe.gate.records import CheckRun
from varprobe.reporters.check import github, junit, sarif


def render_junit(audit: Audit) -> str:
    """A case for every law that was meant, and one for errors of any other kind."""
    return junit.render_junit(_run(audit), "varprobe audit")


def render_sarif(audit: Audit) -> str:
    """A result for every law that is not met, and for every finding."""
    return sarif.render_sarif(_run(audit))


def render_github(audit: Audit) -> str:
    """An error for every law that is not met, and the warnings."""
    return github.render_github(_run(audit))


def _run(audit: Audit) -> CheckRun:
    return gather([check_of(audit)])
