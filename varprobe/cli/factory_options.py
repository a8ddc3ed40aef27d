"""Options of a model that a factory builds, and the audit that they ask for."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from varprobe.frozen import dataclass

if TYPE_CHECKING:
    from varprobe.audit.audit import AuditSettings
    from varprobe.audit.config import ModelAudit
    from varprobe.audit.records import Audit

factory_option = partial(typer.Option, rich_help_panel="A model that a factory builds")


@dataclass(frozen=True)
class FactoryOptions:
    """How a factory is called."""

    arg: Annotated[
        list[str] | None, factory_option(metavar="NAME=VALUE", help="An argument of the factory. Repeatable.")
    ] = None
    vary: Annotated[
        str | None,
        factory_option(metavar="NAME=A,B", help="Build with A and with B, and list tensors that do not answer."),
    ] = None
    draws: Annotated[
        int | None, factory_option(min=1, max=100, metavar="N", help="Build so many times; default: 3.")
    ] = None
    seed: Annotated[int | None, factory_option(min=0, metavar="N", help="Seed of all draws; default: 0.")] = None
    timeout: Annotated[
        float | None, factory_option(min=0.1, metavar="SECONDS", help="End it when it takes longer; default: 600.")
    ] = None
    traceback: Annotated[bool, factory_option("--traceback", help="Show all of what the factory raises.")] = False

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are written."""
        asked = {
            "--arg": self.arg,
            "--vary": self.vary,
            "--draws": self.draws,
            "--seed": self.seed,
            "--timeout": self.timeout,
            "--traceback": self.traceback or None,
        }
        return [name for name, value in asked.items() if value is not None]

    def refuse(self, what: str) -> None:
        """Nothing builds a file again.

        Raises:
            typer.BadParameter: where any of them was given.
        """
        if self.given:
            raise typer.BadParameter(f"{self.given[0]} is for a model that a factory builds, and '{what}' is a file")

    def model_audit(self) -> ModelAudit:
        """What runs the code that a config names."""
        from varprobe.models.isolated import audit_planned

        return partial(audit_planned, timeout=self.timeout, full=self.traceback)


def audit_named(what: str, asked: FactoryOptions, settings: AuditSettings) -> Audit:
    """The audit of `pkg.mod:factory`, which naming it here asks to run; modules of the current folder come first."""
    from varprobe.audit.config import DRAWS, TIMEOUT
    from varprobe.models.factory import ModelSource, check_name, read_arguments, read_variation
    from varprobe.models.isolated import Request, audit_isolated

    name = check_name(what)
    source = ModelSource(name, read_arguments(asked.arg or []), (os.getcwd(),))
    vary = read_variation(asked.vary) if asked.vary else None
    if vary and vary.name in source.args:
        raise typer.BadParameter(f"{vary.name} has two values by --vary: leave out --arg {vary.name}")
    request = Request(
        source, settings, name.partition(":")[2], asked.draws or DRAWS, asked.seed or 0, vary, asked.traceback
    )
    return audit_isolated(request, asked.timeout or TIMEOUT)
