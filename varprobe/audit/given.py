"""What the command line says of tensors, by patterns of their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from varprobe.audit.fans import Reading
from varprobe.errors import Place, VarprobeError


def read_assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """PATTERN=VALUE, in their order.

    Raises:
        VarprobeError: where a text has no `=`, or a pattern comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        pattern, sign, value = text.partition("=")
        if not (pattern and sign and value.strip()):
            hint = (
                f"write {option} '*.weight=normal(0.02)'"
                if option == "--expect"
                else f"write {option} '*.qkv.weight=3'"
            )
            raise VarprobeError(f"'{text}' is no PATTERN=VALUE", hint=hint, place=Place(option))
        if pattern in found:
            raise VarprobeError(f"the pattern '{pattern}' comes twice", hint="leave one out", place=Place(option))
        found[pattern] = value.strip()
    return found


def read_readings(transposed: Sequence[str], packed: Sequence[str], groups: Sequence[str]) -> tuple[Reading, ...]:
    """How tensors are read whose names match; what several options say of one pattern goes together.

    Raises:
        VarprobeError: where a number is none.
    """
    found: dict[str, Reading] = {pattern: Reading(pattern, transposed=True) for pattern in transposed}
    for option, texts in (("--packed", packed), ("--groups", groups)):
        for pattern, value in read_assignments(texts, option).items():
            if not value.isdigit() or not 1 <= int(value) <= 1_000_000:
                raise VarprobeError(
                    f"'{value}' is no whole number from 1", hint=f"write {option} '{pattern}=3'", place=Place(option)
                )
            known = found.get(pattern, Reading(pattern))
            number = int(value)
            found[pattern] = replace(known, packed=number) if option == "--packed" else replace(known, groups=number)
    return tuple(found.values())
