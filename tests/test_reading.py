"""Files that a user names: what is no file is not opened, and no pipe is waited for without end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from varprobe.config import files, opening
from varprobe.config.loading import load
from varprobe.errors import InputFileError

CONFIG = "input: {features: 4}\nlayers: [{dense: 4}]\n"


def refusal(path: Path) -> str:
    with pytest.raises(InputFileError) as caught:
        files.read_array(path, None, (None, 4), "(rows, 4)")
    return caught.value.message


def test_a_device_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(opening, "open", opened, raising=False)
    with pytest.raises(InputFileError, match="no ordinary file"):
        opening.open_ordinary(Path("/dev/null"))


def test_an_array_that_is_not_there_or_is_a_pipe_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "w.npy"
    assert refusal(path) == f"file '{path}' does not exist"
    os.mkfifo(path)
    assert refusal(path) == f"file '{path}' is no ordinary file"


@pytest.mark.parametrize("begun", [0, 10])
def test_a_config_may_come_through_a_pipe_that_is_written_to_later(
    begun: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("w") as stream:
            stream.write(CONFIG[:begun])
            stream.flush()
            stopped.wait(0.2)
            stream.write(CONFIG[begun:])

    stopped = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    assert load(pipe).network.width == 4
    writer.join()


def test_a_pipe_without_a_writer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(opening, "PATIENCE", 0.1)
    with pytest.raises(InputFileError, match="nobody writes to") as caught:
        load(tmp_path / "pipe")
    assert caught.value.place


def test_arrays_of_either_byte_order_and_layout_are_the_same(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(300, 700))  # more than one piece
    for number, kind in enumerate(("<f8", ">f8", "<f4", ">f4")):
        for order in "CF":
            path = tmp_path / f"{number}{order}.npz"
            np.savez_compressed(path, W=values.astype(kind, order=order))
            found = files.read_array(path, "W", (300, 700), "")
            assert found.dtype.isnative
            assert found.flags.c_contiguous
            assert np.array_equal(found, values.astype(kind))
