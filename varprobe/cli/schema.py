"""`varprobe schema`: the JSON Schema of configs and of every kind of result."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from varprobe.cli.app import command
from varprobe.results.kinds import RESULTS
from varprobe.streams import say

Schema = StrEnum("Schema", ["config", "audit-config", *RESULTS])  # type: ignore[misc]  # mypy wants literals
_CONFIG = Schema("config")


@command("schema", "varprobe schema config > config.schema.json")
def schema(what: Annotated[Schema, typer.Argument(help="Which schema.")] = _CONFIG) -> None:
    """Print the JSON Schema of configs, or of a kind of stored result."""
    import json

    if what == "config":
        from varprobe.config.schema import config_schema

        found = config_schema()
    elif what == "audit-config":
        from varprobe.audit.config import audit_config_schema

        found = audit_config_schema()
    else:
        from varprobe.results.store import json_schema

        found = json_schema(str(what))
    say(json.dumps(found, indent=2))
