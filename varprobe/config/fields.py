"""Paths of config fields, and errors that carry one."""

from __future__ import annotations

FieldPath = tuple[str | int, ...]


class FieldError(Exception):
    """A fact with the config path it belongs to; `loading` adds file, line and column."""

    def __init__(self, path: FieldPath, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


def field_name(path: FieldPath) -> str:
    """The path as messages write it.

    >>> field_name(("layers", 0, "dense", "width"))
    'layers[0].dense.width'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
