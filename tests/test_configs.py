"""Every shipped config shows what its first lines promise."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import cache
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

import varprobe
from varprobe.config.loading import load
from varprobe.config.overrides import parse_assignment
from varprobe.engine.record import StackStatistics
from varprobe.probe.measure import measure
from varprobe.report.records import Report
from varprobe.reporters.report.terminal import print_report
from varprobe.reporters.verdict_phrases import verdict_sentences

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


@cache
def measured(path: Path) -> Report:
    return varprobe.run(path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_shows_what_it_promises(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# Teaches: ")
    promised = re.fullmatch(r"# Expect: forward (\w+), backward (\w+), signal (\w+)", second)
    assert promised
    verdict = measured(path).verdict
    assert (verdict.forward.label, verdict.backward.label, verdict.signal.label) == promised.groups()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_promise_is_the_expect_block_too(path: Path) -> None:
    expect = varprobe.load(path).expect
    promised = re.findall(r"(?:forward|backward|signal) (\w+)", path.read_text().splitlines()[1])
    assert expect is not None
    allowed = (expect.forward, expect.backward, expect.signal)
    assert all(labels and label in labels for label, labels in zip(promised, allowed, strict=True))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_is_printed_fits_a_terminal_and_ends_with_the_verdict_and_the_remedies(path: Path) -> None:
    report, stream = measured(path), StringIO()
    print_report(report, Console(file=stream, width=80, color_system=None, highlight=False, markup=False))
    lines = stream.getvalue().splitlines()
    verdict = report.verdict
    healthy = verdict.forward.label == verdict.backward.label == "stable"
    assert len(lines) <= (24 if healthy else 40)
    assert max(map(cell_len, lines)) <= 80
    # What goes on is set in, so that an entry is what begins at the left edge.
    last = stream.getvalue().rstrip("\n").rpartition("\n\n")[2]
    head, *entries = (" ".join(entry.split()) for entry in re.split(r"\n(?! )", last))
    assert re.fullmatch(rf"{verdict.overall}( \(.+\))?", head)
    assert entries[:3] == verdict_sentences(verdict)
    assert all(entry.startswith("-> ") for entry in entries[3:])
    assert bool(entries[3:]) == any(one.severity != "info" for one in verdict.findings) == (not healthy)


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


@pytest.mark.parametrize(("dtype", "engine"), [("float32", "auto"), ("float64", "explicit")])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_not_a_bit_of_what_is_measured_depends_on_threads(path: Path, dtype: str, engine: str) -> None:
    edits = [f"probe.dtype={dtype}", f"probe.engine={engine}", "probe.trials=2"]
    spec = load(path, [parse_assignment(edit) for edit in edits]).network
    one, two = (measure(spec, replace(spec.settings, threads=threads)).statistics for threads in (1, 2))
    for field in fields(StackStatistics):
        assert np.asarray(getattr(one, field.name)).tobytes() == np.asarray(getattr(two, field.name)).tobytes()
