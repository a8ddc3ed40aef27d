"""Small given networks against PyTorch's float64 autograd, from a stored reference; PyTorch itself is optional."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_reference.make import STORED
from torch_reference.networks import GRID, NETWORKS, ROUNDING, Arrays, Network, array_name

from varprobe.config.loading import load
from varprobe.diagnose import diagnose
from varprobe.network.activations import ACTIVATIONS, make_activation
from varprobe.probe.measure import measure
from varprobe.report.records import (
    ActivationStatistics,
    Estimate,
    GradientStatistics,
    LayerRow,
    Report,
    SignalStatistics,
)

REFERENCE = json.loads(STORED.read_text())

# Both sides work in float64 (eps 2.2e-16). The report goes through logarithms, whose values are up to 400 here: 1e-13
# relative; a network of up to 13 rows adds some hundred roundings, of which a mean near zero or the gradient of a norm
# keeps up to 1e3 times more: 1e-11 at most, and 4e-14 is the largest that was seen. A formula that differs (n for
# n - 1, eps outside of the root, gelu by tanh) shows at 1e-6 and above. 1e-9 stands well away from both.
TO_AUTOGRAD = 1e-9
# The mean that the centring takes out may be 2^5 times what remains, before it is computed anew from the values: 2^10
# in squares, times eps and some tens of roundings.
TO_RANK = 1e-8
# One program on both sides; another processor sums in another order.
TO_ITSELF = 1e-12
EPS = float(np.finfo(np.float64).eps)
# Elementwise functions: some ten roundings, and exponentials of up to 30, whose relative error is 30 eps.
TO_CURVES = 1e-13

by_name = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)


def curve_id(curve: dict[str, Any]) -> str:
    return curve["name"] + "".join(f"-{key}-{value}" for key, value in curve["arguments"].items())


# from the arrays to the report


def write(network: Network, arrays: Arrays, folder: Path) -> Path:
    """The config and the files it names."""
    config = network.config()
    archives: dict[str, Arrays] = {}
    for file in files(config):
        values = arrays[array_name(file)]
        if "key" in file:
            archives.setdefault(file["path"], {})[file["key"]] = values
        else:
            np.save(folder / file["path"], values)
    for path, members in archives.items():
        np.savez(folder / path, **members)
    target = folder / "network.yaml"
    target.write_text(json.dumps(config, indent=1))
    return target


def files(node: Any) -> Iterator[dict[str, str]]:
    """Every mapping of a config that names a file."""
    if isinstance(node, dict):
        if "path" in node:
            yield node
        for child in node.values():
            yield from files(child)
    elif isinstance(node, list):
        for child in node:
            yield from files(child)


def probed(source: Path | dict[str, Any]) -> dict[str, Any]:
    """What varprobe says of a network, under the reference's keys."""
    report = diagnose(load(source))
    return {
        "output_gradient": report.objective.output_gradient.mean,
        "rows": [row_statistics(row) for row in report.layers],
    }


def expected(network: Network) -> dict[str, Any]:
    """What of the reference is compared row by row: the gradient of the batch is no row, and ranks have their test."""
    stored = REFERENCE["networks"][network.name]
    rows = [{key: value for key, value in row.items() if key != "effective_rank"} for row in stored["rows"]]
    return {"output_gradient": stored["output_gradient"], "rows": rows}


def row_statistics(row: LayerRow) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "fan_in": row.fan_in,
        "fan_out": row.fan_out,
        "weights_std": row.weights.std if row.weights else None,
        "preactivation": means(row.preactivation),
        "activation": means(row.activation),
        "gradient": means(row.gradient),
        "activation_gradient": means(row.activation_gradient),
        "weight_gradient": means(row.weight_gradient),
    }


def means(group: SignalStatistics | ActivationStatistics | GradientStatistics | None) -> dict[str, float | None] | None:
    if group is None:
        return None
    estimates = {field.name: getattr(group, field.name) for field in fields(group)}
    return {
        name: None if estimate is None else estimate.mean
        for name, estimate in estimates.items()
        if name != "effective_rank"
    }


# the comparison


def mismatches(found: Any, wanted: Any, relative: float, where: str = "", size: float = 0.0) -> list[str]:
    """The places where two trees of numbers differ; empty where they agree.

    Arguments:
        relative: the tolerance. There is no absolute one, except at numbers whose true value is 0, such as the mean
            after layer norm: there the sum of entries of size `size` leaves its rounding.
    """
    if isinstance(wanted, dict):
        if not isinstance(found, dict) or set(found) != set(wanted):
            return [f"{where}: {found} has other keys than {wanted}"]
        second = wanted.get("second_moment", 0.0)
        sizes = {"mean": math.sqrt(second), "variance": second, "sample_variance": second}
        children = ((found[key], wanted[key], f"{where}.{key}", sizes.get(key, 0.0)) for key in wanted)
    elif isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return [f"{where}: {found} is not as long as {wanted}"]
        children = ((found[i], wanted[i], f"{where}[{i}]", 0.0) for i in range(len(wanted)))
    elif isinstance(wanted, float) and isinstance(found, float):
        allowed = relative * abs(wanted) if wanted else ROUNDING * size
        return [] if abs(found - wanted) <= allowed else [f"{where}: {found!r} is not {wanted!r}"]
    else:
        return [] if found == wanted else [f"{where}: {found!r} is not {wanted!r}"]
    return [line for child in children for line in mismatches(child[0], child[1], relative, child[2], child[3])]


# the networks


@by_name
def test_every_row_equals_autograd(network: Network, tmp_path: Path) -> None:
    """Means, moments, variances, shares and gradients of all rows, from given weights, batch and cotangent."""
    found = probed(write(network, network.arrays(), tmp_path))
    assert mismatches(found, expected(network), TO_AUTOGRAD) == []


@by_name
def test_the_gradient_of_the_batch_equals_autograd(network: Network, tmp_path: Path) -> None:
    statistics = measure(load(write(network, network.arrays(), tmp_path)).network).statistics
    found = np.exp(statistics.log_input_gradient_second_moment[:, 0])
    wanted = REFERENCE["networks"][network.name]["input_gradient"]
    assert mismatches(found.tolist(), [wanted] * len(found), TO_AUTOGRAD) == []


@by_name
def test_the_effective_rank_is_that_of_the_singular_values(network: Network, tmp_path: Path) -> None:
    """Where a layer, a block or the objective takes the output; a Gram matrix squares the condition of the batch."""
    report = diagnose(load(write(network, network.arrays(), tmp_path)))
    compared = 0
    for row, wanted in zip(report.layers, REFERENCE["networks"][network.name]["rows"], strict=True):
        found = row.activation.effective_rank
        if found is not None:
            compared += 1
            assert found.mean == pytest.approx(wanted["effective_rank"], rel=TO_RANK)
    assert compared >= (network.batch > 1)


@by_name
def test_a_millionth_of_any_given_number_is_noticed(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: each file in turn, its largest entry changed by 1e-6 relative; the config a mapping."""
    monkeypatch.chdir(tmp_path)
    write(network, network.arrays(), tmp_path)
    assert mismatches(probed(network.config()), expected(network), TO_AUTOGRAD) == []
    unused = "cotangent" if network.gradient != "file" else None
    for name in sorted(network.arrays().keys() - {unused}):
        arrays = network.arrays()
        values = arrays[name]
        values[np.unravel_index(np.abs(values).argmax(), values.shape)] *= 1 + 1e-6
        write(network, arrays, tmp_path)
        assert mismatches(probed(network.config()), expected(network), TO_AUTOGRAD), name


def test_given_numbers_leave_nothing_to_chance(tmp_path: Path) -> None:
    """All trials of a wholly given network are the same."""
    network = next(network for network in NETWORKS if network.name == "residual-nested")
    report = diagnose(load(write(network, network.arrays(), tmp_path)))
    assert report.settings.trials == 2
    assert all(len(set(estimate.trials)) == 1 for estimate in estimates_of(report))


def estimates_of(report: Report) -> list[Estimate]:
    groups = [
        group
        for row in report.layers
        for group in (row.preactivation, row.activation, row.gradient, row.activation_gradient, row.weight_gradient)
        if group is not None
    ]
    found = [getattr(group, field.name) for group in groups for field in fields(group)]
    return [estimate for estimate in found if estimate is not None]


def test_the_reference_holds_these_networks_and_no_others() -> None:
    assert list(REFERENCE["networks"]) == [network.name for network in NETWORKS]


def test_a_saturated_a_dead_and_a_live_unit_are_all_in_the_reference() -> None:
    """Shares of 0 alone would be no test of them."""
    rows = [row["activation"] for network in REFERENCE["networks"].values() for row in network["rows"]]
    assert {0 < row["dead"] < 1 for row in rows} == {True, False}
    assert {0 < row["saturated"] < 1 for row in rows if row["saturated"] is not None} == {True, False}


# the activations


@pytest.mark.parametrize("curve", REFERENCE["activations"], ids=curve_id)
def test_value_and_derivative_equal_autograd(curve: dict[str, Any]) -> None:
    """Elementwise, at the kinks and in the tails."""
    assert far_from(curve, compute(curve["name"], curve["arguments"])) == []


@pytest.mark.parametrize(
    ("name", "other", "arguments"),
    [
        ("gelu", "gelu_tanh", {}),
        ("silu", "quick_gelu", {}),
        ("relu", "relu6", {}),
        ("elu", "elu", {"alpha": 1 + 1e-9}),
        ("leaky_relu", "leaky_relu", {"slope": 0.01 * (1 + 1e-9)}),
    ],
)
def test_a_neighbouring_activation_is_told_apart(name: str, other: str, arguments: dict[str, float]) -> None:
    """The negative control: another formula, or an argument slightly off, does not agree."""
    curve = next(curve for curve in REFERENCE["activations"] if curve["name"] == name)
    assert far_from(curve, compute(other, arguments))


def test_the_reference_has_all_activations_that_pytorch_has() -> None:
    """Those of the table that it has under another name, or as one line of its operations, too."""
    names = {curve["name"] for curve in REFERENCE["activations"]}
    assert names <= set(ACTIVATIONS)
    assert len(names) >= 31


def compute(name: str, arguments: dict[str, float]) -> dict[str, Any]:
    """Value and derivative on the grid, by varprobe."""
    activation, x = make_activation(name, **arguments), np.array(GRID)
    return {"value": activation.value(x).tolist(), "derivative": activation.derivative(x).tolist()}


def far_from(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The grid points where value or derivative differ.

    PyTorch writes some functions as differences (gelu as x (1 + erf) / 2, tanhshrink as x - tanh x), which leave
    rounding of their largest term, 1 or x, where the result is smaller: 4 eps of it are allowed.
    """
    return [
        f"{what} at {x}: {ours!r} is not {theirs!r}"
        for what in ("value", "derivative")
        for x, ours, theirs in zip(GRID, found[what], wanted[what], strict=True)
        if not abs(ours - theirs) <= TO_CURVES * abs(theirs) + 4 * EPS * max(1.0, abs(x))
    ]


# PyTorch itself


def test_the_stored_reference_is_what_pytorch_computes() -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra: the stored reference stands for it")
    from torch_reference.make import reference

    live = reference()
    assert mismatches(live["networks"], REFERENCE["networks"], TO_ITSELF) == []
    pairs = list(zip(REFERENCE["activations"], live["activations"], strict=True))
    assert all(stored["name"] == curve["name"] and stored["arguments"] == curve["arguments"] for stored, curve in pairs)
    assert [line for pair in pairs for line in far_from(*pair)] == []
