"""How numbers are written, everywhere: messages, tables, pages."""

from __future__ import annotations

import math
import re


def number(value: float | None) -> str:
    """Three significant digits; powers of ten where it would be long.

    >>> number(0.012345), number(1234567.0), number(None), number(0.0)
    ('0.0123', '1.23e+6', '-', '0')
    """
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value)
    sign = "-" if value < 0 else ""
    return sign + power(math.log10(abs(value)))


def power(log10: float | None) -> str:
    """10**log10 in three significant digits, at any size.

    >>> power(-1234.5), power(0.0), power(2.0)
    ('3.16e-1235', '1', '100')
    """
    if log10 is None:
        return "0"
    if not math.isfinite(log10):
        return str(log10) if log10 != -math.inf else "0"
    if -3 <= log10 < 4:
        value = float(f"{10**log10:.3g}")
        if value < 10_000:
            return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    exponent = math.floor(log10)
    mantissa = float(f"{10 ** (log10 - exponent):.2f}")
    if mantissa >= 10:
        mantissa, exponent = 1.0, exponent + 1
    return f"{mantissa:.2f}e{exponent:+d}"


def times(log10: float) -> str:
    """A change over several layers, as a verb that fits one thing and many.

    >>> times(-2.0), times(3.0), times(0.01)
    ('fell 100-fold', 'grew 1000-fold', 'stayed the same')
    """
    if abs(log10) < 0.04:
        return "stayed the same"
    return f"{'grew' if log10 > 0 else 'fell'} {power(abs(log10))}-fold"


def count(amount: int, noun: str) -> str:
    """An amount with its noun, plural where it should be.

    >>> count(1, "layer"), count(1200, "trial")
    ('1 layer', '1,200 trials')
    """
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def with_article(noun: str) -> str:
    """A noun as one of its kind.

    >>> with_article("report"), with_article("audit")
    ('a report', 'an audit')
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def percent(share: float) -> str:
    """A share as per cent.

    >>> percent(0.1234), percent(0.0)
    ('12 %', '0 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else f"{100 * share:.2g} %"


def printable(text: str) -> str:
    """Text from a config without control characters, which a terminal would obey.

    >>> printable("a\\x1b[31mb")
    'a?[31mb'
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


def printable_lines(text: str) -> str:
    """The same of text whose ends of lines are meant.

    >>> printable_lines("a\\x1b\\nb\\r\\n")
    'a?\\nb?\\n'
    """
    return "\n".join(map(printable, text.split("\n")))


def tame(text: str) -> str:
    """Lines that a build server does not take for commands: `::error::` begins one, `##[error]` anywhere is one.

    >>> tame("a::b\\n ::error::c ##vso[d]")
    'a::b\\n : :error::c ## vso[d]'
    """
    return re.sub(r"##(\w*)\[", r"## \1[", re.sub(r"^(\s*):(?=:)", r"\1: ", text, flags=re.M))


def file_stem(name: str) -> str:
    """A network's name as that of a file: what a file's name cannot hold becomes `_`.

    >>> file_stem("a/b c"), file_stem("..")
    ('a_b_c', 'network')
    """
    stem = re.sub(r"[^\w.-]+", "_", name).strip(".") or "network"
    return stem.encode()[:150].decode(errors="ignore")  # file systems count bytes


def shortened(text: str, most: int = 600) -> str:
    """Text from a config or a path that may be of any length: its beginning and its end.

    >>> shortened("a" * 50 + "z" * 50, most=20)
    'aaaaaaaaaaa...zzzzzz'
    """
    head, tail = 2 * (most - 3) // 3, (most - 3) // 3 + 1
    return text if len(text) <= most else f"{text[:head]}...{text[-tail:]}"


def size_of(memory: int) -> str:
    """Bytes as a person reads them.

    >>> size_of(3_500_000_000), size_of(20_000_000)
    ('3.3 GiB', '19.1 MiB')
    """
    return f"{memory / 2**30:,.1f} GiB" if memory >= 2**30 else f"{memory / 2**20:,.1f} MiB"
