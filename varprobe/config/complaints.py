"""What is wrong with a config, as pydantic's complaints in our own words: gathered, so that all are told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

T = TypeVar("T")
Location = tuple[str | int, ...]
UNKNOWN_KEY = "unknown_key"
# So many are kept of what one mapping holds, and so many unknown keys of it are looked at.
_KEPT, _LOOKED_AT = 200, 40


def problem(message: str, hint: str, location: Location, value: object, kind: str = "varprobe") -> ValidationError:
    """A validation error in our own words, at `location` below the value that is being checked."""
    return _join([_complaint(message, hint, location, value, kind)])


def problems(found: Iterable[tuple[str, str, Location]]) -> ValidationError:
    """Several of them: message, hint, location."""
    return _join([_complaint(message, hint, location, None) for message, hint, location in found])


def check_known(
    given: Mapping[Any, Any],
    legal: list[str],
    check: Callable[[dict[str, Any]], T],
    others: Iterable[ValidationError] = (),
) -> T:
    """What `check` makes of the keys that are legal.

    Arguments:
        others: what is wrong besides.

    Raises:
        ValidationError: of every unknown key, naming the one that was probably meant, with all that `check` and others
            complain of. A key that was meant is not said to be missing.
    """
    found = [complaint for other in others for complaint in _complaints_of(other)]
    known = {key: value for key, value in given.items() if key in legal}
    meant: set[str | None] = set()
    for key, value in given.items():
        if key not in known and len(found) < _LOOKED_AT:
            near, hint = _hint_key(str(key), legal)
            # Of what is no config at all, such as a file with secrets, one line is enough.
            if not near and not known and meant:
                continue
            meant.add(near)
            found.append(_complaint(f"unknown key '{key}'", hint, (str(key),), value, UNKNOWN_KEY))
    try:
        checked = check(known)
    except ValidationError as error:
        if not found:
            raise
        inner = _complaints_of(error)
        found += [one for one in inner if not _is_told(one, meant)]
    if found:
        raise _join(found)
    return checked


def _hint_key(key: str, legal: list[str]) -> tuple[str | None, str]:
    """The legal key that was probably meant, and what to say."""
    from varprobe.config.vocabulary import find_meant, find_way_out

    before, colon, after = key.partition(":")
    if colon and before in legal:
        return before, f"write a space behind the colon: `{before}: {after}`"
    near = find_meant(key, legal)
    if near:
        return near, f"did you mean '{near}'?"
    return None, find_way_out(key, legal) or (f"the keys here are {', '.join(legal)}" if legal else "it takes none")


def _is_told(complaint: InitErrorDetails, meant: set[str | None]) -> bool:
    """Whether unknown keys say it: the key that was meant is missing, or nothing is left without them."""
    if complaint["type"] == "missing":
        return bool(set(complaint["loc"][:1]) & meant)
    return complaint["type"] == "too_short" and not complaint["loc"]


def _complaint(message: str, hint: str, location: Location, value: object, kind: str = "varprobe") -> InitErrorDetails:
    # pydantic cannot hold half a surrogate pair, which a mapping from Python may bring.
    words = {"message": message.encode(errors="replace").decode(), "hint": hint.encode(errors="replace").decode()}
    return InitErrorDetails(type=PydanticCustomError(kind, "{message}", words), loc=location, input=value)


def _join(complaints: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data("config", complaints[:_KEPT])


def _complaints_of(error: ValidationError) -> list[InitErrorDetails]:
    found: list[InitErrorDetails] = []
    for item in error.errors(include_url=False)[:_KEPT]:
        context, kind = item.get("ctx") or {}, item["type"]
        own = "message" in context or kind in ("gain", "column")
        words: Any = PydanticCustomError(kind, item["msg"].replace("{", "(") if not context else "{message}", context)
        found.append(InitErrorDetails(type=words if own else kind, loc=item["loc"], input=item["input"], ctx=context))
    return found
