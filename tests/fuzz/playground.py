"""A folder full of traps, for configs to name: pipes, loops of links, files that lie about their size."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np

# Named by the configs of the fuzzers; `ran` is written where anything of a file is executed.
TRAPS = (
    "w.npy",
    "w.npz",
    "b.npy",
    "rows.npy",
    "folder",
    "pipe",
    "loop",
    "chain",
    "zero-link",
    "sparse.npy",
    "sparse.npz",
    "claims.npy",
    "long-header.npy",
    "bomb.npz",
    "bzip.npz",
    "object.npy",
    "text.npy",
    "empty.npy",
    "swapped.npy",
    "/dev/zero",
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/stdin",
    "/dev/fd/0",
    "/dev/tty",
    "/proc/self/mem",
    "/proc/self/environ",
    "/proc/self/pagemap",
    "/proc/self/fd/0",
    "/proc/self/root/proc/self/root/etc/passwd",
    "/proc/kmsg",
    "/proc/kcore",
    "/sys/kernel/notes",
    "../../etc/passwd",
    "../" * 40 + "etc/passwd",
    "/etc/shadow",
    "",
    ".",
    "..",
    "/",
    "~",
    "~/w.npy",
    "$HOME/w.npy",
    "w.npy/",
    "w.npy/x",
    "./folder/../w.npy",
    "a" * 300,
    "a/" * 1500,
    "http://127.0.0.1/w.npy",
    "file:///etc/passwd",
    "\\\\host\\share\\w.npy",
    "w.npy\0",
    "CON",
    "-",
    "%s%n",
    "\u202ew.npy",
)


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


def header(text: str, version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    """The beginning of a .npy file; `length` is what it says of its header."""
    body = text.encode("latin1") + b" " * (-(len(text) + 11) % 64) + b"\n"
    size = len(body) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version[0] == 1 else 4, "little") + body


def lay_out(folder: Path) -> None:
    """Fills an empty folder."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 4))
    np.save(folder / "w.npy", weights)
    np.save(folder / "b.npy", weights[0])
    np.save(folder / "rows.npy", weights)
    np.save(folder / "swapped.npy", weights.astype(">f8", order="F"))
    np.savez(folder / "w.npz", W=weights, b=weights[0])
    np.save(folder / "object.npy", np.array([_Runs()] * 16, dtype=object).reshape(4, 4), allow_pickle=True)
    (folder / "text.npy").write_text("no array")
    (folder / "empty.npy").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "zero-link").symlink_to("/dev/zero")
    for number in range(45):
        (folder / f"chain{number or ''}").symlink_to(f"chain{number + 1}")
    _liars(folder)


def _liars(folder: Path) -> None:
    huge = header("{'descr': '<f8', 'fortran_order': False, 'shape': (250000000000, 4), }")
    (folder / "claims.npy").write_bytes(huge + bytes(900))
    (folder / "sparse.npy").write_bytes(huge)
    os.truncate(folder / "sparse.npy", len(huge) + 8 * 10**12)
    (folder / "long-header.npy").write_bytes(header("{", b"\x02\x00", 2**32 - 1))
    os.truncate(folder / "long-header.npy", 2**33)
    _archives(folder)


def _archives(folder: Path) -> None:
    rows = header("{'descr': '<f8', 'fortran_order': False, 'shape': (8750000, 4), }")
    for name, packing, millions in (("bomb.npz", zipfile.ZIP_DEFLATED, 280), ("bzip.npz", zipfile.ZIP_BZIP2, 10)):
        with (
            zipfile.ZipFile(folder / name, "w", packing, compresslevel=1) as archive,
            archive.open("W.npy", "w", force_zip64=True) as member,
        ):
            member.write(rows)
            for _ in range(millions):
                member.write(bytes(10**6))
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("W.npy", "x")
    data = bytearray(plain.getvalue())
    end = data.rfind(b"PK\x05\x06")
    directory = data.rfind(b"PK\x01\x02")
    claimed = 2**32 - 2**20  # bytes that the archive says its table has; the file is that large, and nearly empty
    data[end + 12 : end + 16] = claimed.to_bytes(4, "little")
    with (folder / "sparse.npz").open("wb") as stream:
        stream.write(data[:directory])
        stream.seek(directory + claimed)
        stream.write(data[end:])
