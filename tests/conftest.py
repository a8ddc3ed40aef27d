"""What several tests share."""

from __future__ import annotations

import os
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

pytest_plugins = ["pytester", "golden"]

# Rich and typer look at these; tests must not depend on the terminal they run in.
os.environ.pop("FORCE_COLOR", None)
os.environ["COLUMNS"] = "80"
# Tests run side by side: BLAS threads that wait for busy cores would cost more than they save.
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of what is still to be loaded, here and in processes that tests start
threadpool_limits(1, user_api="blas")  # of what a plugin has loaded


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What could not be tested for want of a browser or of the network must not go unnoticed."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(one.longrepr[2]) for one in skipped if " NOT TESTED" in str(one.longrepr)}
    for reason in sorted(reasons):
        terminalreporter.section(reason.removeprefix("Skipped: "), sep="!", red=True)
