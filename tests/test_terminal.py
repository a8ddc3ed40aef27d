"""What a person sees in a terminal: what folds, the bars and their scale, columns, `--brief`, `--watch`, Ctrl-C."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

import varprobe
from varprobe.cli.main import run
from varprobe.diagnose import predict_report
from varprobe.errors import VarprobeError
from varprobe.report.records import LayerRow, Report
from varprobe.reporters.report.columns import COLUMNS, EVERY, EVERY_THEORY, parse_columns
from varprobe.reporters.report.folding import MOST, Fold, fold_rows
from varprobe.reporters.report.layer_table import LEAST_BAR, _Scale, layer_lines
from varprobe.reporters.report.terminal import print_report
from varprobe.reporters.report_phrases import outside_theory
from varprobe.reporters.verdict_phrases import verdict_sentences
from varprobe.verdict.records import DirectionVerdict, Finding, Verdict

CONFIG: dict[str, Any] = {
    "name": "net",
    "input": {"features": 64},
    "defaults": {"activation": "tanh", "init": "xavier"},
    "layers": [{"dense": 64, "repeat": 30}],
    "probe": {"batch": 16, "trials": 4},
}
DEEP = """\
name: deep
input: {features: 256}
layers: [{dense: 256, repeat: 100}]
probe: {batch: 128, trials: 5000}
"""
# A command that is interrupted once its work has begun.
STOPPED = """
import os, signal, sys, threading
from varprobe.cli import interruptible
from varprobe.cli.main import main
real = interruptible._wait
def waiting(*given):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    return real(*given)
interruptible._wait = waiting
main(sys.argv[1:])
"""
TINY = "name: tiny\ninput: {features: 8}\nlayers: [{dense: 8, repeat: 4}]\nprobe: {batch: 8, trials: 3}\n"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configs") / "net.yaml"
    path.write_text(json.dumps(CONFIG))
    return path


@pytest.fixture(scope="module")
def report(config: Path) -> Report:
    return varprobe.run(config)


def printed(report: Report, *, width: int = 80, **view: Any) -> str:
    stream = StringIO()
    print_report(report, Console(file=stream, width=width, color_system=None, highlight=False, markup=False), **view)
    return stream.getvalue()


# --- what folds -----------------------------------------------------------------------------------------------------


def with_variances(report: Report, logs: dict[int, float]) -> Report:
    """The report without findings, all variances 1 but for those of some rows, by index, as log10."""
    rows = []
    for row in report.layers:
        assert row.activation
        assert row.activation_gradient
        known = logs.get(row.index, 0.0)
        variance = replace(row.activation.variance, log10_typical=known, typical=10.0**known)
        flat = replace(row.activation_gradient, variance=replace(variance, log10_typical=0.0))
        activation = replace(row.activation, variance=variance)
        rows.append(replace(row, activation=activation, activation_gradient=flat))
    return replace(report, layers=tuple(rows), verdict=replace(report.verdict, findings=(), head=None))


def shown(report: Report) -> list[int]:
    return [row.index for row in fold_rows(report) if isinstance(row, LayerRow)]


def test_the_first_the_last_and_a_middle_one_stay_where_nothing_is_noteworthy(report: Report) -> None:
    folded = list(fold_rows(with_variances(report, {})))
    assert [row.index if isinstance(row, LayerRow) else row for row in folded] == [
        1,
        Fold(13, True),
        15,
        Fold(14, True),
        30,
    ]


@pytest.mark.parametrize(
    ("logs", "rows"),
    [
        ({20: 0.2}, [1, 15, 30]),  # a peak no larger than noise
        ({20: 0.5, 21: 0.4}, [1, 20, 30]),  # a peak
        (dict.fromkeys(range(20, 31), -2.0), [1, 19, 20, 30]),  # both sides of a jump
        ({index: -2.0 * index for index in range(1, 31)}, [1, 15, 30]),  # each step is as large as the others
    ],
)
def test_peaks_and_jumps_are_noteworthy(report: Report, logs: dict[int, float], rows: list[int]) -> None:
    assert shown(with_variances(report, logs)) == rows


def test_layers_with_findings_stay_the_gravest_first(report: Report) -> None:
    plain = with_variances(report, {})
    found = [Finding("jump", severity, layer, "m", "") for severity, layer in (("info", 9), ("error", 12))]
    assert shown(replace(plain, verdict=replace(plain.verdict, findings=tuple(found)))) == [1, 9, 12, 30]
    many = [Finding("jump", "info" if layer < 20 else "error", layer, "m", "") for layer in range(2, 30, 2)]
    kept = shown(replace(plain, verdict=replace(plain.verdict, findings=tuple(many))))
    assert {20, 22, 24, 26, 28} <= set(kept)
    assert len([layer for layer in kept if layer % 2 == 0]) == MOST - 1  # the last one is 30


def test_what_is_not_alike_is_not_called_so() -> None:
    layers = [{"block": [{"dense": 8}, {"norm": "rms"}], "repeat": 8}]
    folds = [one for one in fold_rows(varprobe.run({**CONFIG, "layers": layers})) if isinstance(one, Fold)]
    assert folds
    assert not any(fold.alike for fold in folds)


def test_a_fold_says_how_many_and_once_how_to_see_them(report: Report) -> None:
    lines = [line.strip() for line in printed(with_variances(report, {})).splitlines() if "..." in line]
    assert lines == ["... 13 more alike; --all shows them", "... 14 more alike"]


# --- bars -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ascii_only", [False, True])
def test_both_bars_are_on_one_scale_with_theory_as_a_tick(report: Report, ascii_only: bool) -> None:
    rows = [row for row in report.layers if row.index in (1, 30)]
    lines = [line.plain for line in layer_lines(report, 80, ascii_only=ascii_only)]
    assert all(line.isascii() for line in lines) == ascii_only
    tick = "|" if ascii_only else "│"
    assert lines[0].split() == ["typical", "draw:", "activation", tick, "theory", "gradient", tick, "theory"]
    left, right = (match.start() for match in re.finditer(r"0\.001", lines[1]))
    long = re.search(r"1000", lines[1]).end() - left  # type: ignore[union-attr]  # it is there
    ones = [match.start() for match in re.finditer(r" 1 ", lines[1])]
    assert [one + 1 - start for one, start in zip(ones, (left, right), strict=True)] == 2 * [round((long - 1) / 2)]
    for row in rows:
        (line,) = [line for line in lines if line.startswith(f"{row.index:>2} dense")]
        theory = row.predicted.log10_activation_variance, row.predicted.log10_activation_gradient_second_moment
        for start, expected in zip((left, right), theory, strict=True):
            assert expected is not None
            assert line[start : start + long].index(tick) == min(long - 1, math.floor((expected + 3) / 6 * long))


def test_a_bar_is_as_long_as_its_logarithm_to_an_eighth_of_a_character() -> None:
    scale = _Scale.over([0.0], 24, ascii_only=False)
    assert (scale.low, scale.high) == (-3, 3)
    assert scale.bar(0.0, None) == "█" * 12
    assert scale.bar(3.0, None) == "█" * 24
    assert scale.bar(-3.0, None) == "▏"
    assert scale.bar(6 * 1.5 / 24 - 3, None) == "█▌"
    assert scale.bar(None, None) == ""
    assert scale.bar(None, 0.0) == f"{'':12}│"
    assert scale.bar(1.5, 0.0) == f"{'█' * 12}│{'█' * 5}"
    assert scale.bar(-1.5, 3.0) == f"{'█' * 6}{'':17}│"
    wide = _Scale.over([-31.2, None, 4.0], 24, ascii_only=True)
    assert (wide.low, wide.high) == (-32, 4)
    assert wide.axis() == "1e-32" + "1e+4".rjust(19)
    assert wide.bar(4.0, -32.0) == f"|{'#' * 23}"


def test_bars_go_where_there_is_no_room_and_lines_stay_within_the_width(report: Report) -> None:
    for width in (40, 60, 80, 120, 200):
        lines = [line.plain for line in layer_lines(report, width)]
        assert max(map(cell_len, lines)) <= width or width == 40
        assert ("│" in lines[0]) == (width >= 80)
    assert LEAST_BAR >= 12  # the labels need it


def test_a_value_outside_theory_s_band_is_marked(report: Report) -> None:
    row = report.layers[0]
    assert row.activation
    low = row.predicted.activation_low
    assert low is not None
    assert outside_theory(row) == (False, False)
    beyond = replace(row.activation, second_moment=replace(row.activation.second_moment, mean=0.9 * low))
    left = replace(row, activation=beyond)
    assert outside_theory(left) == (True, False)
    text = printed(replace(report, layers=(left, *report.layers[1:])))
    value = f"{row.activation.variance.mean:.3g}"
    assert f" {value}* " in text
    assert "\n* outside theory's band\n" in text
    assert "* outside" not in printed(report)


# --- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_is_shown(config: Path, report: Report, name: str) -> None:
    theory = predict_report(varprobe.load(config))
    for one in (report, theory):
        text = printed(one, columns=(name,))
        assert max(map(cell_len, text.splitlines())) <= 80
        for heading in COLUMNS[name].headings:
            assert heading[1] in text
        for row in one.layers[:1]:
            (line,) = [line.split() for line in text.splitlines() if line.startswith(" 1 dense1")]
            assert set(COLUMNS[name].cells(row)) <= set(line)
    assert {cell for row in report.layers for cell in COLUMNS[name].cells(row)} != {"-"}


def test_columns_that_do_not_fit_stand_in_tables_below(report: Report) -> None:
    text = printed(report, columns=tuple(COLUMNS))
    assert max(map(cell_len, text.splitlines())) <= 80
    table = text.split("\n\nactivations:")[0]
    assert table.count("\n 1 dense1") > 2
    assert all(heading[1] in table for column in COLUMNS.values() for heading in column.headings)
    every = printed(report, every_row=True)
    assert all(name in COLUMNS for name in (*EVERY, *EVERY_THEORY))
    assert every.count("dense") > 30
    assert "se off" in every


def test_an_unknown_column_is_told_the_nearest() -> None:
    assert parse_columns("Theory,z_mean, theory") == ("theory", "z-mean")
    with pytest.raises(VarprobeError, match="unknown column 'thery'") as refused:
        parse_columns("thery")
    assert (refused.value.hint or "").startswith("did you mean 'theory'? there are theory, off, ")
    with pytest.raises(VarprobeError, match="no name"):
        parse_columns(" , ")


# --- the verdict ----------------------------------------------------------------------------------------------------


def test_a_sentence_a_direction_says_label_change_and_limit() -> None:
    finding = Finding("backward-vanishing", "error", 7, "m", "")
    stable, fallen = DirectionVerdict("stable", total_log10=-1.0), DirectionVerdict("vanishing", total_log10=-4.0)
    verdict = Verdict("vanishing", stable, fallen, DirectionVerdict("fading", total_log10=-1.5), (finding,))
    assert verdict_sentences(verdict) == [
        "activations: stable; x 0.1 from the first layer to the last in a typical draw; within a factor 100 is stable.",
        "gradient: vanishing; x 1.00e-4 from the last layer to the first in a typical draw; beyond a factor 1000 "
        "(passed at layer 7) is vanishing.",
        "signal: fading; x 0.0316 of what tells samples apart is left at the last layer in a typical draw; below 0.1 "
        "is fading.",
    ]
    open_, dead = DirectionVerdict("inconclusive", -1.0, 2.0), DirectionVerdict("degenerate")
    assert verdict_sentences(Verdict("degenerate", open_, dead, DirectionVerdict("undefined")), shallow=True) == [
        "activations: inconclusive; x 0.1 from the input to the last layer in a typical draw, known to a factor 100; a "
        "factor 10 would do.",
        "gradient: degenerate; exactly zero in half of the draws or more.",
        "signal: undefined; there are no two samples to tell apart.",
    ]
    alone = Verdict("inconclusive", DirectionVerdict("inconclusive", -1.0), stable, DirectionVerdict("preserved", 0.0))
    assert verdict_sentences(alone, exact=True)[0].endswith("by theory, and one draw says nothing of the others.")


def test_brief_is_the_verdict_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert run(["run", str(tmp_path / "tiny.yaml"), "--brief"]) == 0
    brief = capsys.readouterr().out
    assert run(["run", str(tmp_path / "tiny.yaml")]) == 0
    whole = capsys.readouterr().out
    assert brief == whole.rpartition("\n\n")[2]
    assert re.match(r"\w+( \(.*\))?\nactivations: ", brief)
    assert run(["run", str(tmp_path / "tiny.yaml"), "--brief", "--columns", "rank"]) == 2


# --- watching and stopping ------------------------------------------------------------------------------------------


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(varprobe.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "varprobe", *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as one:  # fmt: skip
        try:
            yield one
        finally:
            if one.poll() is None:
                one.kill()


def until(one: subprocess.Popen[str], words: str) -> str:
    """What it writes up to the line that holds the words."""
    assert one.stdout
    text = ""
    for line in one.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(text)


def test_watch_runs_again_on_a_change_goes_on_after_a_mistake_and_ends_quietly(tmp_path: Path) -> None:
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY)
    with process(tmp_path, "run", "tiny.yaml", "--watch", "--brief") as one:
        assert until(one, "watching").count("activations: ") == 1
        config.write_text(TINY.replace("8, repeat: 4", "8, repet: 4"))
        text = until(one, "watching")
        assert "varprobe: tiny.yaml:3:" in text
        assert "activations" not in text
        # Two writes in one go are one change; the second one names a file.
        config.write_text(TINY.replace("repeat: 4", "repeat: 5"))
        time.sleep(0.1)
        (tmp_path / "rows.csv").write_text("1,2,3\n3,2,1\n")
        named = TINY.replace("features: 8", "features: 3, distribution: file, path: rows.csv")
        config.write_text(named.replace("batch: 8, ", ""))
        text = until(one, "watching")
        assert (text.count("changed at"), text.count("activations: ")) == (1, 1), text
        assert "watching tiny.yaml, rows.csv; Ctrl-C ends" in text
        (tmp_path / "rows.csv").write_text("1,2,3\n3,2,2\n")
        assert until(one, "watching").count("activations: ") == 1
        one.send_signal(signal.SIGINT)
        assert one.stdout
        assert (one.stdout.read(), one.wait(timeout=30)) == ("", 130)


def test_standard_input_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "-", "--watch"]) == 2
    assert "--watch needs a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "deep.yaml"), "varprobe: stopped; nothing is kept\n"),
        (("check", "deep.yaml"), "varprobe: stopped; 0 of 1 config checked; nothing kept\n"),
    ],
)
def test_ctrl_c_says_what_is_kept(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (tmp_path / "deep.yaml").write_text(DEEP)
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", told)


def test_the_guide_names_every_column() -> None:
    guide = (Path(varprobe.__file__).parent / "guide/reading.md").read_text()
    assert all(f"`{name}`" in guide for name in COLUMNS)
