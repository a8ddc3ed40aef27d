"""`check --write-expect`: the block that is printed, pasted, passes with other draws, and a broken init fails it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import varprobe
from varprobe.cli.main import run as run_command
from varprobe.config.loading import load
from varprobe.config.yaml_tree import parse_yaml
from varprobe.gate.drafting import draft_expect
from varprobe.reporters.check.expect_block import render_expect

TANH = """\
input: {features: 32}
defaults: {activation: tanh, init: xavier}
layers: [{dense: 32, repeat: 8}]
probe: {batch: 16}
"""
RELU = """\
input: {features: 48}
defaults: {activation: relu, init: he}
layers:
  - {dense: 96, repeat: 6}
  - dense: {width: 10, activation: linear}
probe: {batch: 32, gradient: cross_entropy}
"""
# A head of zeros has no noise, and of a batch of 1 no signal and no rank is known.
ZERO = RELU.replace("activation: linear", "activation: linear, init: zeros")
ONE = TANH.replace("batch: 16", "batch: 1")
SATURATED = TANH + "expect: {saturated: {share: 0.5, above: 0.9}, allow: [jump]}\n"
BROKEN = {"small": "init=small", "large": "init=large", "gain": "init={name: he, gain: 3}"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def drafted(text: str, capfd: Any) -> str:
    Path("net.yaml").write_text(text)
    assert run_command(["check", "net.yaml", "--write-expect", "-q"]) == 0
    told = capfd.readouterr()
    assert told.err == ""
    return str(told.out)


@pytest.mark.parametrize("text", [TANH, RELU, ZERO, ONE], ids=["tanh", "relu", "zero", "one"])
def test_a_block_that_is_pasted_passes_with_other_draws_and_a_broken_init_fails_it(text: str, capfd: Any) -> None:
    Path("pasted.yaml").write_text(text + drafted(text, capfd))
    # A check is wrong with a chance of 0.001, and ranges leave room for the draws of both: none of five fails.
    for seed in range(5):
        assert run_command(["check", "pasted.yaml", "--seed", str(seed), "-q"]) == 0, capfd.readouterr().out
    for change in BROKEN.values():
        assert run_command(["check", "pasted.yaml", "--set", f"defaults.{change}", "-q"]) == 1


def test_ranges_catch_what_labels_let_pass(capfd: Any) -> None:
    block = drafted(TANH, capfd)
    Path("pasted.yaml").write_text(TANH + block)
    Path("labels.yaml").write_text(TANH + "expect: {forward: stable, backward: stable}\n")
    change = ["--set", "defaults.init.gain=1.2", "-q"]
    assert run_command(["check", "labels.yaml", *change]) == 0
    capfd.readouterr()
    assert run_command(["check", "pasted.yaml", *change]) == 1
    assert "FAILED total_log10.forward" in capfd.readouterr().out


def test_every_line_says_what_it_rests_on(capfd: Any) -> None:
    block = drafted(RELU, capfd)
    keys = parse_yaml(block, "block").plain()["expect"]
    assert set(keys) == {
        *("forward", "backward", "signal", "total_log10", "head", "initial_loss", "effective_rank", "dead", "safe_in")
    }
    low, high = keys["total_log10"]["forward"]
    checked = varprobe.check("net.yaml", set={"expect": {"total_log10": {"forward": [-9, 9]}}})
    found = next(one.value for one in checked.decisions if one.expectation == "total_log10.forward")
    assert found is not None
    assert low < found < high
    lines = block.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("# Drafted from net.yaml by varprobe ")
    values = [(above, line) for above, line in pairwise(lines) if not line.endswith(":") and line.strip()[0] != "#"]
    assert all("  # " in line or above.strip().startswith("# ") for above, line in values)
    assert sum("over the depth (" in line for line in lines) == 3


def test_what_a_config_allows_and_counts_as_saturated_stays(capfd: Any) -> None:
    keys = parse_yaml(drafted(SATURATED, capfd), "block").plain()["expect"]
    assert keys["allow"] == ["jump"]
    assert keys["saturated"]["above"] == 0.9
    Path("pasted.yaml").write_text(TANH + drafted(SATURATED, capfd))
    assert run_command(["check", "pasted.yaml", "-q"]) == 0


def test_of_zeros_the_head_stays_zero_and_of_one_sample_nothing_is_said_that_takes_two(capfd: Any) -> None:
    assert parse_yaml(drafted(ZERO, capfd), "block").plain()["expect"]["head"] == {"scale": [None, 0]}
    keys = parse_yaml(drafted(ONE, capfd), "block").plain()["expect"]
    assert not {"signal", "effective_rank"} & set(keys)


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        (TANH.replace("xavier", "small"), [], "not healthy: forward: vanishing: x "),
        (RELU, ["--trials", "2", "--max-trials", "2"], "not known after 2 trials to be healthy: forward: "),
    ],
)
def test_what_is_not_healthy_is_refused_in_a_sentence(text: str, options: list[str], why: str, capfd: Any) -> None:
    Path("net.yaml").write_text(text)
    assert run_command(["check", "net.yaml", "--write-expect", "-q", *options]) == 1
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith(f"varprobe: net.yaml: no block is drafted, since the network is {why}")
    assert told.err.endswith("; `varprobe run net.yaml` says what to do\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "x.json"], "--write-expect prints YAML: leave out --baseline, --format, --json and -o"),
        (["--json"], "--write-expect prints YAML"),
        (["--format", "github"], "--write-expect prints YAML"),
        (["--baseline", "b.json"], "--write-expect prints YAML"),
        (["net.yaml", "other.yaml"], "--write-expect is of one config, given 2"),
    ],
)
def test_it_is_of_one_config_and_prints_yaml(options: list[str], message: str, capfd: Any) -> None:
    Path("net.yaml").write_text(TANH)
    Path("other.yaml").write_text(TANH)
    assert run_command(["check", "net.yaml", "--write-expect", *options]) == 2
    assert message in capfd.readouterr().err


def test_a_mistake_is_told_on_standard_error(capfd: Any) -> None:
    Path("net.yaml").write_text(TANH.replace("tanh", "tahn"))
    assert run_command(["check", "net.yaml", "--write-expect"]) == 2
    assert "net.yaml:2:24: defaults.activation: unknown activation 'tahn'" in capfd.readouterr().err


def test_names_cannot_leave_their_comment() -> None:
    hostile = "a\nexpect: {forward: vanishing}\n#"
    Path("net.yaml").write_text(TANH)
    draft = draft_expect(load("net.yaml"))
    lines = render_expect(replace(draft, config=hostile)).splitlines()
    assert [line for line in lines if line.startswith("expect")] == ["expect:"]
