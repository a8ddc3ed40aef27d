"""Files that a user names: what is no file is not opened, and what vanishes or changes while it is read is an error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from varprobe.config import arrays, reading
from varprobe.config.loading import load
from varprobe.errors import InputFileError
from varprobe.results.reading import read_bytes

CONFIG = "input: {features: 4}\nlayers: [{dense: 4}]\n"


def refusal(path: Path) -> str:
    with pytest.raises(InputFileError) as caught:
        arrays.read_array(path, None, (None, 4), "(rows, 4)")
    return caught.value.message


def between(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Makes a change after a file was looked at and before it is opened."""
    real, looks = reading._check_ordinary, iter((change,))

    def looked(mode: int) -> None:
        real(mode)
        next(looks, lambda: None)()

    monkeypatch.setattr(reading, "_check_ordinary", looked)


def test_a_device_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(reading, "_at_once", opened)
    with pytest.raises(InputFileError, match="no ordinary file"):
        reading.open_ordinary(Path("/dev/null"))


def test_a_file_that_vanishes_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.npy"
    np.save(path, np.ones((8, 4)))
    between(monkeypatch, path.unlink)
    assert refusal(path) == f"file '{path}' does not exist"
    path.write_text("{}")
    between(monkeypatch, path.unlink)
    with pytest.raises(InputFileError, match="no such file"):
        read_bytes(path)


def test_a_file_that_becomes_a_pipe_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.npy"
    np.save(path, np.ones((8, 4)))

    def replace() -> None:
        path.unlink()
        os.mkfifo(path)

    between(monkeypatch, replace)
    assert refusal(path) == f"file '{path}' is no ordinary file"


@pytest.mark.parametrize("save", [np.save, np.savez], ids=["npy", "npz"])
def test_a_file_that_shrinks_is_cut_short(
    save: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By more than what has been read ahead."""
    path = tmp_path / ("w.npy" if save is np.save else "w.npz")
    save(path, np.ones((400_000, 4)))

    def shrinking() -> int:
        os.truncate(path, 1_000_000)
        return 2**40

    monkeypatch.setattr(arrays, "free_memory", shrinking)
    assert "cut short" in refusal(path) or "no readable" in refusal(path)


def test_a_report_that_grows_is_read_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    path.write_text("{}")
    real = os.fstat

    def growing(number: int) -> os.stat_result:
        found = real(number)
        with path.open("a") as stream:
            stream.write("x" * 1000)
        return found

    monkeypatch.setattr("varprobe.results.reading.os.fstat", growing)
    assert len(read_bytes(path)) < 3000


def test_a_config_may_come_through_a_pipe_that_is_written_to_later(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("w") as stream:
            stream.write(CONFIG[:10])
            stream.flush()
            stopped.wait(0.2)
            stream.write(CONFIG[10:])

    stopped = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    assert load(pipe).network.width == 4
    writer.join()


def test_a_pipe_without_a_writer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(reading, "PATIENCE", 0.1)
    with pytest.raises(InputFileError, match="nobody writes to") as caught:
        load(tmp_path / "pipe")
    assert caught.value.place


def test_arrays_of_either_byte_order_and_layout_are_the_same(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(300, 700))  # more than one piece
    for number, kind in enumerate(("<f8", ">f8", "<f4", ">f4")):
        for order in "CF":
            path = tmp_path / f"{number}{order}.npz"
            np.savez_compressed(path, W=values.astype(kind, order=order))
            found = arrays.read_array(path, "W", (300, 700), "")
            assert found.dtype.isnative
            assert found.flags.c_contiguous
            assert np.array_equal(found, values.astype(kind))
