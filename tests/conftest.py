"""What several tests share."""

from __future__ import annotations

import os

import pytest

# Rich and typer look at these; tests must not depend on the terminal they run in.
os.environ.pop("FORCE_COLOR", None)
os.environ["COLUMNS"] = "80"


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
