"""Remedies as the lines of frameworks: every line is executed, and draws the law that the remedy was judged with."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import framework_doubles as doubles
import numpy as np
import pytest

from varprobe.advice.amendments import find_amendments
from varprobe.cli.main import run
from varprobe.config.loading import load
from varprobe.diagnose import diagnose
from varprobe.network.laws import CUT_STD, Constant, Identity, Normal, Orthogonal, Sparse, TruncatedNormal, Uniform
from varprobe.network.layers import Dense
from varprobe.network.spec import NetworkSpec
from varprobe.reporters.code.frameworks import FRAMEWORKS
from varprobe.reporters.code.names import FrameworkName
from varprobe.reporters.code.write import CodedRemedy, code_of_report, write_code
from varprobe.reporters.page.remedies import advise
from varprobe.results.kinds import RESULTS
from varprobe.results.store import from_json, to_json
from varprobe.verdict.records import Amendment, Finding

FAN_IN, FAN_OUT, LAYERS = 300, 200, 3
FANS = {"fan_in": FAN_IN, "fan_out": FAN_OUT, "fan_avg": (FAN_IN + FAN_OUT) / 2}
# The mean and the variance of n independent values of kurtosis up to 3 have the standard errors sd/sqrt(n) and
# sqrt(2/n) of the variance; of some hundred numbers none is beyond 5 of them.
ERRORS = 5


def by_fan(law: str, fan: str, gain: float) -> Any:
    std = gain / math.sqrt(FANS[fan])
    if law == "uniform":
        return Uniform(-math.sqrt(3) * std, math.sqrt(3) * std)
    return Normal(std) if law == "normal" else TruncatedNormal(std / CUT_STD, -2 * std / CUT_STD, 2 * std / CUT_STD)


GAINS = (math.sqrt(2), 1.0, 5 / 3, 0.75, math.sqrt(2 / (1 + 0.2**2)), 1.234567, 1.41421)
LAWS: list[Any] = [
    *(by_fan(law, fan, gain) for law in ("normal", "uniform", "truncated_normal") for fan in FANS for gain in GAINS),
    Normal(0.3, 1.0),
    Uniform(-0.1, 0.4),
    TruncatedNormal(0.2, -0.3, 0.3),
    TruncatedNormal(0.1, 0.3, 0.7, 0.5),
    Constant(0.0),
    Constant(0.25),
    Identity(1.0),
    Identity(0.5),
    Orthogonal(1.0),
    Orthogonal(1.3),
    Sparse(0.03, 0.9),
]


def with_law(law: Any, *, shapes: tuple[tuple[int, int], ...] = ((FAN_IN, FAN_OUT),) * LAYERS) -> NetworkSpec:
    """Layers of these shapes, (fan_in, fan_out), whose weights all have a law."""
    width = shapes[0][0]
    spec = load({"input": {"features": width}, "layers": [{"dense": fan_out} for _, fan_out in shapes]}).network
    steps = []
    for step, (fan_in, fan_out) in zip(spec.steps, shapes, strict=True):
        assert isinstance(step.layer, Dense)
        layer = replace(step.layer, weights=law)
        steps.append(replace(step, layer=layer, fan_in=fan_in, fan_out=fan_out))
    return replace(spec, steps=tuple(steps))


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


def run_code(
    code: str, framework: FrameworkName, monkeypatch: pytest.MonkeyPatch, weights: list[np.ndarray], **more: Any
) -> dict[str, Any]:
    """What is there behind the code: `weights` (fan_out, fan_in) and `biases` of layers that began with those."""
    biases = [np.ones(len(each)) for each in weights]
    scope: dict[str, Any] = dict(more)
    if framework is FrameworkName.NUMPY:
        scope |= {"weights": [each.copy() for each in weights], "biases": biases}
        exec(compile(code, "remedy", "exec"), scope)
        return scope
    if framework is FrameworkName.TORCH:
        torch = pytest.importorskip("torch", reason="PyTorch is an extra")
        torch.manual_seed(3)
        layers = [torch.nn.Linear(each.shape[1], each.shape[0], dtype=torch.float64) for each in weights]
        for layer, values in zip(layers, weights, strict=True):
            layer.weight.data[:] = torch.from_numpy(values)
        scope["model"] = torch.nn.Sequential(*layers, *more.get("norms", []))
        exec(compile(code, "remedy", "exec"), scope)
        return scope | {
            "weights": [layer.weight.detach().numpy() for layer in layers],
            "biases": [layer.bias.detach().numpy() for layer in layers],
        }
    if framework is FrameworkName.KERAS:
        monkeypatch.setitem(sys.modules, "keras", module("keras", **vars(doubles.KERAS)))
        layers = [doubles.KerasDense(each.shape[1], each.shape[0]) for each in weights]
        for layer, values in zip(layers, weights, strict=True):
            layer.kernel.assign(values.T)
        scope["model"] = SimpleNamespace(layers=[*layers, *more.get("norms", [])])
        exec(compile(code, "remedy", "exec"), scope)
        return scope | {"weights": [each.kernel.value.T for each in layers], "biases": [b.bias.value for b in layers]}
    monkeypatch.setitem(sys.modules, "jax", module("jax", **vars(doubles.JAX)))
    monkeypatch.setitem(sys.modules, "flax", module("flax", linen=doubles.FLAX))
    # Ten and more, so that an order by letters is not that of layers.
    params = {
        f"Dense_{i}": {"kernel": w.T.copy(), "bias": b} for i, (w, b) in enumerate(zip(weights, biases, strict=True))
    }
    scope["variables"] = {"params": dict(sorted(params.items()))}
    exec(compile(code, "remedy", "exec"), scope)
    made = [scope["variables"]["params"][f"Dense_{i}"] for i in range(len(weights))]
    return scope | {"weights": [each["kernel"].T for each in made], "biases": [each["bias"] for each in made]}


def moments(law: Any) -> tuple[float, float]:
    """Mean and variance of an entry."""
    mean = getattr(law, "mean", 0.0)
    return mean, law.variance(FAN_IN, FAN_OUT)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_line_draws_the_law(law: Any, framework: FrameworkName, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = find_amendments(with_law(law.scaled(0.1)), with_law(law))
    if isinstance(law, Constant) and law.value == 0:
        changes = find_amendments(with_law(Normal(1.0)), with_law(law))
    rng = np.random.default_rng(5)
    before = [0.1 * draw(law, rng) for _ in range(LAYERS)]
    code = write_code("net", [CodedRemedy("it", "Do it.", changes)], framework)
    found = np.stack(run_code(code, framework, monkeypatch, before)["weights"])
    assert "no line" not in code
    mean, variance = moments(law)
    if isinstance(law, Constant):
        assert np.allclose(found, law.value, rtol=1e-6)
    elif isinstance(law, Identity):
        assert np.allclose(found, law.gain * np.eye(FAN_OUT, FAN_IN), rtol=1e-6)
    elif isinstance(law, Orthogonal):
        assert np.allclose(found @ found.swapaxes(1, 2), law.gain**2 * np.eye(FAN_OUT), rtol=1e-5, atol=1e-9)
        assert not np.allclose(found[0], found[1])
    elif isinstance(law, Sparse):
        assert np.allclose(found, 10 * np.stack(before), rtol=1e-6)
    else:
        count = found.size
        assert abs(found.mean() - mean) < ERRORS * math.sqrt(variance / count)
        assert abs(found.var() / variance - 1) < ERRORS * math.sqrt(2 / count)
        assert not np.allclose(found[0], found[1])
        assert kurtosis(found) == pytest.approx(kurtosis(draws(law)), abs=0.1)


def kurtosis(values: np.ndarray) -> float:
    """That of a normal law is 3, of one cut at two standard deviations 2.4, of a uniform 1.8."""
    centred = values - values.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2)


def draws(law: Any) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([draw(law, rng) for _ in range(LAYERS)])


def draw(law: Any, rng: np.random.Generator) -> np.ndarray:
    shape = (FAN_OUT, FAN_IN)
    match law:
        case Normal():
            return rng.normal(law.mean, law.std, shape)
        case Uniform():
            return rng.uniform(law.low, law.high, shape)
        case TruncatedNormal():
            drawn = rng.normal(law.centre, law.std, shape)
            while (far := (drawn < law.low) | (drawn > law.high)).any():
                drawn[far] = rng.normal(law.centre, law.std, far.sum())
            return drawn
        case Identity():
            return law.gain * np.eye(*shape)
    return rng.normal(0.0, 1.0, shape)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_line_stands_for_layers_of_all_widths(framework: FrameworkName, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer has the variance of its own fan: arrays lie as the framework has them."""
    shapes = ((40, 400), (400, 100), (100, 900))
    config = {"input": {"features": 40}, "layers": [{"dense": fan_out} for _, fan_out in shapes]}
    before = load({**config, "defaults": {"init": "xavier"}}).network
    after = load({**config, "defaults": {"init": {"name": "he", "mode": "fan_in"}}}).network
    (change,) = find_amendments(before, after)
    code = write_code("net", [CodedRemedy("it", "Do it.", (change,))], framework)
    found = run_code(code, framework, monkeypatch, [np.zeros((b, a)) for a, b in shapes])["weights"]
    for (fan_in, _), values in zip(shapes, found, strict=True):
        assert abs(values.var() * fan_in / 2 - 1) < ERRORS * math.sqrt(2 / values.size)


def test_torch_lines_are_those_that_people_write() -> None:
    lines = {
        ("normal", "fan_in", math.sqrt(2)): 'nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")',
        (
            "normal",
            "fan_in",
            math.sqrt(2 / 1.04),
        ): 'nn.init.kaiming_normal_(layer.weight, a=0.2, nonlinearity="leaky_relu")',
        ("uniform", "fan_in", 5 / 3): 'nn.init.kaiming_uniform_(layer.weight, nonlinearity="tanh")',
        ("normal", "fan_avg", 1.0): "nn.init.xavier_normal_(layer.weight)",
        ("normal", "fan_avg", 1.234567): "nn.init.xavier_normal_(layer.weight, gain=1.234567)",
    }
    for (law, fan, gain), line in lines.items():
        (change,) = find_amendments(with_law(by_fan(law, fan, 0.3)), with_law(by_fan(law, fan, gain)))
        change = replace(change, fan=fan, scale=gain)
        assert line in write_code("net", [CodedRemedy("it", "", (change,))], FrameworkName.TORCH)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_places_are_those_of_the_layers(framework: FrameworkName, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer that is named, and no other: one, some that lie evenly apart, and some that do not."""
    for places in ((1,), (0, 1, 2), (0, 2, 4), (0, 1, 4), (2, 11)):
        change = Amendment("weights", tuple(place + 1 for place in places), places, "constant", scale=0.5)
        code = write_code("net", [CodedRemedy("it", "", (change,))], framework)
        found = run_code(code, framework, monkeypatch, [np.zeros((3, 2))] * 12)["weights"]
        assert tuple(place for place, values in enumerate(found) if (values == 0.5).all()) == places


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_biases_and_inputs_are_mended(framework: FrameworkName, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (50, 4))
    x[:, 3] = 7.0
    batch = x
    if framework is FrameworkName.TORCH:
        batch = pytest.importorskip("torch", reason="PyTorch is an extra").from_numpy(x)
    changes = {
        "columns": Amendment("input", (), (), "file"),
        "scaled": Amendment("input", (), (), "normal", scale=2.0, mean=3.0),
    }
    for change in changes.values():
        bias = Amendment("bias", (1, 2), (0, 1), "constant", scale=0.0)
        code = write_code("net", [CodedRemedy("it", "", (change, bias))], framework)
        made = run_code(code, framework, monkeypatch, [np.zeros((2, 4)), np.zeros((2, 2))], x=batch)
        assert all((np.asarray(each) == 0).all() for each in made["biases"])
        found = np.asarray(made["x"])
        if change.law == "file":
            assert found.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
            assert found.std(axis=0) == pytest.approx([1, 1, 1, 0])
        else:
            assert found == pytest.approx((x - 3) / 2)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_norms_and_branches_have_a_line_or_a_comment(framework: FrameworkName, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = (Amendment("norm", (2,), (0,), scale=1e-5), Amendment("branch", (3, 5), (0, 1), scale=0.25))
    code = write_code("net", [CodedRemedy("it", "", changes)], framework)
    norms = [SimpleNamespace(epsilon=1.0)]
    blocks = [SimpleNamespace(scale=1.0), SimpleNamespace(scale=1.0)]
    more = {"norms": norms, "blocks": blocks, "eps": [1.0], "scales": [1.0, 1.0]}
    if framework is FrameworkName.TORCH:
        torch = pytest.importorskip("torch", reason="PyTorch is an extra")
        norms[:] = [torch.nn.LayerNorm(2, eps=1.0)]
    made = run_code(code, framework, monkeypatch, [np.zeros((2, 2))], **more)
    expected = {
        FrameworkName.TORCH: lambda: norms[0].eps == 1e-5 and [each.scale for each in blocks] == [0.25, 0.25],
        FrameworkName.KERAS: lambda: norms[0].epsilon == 1e-5 and "keras.layers.Rescaling(0.25)" in code,
        FrameworkName.FLAX: lambda: "epsilon=1e-05" in code and "skip * x + 0.25 * branch(x)" in code,
        FrameworkName.NUMPY: lambda: made["eps"] == [1e-5] and made["scales"] == [0.25, 0.25],
    }
    assert expected[framework]()


def test_what_no_framework_draws_is_said_so() -> None:
    change = Amendment("weights", (1,), (0,), "")
    for framework, says in FRAMEWORKS.items():
        code = write_code("net", [CodedRemedy("it", "", (change,))], framework)
        assert f"# no line of {says.title} draws" in code
        compile(code, "remedy", "exec")


def test_every_framework_is_a_form_of_a_report() -> None:
    assert {*FRAMEWORKS} == {*FrameworkName}
    assert {*RESULTS["report"].printed} == {"json", *FrameworkName}


SMALL = {
    "input": {"features": 32},
    "defaults": {"activation": "tanh", "init": "small"},
    "layers": [{"dense": 32, "repeat": 8}],
    "probe": {"batch": 16, "trials": 5},
}


def test_a_remedy_is_told_once_and_survives_a_file() -> None:
    report = diagnose(load(SMALL))
    by_code = {finding.code: finding for finding in report.verdict.findings}
    assert by_code["backward-vanishing"].cause == "forward-vanishing"
    assert not by_code["backward-vanishing"].changes
    again = from_json(to_json(report).encode(), "report.json")
    assert again.verdict == report.verdict
    for framework in FRAMEWORKS:
        code = code_of_report(again, framework)
        assert code == code_of_report(report, framework)
        assert code.count("# forward-vanishing:") == 1
        assert "# backward-vanishing:" not in code


def test_a_remedy_without_a_line_is_a_comment() -> None:
    report = diagnose(load(SMALL))
    odd = Finding("rank-collapse", "warning", 3, "It falls.", "Use an activation nearer to linear.\nimport os")
    told = replace(report, verdict=replace(report.verdict, findings=(odd,)))
    for framework, says in FRAMEWORKS.items():
        lines = code_of_report(told, framework).splitlines()
        assert all(line.startswith("#") or not line for line in lines)
        assert f"rank-collapse: no line of {says.title} does it: Use an activation" in lines[2]


@pytest.mark.parametrize("command", ["run", "predict", "tune"])
def test_commands_print_the_code_alone(command: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.yaml").write_text(json.dumps(SMALL))
    assert run([command, str(tmp_path / "net.yaml"), "--as", "torch"]) == 0
    code = capsys.readouterr().out
    compile(code, "remedy", "exec")
    assert "nn.init.xavier_normal_(layer.weight)" in code
    assert "for layer in dense[0:8]:" in code


def test_a_healthy_network_has_nothing_to_change(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.yaml").write_text(json.dumps({**SMALL, "defaults": {"activation": "relu", "init": "he"}}))
    assert run(["run", str(tmp_path / "net.yaml"), "--as", "keras"]) == 0
    assert capsys.readouterr().out == "# net: nothing to change\n"


def test_code_and_json_exclude_each_other(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.yaml").write_text(json.dumps(SMALL))
    for command in ("run", "predict", "tune"):
        assert run([command, str(tmp_path / "net.yaml"), "--as", "torch", "--json"]) == 2
        assert "--as" in capsys.readouterr().err


def test_a_page_has_a_tab_for_each_framework() -> None:
    """Its text is that of the command, without the sentences that stand beside it."""
    report = diagnose(load(SMALL))
    told = next(each for each in advise(report, "net.yaml") if each.finding.code == "forward-vanishing")
    forms = {form.name: form.text for form in told.forms}
    for framework, says in FRAMEWORKS.items():
        lines = [line for line in code_of_report(report, framework).splitlines() if not line.startswith("# ")]
        assert [line for line in forms[says.title].splitlines() if line and not line.startswith("# ")] == [
            line for line in lines if line
        ]
