"""Which configs are meant by files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from varprobe.errors import InputFileError, Place

_SUFFIXES = (".yaml", ".yml")
_DEEP = "**"


def configs_of(sources: Iterable[str]) -> list[str]:
    """The configs, each file once, by the name that came first, in the order named; those of a folder by name.

    In folders and patterns hidden folders are left out, links to folders are not followed, and what is no file is
    passed over.

    Raises:
        InputFileError: for a folder or a pattern in which there is none.
    """
    found: dict[str, str] = {}
    for source in sources:
        for name in _expand(source):
            found.setdefault(_identify(name), name)
    return list(found.values())


def _identify(name: str) -> str:
    """What is the same for all names of a file."""
    try:
        return name if name == "-" else os.path.realpath(name)
    except (OSError, ValueError):  # told when it is read
        return name


def _expand(source: str) -> list[str]:
    try:
        if source == "-" or os.path.isfile(source):
            return [source]
        if os.path.isdir(source):
            return _some(_below(source), source, "the folder has no .yaml or .yml file")
        if glob.has_magic(source):
            matches = list(dict.fromkeys(_match(source)))
            files = [match for match in matches if os.path.isfile(match)]
            folders = [file for match in matches if os.path.isdir(match) for file in _below(match)]
            return _some(files or folders, source, "no file matches the pattern")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path", place=Place(source)) from None
    return [source]  # what is not there is said when it is read


def _below(folder: str) -> list[str]:
    """The configs in a folder, and in its folders. A link to nothing is among them, so that it is told."""
    found: list[str] = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [str(Path(here) / name) for name in sorted(files) if name.lower().endswith(_SUFFIXES)]
        found += [path for path in paths if os.path.isfile(path) or not os.path.exists(path)]
    return found


def _match(pattern: str) -> Iterator[str]:
    """Files and folders by a pattern, in order; `**` is any number of folders, and at the end all configs in them."""
    anchor = Path(pattern).anchor
    parts = [part for part in pattern[len(anchor) :].replace(os.sep, "/").split("/") if part]
    kept = [part for part, after in zip(parts, [*parts[1:], ""], strict=True) if not part == after == _DEEP]
    yield from _match_in(anchor, kept)


def _match_in(folder: str, parts: list[str]) -> Iterator[str]:
    first, *rest = parts
    if first == _DEEP and not rest:
        yield from _below(folder or os.curdir)
    elif first == _DEEP:
        yield from _match_in(folder, rest)
        for name in _list(folder, "*", only_folders=True):
            yield from _match_in(os.path.join(folder, name), parts)
    elif not glob.has_magic(first):
        path = os.path.join(folder, first)
        if rest and os.path.isdir(path):  # as it is named, a link too
            yield from _match_in(path, rest)
        elif not rest and os.path.lexists(path):
            yield path
    else:
        for name in _list(folder, first, only_folders=bool(rest)):
            path = os.path.join(folder, name)
            yield from _match_in(path, rest) if rest else (path,)


def _list(folder: str, pattern: str, *, only_folders: bool) -> list[str]:
    """Names in a folder by a pattern, no hidden ones unless it says so; of folders only those that are no links."""
    try:
        entries = list(os.scandir(folder or os.curdir))
    except OSError:  # one that may not be looked into
        return []
    wanted = _is_own_folder if only_folders else _is_no_linked_folder
    shown = [entry for entry in entries if pattern.startswith(".") or not entry.name.startswith(".")]
    return sorted(entry.name for entry in shown if fnmatchcase(entry.name, pattern) and wanted(entry))


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_no_linked_folder(entry: os.DirEntry[str]) -> bool:
    return not (entry.is_symlink() and entry.is_dir())


def _some(found: list[str], source: str, message: str) -> list[str]:
    if not found:
        raise InputFileError(message, hint="name configs, or folders that hold some", place=Place(source))
    return found
