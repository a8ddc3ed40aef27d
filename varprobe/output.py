"""Files are checked before measuring, and written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from varprobe.errors import OutputError, Place, nearest
from varprobe.formatting import file_stem
from varprobe.temporary import own_temporary

# Where short forms such as --html write; no other folder is made.
REPORTS = Path("reports")
_UNWRITTEN = "nothing was written; check the disk's space and rights"


@contextmanager
def _refusal(target: Path, hint: str, verb: str = "written") -> Iterator[None]:
    """What the system refuses becomes a message on the target."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot be {verb}: {reason}", hint=hint, place=Place(str(target))) from None


def check_targets(targets: Iterable[Path], suffixes: Iterable[str]) -> None:
    """Refuses what could not be written later.

    Raises:
        OutputError: for an unknown suffix, a folder that does not exist, a directory, or missing rights.
    """
    legal = list(suffixes)
    for target in targets:
        if target.parent == REPORTS:
            _make_reports()
        place = Place(str(target))
        if target.suffix.lower() not in legal:
            near = nearest(target.suffix, legal)
            hint = f"did you mean {near}? " if near else ""
            shown = f"the suffix '{target.suffix}'" if target.suffix else "a name without a suffix"
            raise OutputError(f"no format is known by {shown}", hint=f"{hint}known are {', '.join(legal)}", place=place)
        check_writable(target)


def refuse_inputs(targets: Iterable[Path], inputs: Iterable[str | Path], way_out: str = "name another file") -> None:
    """Refuses to replace what is read, by whatever name, through links too.

    Arguments:
        inputs: those that are no files do not count.

    Raises:
        OutputError: for the first target that is one.
    """
    known = {found: source for source in inputs if (found := _identity(Path(source))) is not None}
    for target in targets:
        found = _identity(target)
        if found in known:
            source = known[found]
            what = "this is read" if str(source) == str(target) else f"it is '{source}', which is read"
            raise OutputError(f"would replace an input: {what}", hint=way_out, place=Place(str(target)))


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def reports_target(name: str, suffix: str) -> Path:
    """`reports/NAME` with the suffix, in this folder, made if need be; what a file's name cannot hold becomes `_`."""
    _make_reports()
    target = REPORTS / f"{file_stem(name)}{suffix}"
    check_writable(target)
    return target


def _make_reports() -> None:
    with _refusal(REPORTS, "name a file by -o", "made"):
        REPORTS.mkdir(exist_ok=True)


def sweep_journal(targets: Sequence[Path], name: str, fingerprint: str) -> Path:
    """Where a sweep keeps finished points until it is done: beside its first file, else in this folder."""
    first = targets[0] if targets else Path(file_stem(name))
    journal = first.with_name(f"{first.name}.{fingerprint}.part")
    check_writable(journal)
    return journal


def check_writable(target: Path) -> None:
    """Refuses a target whose folder does not exist or may not be written."""
    with _refusal(target, "choose a shorter name or another folder"):
        _check_folder(Path(os.path.realpath(target)) if target.is_symlink() else target, Place(str(target)))


def _check_folder(target: Path, place: Place, *, new: bool = False) -> None:
    folder = target.parent
    if target.is_dir() and not new:
        raise OutputError("is a directory", hint="name a file in it", place=place)
    if target.exists() and not target.is_file() and not new:
        raise OutputError("is no ordinary file", hint="name another", place=place)
    if not folder.is_dir():
        raise OutputError(
            f"the folder '{folder}' does not exist",
            hint=f"make it first; only `{REPORTS}` is made for you",
            place=place,
        )
    target.exists()  # raises for a name that is too long
    if not new and target.exists() and not (target.stat().st_mode & 0o222 and os.access(target, os.W_OK)):
        raise OutputError("may not be written", hint="name another file, or give yourself the right", place=place)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"the folder '{folder}' cannot be written", hint="choose another folder", place=place)


def check_new_folder(folder: Path) -> None:
    """Refuses a folder that holds something, and one that could not be made."""
    place = Place(str(folder))
    with _refusal(folder, "choose a shorter name or another place"):
        if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
            raise OutputError("exists already", hint="name another folder, or delete it", place=place)
        _check_folder(folder.absolute(), place, new=True)


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Writes files beside the folder's place and renames them all at once: a whole folder or none.

    Arguments:
        files: by their path from the folder.

    Raises:
        OutputError: where the disk is full or the folder cannot be written.
    """
    folder = folder.absolute()
    with _refusal(folder, _UNWRITTEN), own_temporary(folder, _make_folder) as temporary:
        for name, text in files.items():
            target = temporary.path / name
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
        os.replace(temporary.path, folder)


def _make_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY)


def write_file(target: Path, content: str | bytes) -> None:
    """Writes to a temporary file beside the target and renames it: the old file or the new one, never half.

    Raises:
        OutputError: where the disk is full or the target cannot be written.
    """
    target = Path(os.path.realpath(target))  # a link stays, and what it points to is replaced

    def make(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if kept is None else kept)

    with _refusal(target, _UNWRITTEN):
        kept = target.stat().st_mode & 0o777 if target.exists() else None
        with own_temporary(target, make) as temporary:
            with open(temporary.number, "wb", closefd=False) as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(temporary.number)
            if kept is not None:
                os.chmod(temporary.path, kept)  # whatever the mask
            os.replace(temporary.path, target)


def append_file(target: Path, content: str) -> None:
    """Adds to a file that others add to as well.

    Raises:
        OutputError: where the target cannot be written.
    """
    with _refusal(target, "check the disk's space and rights"), target.open("a", encoding="utf-8") as stream:
        stream.write(content)
