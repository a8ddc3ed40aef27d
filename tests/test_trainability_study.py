"""The study of labels and training: what is shipped agrees with itself, and a miniature of it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.network.activations import make_activation
from varprobe.network.spec import NetworkSpec

REPORTS = Path(__file__).parents[1] / "reports"
sys.path.insert(0, str(REPORTS))

import trainability_pages  # noqa: E402
import trainability_records  # noqa: E402
import trainability_scores  # noqa: E402
import trainability_statistics  # noqa: E402
from trainability_networks import SECOND_EVERY, WARM_EVERY, Network, networks  # noqa: E402

SHIPPED = json.loads((REPORTS / "trainability_study.json").read_text())
HEAD = {"dense": {"width": 10, "activation": "linear", "init": "lecun"}}
needs_torch = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("sklearn")),
    reason="PyTorch and scikit-learn are extras: pip install varprobe[test,torch]",
)


def _layers(features: int, init: Any, activation: str, *body: Any) -> NetworkSpec:
    config = {
        "input": {"features": features},
        "defaults": {"activation": activation, "init": init},
        "layers": [*body, HEAD],
    }
    return varprobe.load(config).network


def _same(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two summaries differ, the bounds of bootstrap intervals left out."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            yield from _same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list) and len(one) == 3 and path.rpartition(".")[2] != "runs":
        yield from _same(one[0], other[0], path)
    elif isinstance(one, list):
        assert len(one) == len(other), path
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from _same(*pair, f"{path}.{place}")
    elif one != other:
        yield f"{path}: {one} and {other}"


def test_the_page_is_that_of_the_records() -> None:
    found = trainability_pages.page(SHIPPED["summary"], SHIPPED["made"])
    assert (REPORTS / "trainability_study.md").read_text() == found
    again = trainability_statistics.summary(trainability_records.unpack(SHIPPED), repeats=2)
    assert list(_same(SHIPPED["summary"], json.loads(json.dumps(again)))) == []


def test_all_networks_of_the_law_are_in_the_records() -> None:
    made = networks()
    records = {(record["name"], record["task"]): record for record in trainability_records.unpack(SHIPPED)}
    assert len(made) >= 400
    second = {(network.name, "spiral") for network in made[::SECOND_EVERY]}
    assert set(records) == {(network.name, "digits") for network in made} | second
    for place, network in enumerate(made):
        record = records[network.name, "digits"]
        assert (record["width"], record["depth"]) == (network.width, network.depth)
        warm = {"sgd+warm-up", "adam+warm-up"} if place % WARM_EVERY == 0 else set()
        assert set(record["cells"]) == {"sgd", "adam"} | warm


def test_a_table_keeps_the_records() -> None:
    records = trainability_records.unpack(SHIPPED)
    assert trainability_records.unpack(trainability_records.pack(records)) == records


def test_auc_counts_pairs() -> None:
    # Fails at 3 and 1, trains at 2 and 1: of four pairs 3 > 2, 3 > 1, 1 < 2, 1 = 1.
    score, failed = np.array([3.0, 1.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0])
    weights = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 1.0, 1.0]])
    assert trainability_scores.auc(score, failed, weights).tolist() == [2.5 / 4, 1.0]


@pytest.mark.parametrize(
    ("change", "reach", "dead", "label"),
    [
        (1.9, 0.5, 0, "stable"),
        (-2.5, 0.6, 0, "borderline"),
        (3.2, 0.1, 0, "exploding"),
        (-3.2, 0.3, 0, "vanishing"),
        (0.0, 1.1, 0, "inconclusive"),
        (-9.0, 2.0, 9, "vanishing"),
        (0.0, 0.1, 10, "degenerate"),
    ],
)
def test_labels_of_a_direction(change: float, reach: float, dead: int, label: str) -> None:
    assert trainability_scores.direction_label({"D": change, "h": reach, "dead": dead}) == label


@needs_torch
def test_what_is_judged_of_a_network() -> None:
    from trainability_signals import judged_positions

    chain = _layers(8, "he", "relu", {"dense": 8, "repeat": 2}, {"norm": "layer"})
    assert judged_positions(chain.steps) == [0, 2]
    branch = [{"norm": "layer"}, {"dense": {"width": 8, "activation": "linear"}}]
    stream = _layers(8, "he", "relu", {"dense": 8}, {"residual": {"layers": branch}, "repeat": 2}, {"norm": "rms"})
    kinds = [step.layer.kind for step in stream.steps]
    assert judged_positions(stream.steps) == [0, kinds.index("residual"), len(kinds) - 2]


@needs_torch
def test_changes_of_a_network_that_is_known() -> None:
    import trainability_study
    from trainability_signals import signals
    from trainability_training import draw_parameters

    double = {"name": "identity", "gain": 2.0}
    for layers in (5, 3):
        spec = _layers(64, double, "linear", {"dense": 64, "repeat": layers})
        found = signals(spec, trainability_study.digits(), draw_parameters(spec, 0, 2), 0)
        # Each layer is 4-fold; with fewer than four the input is where it begins. Float64 keeps powers of two.
        steps = layers - 1 if layers >= 4 else layers
        np.testing.assert_allclose(found.forward, steps * np.log(4.0), rtol=1e-14)
        np.testing.assert_allclose(found.backward, steps * np.log(4.0), rtol=1e-14)
        np.testing.assert_allclose(found.relative, 0.0, atol=1e-13)
        np.testing.assert_allclose(found.sample_share, 0.0, atol=1e-13)


@needs_torch
def test_activations_are_those_of_varprobe() -> None:
    import torch
    from trainability_training import ACTIVATIONS, activate

    z = np.linspace(-4.0, 4.0, 81)
    for name in ACTIVATIONS:
        activation = make_activation(name)
        # Some ten roundings of values up to 4: 1e-14.
        np.testing.assert_allclose(activate(activation, torch.from_numpy(z)), activation.value(z), atol=1e-14)


@needs_torch
@pytest.mark.parametrize("cell", ["sgd", "adam", "sgd+warm-up", "adam+warm-up"])
def test_a_member_goes_as_with_the_optimisers_of_torch(cell: str) -> None:
    import torch
    import trainability_study
    from trainability_training import WARM_UP, Members, draw_parameters, run

    cells = sorted(trainability_study.CELLS + trainability_study.WARM, key=lambda one: one.optimiser != "sgd")
    chosen = next(one for one in cells if one.name == cell)
    spec = _layers(64, "he", "tanh", {"dense": 8, "repeat": 2}, {"norm": "layer"})
    drawn = draw_parameters(spec, 3, 2)
    task = trainability_study.digits()
    members = Members(drawn, 2, cells)
    # The second draw at the fifth step size.
    place = int(np.flatnonzero(members.group == 2 * cells.index(chosen) + 1)[4])
    own = [[one[1:2].float().clone().requires_grad_() for one in part] for part in drawn]
    flat = [one for part in own for one in part]
    kind = torch.optim.SGD if chosen.optimiser == "sgd" else torch.optim.Adam
    beside = kind(flat, lr=float(members.rates[place]))
    before = [one.detach().clone() for one in flat]
    x, y = torch.from_numpy(task.x).float(), torch.from_numpy(task.y)
    for number in range(1, 6):
        rows = slice(64 * number, 64 * number + 64)
        members.step(number, spec, x[rows], y[rows])
        for part in beside.param_groups:
            part["lr"] = float(members.rates[place]) * (number / WARM_UP if chosen.warm_up else 1.0)
        beside.zero_grad()
        torch.nn.functional.cross_entropy(run(spec.steps, own, x[None, rows])[-1][0], y[rows]).backward()
        beside.step()
    moved = [one for part in members.parameters for one in part]
    for was, one, other in zip(before, moved, flat, strict=True):
        # Float32, sums of up to 64 terms in another order, five steps: 1e-5 of the size of the entries; Adam divides
        # gradients near 0 by their own size, so that their rounding counts for more.
        torch.testing.assert_close(one[place : place + 1], other, rtol=1e-4, atol=1e-5)
        assert not torch.equal(one[place : place + 1], was)


@needs_torch
def test_a_miniature_of_the_study(tmp_path: Path) -> None:
    import trainability_study

    body = [{"dense": 32, "repeat": 3}], [{"dense": 32, "repeat": 12}]
    healthy, broken = (
        Network(name, "chain", 32, depth, {"activation": "tanh", "init": init}, layers, has_norm=False)
        for name, depth, init, layers in zip(("healthy", "broken"), (3, 12), ("xavier", "small"), body, strict=True)
    )
    tasks = [trainability_study.digits(), trainability_study.spiral()]
    path = tmp_path / "records.jsonl"
    records = trainability_study.collect([healthy, broken], tasks[:1], path, steps=60)
    found = {record["name"]: record for record in records}
    assert {name: trainability_scores.label(record) for name, record in found.items()} == {
        "healthy": "stable",
        "broken": "vanishing",
    }
    for name, trained in (("healthy", True), ("broken", False)):
        steps = found[name]["cells"]["sgd"]["steps"] + found[name]["cells"]["adam"]["steps"]
        assert [step is not None for step in steps] == [trained] * 6, name
    # Only the first network is of those with warm-up.
    assert ["sgd+warm-up" in found[name]["cells"] for name in ("healthy", "broken")] == [True, False]
    cut = path.read_text() + '\n{"name": "cut'
    path.write_text(cut)
    assert trainability_study.collect([healthy, broken], tasks[:1], path, steps=60) == records
    assert path.read_text() == cut
    summary = trainability_statistics.summary(records, repeats=20)
    # Every run of the broken one is above every one of the healthy one.
    assert summary["auc"]["sgd digits"]["typical change D"]["auc"] == [1.0, 1.0, 1.0]
    assert summary["labels"]["adam digits"]["vanishing"]["trained"] == 0
    assert summary["labels"]["adam digits"]["stable"]["trained"] == 1
    assert trainability_pages.page(summary, "made").startswith("# Does the label predict training?")


@needs_torch
def test_only_the_best_step_sizes_go_on() -> None:
    from trainability_training import is_among_best

    losses = np.array([5.0, 1.0, 2.0, 3.0, np.nan, 4.0, 0.0, 9.0], np.float32)
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    living = np.array([True, True, True, True, True, True, False, True])
    assert is_among_best(losses, group, living)[living].tolist() == [False, True, True, True, True, True, True]
