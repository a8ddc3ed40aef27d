"""Inputs, labels and weights from .npy, .npz and .safetensors files."""

from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.config.loading import load
from varprobe.errors import ConfigError
from varprobe.network.laws import FromFile
from varprobe.probe.measure import measure
from varprobe.verdict.case import build_case
from varprobe.verdict.judge import conclude

ROWS = np.random.default_rng(0).standard_normal((24, 6)).astype(np.float32)
CLASSES = np.arange(24) % 3
FORMS = ("npy", "npz", "safetensors")


def save(folder: Path, form: str, **arrays: np.ndarray) -> dict[str, dict[str, str]]:
    """How a config names each array."""
    if form == "npy":
        for name, values in arrays.items():
            np.save(folder / f"{name}.npy", values)
        return {name: {"path": str(folder / f"{name}.npy")} for name in arrays}
    path = folder / f"all.{form}"
    if form == "npz":
        np.savez(path, **arrays)
    else:
        pytest.importorskip("safetensors.numpy", reason="safetensors is an extra").save_file(arrays, path)
    return {name: {"path": str(path), "key": name} for name in arrays}


def config(source: dict[str, Any], label: Any, gradient: str = "cross_entropy", width: int = 3, **dense: Any) -> Any:
    return {
        "input": {"features": 6, "distribution": "file", **source, "label": label},
        "layers": [{"dense": {"width": width, **dense}}],
        "probe": {"gradient": gradient, "trials": 3, "dtype": "float64"},
    }


@pytest.mark.parametrize("form", FORMS)
def test_rows_labels_and_weights_come_from_a_file(form: str, tmp_path: Path) -> None:
    """The loss and its gradient at the output are those of the rows, labels and weights in the file."""
    weights = np.random.default_rng(1).standard_normal((3, 6))
    named = save(tmp_path, form, x=ROWS, y=CLASSES, w=weights)
    spec = load(config(named["x"], named["y"], init={"name": "file", **named["w"]})).network
    law = spec.steps[0].layer.weights
    assert isinstance(law, FromFile)
    assert np.array_equal(law.values, weights)
    found = measure(spec).statistics
    logits = ROWS.astype(np.float64) @ weights.T
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(shares[np.arange(24), CLASSES]).mean()
    assert found.initial_loss[:, 0] == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_a_key_of_the_same_file_is_enough(form: str, tmp_path: Path) -> None:
    named = save(tmp_path, form, x=ROWS, y=CLASSES)
    targets = load(config(named["x"], "y")).network.objective.targets
    assert targets is not None
    assert targets.tolist() == CLASSES.tolist()


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float32", "bool"])
def test_classes_are_numbers_of_any_type(dtype: str, tmp_path: Path) -> None:
    labels = (CLASSES > 0).astype(dtype)
    named = save(tmp_path, "npz", x=ROWS, y=labels)
    targets = load(config(named["x"], "y")).network.objective.targets
    assert targets is not None
    assert targets.tolist() == (CLASSES > 0).tolist()


def test_the_loss_of_chance_is_that_of_the_targets(tmp_path: Path) -> None:
    """A head that says nothing has the mean square of given targets under mse, and 1 under drawn ones."""
    targets = np.stack([np.full(24, 10.0), np.linspace(0, 1, 24)], axis=1)
    named = save(tmp_path, "npy", x=ROWS, y=targets)
    layers = [{"dense": {"width": 6, "activation": "tanh"}}, {"dense": {"width": 2, "init": "zeros"}}]
    given = config(named["x"], named["y"], "mse", 2)
    given["layers"] = layers
    for source, chance in ((given, (targets**2).mean()), ({**given, "input": {"features": 6}}, 1.0)):
        spec = load(source).network
        head = conclude(build_case(measure(spec))).verdict.head
        assert head is not None
        assert head.chance_loss == pytest.approx(chance)
        # 24 rows of 2 drawn targets, 3 draws: a mean square of 144 numbers has the standard error sqrt(2/144).
        assert head.initial_loss == pytest.approx(chance, abs=1e-9 if chance > 1 else 5 * math.sqrt(2 / 144))


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "other rows": ({"y": CLASSES[:20]}, "input.label", "20 labels, and 24 rows"),
    "three axes": ({"y": np.zeros((24, 1, 1))}, "input.label", "has shape"),
    "two classes a row": ({"y": np.zeros((24, 2), int)}, "input.label", "one class a row"),
    "more classes than outputs": ({"y": np.arange(24)}, "input.label", "24 labels, and 3 outputs"),
    "text": ({"y": np.array(["a"] * 24)}, "input.label", "holds <U1"),
    "no such key": ({"z": CLASSES}, "input.label", "has no key 'y'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_labels_that_do_not_fit_are_named(name: str, tmp_path: Path) -> None:
    arrays, field, words = WRONG[name]
    named = save(tmp_path, "npz", x=ROWS, **arrays)
    with pytest.raises(ConfigError) as caught:
        load(config(named["x"], "y"))
    assert caught.value.field == field
    assert words in str(caught.value)
    assert caught.value.hint


def test_a_column_of_an_array_file_is_refused(tmp_path: Path) -> None:
    named = save(tmp_path, "npy", x=ROWS)
    with pytest.raises(ConfigError, match=r"write label: \{path: labels.npy\}"):
        load(config(named["x"], 3))


def test_unknown_keys_of_a_label_are_named(tmp_path: Path) -> None:
    named = save(tmp_path, "npy", x=ROWS)
    with pytest.raises(ConfigError, match="unknown key 'pth'"):
        load(config(named["x"], {"pth": "y.npy"}))


def test_a_missing_library_says_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"anything")
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("safetensors"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'varprobe\[models\]'"):
        load(config({"path": str(tmp_path / "x.safetensors")}, None))


def test_a_broken_tensor_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is an extra")
    for content in (b"anything", b"\xff" * 64, b"\x02" + bytes(7) + b"{}"):
        (tmp_path / "x.safetensors").write_bytes(content)
        with pytest.raises(ConfigError, match="safetensors"):
            load(config({"path": str(tmp_path / "x.safetensors")}, None))


def test_half_precision_is_refused(tmp_path: Path) -> None:
    named = save(tmp_path, "safetensors", x=ROWS.astype(np.float16))
    with pytest.raises(ConfigError, match="holds F16"):
        load(config(named["x"], None))
