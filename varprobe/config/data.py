"""The batch and the objective of a config: a law, or given rows, labels and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from varprobe.config.csv_files import CsvTable, read_csv
from varprobe.config.fields import FieldError
from varprobe.config.files import GivenArrays, read_array
from varprobe.config.records import Config, File, InputModel
from varprobe.errors import InputFileError, VarprobeError
from varprobe.frozen import dataclass
from varprobe.network.spec import InputLaw, Objective

_PATH = ("input", "path")
Labels = tuple[str, ...] | NDArray[Any]
# What has more than one array.
_ARCHIVES = (".npz", ".safetensors")


@dataclass(frozen=True, eq=False)
class Batch:
    """The input's law, and the labels of given rows: as a table has them, or an array (rows,) or (rows, outputs)."""

    law: InputLaw
    labels: Labels | None = None


def read_batch(model: InputModel, files: GivenArrays) -> Batch:
    """The batch that a config's `input` describes.

    Raises:
        FieldError: where its file is not there or does not hold it.
    """
    if model.path is None:
        density = 1.0 if model.density is None else model.density
        return Batch(InputLaw(model.features, model.distribution, model.mean, model.std, density=density))
    labels: Labels | None
    if model.path.lower().endswith(".csv"):
        table = _read_table(model, files)
        rows: NDArray[np.floating[Any]] = table.rows
        labels = table.labels
        if isinstance(model.label, File):
            labels = _read_labels(model, files, len(rows))
    else:
        if model.columns is not None:
            raise FieldError(("input", "columns"), "columns is of a .csv file", "remove it, or name a .csv file")
        _label_file(model)
        shape, axes = (None, model.features), "(rows, features)"
        rows = files.given(File(model.path, model.key), shape, axes, _PATH).values
        labels = _read_labels(model, files, len(rows))
    if model.standardize:
        rows = standardise_columns(rows)
    return Batch(InputLaw(model.features, "file", model.mean, model.std, rows), labels)


def _read_labels(model: InputModel, files: GivenArrays, rows: int) -> NDArray[Any] | None:
    """The labels in an array file of their own, or under another key of the input's."""
    file, where = _label_file(model), ("input", "label")
    if file is None:
        return None
    try:
        labels = read_array(files.folder / file.path, file.key, None, "(rows,) or (rows, outputs)", whole=True)
    except VarprobeError as error:
        raise FieldError(where, error.message, error.hint) from None
    if len(labels) != rows:
        raise FieldError(where, f"there are {len(labels):,} labels, and {rows:,} rows", "save one for each row")
    return labels


def _label_file(model: InputModel) -> File | None:
    label = model.label
    if label is None or isinstance(label, File):
        return label
    if isinstance(label, int) or not (model.path or "").lower().endswith(_ARCHIVES):
        hint = "write label: {path: labels.npy}"
        raise FieldError(("input", "label"), "this file has no columns and no keys to take labels from", hint)
    return File(model.path or "", label)


def _read_table(model: InputModel, files: GivenArrays) -> CsvTable:
    assert model.path is not None
    if model.key is not None:
        raise FieldError(("input", "key"), "a .csv file has no keys", "remove it, or name columns")
    try:
        label = None if isinstance(model.label, File) else model.label
        table = read_csv(files.folder / model.path, model.columns, label)
    except InputFileError as error:
        raise FieldError(_PATH, error.message, error.hint) from None
    found = table.rows.shape[1]
    if found != model.features:
        message = f"'{files.folder / model.path}' gives {found:,} columns, the network needs {model.features:,}"
        raise FieldError(_PATH, message, f"set input.features to {found}, or name columns and label")
    return table


def standardise_columns(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Each column with mean 0 and standard deviation 1; constant ones are 0. (rows, columns)

    >>> standardise_columns(np.array([[1.0, 5.0], [3.0, 5.0]])).round(12).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    values = rows.astype(np.float64)
    largest = np.abs(values).max(axis=0)
    with np.errstate(invalid="ignore"):  # columns that hold nan or inf become nan
        values = values / np.where(largest > 0, largest, 1.0)
        constant = values.max(axis=0) == values.min(axis=0)
        values = values - values.mean(axis=0)
        spread = np.where(constant, 1.0, values.std(axis=0))
        standard: NDArray[np.float64] = np.where(constant, 0.0, values / np.where(spread > 0, spread, 1.0))
    return standard


def read_objective(
    config: Config, files: GivenArrays, labels: Labels | None, batch: int | None, width: int
) -> Objective:
    """What the probe propagates backward.

    Raises:
        FieldError: where the last layer has no such loss, or the labels do not fit it.
    """
    gradient = config.probe.gradient
    if gradient.name == "cross_entropy" and width == 1:
        message = "cross_entropy of a single output is always zero: the softmax of one logit is 1"
        hint = "use bce, the binary cross entropy of one logit, or give the last layer a unit per class"
        raise FieldError(("probe", "gradient"), message, hint)
    if gradient.path is not None:
        path, shape = ("probe", "gradient", "path"), (batch, width)
        given = files.given(File(path=gradient.path), shape, "(batch, width)", path).values
        return Objective(gradient.name, given)
    if labels is None or gradient.name == "random":
        return Objective(gradient.name)
    targets = _classes(labels, width) if gradient.name == "cross_entropy" else _numbers(labels, width, gradient.name)
    return Objective(gradient.name, targets=targets)


def _classes(labels: Labels, width: int) -> NDArray[np.int64]:
    """The class of each row (rows,): the label itself where all are whole numbers below the width, else its rank."""
    if isinstance(labels, np.ndarray):
        if labels.size != len(labels):
            hint = "give the class of each row, a whole number"
            raise FieldError(("input", "label"), "cross_entropy takes one class a row", hint)
        labels = tuple(f"{int(each)}" if each == int(each) else repr(each) for each in labels.ravel().tolist())
    if all(label.isdecimal() and len(label) < 10 and int(label) < width for label in labels):
        return np.array([int(label) for label in labels])
    ranks = {label: rank for rank, label in enumerate(sorted(set(labels)))}
    if len(ranks) > width:
        message = f"there are {len(ranks):,} labels, and {width:,} outputs"
        raise FieldError(("input", "label"), message, "give the last layer a unit per class")
    return np.array([ranks[label] for label in labels])


def _numbers(labels: Labels, width: int, loss: str) -> NDArray[np.float64]:
    """The target of each row and output (rows, width)."""
    outputs = labels.size // len(labels) if isinstance(labels, np.ndarray) else 1
    if outputs != width and outputs > 1:
        hint = "save a column for each output"
        raise FieldError(("input", "label"), f"{outputs:,} labels a row are no targets of {width:,} outputs", hint)
    if width != outputs:
        hint = "give the last layer one unit, or use cross_entropy"
        raise FieldError(("input", "label"), f"one label a row is no target of {width:,} outputs", hint)
    try:
        if isinstance(labels, np.ndarray):
            targets = labels.astype(np.float64).reshape(len(labels), width)
        else:
            targets = np.array([[float(label)] for label in labels])
    except ValueError:
        raise FieldError(("input", "label"), f"{loss} needs labels that are numbers", "use cross_entropy") from None
    if not np.all(np.abs(targets) <= 1e30):
        raise FieldError(("input", "label"), f"{loss} needs labels that are finite", "mend the file")
    if loss == "bce" and not np.all((targets == 0) | (targets == 1)):
        raise FieldError(("input", "label"), "bce needs labels of 0 and 1", "use mse or cross_entropy")
    return targets
