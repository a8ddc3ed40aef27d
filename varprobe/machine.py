"""What this process has: the memory that it may use, and its current folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

try:
    import resource
except ImportError:  # only where there are no such limits
    resource = None  # type: ignore[assignment]

# Where the files are; their names by version of control groups: the limit, what is used, and of this what goes first.
_ROOT = Path("/")
_VERSION_1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
_VERSION_2 = "memory.max", "memory.current", "inactive_file"
_UNKNOWN = 8 * 2**30
_share: int | None = None


def has_folder() -> bool:
    """Whether the current folder is still there."""
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def free_memory() -> int:
    """Bytes that this process may still take: the least of what all limits leave, its siblings' part aside.

    The limits: what is free in the machine, every control group that the process is in, its own address space, and its
    share among the processes of a sweep or of pytest-xdist.
    """
    free = min(_limits(), default=None)
    if free is None:
        free = _count_pages() or _UNKNOWN
    free //= _count_siblings()
    return free if _share is None else min(free, _share)


def keep_to(share: int) -> None:
    """Says what this process may use of the memory that it has together with others: in bytes, for good."""
    global _share
    _share = share


def _limits() -> Iterator[int]:
    yield from _machine()
    yield from _control_groups()
    yield from _address_space()


def _count_siblings() -> int:
    """Processes that plan at the same time as this one and know nothing of each other: those of pytest-xdist."""
    count = os.environ.get("PYTEST_XDIST_WORKER_COUNT", "")
    return max(1, int(count)) if count.isdecimal() and len(count) < 6 else 1


def _machine() -> Iterator[int]:
    for line in _read("proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _control_groups() -> Iterator[int]:
    """Of the process's groups and all groups around them; of version 2, version 1, or both side by side."""
    mounts = list(_find_mounts())
    for line in _read("proc/self/cgroup").splitlines():
        controllers, path = line.split(":", 2)[1:]
        for version, root, mount in mounts:
            if version == (_VERSION_1 if "memory" in controllers.split(",") else None if controllers else _VERSION_2):
                yield from _walk_up(mount, _below(path, root), version)


def _find_mounts() -> Iterator[tuple[tuple[str, str, str], str, str]]:
    """Version, the group that is mounted, and where."""
    for line in _read("proc/self/mountinfo").splitlines():
        mounted, _, source = line.partition(" - ")
        kind, *rest = source.split()
        version = _VERSION_2 if kind == "cgroup2" else _VERSION_1 if "memory" in rest[-1].split(",") else None
        if version and kind.startswith("cgroup"):
            root, mount = mounted.split()[3:5]
            yield version, root, mount.replace("\\040", " ").lstrip("/")


def _below(path: str, root: str) -> str:
    """The group's path from the one that is mounted; that itself, in a container that does not see above it."""
    inside = path.startswith(root.rstrip("/") + "/")
    return path[len(root.rstrip("/")) :].strip("/") if inside and ".." not in path.split("/") else ""


def _walk_up(mount: str, path: str, version: tuple[str, str, str]) -> Iterator[int]:
    """What each group leaves, from the process's own to the outermost."""
    limit, used, passing = version
    folder = f"{mount}/{path}".rstrip("/")
    while len(folder) >= len(mount):
        try:
            most, taken = int(_read(f"{folder}/{limit}")), int(_read(f"{folder}/{used}"))
        except ValueError:  # no limit, or no such group
            pass
        else:
            cached = (line.split() for line in _read(f"{folder}/memory.stat").splitlines())
            yield max(0, most - taken + sum(int(words[1]) for words in cached if words[0] == passing))
        folder = folder.rpartition("/")[0]


def _address_space() -> Iterator[int]:
    if resource is None:
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most != resource.RLIM_INFINITY:
        pages = _read("proc/self/statm").split()
        yield max(0, most - (int(pages[0]) * resource.getpagesize() if pages else 0))


def _count_pages() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _read(path: str) -> str:
    try:
        return (_ROOT / path).read_text(errors="replace")
    except OSError:
        return ""
