"""YAML text -> plain data with the place of every value.

ruamel.yaml scans and parses; this module builds the tree from its events, for three reasons: every value must
know its line and column, scalars follow the YAML 1.2 core schema strictly, and a document must not be able to
expand without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from varprobe.errors import ConfigError, InputFileError, Place

MAX_BYTES = 256_000
MAX_NODES = 50_000
MAX_DEPTH = 64

Path = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?\.(inf|Inf|INF))|\.(nan|NaN|NAN)")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass
class Node:
    """A value of the document: `value` is a scalar, a list of nodes, or a dict of nodes by key."""

    value: Any
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, path: Sequence[str | int]) -> Any:
        """The value at `path`, nodes within it; None where there is none."""
        node = self
        for step in path:
            try:
                node = node.value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return node.value

    def place_of(self, path: Sequence[str | int], *, of_key: bool = False) -> Place:
        """The place of the value at `path`, of its key where that is asked for or nothing is there, or of a parent."""
        node, key_place = self, None
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                key_place = node.keys.get(str(step))
                node = node.value[step]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node, key_place = node.value[step], None
            else:
                return node.place
        return key_place if key_place and (of_key or node.value is None) else node.place


def scalar(text: str) -> Any:
    """A plain scalar by the YAML 1.2 core schema; numbers with leading zeros or underscores stay text.

    >>> scalar("1e-3"), scalar("no"), scalar("012"), scalar("1_000"), scalar("0x10")
    (0.001, 'no', '012', '1_000', 16)
    """
    if text in _CONSTANTS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        # Longer integers are out of every range, and of that of doubles.
        return int(text, 0) if len(text) < 400 else float("-inf" if text.startswith("-") else "inf")
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def parse_yaml(text: str, source: str) -> Node:
    """The document's tree.

    Raises:
        ConfigError: with the place, where the text is no YAML, has duplicate keys, tags or several documents, or
            is larger than a config may be.
    """
    if len(text) > MAX_BYTES:
        raise InputFileError(
            f"has {len(text):,} characters, more than the {MAX_BYTES:,} that a config may have",
            hint="use repeat for layers that are alike",
            place=Place(source),
        )
    try:
        return _Builder(source).document(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        unclosed = error.context_mark and "end of stream" in str(error.problem)
        mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise ConfigError(f"not valid YAML: {problem}", hint=_yaml_hint(problem, error), place=place) from None
    except (YAMLError, ValueError, AssertionError, IndexError, RecursionError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ConfigError(f"not valid YAML: {reason}", hint="check the file's text", place=Place(source)) from None


_YAML_HINTS = {
    "'\\t'": "YAML indents with spaces; replace the tab",
    "tab": "YAML indents with spaces; replace the tab",
    "quoted scalar": "close the quote that begins here",
    "'`'": "remove the ` marks: they are Markdown, not YAML",
    "flow mapping": "close the {{ on line {line}, or write a comma between its entries; comments begin with #",
    "flow sequence": "close the [ on line {line}, or write a comma between its entries; comments begin with #",
    "block collection": "begin every entry of the list with `- `, and indent alike what stands side by side",
    "block mapping": "indent alike the keys that stand side by side, and write `key: value`",
    "mapping values": "indent alike the keys that stand side by side, and put text with a colon in quotes",
}


def _yaml_hint(problem: str, error: MarkedYAMLError) -> str:
    line = error.context_mark.line + 1 if error.context_mark else "?"
    for words, hint in _YAML_HINTS.items():
        if words in problem:
            return hint.format(line=line)
    return "check the indentation, colons and brackets around this place"


def plant(value: Any, place: Place, depth: int = 0) -> Node:
    """The tree of plain data that all stand at one place, such as a mapping of Python's or what an option sets."""
    if depth > 100:
        raise ConfigError("nested more than 100 deep", hint="use fewer levels", place=place)
    if isinstance(value, Mapping):
        return Node({str(key): plant(child, place, depth + 1) for key, child in value.items()}, place)
    if isinstance(value, (list, tuple)):
        return Node([plant(child, place, depth + 1) for child in value], place)
    return Node(value, place)


class _Builder:
    """Builds nodes from parser events; counts them as they expand through aliases."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.count = 0

    def document(self, events: Iterator[Any]) -> Node:
        root: Node | None = None
        for event in events:
            if isinstance(event, ev.DocumentStartEvent) and root is not None:
                raise self.error("a second document begins here", "a config is one document; remove the '---'", event)
            if isinstance(event, (ev.ScalarEvent, ev.SequenceStartEvent, ev.MappingStartEvent, ev.AliasEvent)):
                root = self.node(event, events, 1)
        return root or Node(None, Place(self.source, 1, 1))

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        place = self.place(event)
        self.add(1, event)
        if depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep", "use fewer levels", event)
        if isinstance(event, ev.AliasEvent):
            if event.anchor not in self.anchors:
                hint = "define it before, with &; text that begins with * stands in quotes"
                raise self.error(f"unknown anchor '*{event.anchor}'", hint, event)
            node, size = self.anchors[event.anchor]
            self.add(size, event)
            return node
        before = self.count
        if isinstance(event, ev.ScalarEvent):
            node = Node(self.scalar(event), place)
        else:
            self.no_tag(event)
            node = (
                self.mapping(place, events, depth)
                if isinstance(event, ev.MappingStartEvent)
                else self.sequence(place, events, depth)
            )
        if event.anchor:
            self.anchors[event.anchor] = (node, self.count - before)
        return node

    def mapping(self, place: Place, events: Iterator[Any], depth: int) -> Node:
        children: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for event in events:
            if isinstance(event, ev.MappingEndEvent):
                break
            if not isinstance(event, ev.ScalarEvent):
                raise self.error("a key must be a word", "write `key: value`", event)
            key = self.text(event)
            if key in children:
                first = keys[key].line
                raise self.error(f"duplicate key '{key}'", f"it stands first on line {first}; remove one", event)
            keys[key] = self.place(event)
            children[key] = self.node(next(events), events, depth + 1)
        return Node(children, place, keys)

    def sequence(self, place: Place, events: Iterator[Any], depth: int) -> Node:
        children = []
        for event in events:
            if isinstance(event, ev.SequenceEndEvent):
                break
            children.append(self.node(event, events, depth + 1))
        return Node(children, place)

    def scalar(self, event: Any) -> Any:
        self.no_tag(event)
        text = self.text(event)
        return scalar(text) if event.style is None else text

    def text(self, event: Any) -> str:
        """The scalar's text; surrogate pairs, as JSON escapes write them, become one character."""
        try:
            joined: str = event.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.error("holds half of a surrogate pair", "write the character itself", event) from None
        return joined

    def no_tag(self, event: Any) -> None:
        if event.tag and str(event.tag) not in ("!", "None"):
            raise self.error(f"tag '{event.tag}' is not supported", "remove the tag; quote what is text", event)

    def add(self, nodes: int, event: Any) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            raise self.error(
                f"expands to more than {MAX_NODES:,} values", "write less by anchors and aliases; use repeat", event
            )

    def place(self, event: Any) -> Place:
        return Place(self.source, event.start_mark.line + 1, event.start_mark.column + 1)

    def error(self, message: str, hint: str, event: Any) -> ConfigError:
        return ConfigError(message, hint=hint, place=self.place(event))
