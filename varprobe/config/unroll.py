"""Repeats and blocks -> a flat sequence of slots, refused before anything huge exists."""

from __future__ import annotations

from collections.abc import Iterator

from varprobe.config.fields import FieldError, FieldPath
from varprobe.config.records import Entry
from varprobe.frozen import dataclass
from varprobe.network.spec import Join, Open

MAX_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One unrolled entry: what it is, where it stands, and what is around it. `edge` marks Open and Join."""

    entry: Entry
    path: FieldPath
    edge: type[Open] | type[Join] | None
    depth: int
    copies: tuple[
        tuple[FieldPath, int, int], ...
    ]  # (path, number, total) of every repeated entry around, outermost first


def check_size(entries: list[Entry], path: FieldPath) -> int:
    """How many steps the entries unroll to; refuses before anything of that size exists."""
    total = 0
    for index, entry in enumerate(entries):
        here = (*path, index)
        inner = 1
        if entry.block is not None:
            inner = check_size(entry.block, (*here, "block"))
        elif entry.residual is not None:
            inner = 2 + check_size(entry.residual.layers, (*here, "residual", "layers"))
        total += inner * entry.repeat
        if total > MAX_STEPS:
            message = f"the network unrolls to more than {MAX_STEPS:,} layers"
            raise FieldError((*here, "repeat") if entry.repeat > 1 else here, message, "lower repeat")
    return total


def unroll(
    entries: list[Entry], path: FieldPath, depth: int, copies: tuple[tuple[FieldPath, int, int], ...]
) -> Iterator[Slot]:
    """The slots in order; `copies` are the repeated entries around, outermost first."""
    for index, entry in enumerate(entries):
        here = (*path, index)
        for number in range(1, entry.repeat + 1):
            around = (*copies, (here, number, entry.repeat)) if entry.repeat > 1 else copies
            if entry.block is not None:
                yield from unroll(entry.block, (*here, "block"), depth, around)
            elif entry.residual is not None:
                yield Slot(entry, here, Open, depth, around)
                yield from unroll(entry.residual.layers, (*here, "residual", "layers"), depth + 1, around)
                yield Slot(entry, here, Join, depth, around)
            else:
                yield Slot(entry, here, None, depth, around)


def last_maps(slots: list[Slot]) -> set[int]:
    """The positions of the last dense layer of every residual branch."""
    found = set()
    for position, slot in enumerate(slots):
        if slot.edge is Join:
            back = position - 1
            while slots[back].edge is not Open or slots[back].depth != slot.depth:
                if slots[back].entry.dense:
                    found.add(back)
                    break
                back -= 1
    return found
