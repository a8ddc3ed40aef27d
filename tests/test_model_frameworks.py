"""Keras 3 and Flax NNX models, by doubles with the surface that is used of them: neither library is installed here.

Of Keras: `Model.weights`, `Model.trainable_weights`, `Variable.path`, `Variable.numpy()`, `utils.set_random_seed`. Of
Flax NNX: `Module`, `Param`, `Rngs`, `state(model, Param)`, `to_pure_dict(state)`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.audit.audit import AuditSettings
from varprobe.audit.fans import Layout
from varprobe.audit.intent import read_intent
from varprobe.audit.records import Audit
from varprobe.errors import VarprobeError
from varprobe.models.audit_model import Building, audit_factory
from varprobe.models.factory import check_name, find_factory, names_factory
from varprobe.models.weights import weights_of_model

SHAPES = {"dense/kernel": (40, 60), "dense/bias": (60,)}


def audit(factory: Any, **args: Any) -> Audit:
    meant = read_intent({"*kernel": "normal(1/sqrt(fan_in))", "*bias": "zeros"})
    return audit_factory(Building(factory, "pkg:build", args), AuditSettings(intent=meant), "build")


# Keras


class Variable:
    def __init__(self, path: str, values: Any) -> None:
        self.path, self._values = path, values

    def numpy(self) -> Any:
        return self._values


class KerasModel:
    def __init__(self, variables: list[Variable], frozen: int = 0) -> None:
        self.weights = variables
        self.trainable_weights = variables[: len(variables) - frozen]


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its random numbers come from a state of its own, which only its own function seeds."""
    state = SimpleNamespace(generator=np.random.default_rng(0))

    def set_random_seed(seed: int) -> None:
        state.generator = np.random.default_rng(seed)

    made: Any = ModuleType("keras")
    made.utils = SimpleNamespace(set_random_seed=set_random_seed)
    made.normal = lambda *shape: state.generator.standard_normal(shape).astype(np.float32)
    monkeypatch.setitem(sys.modules, "keras", made)
    return made


def test_a_keras_model_is_audited_over_its_own_seeds(keras: Any) -> None:
    def build() -> KerasModel:
        kernel = Variable("dense/kernel", keras.normal(40, 60) / np.float32(np.sqrt(40)))
        return KerasModel([kernel, Variable("dense/bias", np.zeros(60, np.float32))])

    found = audit(build)
    assert found.findings == ()
    assert found.layout == "keras"
    kernel, bias = found.tensors
    assert (kernel.name, kernel.fan_in, kernel.fan_out, kernel.count) == ("dense/kernel", 40, 60, 3 * 2400)
    assert bias.name == "dense/bias"


def test_what_is_not_floating_or_not_trained_is_known(keras: Any) -> None:
    variables = [
        Variable("dense/kernel", keras.normal(4, 6)),
        Variable("norm/moving_mean", np.zeros(6, np.float32)),
        Variable("seed_generator_state", np.zeros(2, np.uint32)),
    ]
    found = weights_of_model(KerasModel(variables, frozen=2))
    assert [one.name for one in found.tensors] == ["dense/kernel", "norm/moving_mean"]
    assert "norm/moving_mean" in found.frozen


def test_a_keras_model_without_shapes_is_refused_with_a_remedy() -> None:
    with pytest.raises(VarprobeError, match="has no weights before it knows the shape of its input") as caught:
        weights_of_model(KerasModel([]))
    assert "model.build(shape)" in caught.value.hint


# Flax NNX


class Param:
    def __init__(self, value: Any) -> None:
        self.value = value


class Dropped(Param):
    """A variable of another kind, such as a batch statistic."""


class Module:
    pass


class Rngs:
    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape: int) -> Any:
        return self.generator.standard_normal(shape).astype(np.float32)


class Dense(Module):
    def __init__(self, inputs: int, outputs: int, rngs: Rngs) -> None:
        self.kernel = Param(rngs.normal(inputs, outputs) / np.float32(np.sqrt(inputs)))
        self.bias = Param(np.zeros(outputs, np.float32))
        self.mean = Dropped(np.zeros(outputs, np.float32))


class Network(Module):
    def __init__(self, rngs: Rngs) -> None:
        self.layers = {0: Dense(40, 60, rngs), 1: Dense(60, 60, rngs)}


def state(model: Any, kind: type) -> Mapping[Any, Any]:
    """Variables of one kind by their path: lists and layers are mappings, as NNX has them."""
    found: dict[Any, Any] = {}
    for key, value in (model if isinstance(model, dict) else vars(model)).items():
        if isinstance(value, (Module, dict)):
            found[key] = state(value, kind)
        elif type(value) is kind:
            found[key] = value
    return found


def to_pure_dict(tree: Any) -> Any:
    return {key: to_pure_dict(one) if isinstance(one, Mapping) else one.value for key, one in tree.items()}


@pytest.fixture
def nnx(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: Any = ModuleType("flax.nnx")
    made.Module, made.Param, made.Rngs, made.state, made.to_pure_dict = Module, Param, Rngs, state, to_pure_dict
    monkeypatch.setitem(sys.modules, "flax.nnx", made)
    return made


def test_a_flax_model_gets_the_streams_of_each_draw(nnx: Any) -> None:
    def build(rngs: Any) -> Any:
        return Network(rngs)

    found = audit(build)
    assert found.findings == ()
    assert found.layout == "flax"
    names = [one.name for one in found.tensors]
    assert names == ["layers/0/kernel", "layers/0/bias", "layers/1/kernel", "layers/1/bias"]
    assert (found.tensors[0].fan_in, found.tensors[0].count) == (40, 3 * 2400)
    assert found.tensors[0].group == "layers/*/kernel"


def test_a_flax_model_with_streams_of_its_own_has_no_trials(nnx: Any) -> None:
    found = audit(lambda: Network(Rngs(0)))
    assert [one.code for one in found.findings] == ["same-in-every-trial"]


def test_an_array_of_another_library_is_read_through_numpys_protocol(nnx: Any) -> None:
    class Foreign:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.ones(3, np.float32)

    model = Module()
    model.kernel = Param(Foreign())  # type: ignore[attr-defined]
    (tensor,) = weights_of_model(model).tensors
    assert next(tensor.blocks()).tolist() == [[1, 1, 1]]


# anything else


def test_a_mapping_of_arrays_is_a_model_too() -> None:
    def build() -> dict[str, Any]:
        return {name: np.random.standard_normal(shape) for name, shape in SHAPES.items()}

    found = audit_factory(Building(build, "pkg:build", {}), AuditSettings(Layout.FLAX), "build")
    assert [(one.name, one.fan_in) for one in found.tensors] == [("dense/kernel", 40), ("dense/bias", 40)]
    assert "same-in-every-trial" not in {one.code for one in found.findings}


def test_a_seed_that_numpy_does_not_see_makes_every_draw_the_same() -> None:
    found = audit_factory(
        Building(lambda: {"w": np.random.default_rng(0).standard_normal((30, 30))}, "pkg:build", {}),
        AuditSettings(),
        "build",
    )
    assert [one.code for one in found.findings] == ["same-in-every-trial"]


@pytest.mark.parametrize("text", ["a:b", "pkg.mod:build", "pkg.mod:Model.build"])
def test_a_factory_is_a_dotted_name(text: str) -> None:
    assert check_name(text) == text


@pytest.mark.parametrize("text", ["pkg.mod:build()", "pkg:", ":build", "pkg..mod:build", "pkg:a:b", "p:x if y", "p:if"])
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(VarprobeError, match="names no factory"):
        check_name(text)


def test_a_file_that_exists_is_no_factory(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert names_factory("odd:name.npz")
    (tmp_path / "odd:name.npz").write_bytes(b"")
    assert not names_factory("odd:name.npz")


def test_a_module_that_fails_inside_is_not_told_as_missing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needs_more.py").write_text("import varprobe_no_such_library\n")
    with pytest.raises(ModuleNotFoundError, match="varprobe_no_such_library"):
        find_factory("needs_more:build")


def test_arguments_are_checked_before_anything_is_built() -> None:
    def build(n_layer: int, width: int = 3) -> Any:
        raise AssertionError

    for args, message, hint in [
        ({"n_layers": 3}, "takes no argument 'n_layers'", "did you mean 'n_layer'?"),
        ({}, "needs the argument 'n_layer'", "--arg n_layer=VALUE"),
    ]:
        with pytest.raises(VarprobeError, match=message) as caught:
            audit(build, **args)
        assert hint in caught.value.hint


def test_a_keras_model_in_memory_has_the_axes_of_keras() -> None:
    model = KerasModel([Variable("dense/kernel", np.random.default_rng(0).standard_normal((40, 60)))])
    found = varprobe.audit(model)
    assert (found.layout, found.tensors[0].fan_in, found.name) == ("keras", 40, "KerasModel")
    assert varprobe.audit(model, layout="torch").tensors[0].fan_in == 60
