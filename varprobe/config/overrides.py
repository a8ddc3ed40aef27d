"""`--set path=value` and its short forms: edits of the config's tree before it is checked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from varprobe.config.parts import DEFAULT_ACTIVATION, DEFAULT_INIT
from varprobe.config.yaml_tree import MAX_DEPTH, Node, parse_yaml, plant
from varprobe.errors import ConfigError, Place, nearest
from varprobe.formatting import shortened
from varprobe.frozen import dataclass

ENTRY = "an entry"
# What a scalar at these keys is short for, and what they are when the config does not name them.
SHORTHAND = {
    "init": "name",
    "activation": "name",
    "gradient": "name",
    "norm": "kind",
    "dense": "width",
    ENTRY: "dense",
}
# Lists of layers, of which a number is a width.
LAYER_LISTS = ("layers", "block")
_IMPLIED = {"init": DEFAULT_INIT, "activation": DEFAULT_ACTIVATION, "gradient": "random"}
_PATH = re.compile(r"[A-Za-z_]\w*(\[\d{1,9}\]|\.\w+)*", re.ASCII)


@dataclass(frozen=True)
class Override:
    """One edit: the path, the value as YAML text, and the option that asked for it."""

    path: str
    text: str
    option: str


_EXAMPLE = "write --set path=value, for example --set layers.0.repeat=50"


def parse_assignment(text: str, option: str = "--set", hint: str = _EXAMPLE) -> Override:
    """An `Override` from `path=value`; `option` and `hint` are for messages.

    >>> parse_assignment("layers[0].repeat=50").path
    'layers[0].repeat'
    """
    path, equals, value = text.partition("=")
    if not equals or not _PATH.fullmatch(path.strip()):
        raise ConfigError(f"cannot read '{text}' as path=value", hint=hint, place=Place(option))
    if len(re.findall(r"\w+", path)) > MAX_DEPTH:
        raise ConfigError(
            f"the path goes more than {MAX_DEPTH} deep", hint=hint, place=Place(shortened(f"{option} {text}", 200))
        )
    return Override(path.strip(), value, f"{option} {text}")


def apply_overrides(root: Node, overrides: Sequence[Override]) -> Node:
    """The tree with the edits made, in their order."""
    for override in overrides:
        steps = [
            int(step) if step.isdecimal() and len(step) < 10 else step for step in re.findall(r"\w+", override.path)
        ]
        value = plant(parse_yaml(override.text, override.option).plain(), Place(override.option))
        root = _Editor(override, root).edit(root, steps, value)
    return root


class _Editor:
    """Makes one edit on a copy; what an alias shares elsewhere stays as it was."""

    def __init__(self, override: Override, root: Node) -> None:
        self.place = Place(override.option)
        self.root = root

    def edit(self, node: Node, steps: list[str | int], value: Node, key: str = "") -> Node:
        if not steps:
            return value
        step, rest = steps[0], steps[1:]
        if isinstance(node.value, list):
            if not isinstance(step, int) or step >= len(node.value):
                message = f"there is no entry {step}: the list has {len(node.value)}, counted from 0"
                hint = "count the config's own entries, not the unrolled layers"
                raise ConfigError(message, hint=hint, place=self.place)
            children = list(node.value)
            children[step] = self.edit(children[step], rest, value, ENTRY if key in LAYER_LISTS else "")
            return Node(children, node.place, node.keys)
        step = str(step)
        if not isinstance(node.value, dict):
            node = self.widen(node, key, step)
        by_key = dict(node.value)
        by_key[step] = self.edit(by_key.get(step, Node(None, self.place)), rest, value, step)
        key_place = node.keys.get(step, self.place) if rest else self.place
        return Node(by_key, node.place, {**node.keys, step: key_place})

    def widen(self, node: Node, key: str, step: str) -> Node:
        """The long form of a scalar, or of what is not written: a layer's own init begins as the default one."""
        short = SHORTHAND.get(key)
        if node.value is not None and short is None:
            shown = f"{node.value!r}"[:60]
            raise ConfigError(f"'{key}' holds {shown} and has no '{step}'", hint=self.hint(key), place=self.place)
        if node.value is None and key in _IMPLIED:
            node = self.default(key)
        if isinstance(node.value, dict):
            return node
        return Node({short: node} if short and node.value is not None else {}, node.place)

    def default(self, key: str) -> Node:
        defaults = self.root.value.get("defaults") if isinstance(self.root.value, dict) else None
        written = defaults.value.get(key) if defaults is not None and isinstance(defaults.value, dict) else None
        return written if written is not None and written.value is not None else Node(_IMPLIED[key], self.place)

    @staticmethod
    def hint(key: str) -> str:
        near = nearest(key, SHORTHAND)
        return f"'{key}' is a single value here" + (f"; did you mean '{near}'?" if near else "")
