"""Reading what a varprobe stored: a file of any size and content becomes plain data, or one message.

A damaged or hostile file must not take many times its size: its brackets are counted before it is parsed, and a
mapping with more keys than any record has is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from varprobe.config.opening import open_ordinary
from varprobe.errors import InputFileError, Place
from varprobe.formatting import size_of
from varprobe.machine import free_memory

# Bytes that a file may have, and what it may become in memory per byte of it.
MAX_BYTES, GROWTH = 2**30, 12
# Bytes per list or mapping that a large file has at least; records have over 40.
_BYTES_PER_BRACKET, _FEW = 20, 100_000
# More than any record has; a config, which a report holds under that key, may name as many layers as it likes.
_KEYS, _FREE = 64, "spec"


def read_bytes(path: str | Path) -> bytes:
    """What is in a stored result's file.

    Raises:
        InputFileError: where the file cannot be read or is far too large.
    """
    path, place = Path(path), Place(str(path))
    try:
        with open_ordinary(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES or size * GROWTH > free_memory():
                raise InputFileError(f"is too large with {size_of(size)}", hint="name a report of fewer layers")
            return stream.read(size) or b""
    except InputFileError as error:
        raise InputFileError(error.message, hint=error.hint, place=place) from None
    except FileNotFoundError:
        hint = "`varprobe run CONFIG -o report.json` writes one"
        raise InputFileError("no such file", hint=hint, place=place) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path and its rights", place=place) from None


def parse(text: bytes, place: Place, noun: str, command: str) -> dict[str, Any]:
    """The plain data of a stored result; the rest is for messages.

    Raises:
        InputFileError: where the text is no JSON, or none that a record could be.
    """
    from pydantic_core import from_json

    brackets = text.count(b"[") + text.count(b"{")
    if brackets > max(_FEW, len(text) // _BYTES_PER_BRACKET):
        raise refuse(noun, command, f"it has {brackets:,} lists and mappings", place)
    try:
        plain = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise refuse(noun, command, f"Invalid JSON: {error}", place) from None
    if not isinstance(plain, dict):
        raise refuse(noun, command, "it is no mapping", place)
    if _widest(plain) > _KEYS:
        raise refuse(noun, command, "a mapping has too many keys", place)
    return plain


def _widest(value: Any) -> int:
    """The most keys that a mapping in it has, configs aside."""
    children = [child for key, child in value.items() if key != _FREE] if isinstance(value, dict) else value
    own = len(value) if isinstance(value, dict) else 0
    return max([own, *(_widest(child) for child in children if type(child) in (dict, list))])


def refuse(noun: str, command: str, reason: str, place: Place, field: str = "") -> InputFileError:
    """What is said of a file that holds no such result, as `varprobe COMMAND -o` would have written."""
    hint = f"name a file that `varprobe {command} -o {noun}.json` wrote"
    return InputFileError(f"is no varprobe {noun}: {reason}", hint=hint, place=place, field=field)
