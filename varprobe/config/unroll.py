"""Repeats and groups -> a flat sequence of slots, refused before anything huge exists."""

from __future__ import annotations

from collections.abc import Iterator

from varprobe.config.fields import FieldError, FieldPath, field_name
from varprobe.config.records import Entry
from varprobe.frozen import dataclass
from varprobe.network.layer_kinds import LAYER_KINDS, GroupKind
from varprobe.network.layers import Layer

MAX_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One unrolled entry: what it is, where it stands, and what is around it.

    Attributes:
        edge: the layer itself, where it begins or ends a group.
        copies: (path, number, total) of every repeated entry around, outermost first.
    """

    entry: Entry
    path: FieldPath
    edge: Layer | None
    depth: int
    copies: tuple[tuple[FieldPath, int, int], ...]

    @property
    def has_weights(self) -> bool:
        return LAYER_KINDS[self.entry.kind].has_weights


@dataclass(frozen=True)
class _Group:
    """A group's layers, what lies around them, and where they stand below the entry."""

    entries: list[Entry]
    edges: tuple[Layer, Layer] | None
    path: FieldPath


def _group(entry: Entry) -> _Group | None:
    kind = LAYER_KINDS[entry.kind]
    if not isinstance(kind, GroupKind):
        return None
    if isinstance(entry.value, list):
        return _Group(entry.value, kind.edges(), (entry.kind,))
    others = {key: value for key, value in entry.value.items() if key != "layers"}
    return _Group(entry.value["layers"], kind.edges(**others), (entry.kind, "layers"))


def check_size(entries: list[Entry], path: FieldPath) -> int:
    """How many steps the entries unroll to; refuses before anything of that size exists."""
    total = 0
    for index, entry in enumerate(entries):
        here, group, inner = (*path, index), _group(entry), 1
        if group is not None:
            inner = check_size(group.entries, (*here, *group.path)) + len(group.edges or ())
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
        here, group = (*path, index), _group(entry)
        for number in range(1, entry.repeat + 1):
            around = (*copies, (here, number, entry.repeat)) if entry.repeat > 1 else copies
            if group is None:
                yield Slot(entry, here, None, depth, around)
                continue
            inside = (*here, *group.path)
            if group.edges is None:
                yield from unroll(group.entries, inside, depth, around)
                continue
            begins, ends = group.edges
            yield Slot(entry, here, begins, depth, around)
            yield from unroll(group.entries, inside, depth + 1, around)
            yield Slot(entry, here, ends, depth, around)


def check_heads(slots: list[Slot]) -> None:
    """Refuses `role: head` of what is not the last dense layer, behind others and outside every residual branch."""
    dense = [slot for slot in slots if slot.has_weights]
    for slot in dense:
        if slot.entry.role != "head" or (slot is dense[-1] is not dense[0] and slot.depth == 0):
            continue
        last = field_name(dense[-1].path)
        if slot.path != dense[-1].path:
            message, hint = "only the last dense layer can be the head", f"remove it; the last one is {last}"
        elif slot is not dense[-1]:
            message = f"of {sum(one.path == slot.path for one in dense):,} copies only the last can be the head"
            hint = "write that one as an entry of its own, behind the repeated ones"
        elif slot.depth:
            message = "a layer of a residual branch cannot be the head"
            hint = "remove it; the head is a dense layer behind the last block"
        else:
            message, hint = "the only dense layer cannot be the head: no body would be left", "remove it"
        raise FieldError((*slot.path, "role"), message, hint)


def last_maps(slots: list[Slot]) -> set[int]:
    """The positions of the last entry with weights of every residual branch."""
    found: set[int] = set()
    branches: list[set[int]] = []  # of every block around, the position if there is one yet
    for position, slot in enumerate(slots):
        if slot.has_weights and branches:
            branches[-1] = {position}
        elif slot.edge is not None and slot.edge.opens:
            branches.append(set())
        elif slot.edge is not None and slot.edge.joins:
            last = branches.pop()
            found |= last
            if branches and last:
                branches[-1] = last
    return found
