"""Numbers written as arithmetic, such as `0.02/sqrt(2*12)`.

Read by a grammar of its own, and never run as code: + - * / ** and signs, sqrt(x), parentheses, pi, e, and the names of
the config's `constants`. A text has a largest length and depth, and every intermediate value a largest size, so that
nothing takes time or memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from keyword import iskeyword

from varprobe.errors import nearest

Numeral = int | float
Constants = Mapping[str, Numeral]

MAX_CHARACTERS, MAX_DEPTH = 200, 40
# No intermediate value is larger.
_LARGEST, _LARGEST_BITS = 1e300, 1000
_NAMES: Constants = {"pi": math.pi, "e": math.e}
_TAKEN = ("pi", "e", "sqrt", "auto")
_WORD = r"[A-Za-z_]\w*"
_TOKEN = re.compile(rf"\s*((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])|{_WORD}(?![\w.])|\*\*|[-+*/()])", re.ASCII)
# What looks like a sum and is a number, a date, or part of neither.
_LITERAL = re.compile(r"[-+]?[\d._]*([eE][-+]?\d*)?|\d{4}-\d\d?-\d\d?", re.ASCII)
_LONE = re.compile(rf"[-+]?({_WORD})", re.ASCII)
GRAMMAR = "arithmetic knows + - * / **, sqrt(x), pi, e, parentheses, and names from `constants`"


class FormulaError(Exception):
    """What is wrong with a text that was meant as arithmetic, and the way out."""

    def __init__(self, message: str, hint: str = GRAMMAR) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def is_arithmetic(text: str, constants: Constants) -> bool:
    """Whether a text is meant as arithmetic, rather than as a word, a date or a number in quotes.

    >>> [is_arithmetic(text, {}) for text in ("sqrt(2)", "-pi", "2**3", "auto", "012", "-1e-3", "2026-01-01")]
    [True, True, True, False, False, False, False]
    """
    text = text.strip()
    lone = _LONE.fullmatch(text)
    if lone:
        name = lone[1]
        return name in constants or name in _NAMES or (len(name) < 60 and nearest(name, constants) is not None)
    return not _LITERAL.fullmatch(text) and any(sign in text for sign in "+-*/(^")


def evaluate(text: str, constants: Constants) -> Numeral:
    """The value of a text; whole numbers stay whole but under `/`.

    >>> evaluate("2*(width - 1)", {"width": 5}), evaluate("-2**-1", {})
    (8, -0.5)

    Raises:
        FormulaError: where it is no arithmetic, or has no finite real value.
    """
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(
            f"arithmetic has {len(text):,} characters, more than {MAX_CHARACTERS}", "name its parts in `constants`"
        )
    reader = _Reader(_cut(text), constants)
    value = reader.sum(0)
    if reader.at < len(reader.tokens):
        raise FormulaError(f"cannot be read from '{reader.tokens[reader.at]}' on")
    return value


def evaluate_constants(given: Mapping[str, object]) -> tuple[dict[str, Numeral], dict[str, FormulaError]]:
    """The values of a config's `constants`, each of which may name those before it, and what is wrong with others."""
    found: dict[str, Numeral] = {}
    wrong: dict[str, FormulaError] = {}
    for name, value in given.items():
        try:
            _check_name(name)
            if isinstance(value, bool) or not isinstance(value, (int, float, str)):
                raise FormulaError("must be a number, or arithmetic", "write `width: 256`, or `gain: sqrt(2)`")
            found[name] = evaluate(value, found) if isinstance(value, str) else _bounded(value, f"{value}"[:60])
        except FormulaError as mistake:
            wrong[name] = mistake
    return found, wrong


def _check_name(name: str) -> None:
    if name in _TAKEN or iskeyword(name):
        raise FormulaError(f"the name '{name}' is taken", "choose another name")
    if not re.fullmatch(_WORD, name, re.ASCII) or len(name) > 60:
        hint = "a name has up to 60 letters, digits and underscores, and begins with a letter"
        raise FormulaError(f"'{name[:60]}' is no name for a constant", hint)


def _cut(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            rest = text[at:].strip()
            hint = "write ** for a power" if rest[0] == "^" else GRAMMAR
            raise FormulaError(f"cannot be read from '{rest[:20]}' on", hint)
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Reader:
    """Recursive descent, with the precedence that Python has."""

    def __init__(self, tokens: list[str], constants: Constants) -> None:
        self.tokens, self.constants, self.at = tokens, constants, 0

    def take(self, *wanted: str) -> str | None:
        """The next token where it is one of these."""
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def sum(self, depth: int) -> Numeral:
        if depth > MAX_DEPTH:
            raise FormulaError(f"arithmetic nests more than {MAX_DEPTH} deep", "name its parts in `constants`")
        value = self.product(depth)
        while sign := self.take("+", "-"):
            right = self.product(depth)
            value = _bounded(value + right if sign == "+" else value - right, f"{value:g} {sign} {right:g}")
        return value

    def product(self, depth: int) -> Numeral:
        value = self.signed(depth)
        while sign := self.take("*", "/"):
            right = self.signed(depth)
            if sign == "/" and right == 0:
                raise FormulaError("divides by zero", "write another divisor")
            value = _bounded(value * right if sign == "*" else value / right, f"{value:g} {sign} {right:g}")
        return value

    def signed(self, depth: int) -> Numeral:
        minus = False
        while sign := self.take("+", "-"):
            minus ^= sign == "-"
        value = self.power(depth)
        return -value if minus else value

    def power(self, depth: int) -> Numeral:
        value = self.atom(depth)
        if not self.take("**"):
            return value
        if depth > MAX_DEPTH:
            raise FormulaError(f"arithmetic nests more than {MAX_DEPTH} deep", "name its parts in `constants`")
        return _raise(value, self.signed(depth + 1))

    def atom(self, depth: int) -> Numeral:
        if self.at == len(self.tokens):
            raise FormulaError("ends in the middle of arithmetic")
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            return self.closed(depth)
        if token == "sqrt" and self.take("("):
            value = self.closed(depth)
            if value < 0:
                raise FormulaError(f"takes the root of {value:g}", "write a number from 0 under the root")
            return math.sqrt(value)
        if token[0].isdigit() or token[0] == ".":
            return _bounded(int(token) if token.isdigit() else float(token), token[:60])
        return self.name(token)

    def closed(self, depth: int) -> Numeral:
        value = self.sum(depth + 1)
        if not self.take(")"):
            raise FormulaError("lacks a closing parenthesis", "write as many ) as (")
        return value

    def name(self, token: str) -> Numeral:
        known = {**_NAMES, **self.constants}
        if token in known:
            return known[token]
        if not (token[0].isalpha() or token[0] == "_"):
            raise FormulaError(f"has '{token}' where a number is due")
        if token == "sqrt":
            raise FormulaError("sqrt takes one number in parentheses", "write sqrt(2)")
        near = nearest(token, known)
        raise FormulaError(f"unknown name '{token}'", f"did you mean '{near}'? {GRAMMAR}" if near else GRAMMAR)


def _bounded(value: Numeral, shown: str) -> Numeral:
    """The same; refused where it is beyond what a config computes with."""
    if not -_LARGEST <= value <= _LARGEST:
        raise FormulaError(f"{shown} is no finite number below {_LARGEST:g}", "write smaller numbers")
    return value


def _raise(base: Numeral, power: Numeral) -> Numeral:
    shown = f"{base:g} ** {power:g}"
    if base == 0 and power < 0:
        raise FormulaError(f"{shown} divides by zero", "write a power from 0")
    if base < 0 and power != int(power):
        raise FormulaError(f"{shown} is no real number", "write a whole power, or a base from 0")
    if abs(base) > 1 and power * math.log2(abs(base)) > _LARGEST_BITS:
        raise FormulaError(f"{shown} is no finite number below {_LARGEST:g}", "write smaller numbers")
    try:
        return _bounded(base**power, shown)
    except OverflowError:
        raise FormulaError(f"{shown} is no finite number below {_LARGEST:g}", "write smaller numbers") from None
