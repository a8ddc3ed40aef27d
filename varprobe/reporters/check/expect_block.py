"""Draft -> YAML to paste: an `expect` block, with what each of its lines rests on as a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from varprobe.config.rewriting import flow
from varprobe.formatting import count, printable
from varprobe.gate.drafting import WIDTHS, Draft, DraftLine
from varprobe.version import __version__

_WIDTH = 78


def render_expect(draft: Draft) -> str:
    """The block, to stand in the config in place of the one that it has."""
    return "\n".join([*_head(draft), "expect:", *_body(draft.lines), ""])


def refuse_expect(draft: Draft) -> str:
    """Why there is no block, in a sentence."""
    config = printable(draft.config)
    why = printable(draft.refusal)
    return f"varprobe: {config}: no block is drafted, since {why}; `varprobe run {config}` says what to do"


def _head(draft: Draft) -> Iterator[str]:
    made = f"varprobe {__version__}, {count(draft.trials, 'draw')}, seed {draft.seed}"
    level = f"{100 * (1 - draft.level):.7g} %"
    yield from _comment(
        f"Drafted from {printable(draft.config)} by {made}. What was found stands beside, in brackets its interval "
        f"({level}); ranges reach {WIDTHS:g} half-widths of it to either side."
    )


def _body(lines: tuple[DraftLine, ...]) -> Iterator[str]:
    section = ""
    for line in lines:
        first, *rest = line.path
        if rest and first != section:
            yield f"  {first}:"
        section, indent = first, "    " if rest else "  "
        written, found = f"{indent}{line.path[-1]}: {flow(line.value)}", printable(line.found)
        if len(written) + len(found) + 4 <= _WIDTH:
            yield f"{written}  # {found}"
        else:
            yield from _comment(found, indent)
            yield written


def _comment(text: str, indent: str = "") -> Iterator[str]:
    mark = f"{indent}# "
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=mark, subsequent_indent=mark, break_long_words=False, break_on_hyphens=False
    )
