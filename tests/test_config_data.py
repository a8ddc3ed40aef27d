"""Batches and labels from files: what is read of a table, what is refused, and what the probe makes of it."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import Said

import varprobe
from tests.fuzz.contract import settle_file
from varprobe.api import measure
from varprobe.config.csv_files import MAX_CSV_BYTES
from varprobe.config.loading import load
from varprobe.errors import VarprobeError
from varprobe.network.spec import NetworkSpec

TABLE = """\
height,name,weight,constant,quality
1.5,anna,60,7,5
2.5,bert,80,7,3
3.5,carl,70,7,5
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(TABLE)


def text(keys: str = "", features: int = 4, layers: str = "[8, 6]", gradient: str = "random") -> str:
    source = f"features: {features}, distribution: file, path: data.csv{keys}"
    return f"input: {{{source}}}\nlayers: {layers}\nprobe: {{gradient: {gradient}, trials: 2}}\n"


def read(config: str) -> NetworkSpec:
    Path("net.yaml").write_text(config)
    return load("net.yaml").network


def rows_of(config: str) -> list[list[float]]:
    rows = read(config).input.rows
    assert rows is not None
    return [list(map(float, row)) for row in rows]


def refusal(config: str) -> Any:
    with pytest.raises(VarprobeError) as caught:
        read(config)
    return caught.value


def test_the_numeric_columns_are_the_batch() -> None:
    assert rows_of(text()) == [[1.5, 60, 7, 5], [2.5, 80, 7, 3], [3.5, 70, 7, 5]]
    assert read(text()).settings.batch == 3
    assert rows_of(text(", label: quality", 3)) == [[1.5, 60, 7], [2.5, 80, 7], [3.5, 70, 7]]


def test_columns_are_named_or_counted() -> None:
    assert rows_of(text(", columns: [weight, 0]", 2)) == [[60, 1.5], [80, 2.5], [70, 3.5]]


def test_a_table_without_a_header_is_numbers_from_the_first_row() -> None:
    Path("data.csv").write_bytes(b"\xef\xbb\xbf1,2\r\n3,4e-1\r\n\r\n")
    assert rows_of(text(features=2)) == [[1, 2], [3, 0.4]]
    assert rows_of(text(", columns: [1]", 1)) == [[2], [0.4]]


def test_columns_are_standardised_and_constant_ones_are_zero() -> None:
    rows = np.array(rows_of(text(", standardize: true")))
    assert rows.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert rows.std(axis=0) == pytest.approx([1, 1, 0, 1])
    np.save("rows.npy", np.array([[1e30, 1.0, 0.1], [3e30, 1.0, 0.1], [5e30, 4.0, 0.1]]))
    rows = np.array(rows_of(text(", standardize: true", 3).replace("data.csv", "rows.npy")))
    assert rows.std(axis=0) == pytest.approx([1, 1, 0])
    assert np.all(rows[:, 2] == 0)


def test_a_member_of_an_archive_is_the_batch() -> None:
    np.savez("d.npz", x=np.ones((3, 4)), y=np.zeros((5, 2)))
    assert rows_of(text(", key: x").replace("data.csv", "d.npz")) == [[1.0] * 4] * 3
    assert refusal(text().replace("data.csv", "d.npz")).field == "input.path"


# --- labels ---


def targets(config: str) -> list[Any]:
    found = read(config).objective.targets
    assert found is not None
    return list(found.tolist())


def test_labels_are_classes_of_cross_entropy() -> None:
    assert targets(text(", label: quality", 3, "[8, 6]", "cross_entropy")) == [5, 3, 5]
    assert targets(text(", label: quality", 3, "[8, 2]", "cross_entropy")) == [1, 0, 1]  # by rank: no class 5 of 2
    assert targets(text(", label: name", 4, "[8, 3]", "cross_entropy")) == [0, 1, 2]
    assert read(text(", label: name")).objective.targets is None


def test_labels_are_targets_of_mse_and_bce() -> None:
    assert targets(text(", label: quality", 3, "[8, 1]", "mse")) == [[5.0], [3.0], [5.0]]
    Path("data.csv").write_text("1,0\n2,1\n")
    assert targets(text(", label: 1", 1, "[8, 1]", "bce")) == [[0.0], [1.0]]


def test_the_loss_and_its_gradient_are_those_of_the_labels() -> None:
    """With a head of zeros: ln 2 of two classes, the mean square of the targets, and gradients that are known."""
    zeros = "[8, {dense: {width: %d, activation: linear, init: zeros}}]"
    found = measure(text_file(text(", label: quality", 3, zeros % 1, "mse")))
    assert found.statistics.initial_loss == pytest.approx(np.mean([25, 9, 25]))
    assert np.exp(found.statistics.log_output_gradient_second_moment) == pytest.approx(
        np.mean([(2 * t / 3) ** 2 for t in (5, 3, 5)])
    )
    found = measure(text_file(text(", label: quality", 3, zeros % 2, "cross_entropy")))
    assert found.statistics.initial_loss == pytest.approx(math.log(2))
    np.save("b.npy", np.array([0.0, 5.0]))
    biased = "[{dense: {width: 2, init: zeros, bias: {path: b.npy}}}]"
    found = measure(text_file(text(", label: quality", 3, biased, "cross_entropy")))  # classes 1, 0, 1
    assert found.statistics.initial_loss == pytest.approx(math.log1p(math.exp(5)) - 10 / 3)
    Path("data.csv").write_text("1,0\n2,0\n")
    narrow = measure(text_file(text(", label: 1", 1, "[{dense: {width: 1, bias: -3, init: zeros}}]", "bce")))
    assert narrow.statistics.initial_loss == pytest.approx(math.log1p(math.exp(-3)))


def text_file(config: str) -> str:
    Path("net.yaml").write_text(config)
    return "net.yaml"


def test_theory_says_why_it_has_no_gradient_of_given_labels() -> None:
    rows = varprobe.derive(text_file(text(", label: quality", 3, "[8, 8, 1]", "mse"))).rows
    assert [row.log_gradient for row in rows] == [None] * 3
    assert "given targets have no law" in rows[0].reason
    assert (
        varprobe.derive(text_file(text(features=4, layers="[8, 8, 1]", gradient="mse"))).rows[0].log_gradient
        is not None
    )


REFUSED: dict[str, tuple[str, str]] = {
    "a column that is not there": (TABLE, text(", columns: [hieght]", 1)),
    "a number that is not there": (TABLE, text(", columns: [9]", 1)),
    "a label that is not there": (TABLE, text(", label: qality", 3)),
    "a column of words": (TABLE, text(", columns: [name]", 1)),
    "too few columns": (TABLE, text(features=5)),
    "a hole": ("a,b\n1,2\n3,\n", text(features=2)),
    "not a number": ("1,2\n3,nan\n", text(features=2)),
    "infinite": ("1,2\n3,1e999\n", text(features=2)),
    "underscores": ("1,2\n3,1_0\n", text(features=2)),
    "a short line": ("1,2\n3\n", text(features=2)),
    "a header alone": ("a,b\n", text(features=2)),
    "nothing": ("", text(features=2)),
    "words alone": ("a,b\nx,y\n", text(features=2)),
    "an open quote": ('1,2\n3,"4\n', text(features=2)),
    "too many classes": (TABLE, text(", label: name", 4, "[8, 2]", "cross_entropy")),
    "words for numbers": (TABLE, text(", label: name", 4, "[8, 1]", "mse")),
    "several outputs": (TABLE, text(", label: quality", 3, "[8, 2]", "mse")),
    "labels beyond 0 and 1": (TABLE, text(", label: quality", 3, "[8, 1]", "bce")),
    "a key of a table": (TABLE, text(", key: x")),
    "columns that are none": (TABLE, text(", columns: [1.5]")),
    "columns without a file": (TABLE, "input: {features: 4, standardize: true}\nlayers: [4]\n"),
    "columns of an array": (TABLE, text(", label: 1").replace("data.csv", "data.npy")),
    "no file": (TABLE, text().replace("data.csv", "no.csv")),
    "a folder": (TABLE, text().replace("data.csv", "folder.csv")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_a_way_out(case: str, said: Said) -> None:
    Path("folder.csv").mkdir()
    table, config = REFUSED[case]
    Path("data.csv").write_text(table)
    error = refusal(config)
    assert error.field.startswith("input")
    assert error.place.line == 1
    assert error.hint
    said(error)


# --- hostile tables ---


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 1000,
        b"\xff\xfe1,2",
        b"1," * 2_000_000 + b"1\n",
        b'"' + b"x" * 3_000_000,
        b"1\n" * 5_000_000,
        b"1," * 8_000_000 + b"1\n",
        b"=cmd()\n1\n",
    ],
    ids=["zeros", "UTF-16", "wide", "long cell", "long", "very wide", "formula"],
)
def test_a_hostile_table_is_read_or_refused_soon(data: bytes) -> None:
    Path("data.csv").write_bytes(data)
    started = time.process_time()
    settle_file(Path(), text(features=1))
    assert time.process_time() - started < 5


def test_a_table_is_no_larger_than_its_limit_and_no_device() -> None:
    with open("data.csv", "wb") as stream:
        stream.truncate(MAX_CSV_BYTES + 1)
    assert "is larger than 16" in refusal(text()).message
    os.remove("data.csv")
    os.mkfifo("data.csv")
    assert "is no ordinary file" in refusal(text()).message
