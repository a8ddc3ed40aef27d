"""Laws as people write them down: `normal(0.02/sqrt(2*12))`, `he(mode=fan_out)`, `zeros`."""

from __future__ import annotations

import math
import re
from functools import cache

from pydantic_core import ValidationError

from varprobe.audit.fans import Fans
from varprobe.config.arithmetic import Constants, FormulaError, evaluate
from varprobe.config.parts import INITIALIZER_PART, Part
from varprobe.errors import VarprobeError
from varprobe.frozen import dataclass
from varprobe.network.initializers import INITIALIZERS, Context
from varprobe.network.laws import Law
from varprobe.network.parameters import Choice, Text

_CALL = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:\((.*)\))?\s*", re.DOTALL)
_NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=(.*)", re.DOTALL)
_FACTOR = re.compile(r"[*/]\s*(sqrt\((?:[^()]|\([^()]*\))*\)|[\w.]+)")
HINT = "write it as in `normal(0.02/sqrt(2*12))`, `he(mode=fan_out)` or `zeros`; `varprobe list initializers` shows all"


@dataclass(frozen=True)
class LawText:
    """A law before it is known of which matrix: the scheme, and the texts of its arguments."""

    text: str
    scheme: str
    arguments: tuple[tuple[str, str], ...]

    def law(self, fans: Fans | None, names: Constants, *, bias: bool = False) -> Law:
        """The law of one entry.

        Arguments:
            fans: of the matrix, or of that which a vector belongs to; fan_in and fan_out stand for them.
            names: further names in arithmetic.
            bias: the scheme's own bias is meant, where it draws one.

        Raises:
            VarprobeError: where an argument has no value, or the scheme refuses it.
        """
        known = {**names, **({"fan_in": fans.fan_in, "fan_out": fans.fan_out} if fans else {})}
        part = self._part(known)
        kind = INITIALIZERS[part.name]
        context = Context(*((fans.fan_in, fans.fan_out) if fans else (1, 1)))
        if fans is None and not bias and "fan" in kind.variance:
            raise VarprobeError(f"{self.text} needs fan_in, which a vector has not", hint="write uniform(low, high)")
        build = kind.bias if bias and kind.bias else kind.build
        return build(context, **part.arguments)

    def _part(self, names: Constants) -> Part:
        parameters = INITIALIZERS[self.scheme].parameters
        values: dict[str, object] = {"name": self.scheme}
        for key, text in self.arguments:
            domain = parameters[key].domain if key in parameters else Text()
            if isinstance(domain, (Choice, Text)):
                values[key] = text
                continue
            try:
                value = evaluate(text, names)
            except FormulaError as error:
                raise VarprobeError(f"{self.text}: {key}: {error.message}", hint=error.hint) from None
            values[key] = value
        try:
            return INITIALIZER_PART.parse(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            context = first.get("ctx", {})
            hint = str(context.get("hint", HINT))
            raise VarprobeError(f"{self.text}: {first['msg']}", hint=hint) from None

    def factors(self, names: Constants) -> list[tuple[str, float]]:
        """The factors that its arithmetic has, such as ("1/sqrt(2*12)", 0.204): what code may have left out."""
        found = []
        for _, text in self.arguments:
            for match in _FACTOR.finditer(text):
                try:
                    value = float(evaluate(match[1], names))
                except FormulaError:
                    continue
                if value > 0:
                    divides = match[0][0] == "/"
                    found.append((f"1/{match[1]}" if divides else match[1], 1 / value if divides else value))
        return found


def read_law(text: str) -> LawText:
    """A law from its text.

    Raises:
        VarprobeError: where no scheme is named, or its parentheses or arguments are wrong.

    >>> read_law("normal(0.02/sqrt(2*12))").arguments
    (('std', '0.02/sqrt(2*12)'),)
    """
    call = _CALL.fullmatch(text)
    if not call:
        raise VarprobeError(f"'{text}' is no law", hint=HINT)
    name, inner = call[1], call[2]
    try:
        known = {**_short_names(), **_needing()}
        scheme = known[name.lower()] if name.lower() in known else INITIALIZER_PART.parse(name).name
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise VarprobeError(f"'{text}': {first['msg']}", hint=str(first.get("ctx", {}).get("hint", HINT))) from None
    if scheme in ("file", "lsuv"):
        raise VarprobeError(f"'{text}' has no law before it is drawn", hint=HINT)
    free = [key for key in INITIALIZERS[scheme].parameters if key not in ("gain", "mode", "distribution")]
    arguments: list[tuple[str, str]] = []
    for piece in _split(inner or "", text):
        named = _NAMED.fullmatch(piece)
        if named:
            arguments.append((named[1], named[2].strip()))
        elif free and len(arguments) < len(free):
            arguments.append((free[len(arguments)], piece.strip()))
        else:
            raise VarprobeError(f"'{text}': {scheme} takes no unnamed argument '{piece.strip()}'", hint=HINT)
    return LawText(text.strip(), scheme, tuple(arguments))


@cache
def _short_names() -> dict[str, str]:
    """Schemes of frameworks without the framework's name, where all frameworks that have one mean the same by it."""
    found: dict[str, list[str]] = {}
    for name in INITIALIZERS:
        framework, dot, short = name.partition(".")
        if dot and framework and short not in INITIALIZERS:
            found.setdefault(short, []).append(name)
    return {short: names[0] for short, names in found.items() if len(set(map(_sample, names))) == 1}


def _sample(name: str) -> str:
    """The law of a scheme for one matrix, as text; its name where it needs arguments."""
    kind = INITIALIZERS[name]
    if any(one.default is ... for one in kind.parameters.values()):
        return name
    return repr(kind.build(Context(200, 300), **{key: one.default for key, one in kind.parameters.items()}))


@cache
def _needing() -> dict[str, str]:
    """Schemes that cannot be named without arguments."""
    needing: dict[str, str] = {}
    for name, kind in INITIALIZERS.items():
        if any(one.default is ... for one in kind.parameters.values()):
            needing |= {alias.lower(): name for alias in (name, *kind.aliases)}
    return needing


def _split(inner: str, text: str) -> list[str]:
    """The arguments between the commas that stand outside parentheses."""
    pieces, depth, start = [], 0, 0
    for at, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            break
        if letter == "," and depth == 0:
            pieces.append(inner[start:at])
            start = at + 1
    if depth:
        raise VarprobeError(f"'{text}': parentheses do not match", hint=HINT)
    last = inner[start:]
    return [*pieces, last] if last.strip() or pieces else []


def close(one: float, other: float, tolerance: float) -> bool:
    """Whether two positive numbers agree to a relative tolerance."""
    return one > 0 and other > 0 and abs(math.log(one / other)) <= tolerance
