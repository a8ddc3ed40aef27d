"""Quick mutations of texts, bytes and trees, by a seeded generator: most inputs of the campaign are made this way."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from tests.fuzz.grammar import TOKENS, edited

WORDS = (
    *TOKENS,
    "null",
    "dense: 4",
    "- dense: 4\n",
    "repeat: 200000",
    "{dense: {width: 4, init: he}}",
    "&x ",
    "*x",
    "<<: *x\n",
    "!!python/object/apply:os.system ['touch ran']",
    "!!binary aGk=",
    "!!set {a}",
    "!<tag:yaml.org,2002:str> x",
    "%TAG ! tag:x,2000:\n---\n",
    "1_000",
    "+-5_0",
    "0x" + "f" * 450,
    "1_" + "0" * 5000,
    "0²",
    "١٢",
    "-" + "9" * 4500,
    "1e-999999999",
    ".5e+7",
    "2024-01-01",
    "190:20:30",
    "'''",
    '"\\ud800\\udc00"',
    '"\\x00"',
    "\u202e",
    "\u0085",
    "\ufffe",
    "|2-\n",
    ">+\n",
    "]" * 30,
    "[" * 30,
    "a" * 3000,
)
NUMBERS = (
    *(0, -1, 1, 2, 3, 1.5, -0.0, 0.1, 2**31, 2**53, 2**63, 2**64, 10**18, 10**30, 10**308, 10**400, -(10**400)),
    *(1e308, -1e308, 1e-320, 5e-324, 1e300, -1e300, 1e17, 1e22),
)
VALUES = (*NUMBERS, None, True, False, "", "x", "a|b", "<script>", "\x1b[31m", "a\nb", "é" * 50, [], {}, [[]], [1, 2])
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def mutated_text(rng: Random, text: str, other: str) -> str:
    """The text with one to four lines or pieces deleted, doubled, swapped, replaced, or taken from another text."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        parts = text.splitlines(keepends=True) if rng.random() < 0.5 else re.split(r"(\W)", text)
        if not parts:
            return text
        here, there = rng.randrange(len(parts)), rng.randrange(len(parts))
        edit = rng.randrange(8)
        if edit == 0:
            del parts[here]
        elif edit == 1:
            parts[here] *= rng.choice((2, 3, 50))
        elif edit == 2:
            parts[here], parts[there] = parts[there], parts[here]
        elif edit == 3:
            parts[here] = rng.choice(WORDS)
        elif edit == 4:
            parts.insert(here, rng.choice(WORDS))
        elif edit == 5:
            parts[here] = str(rng.choice(NUMBERS))
        elif edit == 6:
            parts[here] = " " * rng.choice((1, 2, 3, 7)) + parts[here]
        else:
            words = re.split(r"(\W)", other)
            parts[here] = "".join(words[(start := rng.randrange(len(words))) : start + rng.choice((1, 5, 30))])
        text = "".join(parts)
    return text


def mutated_bytes(rng: Random, data: bytes) -> bytes:
    """The data with bits flipped, cut, doubled, or numbers in them replaced."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if not found:
            break
        here = rng.randrange(len(found))
        edit = rng.randrange(7)
        if edit == 0:
            found[here] ^= 1 << rng.randrange(8)
        elif edit == 1:
            del found[here : here + rng.choice((1, 4, 64, len(found)))]
        elif edit == 2:
            found[here:here] = rng.randbytes(rng.choice((1, 2, 8)))
        elif edit == 3:
            found[here:here] = found[here : here + rng.choice((1, 16, 256))]
        elif edit == 4:
            numbers = list(_NUMBER.finditer(found))
            if numbers:
                start, end = rng.choice(numbers).span()
                found[start:end] = json.dumps(rng.choice(NUMBERS)).encode()
        elif edit == 5:
            found[here : here + 4] = rng.choice(
                (b"\xff\xff\xff\xff", bytes(4), b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f")
            )
        else:
            found[here : here + 1] = rng.choice(b'{}[]",:0').to_bytes(1, "little")
    return bytes(found)


def mutated_tree(rng: Random, tree: Any, rounds: int = 3) -> Any:
    """The tree with values replaced, keys deleted, added or moved."""
    for _ in range(rng.randint(1, rounds)):
        path = random_path(rng, tree)
        edit = rng.choice(("replace", "replace", "replace", "delete", "add", "repeat", "graft", "nest"))
        if edit == "graft":
            tree = edited(tree, path, "replace", at(tree, random_path(rng, tree)))
        elif edit == "nest":
            value = at(tree, path)
            for _ in range(rng.choice((1, 3, 60))):
                value = [value] if rng.random() < 0.5 else {"a": value}
            tree = edited(tree, path, "replace", value)
        else:
            tree = edited(tree, path, edit, rng.choice(VALUES))
    return tree if isinstance(tree, dict) else {"tree": tree}


def random_path(rng: Random, tree: Any) -> tuple[Any, ...]:
    """A way down, which ends on each level with a chance of one in five."""
    path: list[Any] = []
    while isinstance(tree, (dict, list)) and tree and (not path or rng.random() < 0.8):
        step = rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
        path.append(step)
        tree = tree[step]
    return tuple(path)


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """What stands at the path."""
    for step in path:
        tree = tree[step]
    return tree
