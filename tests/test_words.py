"""The glossary: the guide and the pages show one table of words."""

from __future__ import annotations

import re
from pathlib import Path

from varprobe.reporters.glossary import GLOSSARY

PACKAGE = Path(__file__).parents[1] / "varprobe"


def test_the_guide_lists_the_glossary_word_for_word() -> None:
    heading, *entries = re.split(r"\n+- (?=\*\*)", (PACKAGE / "guide/words.md").read_text())
    assert heading.startswith("# ")
    assert [" ".join(entry.split()) for entry in entries] == [
        f"**{term}**: {gloss}" for term, gloss in GLOSSARY.items()
    ]


def test_a_gloss_is_a_short_sentence_and_the_words_stand_in_order() -> None:
    assert list(GLOSSARY) == sorted(GLOSSARY)
    for gloss in GLOSSARY.values():
        assert len(gloss) <= 120
        assert re.fullmatch(r"[A-Z].*\.", gloss)
