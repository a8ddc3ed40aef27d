"""Weights that were drawn, held to the laws that they could come from and to the laws that were meant.

The package is a function too, `varprobe.audit(...)`: it is `varprobe.api.audit`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *given: Any, **named: Any) -> Any:
        from importlib import import_module

        return import_module("varprobe.api").audit(*given, **named)


sys.modules[__name__].__class__ = _Room
