"""What a config comes to: a network, and around it what is expected of it and how it was written."""

from __future__ import annotations

from typing import Any

from varprobe.config.expectation import Expectation
from varprobe.frozen import dataclass, field
from varprobe.network.spec import NetworkSpec


@dataclass(frozen=True)
class Experiment:
    """A network as a config asks for it.

    Attributes:
        expect: what `varprobe check` holds it to; None where the config does not say.
        document: the config as plain data, overrides applied: enough to build this again.
    """

    network: NetworkSpec
    expect: Expectation | None = None
    document: dict[str, Any] = field(default_factory=dict, repr=False)
