"""Which configs are meant by files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from varprobe.errors import InputFileError, Place

if TYPE_CHECKING:
    from varprobe.config.loading import Experiment

_SUFFIXES = (".yaml", ".yml")


def inputs_of(config: str, experiment: Experiment) -> list[Path]:
    """The config and the files that it names: what is read, and so is not to be written."""
    from varprobe.sweeps.job import find_paths

    return [Path(config), *(experiment.folder / path for path in find_paths(experiment.document))]


def configs_of(sources: Iterable[str]) -> list[str]:
    """The configs, each once, in the order named; those of a folder, and of its folders, by name.

    Hidden folders are left out, and links to folders are not followed.

    Raises:
        InputFileError: for a folder or a pattern in which there is none.
    """
    found: dict[str, None] = {}
    for source in sources:
        found |= dict.fromkeys(_expand(source))
    return list(found)


def _expand(source: str) -> list[str]:
    try:
        if source == "-" or os.path.isfile(source):
            return [source]
        if os.path.isdir(source):
            return _some(_below(Path(source)), source, "the folder has no .yaml or .yml file")
        if glob.has_magic(source):
            matches = sorted(glob.glob(source, recursive=True))
            files = [file for match in matches for file in ([match] if os.path.isfile(match) else [])]
            folders = [file for match in matches if os.path.isdir(match) for file in _below(Path(match))]
            return _some(files or folders, source, "no file matches the pattern")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"cannot be read: {reason}", hint="check the path", place=Place(source)) from None
    return [source]  # what is not there is said when it is read


def _below(folder: Path) -> list[str]:
    found: list[str] = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [str(Path(here) / name) for name in sorted(files) if name.lower().endswith(_SUFFIXES)]
    return found


def _some(found: list[str], source: str, message: str) -> list[str]:
    if not found:
        raise InputFileError(message, hint="name configs, or folders that hold some", place=Place(source))
    return found
