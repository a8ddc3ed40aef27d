"""A config's text, changed in the fewest places: comments, order and formatting stay as the user wrote them.

The text is compared with the data that it should hold; every value that differs is replaced where it stands, in flow
style, and every key that is missing is added to its mapping. What an alias shares is written out where it must differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as ev

from varprobe.config.yaml_tree import parse_yaml, scalar
from varprobe.errors import ConfigError, Place

# An alias that is written out may hold what differs in its turn.
_ROUNDS = 6


@dataclass
class _Span:
    """A value in the text: where it begins and ends, and its children by key or position.

    `keys` holds (start, column) of every key of a mapping.
    """

    start: int
    end: int
    flow: bool = True
    alias: bool = False
    children: dict[str | int, _Span] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Edit:
    """text[start:end] becomes `new`."""

    start: int
    end: int
    new: str


def rewrite(text: str, target: dict[str, Any], source: str) -> str:
    """The text with just those values changed that differ from `target`.

    Raises:
        ConfigError: where the text cannot be made to hold it.
    """
    hint = "write it without anchors and aliases"
    trouble = ConfigError("its text cannot be changed in place", hint=hint, place=Place(source))
    for each in range(_ROUNDS):
        try:
            held = parse_yaml(text, source).plain()
        except ConfigError:
            if each:
                raise trouble from None
            raise
        if held == target:
            return text
        spans = _find_spans(text)
        edits = list(_find_edits(text, spans, held, target))
        if any("&" in text[edit.start : edit.end] for edit in edits):
            edits = list(_write_out(spans, held)) or edits  # what an anchor named would be gone
        for edit in sorted(edits, key=lambda edit: -edit.start):
            text = text[: edit.start] + edit.new + text[edit.end :]
    raise trouble


def flow(value: Any) -> str:
    """A value in YAML's flow style.

    >>> flow({"name": "he", "gain": 1.5})
    '{name: he, gain: 1.5}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(key)}: {flow(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(child) for child in value) + "]"
    return _word(value)


def write_config(document: dict[str, Any]) -> str:
    """A config as text: a line per key, and per entry of a list under a key.

    >>> print(write_config({"input": {"features": 4}, "layers": [{"dense": 4, "repeat": 2}]}), end="")
    input: {features: 4}
    layers:
      - {dense: 4, repeat: 2}
    """
    lines = []
    for key, value in document.items():
        listed = isinstance(value, list) and value
        lines += (
            [f"{_word(key)}:", *(f"  - {flow(entry)}" for entry in value)]
            if listed
            else [f"{_word(key)}: {flow(value)}"]
        )
    return "\n".join([*lines, ""])


def _word(value: Any) -> str:
    if isinstance(value, str):
        plain = value and scalar(value) == value and all(c.isalnum() or c in "_./-" for c in value)
        return value if plain and value[0] not in "-." else json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value!r}"


def _find_edits(text: str, span: _Span, held: Any, target: Any) -> Iterator[_Edit]:
    if held == target:
        return
    alike = isinstance(held, dict) and isinstance(target, dict) and set(held) <= set(target)
    alike = alike or (isinstance(held, list) and isinstance(target, list) and len(held) == len(target))
    if span.alias or not alike:
        yield _replace(text, span, flow(target))
        return
    places = range(len(held)) if isinstance(held, list) else held
    for place in places:
        yield from _find_edits(text, span.children[place], held[place], target[place])
    added = {key: target[key] for key in target if key not in held} if isinstance(target, dict) else {}
    if added:
        yield _add(text, span, added)


def _write_out(span: _Span, held: Any) -> Iterator[_Edit]:
    """Every alias as what it stands for."""
    if span.alias:
        yield _Edit(span.start, span.end, flow(held))
    for place, child in span.children.items():
        yield from _write_out(child, held[place])


def _replace(text: str, span: _Span, new: str) -> _Edit:
    """A block under its key comes up beside it; the end of its last line stays; an empty value gets its space."""
    start, old = span.start, text[span.start : span.end]
    kept = old[len(old.rstrip()) :]
    if not span.flow and text[:start].rstrip().endswith(":"):
        start = len(text[:start].rstrip())
    space = " " if start and text[start - 1] in ":-," else ""
    return _Edit(start, span.end, space + new + kept)


def _add(text: str, span: _Span, added: dict[str, Any]) -> _Edit:
    pairs = [f"{_word(key)}: {flow(value)}" for key, value in added.items()]
    if span.flow:
        before = text[span.start : span.end - 1].rstrip()
        at = span.start + len(before)
        comma = "" if before.endswith(("{", ",")) else ","
        return _Edit(at, at, f"{comma}{'' if before.endswith('{') else ' '}{', '.join(pairs)}")
    # Before the first key: there the indentation is known, and nothing that belongs to a key is torn apart.
    start, column = next(iter(span.keys.values()))
    return _Edit(start, start, "".join(f"{pair}\n{' ' * column}" for pair in pairs))


def _find_spans(text: str) -> _Span:
    events = YAML(typ="safe", pure=True).parse(text)
    for event in events:
        if isinstance(event, (ev.ScalarEvent, ev.SequenceStartEvent, ev.MappingStartEvent)):
            return _find_span(text, event, events)
    return _Span(0, 0)


def _find_span(text: str, event: Any, events: Iterator[Any]) -> _Span:
    start = event.start_mark.index
    if isinstance(event, ev.AliasEvent):
        return _Span(start, event.end_mark.index, alias=True)
    if isinstance(event, ev.ScalarEvent):
        return _Span(start, event.end_mark.index)
    span = _Span(start, start, flow=bool(event.flow_style))
    for place, child in enumerate(events):
        if isinstance(child, (ev.SequenceEndEvent, ev.MappingEndEvent)):
            # A block is said to end where the next thing begins; comments between do not belong to it.
            inner = max((each.end for each in span.children.values()), default=start)
            span.end = child.end_mark.index if span.flow else inner
            break
        if isinstance(event, ev.SequenceStartEvent):
            span.children[place] = _find_span(text, child, events)
        else:
            span.keys[child.value] = (child.start_mark.index, child.start_mark.column)
            value = _find_span(text, next(events), events)
            if value.start == value.end:  # nothing is written: its place is behind the colon, not on the next line
                value.start = value.end = text.index(":", child.end_mark.index) + 1
            span.children[child.value] = value
    return span
