"""Every shipped config shows what its first lines promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import varprobe

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_shows_what_it_promises(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# Teaches: ")
    promised = re.fullmatch(r"# Expect: forward (\w+), backward (\w+), signal (\w+)", second)
    assert promised
    verdict = varprobe.run(path).verdict
    assert (verdict.forward.label, verdict.backward.label, verdict.signal.label) == promised.groups()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_promise_is_the_expect_block_too(path: Path) -> None:
    expect = varprobe.load(path).expect
    promised = re.findall(r"(?:forward|backward|signal) (\w+)", path.read_text().splitlines()[1])
    assert expect is not None
    allowed = (expect.forward, expect.backward, expect.signal)
    assert all(labels and label in labels for label, labels in zip(promised, allowed, strict=True))


def test_the_lessons_are_all_there() -> None:
    names = {path.stem for path in CONFIGS}
    assert names >= {
        "small_tanh",
        "large_tanh",
        "xavier_tanh",
        "xavier_relu",
        "he_relu",
        "torch_linear_relu",
        "selu_lecun",
    }
    assert names >= {"gelu_he", "sigmoid_xavier", "pyramid_he", "residual", "batch_norm", "layer_norm", "orthogonal"}
    assert "edge_of_chaos" in names


@pytest.mark.parametrize("name", ["small_tanh", "large_tanh", "xavier_tanh"])
def test_the_three_of_the_first_lecture_are_deep_and_wide(name: str) -> None:
    spec = varprobe.load(Path(__file__).parents[1] / "configs" / f"{name}.yaml").network
    assert len(spec.rows) >= 20
    assert {step.fan_out for step in spec.rows} == {256}


def test_a_broken_initialisation_breaks_the_promise(tmp_path: Path) -> None:
    text = next(path for path in CONFIGS if path.stem == "he_relu").read_text().replace("init: he", "init: xavier")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text)
    assert not all(item.met for item in varprobe.run(broken).expect)
