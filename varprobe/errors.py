"""Everything varprobe raises on purpose.

Deep code raises the small fact (`VarprobeError`); the border that knows the file adds the place once.
Numbers that overflow, vanish or turn into nan are never errors: they are findings of the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from varprobe.formatting import printable, shortened
from varprobe.frozen import dataclass

# So many mistakes of a config are told at once.
MOST_TOLD = 20


@dataclass(frozen=True)
class Place:
    """Where something stands: a source, and a line and column in it, both from 1, where they are known."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)


class VarprobeError(Exception):
    """The user's mistake: one message, and a hint that says the way out.

    Arguments:
        message: what is wrong, and what was given.
        hint: what to do about it, with the legal values or the nearest name.
        place: the file, line and column, where there is one.
        field: the path of the config field, such as `layers[0].dense.width`.

    `others` are further mistakes of the same config, in the order of the file; this one is the first.
    """

    def __init__(self, message: str, *, hint: str = "", place: Place | None = None, field: str = "") -> None:
        super().__init__(message)
        self.message = shortened(message)
        self.hint = shortened(hint)
        self.place = place
        self.field = field
        self.others: tuple[VarprobeError, ...] = ()

    def __str__(self) -> str:
        told = [error.words for error in self.told]
        return "\n".join([*told, "and more mistakes behind these"] if self.has_more else told)

    @property
    def told(self) -> tuple[VarprobeError, ...]:
        """This one and the others of its config, as many as are told at once."""
        return (self, *self.others[: MOST_TOLD - 1])

    @property
    def has_more(self) -> bool:
        """Whether there are mistakes that are not told."""
        return len(self.others) >= MOST_TOLD

    @property
    def words(self) -> str:
        """What is said of this one alone."""
        where = (shortened(str(part)) for part in (self.place, self.field) if part)
        head = ": ".join(map(printable, (*where, self.message)))
        return f"{head}\n  hint: {printable(self.hint)}" if self.hint else head


class ConfigError(VarprobeError):
    """A config that does not describe a network."""


class InputFileError(VarprobeError):
    """A file that was named and cannot be used: a config, a report, weights, a batch."""


class OutputError(VarprobeError):
    """A place that cannot be written, or a format nobody knows."""


class ResourceError(VarprobeError):
    """A network that would not fit in this machine's memory."""


def join_errors(errors: Iterable[ConfigError]) -> ConfigError:
    """The first in the order of the file, with the others behind it; what is said twice of one place counts once."""
    distinct: dict[tuple[str, str, str], ConfigError] = {}
    for error in errors:
        distinct.setdefault((str(error.place), error.field.split(".")[-1], error.message), error)

    def order(error: ConfigError) -> tuple[int, int]:
        place = error.place
        return (place.line or 0, place.column or 0) if place else (0, 0)

    first, *others = sorted(distinct.values(), key=order)
    first.others = tuple(others)
    return first


def nearest(name: str, legal: Iterable[str]) -> str | None:
    """The legal name that `name` most likely meant, or None.

    >>> nearest("rellu", ["relu", "tanh"])
    'relu'
    """
    by_lower = {word.lower(): word for word in legal}
    matches = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None
