"""`--set path=value` and its short forms: edits of the config's tree before it is checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from varprobe.errors import ConfigError, Place, nearest
from varprobe.spec.document import Node, parse_yaml, with_source
from varprobe.spec.parts import DEFAULT_ACTIVATION, DEFAULT_INIT

# What a scalar at these keys is short for, and what they are when the config does not name them.
_SHORTHAND = {"init": "name", "activation": "name", "gradient": "name", "norm": "kind", "dense": "width"}
_IMPLIED = {"init": DEFAULT_INIT, "activation": DEFAULT_ACTIVATION, "gradient": "random"}
_PATH = re.compile(r"[A-Za-z_]\w*(\[\d+\]|\.\w+)*")


@dataclass(frozen=True)
class Override:
    """One edit: the path, the value as YAML text, and the option that asked for it."""

    path: str
    text: str
    option: str


def parse_assignment(text: str) -> Override:
    """An `Override` from `path=value`.

    >>> parse_assignment("layers[0].repeat=50").path
    'layers[0].repeat'
    """
    path, equals, value = text.partition("=")
    if not equals or not _PATH.fullmatch(path.strip()):
        hint = "write --set path=value, for example --set layers.0.repeat=50"
        raise ConfigError(f"cannot read '{text}' as path=value", hint=hint, place=Place("--set"))
    return Override(path.strip(), value, f"--set {text}")


def apply_overrides(root: Node, overrides: Sequence[Override]) -> Node:
    """The tree with the edits made, in their order."""
    for override in overrides:
        steps = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", override.path)]
        value = with_source(parse_yaml(override.text, override.option), override.option)
        if root.value is None:
            root = Node({}, root.place)
        root = _edited(root, steps, value, override)
    return root


def _edited(node: Node, steps: list[str | int], value: Node, override: Override, key: str = "") -> Node:
    """A copy of `node` with `value` at `steps`; what an alias shares elsewhere stays as it was."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    place = Place(override.option)
    if isinstance(node.value, list):
        if not isinstance(step, int) or step >= len(node.value):
            message = f"there is no entry {step}: the list has {len(node.value)}, counted from 0"
            raise ConfigError(message, hint="count the config's own entries, not the unrolled layers", place=place)
        children = list(node.value)
        children[step] = _edited(children[step], rest, value, override)
        return Node(children, node.place, node.keys)
    step = str(step)
    if not isinstance(node.value, dict):
        short = _SHORTHAND.get(key)
        if node.value is not None and short is None:
            shown = f"{node.value!r}"[:60]
            near = nearest(key, _SHORTHAND)
            hint = f"'{key}' is a single value here" + (f"; did you mean '{near}'?" if near else "")
            raise ConfigError(f"'{key}' holds {shown} and has no '{step}'", hint=hint, place=place)
        implied = node.value if node.value is not None else _IMPLIED.get(key)
        node = Node({short: Node(implied, node.place)} if short and implied is not None else {}, node.place)
    children_by_key = dict(node.value)
    children_by_key[step] = _edited(children_by_key.get(step, Node(None, place)), rest, value, override, step)
    return Node(children_by_key, node.place, {**node.keys, step: node.keys.get(step, place)})
