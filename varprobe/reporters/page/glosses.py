"""Words with a gloss: a page explains each where it first says it, on hover and focus, and lists them at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from varprobe.frozen import dataclass

_GAP = re.compile(r"\W+")
# Options and commands are code; what else stands between backquotes may be a name, and stays as it is.
_CODE = re.compile(r"`((?:--|varprobe )[^`]+)`")


@dataclass(frozen=True)
class Gloss:
    """A word that a page explains, and the id of the place where it does."""

    term: str
    id: str
    sentence: str


class Glosses:
    """The words of one page, which is written from its top to its end.

    Arguments:
        words: the sentence of each term.

    >>> page = Glosses({"gain": "A factor."})
    >>> page.mark("No gain, no `--gain`.")
    Markup('No <a class="gloss" data-gloss="word-gain" href="#word-gain">gain</a>, no <code>--gain</code>.')
    >>> page.used
    (Gloss(term='gain', id='word-gain', sentence='A factor.'),)
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = {term.lower(): Gloss(term, f"word-{_GAP.sub('-', term)}", words[term]) for term in words}
        longest = sorted(map(re.escape, self._words), key=len, reverse=True)
        self._term = re.compile(rf"\b({'|'.join(longest)})(s?)\b", re.I)
        self._used: dict[str, Gloss] = {}

    @property
    def used(self) -> tuple[Gloss, ...]:
        """What was marked, by the alphabet."""
        return tuple(sorted(self._used.values(), key=lambda word: word.term.lower()))

    def mark(self, text: str) -> Markup:
        """The text with its words marked, each where the page first says it, and options and commands as code."""
        parts = _CODE.split(text)
        return Markup("").join(
            Markup("<code>{}</code>").format(part) if place % 2 else self._mark_words(part)
            for place, part in enumerate(parts)
        )

    def _mark_words(self, text: str) -> Markup:
        def link(found: re.Match[str]) -> str:
            word = self._words[found[1].lower()]
            if word.id in self._used:
                return found[0]
            self._used[word.id] = word
            return f'<a class="gloss" data-gloss="{word.id}" href="#{word.id}">{found[0]}</a>'

        return Markup(self._term.sub(link, str(escape(text)))) if self._words else escape(text)

    def point(self, heading: str) -> Markup:
        """The attribute by which a column's heading shows the gloss of its last words that have one."""
        found = [match[1].lower() for match in self._term.finditer(heading)] if self._words else []
        if not found:
            return Markup("")
        word = self._words[found[-1]]
        self._used[word.id] = word
        return Markup(' data-gloss="{}"').format(word.id)


def mark_code(text: str) -> Markup:
    """The text with options and commands between backquotes as code."""
    return Glosses({}).mark(text)
