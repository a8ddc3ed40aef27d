"""Sweeps: what an axis is, that a point is a run, that nothing finished is lost, and what pictures show of it."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from golden import Said
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from rich.console import Console

import varprobe
from varprobe.config.loading import read_config
from varprobe.config.overrides import parse_assignment
from varprobe.errors import ConfigError, InputFileError, OutputError, VarprobeError
from varprobe.machine import free_memory
from varprobe.reporters.picture import house_style
from varprobe.reporters.sweep.figure import draw_sweep
from varprobe.reporters.sweep.terminal import letter_map, print_sweep
from varprobe.reporters.sweep.words import LETTERS, setting_words, sweep_title
from varprobe.results.kinds import RESULTS, render
from varprobe.results.store import from_json, json_schema, render_json
from varprobe.sweeps.axes import parse_axis
from varprobe.sweeps.job import sweep_points
from varprobe.sweeps.journal import Journal
from varprobe.sweeps.plan import SweepPlan, plan_sweep
from varprobe.sweeps.point import MeasuredPoint, Task, measure_point
from varprobe.sweeps.processes import CrashError, Processes
from varprobe.sweeps.records import Axis, Sweep
from varprobe.verdict.records import DirectionVerdict

CONFIG: dict[str, Any] = {
    "name": "net",
    "input": {"features": 16},
    "defaults": {"activation": "tanh", "init": "xavier"},
    "layers": [{"dense": 16, "repeat": 6}],
    "probe": {"batch": 8, "trials": 4},
}
TEXT = json.dumps(CONFIG)


class Here(Executor):
    """Runs each call at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def swept(*axes: str, executor: Executor | None = None, **changes: Any) -> Sweep:
    vary = dict(axis.split("=", 1) for axis in axes)
    return varprobe.sweep({**CONFIG, **changes}, vary, executor=executor or Here())


@pytest.fixture(scope="module")
def line() -> Sweep:
    return swept("defaults.init.gain=0.3:3:7")


@pytest.fixture(scope="module")
def plane() -> Sweep:
    return swept("defaults.init.gain=0.4:2.2:6", "layers.0.repeat=4,8,16")


# --- axes ---


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.gain=0:1:3", ("0", "0.5", "1")),
        ("a.gain=1:0:3", ("1", "0.5", "0")),
        ("a.gain=-1:1:2:linear", ("-1", "1")),
        ("a.gain=1e-2:1:3:log", ("0.01", "0.1", "1")),
        ("layers.0.repeat=1:10:4", ("1", "4", "7", "10")),
        ("layers[0].repeat=1:8:6:log", ("1", "2", "3", "5", "8")),
        ("a.init=small, large ,xavier", ("small", "large", "xavier")),
        ("a.init={name: he, gain: 2},he", ("{name: he, gain: 2}", "he")),
        ("a.name='a,b',c", ("'a,b'", "c")),
        ("a.gain=0.1", ("0.1",)),
        ("a.gain=1,1,2", ("1", "2")),
    ],
)
def test_an_axis_has_the_values_that_its_text_says(text: str, values: tuple[str, ...]) -> None:
    assert parse_axis(text).values == values


@pytest.mark.parametrize(
    "text",
    ["gain", "=1:2:3", "a=1:2:1", "a=1:1:5", "a=0:1:3:log", "a=-1:1:3:log", "a=1,,2", "a=", "a b=1", "a=1:2:999999",
     "a=1e999:2:3", "a=1:2", "a=1:2:3:lg", "a=1:2:x", "a=0.5..2"],
)  # fmt: skip
def test_a_text_that_is_no_axis_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_axis(text)
    assert str(raised.value).startswith("--vary: ")
    assert "low:high:count" in raised.value.hint


def test_what_is_nearly_a_range_is_told_what_one_is(said: Said) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_axis("defaults.init.gain=1:2")
    said(raised.value)


@pytest.mark.parametrize(
    "axes",
    [
        (),
        ("a.b=1:2:2", "a.c=1,2", "a.d=1,2"),
        ("probe.trials=2,3", "probe.trials=4,5"),
        ("defaults.init.gain=0:1:1000", "defaults.init.std=0:1:1000"),
        ("defaults.init=he,nonsense",),
        ("layers.3.repeat=1:3:3",),
        ("defaults.init.gain=-1:1:3",),
    ],
)
def test_axes_that_do_not_fit_are_refused_before_anything_is_measured(axes: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(TEXT)
    with pytest.raises(VarprobeError) as raised:
        plan_sweep(read_config(tmp_path / "net.json"), (), [parse_axis(axis) for axis in axes])
    assert raised.value.hint


# --- points ---


def test_a_point_is_the_run_with_the_same_settings(plane: Sweep) -> None:
    index = plane.points.index(next(p for p in plane.points if p.values == ("1.48", "8")))
    config = {**CONFIG, "defaults": {"activation": "tanh", "init": {"name": "xavier", "gain": 1.48}}}
    config |= {"layers": [{"dense": 16, "repeat": 8}]}
    report = varprobe.run(config, replace(varprobe.load(config).network.settings, threads=1))
    point = plane.points[index]
    assert point.verdict is not None
    assert point.verdict.forward == report.verdict.forward
    assert point.verdict.backward == report.verdict.backward
    assert point.prediction == report.prediction
    assert point.depth == 8
    assert point.curves is not None
    for kind, key in (("activation", "activation"), ("gradient", "activation_gradient")):
        estimates = [getattr(row, key).variance for row in report.layers]
        assert getattr(point.curves, kind) == pytest.approx([one.log10_typical for one in estimates], abs=1e-5)
        low, high = np.percentile([one.trials for one in estimates], (5, 95), axis=1)
        assert getattr(point.curves, f"{kind}_low") == pytest.approx(low, abs=1e-5)
        assert getattr(point.curves, f"{kind}_high") == pytest.approx(high, abs=1e-5)


def test_points_are_all_pairs_in_order(plane: Sweep) -> None:
    first, second = plane.axes
    assert [point.values for point in plane.points] == [(a, b) for a in first.values for b in second.values]


def test_rates_follow_theory_along_an_axis(line: Sweep) -> None:
    # In the ordered phase both rates tend to chi1, within the noise of four trials of width 16.
    for point in line.points[:2]:
        assert point.verdict is not None
        assert point.prediction is not None
        assert point.prediction.chi1 is not None
        for way in (point.verdict.forward, point.verdict.backward):
            assert way.rate == pytest.approx(point.prediction.chi1, rel=0.5)
    labels = [point.verdict.overall for point in line.points if point.verdict]
    assert labels[0] == "vanishing"
    assert labels != ["vanishing"] * len(labels)


def test_processes_give_the_same_sweep_as_one_thread(line: Sweep) -> None:
    with ThreadPoolExecutor(2) as threads:
        assert swept("defaults.init.gain=0.3:3:7", executor=threads) == line
    assert varprobe.sweep(CONFIG, {"defaults.init.gain": "0.3:3:7"}, threads=2) == line


def test_values_can_be_a_list() -> None:
    found = varprobe.sweep(CONFIG, {"defaults.init": ["he", {"name": "he", "gain": 2}]}, executor=Here())
    assert found.axes[0].values == ("he", "{name: he, gain: 2}")


def test_a_point_that_fails_is_one_failed_point() -> None:
    found = swept("layers.0.dense=8,0,16", layers=[{"dense": 16}, {"dense": 4}])
    assert [bool(point.failure) for point in found.points] == [False, True, False]
    assert "at least 1" in found.points[1].failure
    for suffix in RESULTS["sweep"].formats:
        assert render(found, suffix), suffix
    assert "failed at 0: " in printed(found)


def test_nothing_but_failures_is_an_error() -> None:
    class Broken(Here):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            return super().submit(int, "no number")

    with pytest.raises(VarprobeError, match="no point could be measured: ValueError"):
        swept("defaults.init.gain=1,2", executor=Broken())


# --- processes ---


def test_a_process_that_dies_fails_its_call_alone() -> None:
    with Processes(1) as processes:
        calls = [processes.submit(os._exit, 7), processes.submit(abs, -2), processes.submit(os.abort)]
        with pytest.raises(CrashError, match="exit code 7"):
            calls[0].result()
        assert calls[1].result() == 2
        with pytest.raises(CrashError, match="SIGABRT"):
            calls[2].result()


def test_a_process_that_dies_in_the_middle_of_its_answer_fails_its_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with Processes(1) as processes:
        assert processes.submit(abs, -1).result() == 1
        child = processes._children[0]

        def cut(*_: object) -> None:
            child.process.kill()
            raise pickle.UnpicklingError("pickle data was truncated")

        monkeypatch.setattr("varprobe.sweeps.processes.pickle.load", cut)
        with pytest.raises(CrashError, match="SIGKILL"):
            processes.submit(abs, -1).result()
        monkeypatch.undo()
        assert processes.submit(abs, -2).result() == 2


def test_what_a_call_raises_comes_back() -> None:
    with Processes(1) as processes, pytest.raises(ZeroDivisionError):
        processes.submit(divmod, 1, 0).result()


def test_a_crash_is_one_failed_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Crashing(Processes):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            if args[0].values == ("2",):
                return super().submit(os._exit, 9)
            return super().submit(fn, *args, **kwargs)

    with Crashing(2) as processes:
        found = swept("defaults.init.gain=1,2,3", executor=processes)
    assert [point.failure for point in found.points] == ["", "its process ended with exit code 9", ""]


def test_what_is_printed_there_is_no_answer() -> None:
    with Processes(1) as processes:
        assert processes.submit(print, "a line of a library's").result() is None
        assert processes.submit(abs, -2).result() == 2


def test_a_script_that_sweeps_is_not_read_again(tmp_path: Path) -> None:
    script = (
        f"import varprobe\nprint(varprobe.sweep({CONFIG!r}, {{'probe.seed': [1, 2]}}, threads=2).points[1].values)\n"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("('2',)\n", "")


def test_processes_share_the_memory_that_this_one_has() -> None:
    with Processes(4) as processes:
        whole, one = free_memory(), processes.submit(free_memory).result()
        # A quarter of what was free when they were made: within a fifth of it, as others take and give meanwhile.
        assert one == pytest.approx(whole / 4, rel=0.2)


def test_processes_end_with_who_started_them() -> None:
    code = (
        "import os, time\nfrom varprobe.sweeps.processes import Processes\n"
        "processes = Processes(1)\nprint(processes.submit(os.getpid).result(), flush=True)\n"
        "processes.submit(time.sleep, 60)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


# --- what is finished is kept ---


def plan_of(tmp_path: Path) -> SweepPlan:
    (tmp_path / "net.json").write_text(TEXT)
    return plan_sweep(read_config(tmp_path / "net.json"), (), [parse_axis("defaults.init.gain=0.3:3:7")])


class Counting(Here):
    def __init__(self) -> None:
        self.values: list[tuple[str, ...]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.values.append(args[0].values)
        return super().submit(fn, *args, **kwargs)


def fill(place: Path, plan: SweepPlan, line: Sweep, *indices: int) -> None:
    with Journal(place, plan) as journal:
        for index in indices:
            journal.add(index, MeasuredPoint(line.points[index]))


def test_a_journal_holds_what_was_finished_and_only_that_is_not_done_again(tmp_path: Path, line: Sweep) -> None:
    plan, place = plan_of(tmp_path), tmp_path / "points.part"
    fill(place, plan, line, 0, 3)
    with place.open("ab") as stream:
        stream.write(b'0123456789abcdef [5,{},{"values": ["2')  # cut off in the middle
    counting = Counting()
    with Journal(place, plan) as journal:
        assert sorted(journal.points) == [0, 3]
        assert journal.count_kept() == 2
        found = sweep_points(plan, executor=counting, journal=journal)
    assert len(counting.values) == 5
    assert line.points[0].values not in counting.values
    assert found == line
    with Journal(place, plan) as journal:
        assert sorted(journal.points) == list(range(7))


@pytest.mark.parametrize("cut", [0, 1, 15, 27])
def test_a_journal_that_was_cut_off_in_its_first_line_begins_anew(cut: int, tmp_path: Path, line: Sweep) -> None:
    plan, place = plan_of(tmp_path), tmp_path / "points.part"
    fill(place, plan, line, 1)
    whole = place.read_bytes()
    place.write_bytes(whole[:cut])
    fill(place, plan, line, 1)
    assert place.read_bytes() == whole


def test_a_journal_that_holds_nothing_goes_away(tmp_path: Path) -> None:
    with Journal(tmp_path / "points.part", plan_of(tmp_path)):
        pass
    assert not (tmp_path / "points.part").exists()


def test_two_sweeps_do_not_write_one_journal(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    with Journal(tmp_path / "points.part", plan), pytest.raises(OutputError, match="under way"):
        Journal(tmp_path / "points.part", plan)


EDITS: dict[str, Any] = {
    "another number": lambda entry: entry.__setitem__(0, 2),
    "no point of the plan": lambda entry: entry.__setitem__(0, 99),
    "a number below 0": lambda entry: entry.__setitem__(0, -1),
    "other values": lambda entry: entry[2].update(values=["7"]),
    "two values": lambda entry: entry[2].update(values=["0.3", "7"]),
    "a failure": lambda entry: entry[2].update(failure="none"),
    "no verdict": lambda entry: entry[2].update(verdict=None),
    "no curves": lambda entry: entry[2].update(curves=None),
    "a shorter curve": lambda entry: entry[2]["curves"]["gradient"].pop(),
    "a label that nobody knows": lambda entry: entry[2]["verdict"]["forward"].update(label="fine"),
    "an unknown key": lambda entry: entry[2].update(more=1),
    "a file that is not there": lambda entry: entry[1].update({"w.npz": "0" * 32}),
    "a file without a digest": lambda entry: entry[1].update({"w.npz": ""}),
    "a name that is none": lambda entry: entry[1].update({"\0": "0" * 32}),
}


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("name", EDITS)
def test_an_edited_entry_is_passed_over_and_the_others_are_kept(
    name: str, signed: bool, tmp_path: Path, line: Sweep
) -> None:
    plan, place = plan_of(tmp_path), tmp_path / "points.part"
    fill(place, plan, line, 1, 3)
    head, entry, last = place.read_bytes().splitlines(keepends=True)
    plain = json.loads(entry.partition(b" ")[2])
    EDITS[name](plain)
    body = json.dumps(plain).encode()
    with Journal(tmp_path / "other.part", plan) as journal:
        signature = journal._sign(body) if signed else entry.partition(b" ")[0]
    place.write_bytes(head + signature + b" " + body + b"\n" + last)
    with Journal(place, plan) as journal:
        assert sorted(journal.points) == [3]
        assert journal.count_kept() == 1
        assert sweep_points(plan, executor=Here(), journal=journal) == line
    with Journal(place, plan) as journal:
        assert sorted(journal.points) == list(range(7))


@pytest.mark.parametrize("content", [b"the only copy of something\n", b"varprobe sweep 0123456789ab\n", b"\0" * 99])
def test_a_file_that_is_no_journal_of_this_sweep_is_left_alone(content: bytes, tmp_path: Path) -> None:
    place = tmp_path / "points.part"
    place.write_bytes(content)
    with pytest.raises(OutputError, match="no journal of this sweep") as raised:
        varprobe.sweep(CONFIG, {"probe.seed": [1]}, executor=Here(), journal=place)
    assert raised.value.hint
    assert place.read_bytes() == content


@pytest.mark.parametrize("kind", ["link", "link to nothing", "second name", "pipe", "folder", "device"])
def test_a_journal_is_an_ordinary_file_of_its_own(kind: str, tmp_path: Path) -> None:
    place, other = tmp_path / "points.part", tmp_path / "precious"
    other.write_text("the only copy")
    match kind:
        case "link":
            place.symlink_to(other)
        case "link to nothing":
            place.symlink_to(tmp_path / "nothing")
        case "second name":
            os.link(other, place)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "device":
            place = Path("/dev/null")
    with pytest.raises(OutputError, match="is a link, or no ordinary file"):
        Journal(place, plan_of(tmp_path))
    assert other.read_text() == "the only copy"
    assert not (tmp_path / "nothing").exists()


def test_another_sweep_has_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path)
    prints = [plan.fingerprint, plan_sweep(plan.config, (), [parse_axis("defaults.init.gain=0.3:3:8")]).fingerprint]
    edits = [parse_assignment("probe.trials=5")]
    prints.append(plan_sweep(plan.config, edits, plan.axes).fingerprint)
    assert plan_of(tmp_path).fingerprint == plan.fingerprint
    for name, other in (("__version__", "9"), ("SWEEP_VERSION", 99)):
        with monkeypatch.context() as changed:
            changed.setattr(f"varprobe.sweeps.plan.{name}", other)
            prints.append(plan_of(tmp_path).fingerprint)
    with monkeypatch.context() as changed:  # another processor, whose last bits differ
        changed.setattr("threadpoolctl.threadpool_info", lambda: [])
        prints.append(plan_of(tmp_path).fingerprint)
    assert len(set(prints)) == len(prints) == 6


GIVEN = "{name: file, path: w.npz, key: W}"


@pytest.mark.parametrize(
    ("config", "axis", "again"),
    [
        ({"layers": [{"dense": {"width": 16, "init": {"name": "file", "path": "w.npz"}}}]}, "probe.seed=1,2", 2),
        ({}, f"defaults.init=he,{GIVEN},small", 1),
        ({"input": {"features": 16, "distribution": "file", "path": "x.csv"}}, "probe.seed=1,2", 2),
        ({"layers": [{"dense": {"width": 16, "init": "he"}}]}, f"defaults.init=he,{GIVEN}", 0),  # nobody reads it
    ],
)
def test_a_point_that_read_a_file_that_has_changed_is_measured_again(
    config: dict[str, Any], axis: str, again: int, tmp_path: Path
) -> None:
    def write(scale: float) -> None:
        np.savez(tmp_path / "w.npz", W=np.eye(16) * scale)
        rows = [",".join(f"{scale * (row - column)}" for column in range(16)) for row in range(8)]
        (tmp_path / "x.csv").write_text("\n".join(rows) + "\n")

    def run(executor: Executor) -> Sweep:
        plan = plan_sweep(read_config(tmp_path / "net.json"), (), [parse_axis(axis)])
        with Journal(tmp_path / "points.part", plan) as journal:
            return sweep_points(plan, executor=executor, journal=journal)

    (tmp_path / "net.json").write_text(json.dumps({**CONFIG, **config}))
    write(1.0)
    first, counting = run(Here()), Counting()
    assert run(counting) == first
    assert not counting.values
    write(2.0)
    found = run(counting)
    assert len(counting.values) == again
    (tmp_path / "points.part").unlink()
    assert run(Here()) == found
    assert (found != first) == bool(again)


def test_a_file_that_changes_under_way_ends_the_sweep_and_what_read_it_is_measured_again(tmp_path: Path) -> None:
    given = {**CONFIG, "defaults": {"init": {"name": "file", "path": "w.npz"}}}
    (tmp_path / "net.json").write_text(json.dumps(given))
    np.savez(tmp_path / "w.npz", W=np.eye(16))

    class Changing(Here):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            if args[0].values == ("2",):
                np.savez(tmp_path / "w.npz", W=np.eye(16) * 2)
            return super().submit(fn, *args, **kwargs)

    plan = plan_sweep(read_config(tmp_path / "net.json"), (), [parse_axis("probe.seed=1,2")])
    with Journal(tmp_path / "points.part", plan) as journal, pytest.raises(InputFileError, match="has changed"):
        sweep_points(plan, executor=Changing(), journal=journal)
    with Journal(tmp_path / "points.part", plan) as journal:
        found = sweep_points(plan, executor=Here(), journal=journal)
    assert found == sweep_points(plan, executor=Here())


@pytest.mark.parametrize("path", ["/dev/zero", "pipe", "nul\0"])
def test_a_path_that_no_point_reads_is_not_opened(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    unused = {**CONFIG, "layers": [{"dense": {"width": 16, "init": "he"}}]}
    unused["defaults"] = {"init": {"name": "file", "path": path}}
    (tmp_path / "net.json").write_text(json.dumps(unused))
    run = tool("net.json", "--vary", "probe.seed=1,2", folder=tmp_path)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, "")


def test_a_folder_for_reports_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(TEXT)
    (tmp_path / "reports").mkdir()
    run = tool("net.json", "--vary", "probe.seed=1,2", folder=tmp_path)
    assert (run.communicate()[1], run.returncode) == ("", 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "reports"]


def tool(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "varprobe", "sweep", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


SLOW = {
    **CONFIG,
    "input": {"features": 64},
    "layers": [{"dense": 64, "repeat": 20}],
    "probe": {"batch": 64, "trials": 10},
}
AXES = ("--vary", "defaults.init.gain=0.5:2:8", "--vary", "layers.0.repeat=10,20")


@pytest.fixture(scope="module")
def never_ended(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The stored sweep of SLOW along AXES."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "net.json").write_text(json.dumps(SLOW))
    whole = tool("net.json", *AXES, "-o", "whole.json", folder=folder)
    whole.communicate()
    assert whole.returncode == 0
    return (folder / "whole.json").read_bytes()


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_ended_goes_on_where_it_was(by: signal.Signals, never_ended: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(json.dumps(SLOW))
    first = tool("net.json", *AXES, "-o", "cut.json", folder=tmp_path)
    deadline = time.monotonic() + 60
    while not (held := _lines(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(by)
    _, errors = first.communicate()
    assert first.returncode == (-by if by == signal.SIGKILL else 128 + by)
    assert "Traceback" not in errors
    if by != signal.SIGKILL:
        kept = re.fullmatch(r"varprobe: stopped; (\d+) of 16 points kept; the same command goes on\n", errors)
        assert kept, errors
        assert held <= int(kept[1]) <= _lines(tmp_path)
    assert not (tmp_path / "cut.json").exists()
    assert _lines(tmp_path) >= held > 0
    again = tool("net.json", *AXES, "-o", "cut.json", folder=tmp_path)
    _, errors = again.communicate()
    assert again.returncode == 0
    assert f": {_points(errors)} point" in errors
    assert _points(errors) >= held
    assert (tmp_path / "cut.json").read_bytes() == never_ended
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.json", "net.json"]


def _lines(folder: Path) -> int:
    """Points that are on the disk; a journal's first line is not one."""
    return sum(max(0, path.read_bytes().count(b"\n") - 1) for path in folder.glob("cut.json.*.part"))


def _points(message: str) -> int:
    return int(message.split(".part: ")[1].split()[0])


@pytest.mark.parametrize("command", ["true", "| head -n 1"])
def test_a_sweep_without_files_leaves_nothing_behind(command: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(TEXT)
    pipe = command if command.startswith("|") else ""
    line = f"{sys.executable} -m varprobe sweep net.json --vary probe.seed=1:60:60 --trials 2 --quiet {pipe}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("net: 60 points")
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


# --- storage ---


def test_a_sweep_survives_its_json(line: Sweep, plane: Sweep) -> None:
    for sweep in (line, plane):
        text = render_json(sweep)
        assert from_json(text.encode(), "sweep.json") == sweep
        jsonschema.validate(json.loads(text), json_schema("sweep"))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda body: body["points"].pop(), "6 points where its axes make 7"),
        (lambda body: body.pop("axes"), "required"),
        (lambda body: body.update(sweep_version=99), "version 99"),
        (lambda body: body.update(more=1), "more"),
    ],
)
def test_a_damaged_sweep_is_refused(line: Sweep, damage: Any, word: str, tmp_path: Path) -> None:
    body = json.loads(render_json(line))
    damage(body)
    with pytest.raises(InputFileError) as raised:
        from_json(json.dumps(body).encode(), "sweep.json")
    assert word in str(raised.value)
    (tmp_path / "sweep.json").write_text(json.dumps(body))
    done = subprocess.run(
        [sys.executable, "-m", "varprobe", "show", "sweep.json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_every_format_is_made_from_a_stored_sweep(plane: Sweep, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(render_json(plane))
    targets = [part for suffix in RESULTS["sweep"].formats for part in ("-o", f"again{suffix}")]
    command = [sys.executable, "-m", "varprobe", "show", "sweep.json", *targets]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for suffix in RESULTS["sweep"].formats:
        content = render(plane, suffix)
        expected = content.encode() if isinstance(content, str) else content
        assert (tmp_path / f"again{suffix}").read_bytes() == expected
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "sweep.json").read_bytes()


# --- text ---


def printed(sweep: Sweep, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False, markup=False)
    print_sweep(sweep, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO


def test_one_axis_is_a_line_a_point(line: Sweep) -> None:
    text = printed(line)
    assert all(len(each) <= 80 for each in text.splitlines())
    for point in line.points:
        assert point.verdict is not None
        (row,) = [each for each in text.splitlines() if each.split()[:1] == list(point.values)]
        assert point.verdict.forward.label in row
        assert point.verdict.backward.label in row
        assert point.verdict.signal.label in row


def test_a_long_axis_folds_what_is_alike_and_ends_with_where_each_label_holds() -> None:
    found = swept("probe.seed=1:30:30", layers=[{"dense": 4}], probe={"batch": 2, "trials": 2})
    verdict = replace(found.points[0].verdict, overall="stable")  # type: ignore[type-var]  # it was measured
    good, bad = (replace(point, verdict=verdict) for point in found.points[:2])
    bad = replace(bad, verdict=replace(verdict, overall="vanishing", forward=DirectionVerdict("vanishing")))
    labels = [bad] * 10 + [good] * 12 + [bad] * 8
    points = tuple(replace(one, values=point.values) for one, point in zip(labels, found.points, strict=True))
    lines = printed(replace(found, points=points)).splitlines()
    assert [line.split()[0] for line in lines[4:-3]] == ["1", "...", "10", "11", "...", "22", "23", "...", "30"]
    assert [line.split()[1:] for line in lines if line.split()[:1] == ["..."]] == [
        [amount, "more", "alike"] for amount in ("8", "10", "6")
    ]
    assert lines[-2:] == ["vanishing: seed 1 to 10, 23 to 30 (18 points)", "stable: seed 11 to 22 (12 points)"]


@pytest.mark.parametrize("width", [80, 14])
def test_two_axes_are_a_map_of_letters(plane: Sweep, width: int) -> None:
    rows = [row for row in letter_map(plane, width) if " |" in row]
    for place, row in enumerate(rows):
        column = len(rows) - 1 - place
        points = [plane.points[i * 3 + column] for i in range(6)]
        assert row.split("|")[1].replace(" ", "") == "".join(LETTERS[p.verdict.overall] for p in points if p.verdict)
        assert row.split("|")[0].strip() == plane.axes[1].values[column]


def test_a_map_that_is_too_wide_leaves_columns_out() -> None:
    found = swept("probe.seed=1:30:30", "probe.trials=2,3", layers=[{"dense": 4}], probe={"batch": 2})
    lines = letter_map(found, 20)
    assert max(map(len, lines[1:4])) <= 20
    assert "(one value in 2)" in "\n".join(lines)


def test_csv_and_markdown_have_a_row_a_point(plane: Sweep) -> None:
    rows = list(csv.DictReader(io.StringIO(str(render(plane, ".csv")))))
    assert len(rows) == len(plane.points)
    for row, point in zip(rows, plane.points, strict=True):
        assert (row["defaults.init.gain"], row["layers.0.repeat"]) == point.values
        assert point.verdict is not None
        assert point.prediction is not None
        assert float(row["backward.rate"]) == point.verdict.backward.rate
        assert float(row["theory.chi1"]) == point.prediction.chi1
    table = [each for each in str(render(plane, ".md")).splitlines() if each.startswith("| ")]
    assert len(table) == len(plane.points) + 1


# --- pictures ---


def test_curves_and_verdicts_of_one_axis_are_the_sweep_s(line: Sweep) -> None:
    changes, strip, rates, depths = draw_sweep(line).axes
    lines = {str(each.get_label()): each for each in rates.lines}
    verdicts = [point.verdict for point in line.points if point.verdict]
    for name in ("forward", "backward"):
        curve = lines[f"{name} rate"]
        assert list(curve.get_xdata()) == pytest.approx([float(point.values[0]) for point in line.points])
        assert list(curve.get_ydata()) == pytest.approx([getattr(one, name).rate for one in verdicts])
    theory = next(each for label, each in lines.items() if label.startswith("theory"))
    assert list(theory.get_ydata()) == pytest.approx([p.prediction.chi1 for p in line.points if p.prediction])
    assert [text.get_text() for text in strip.texts[:7]] == [LETTERS[one.overall] for one in verdicts]
    assert any("6 xi" in str(each.get_label()) for each in depths.lines)
    totals = {str(each.get_label()): each for each in changes.lines}
    for name in ("forward", "backward"):
        assert list(totals[name].get_ydata()) == pytest.approx([getattr(one, name).total_log10 for one in verdicts])


def test_a_sweep_s_stable_points_look_flat() -> None:
    calm = swept("defaults.init.gain=1:1.1:4")
    changes, _, rates, _ = draw_sweep(calm).axes
    assert changes.get_ylim() == pytest.approx((-3.15, 3.15))
    assert rates.get_ylim()[0] <= 0.5
    assert rates.get_ylim()[1] >= 2
    band = changes.patches[0].get_extents().transformed(changes.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((-2.0, 2.0))
    (forward, *_) = draw_sweep(swept("defaults.init.gain=1:1.1:4", "layers.0.repeat=4,8")).axes[0].collections
    assert (forward.norm.vmin, forward.norm.vmax) == pytest.approx((0.5, 2.0))


def test_maps_of_two_axes_are_the_sweep_s(plane: Sweep) -> None:
    forward, backward, verdict, _depth = draw_sweep(plane).axes[:4]
    for axes, name in ((forward, "forward"), (backward, "backward")):
        shown = np.asarray(axes.collections[0].get_array()).reshape(3, 6)
        rates = [getattr(point.verdict, name).rate for point in plane.points]
        assert shown.T.ravel() == pytest.approx(rates)
    letters = [text.get_text() for text in verdict.texts]
    assert letters == [LETTERS[point.verdict.overall] for point in plane.points if point.verdict]


def _theory_lines(drawn: Figure) -> dict[str, Line2D]:
    return {str(each.get_label()): each for each in drawn.axes[0].lines}


def test_theory_s_line_lies_where_chi1_is_one(plane: Sweep) -> None:
    line = next(each for words, each in _theory_lines(draw_sweep(plane)).items() if "chi1 = 1" in words)
    # Where ln chi1, which does not depend on depth, passes 0 between two of the sweep's points.
    logs = [math.log(p.prediction.chi1) for p in plane.points[::3] if p.prediction and p.prediction.chi1]
    place = np.interp(0.0, logs, [float(value) for value in plane.axes[0].values])
    assert 1.0 <= place < 1.13  # tanh's edge of chaos is at gain 1, and chi1 stays near 1 beyond
    assert list(line.get_xdata()) == pytest.approx([place] * 3, abs=1e-6)
    assert list(line.get_ydata()) == [4.0, 8.0, 16.0]


def test_a_phase_diagram_has_no_detour_at_zero_bias_and_no_line_in_the_chaotic_phase() -> None:
    init = {"name": "mean_field", "sw": 1.0, "sb": 0.0}
    spread, bias = "defaults.init.sw=0.6:3:13", "defaults.init.sb=0:1:6"
    drawn = draw_sweep(swept(spread, bias, defaults={"activation": "tanh", "init": init}))
    lines = _theory_lines(drawn)
    assert len(lines) == 2
    for words, line in lines.items():
        x, y = np.array(line.get_xdata()), np.array(line.get_ydata())
        # At zero bias tanh's edge is at exactly 1; both lines rise to the right, a point a row, none between rows.
        assert list(y) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
        assert (np.diff(x) > 0).all()
        assert x[0] == pytest.approx(1.0, abs=1e-6) if "chi1" in words else x[0] < 1.0
    edge, reached = (next(each for words, each in lines.items() if part in words) for part in ("chi1", "6 xi"))
    assert (np.array(reached.get_xdata()) < np.array(edge.get_xdata())).all()
    # The other way round it is the same line.
    turned = _theory_lines(draw_sweep(swept(bias, spread, defaults={"activation": "tanh", "init": init})))
    for words, line in turned.items():
        assert list(line.get_ydata()) == pytest.approx(list(lines[words].get_xdata()))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("defaults.init.gain", "weight gain"),
        ("defaults.init", "initialiser"),
        ("defaults.activation", "activation"),
        ("layers.0.repeat", "depth"),
        ("layers[0].repeat", "depth"),
        ("layers[0].dense", "width"),
        ("layers[0].dense.init.sw", "weight spread sigma_w"),
        ("input.std", "input standard deviation"),
        ("probe.batch", "batch size"),
        ("defaults.activation.power_of_all", "activation power of all"),
        ("probe.unheard_of", "probe unheard of"),
    ],
)
def test_settings_are_told_in_words(line: Sweep, path: str, words: str) -> None:
    assert setting_words(line, Axis(path, ("1", "2"))) == words


def test_a_layer_among_several_is_told_with_its_place(line: Sweep) -> None:
    layers = [{"dense": 8}, {"dense": 8, "repeat": 5}, {"residual": {"layers": [{"dense": 8}]}}]
    several = replace(line, spec={**line.spec, "layers": layers})
    for path, words in (
        ("layers[1].repeat", "depth"),
        ("layers[0].dense", "width of layers[0]"),
        ("layers.2.residual.layers.0.dense.width", "width of layers[2][0]"),
    ):
        assert setting_words(several, Axis(path, ("1", "2"))) == words
    layers[2]["repeat"] = 3
    assert setting_words(several, Axis("layers[1].repeat", ("1", "2"))) == "repeats of layers[1]"


def test_a_setting_of_the_config_s_own_keys_stands_on_the_axes(plane: Sweep, line: Sweep) -> None:
    for axes in draw_sweep(plane).axes[:4]:
        assert (axes.get_xlabel() or "weight gain", axes.get_ylabel()) == ("weight gain", "depth")
    assert draw_sweep(line).axes[1].get_xlabel() == "weight gain"


@pytest.mark.parametrize("axes", [1, 2])
def test_from_the_last_row_all_words_of_a_sweep_can_be_read(line: Sweep, plane: Sweep, axes: int) -> None:
    with house_style():
        drawn = draw_sweep(line if axes == 1 else plane)
        FigureCanvasAgg(drawn).draw()
    sizes = [text.get_fontsize() for text in drawn.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert (drawn.get_figwidth(), drawn.get_figheight()) == (12.8, 7.2)
    assert min(sizes) * 100 / 72 >= 14


NAMED = ("defaults.activation=tanh,relu,gelu", "defaults.init={name: xavier, gain: 1.1},{name: xavier, gain: 1.2},he")


def test_names_have_nothing_between_them() -> None:
    drawn = draw_sweep(swept(*NAMED))
    assert not [each for axes in drawn.axes for each in axes.lines]
    rates = draw_sweep(swept("defaults.init=small,xavier,he")).axes[0]
    intervals = [path.vertices for each in rates.collections for path in each.get_paths()]
    assert intervals
    assert all(np.ptp(vertices[:, 0]) == 0 for vertices in intervals)


@pytest.mark.parametrize("axes", [NAMED, NAMED[::-1], NAMED[:1], NAMED[1:]])
def test_names_of_values_stand_within_the_picture_and_off_each_other(axes: tuple[str, ...]) -> None:
    drawn = draw_sweep(swept(*axes))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    for one in drawn.axes[:4]:
        boxes = [tick.get_window_extent(canvas.get_renderer()) for tick in one.get_yticklabels() if tick.get_text()]
        boxes += [one.yaxis.label.get_window_extent(canvas.get_renderer())]
        assert min(box.x0 for box in boxes) >= 0
        others = [other.get_tightbbox(canvas.get_renderer()) for other in drawn.axes if other is not one]
        if len(axes) > 1:
            assert not any(box.width and box.overlaps(other) for box in boxes for other in others)
    shown = [tick.get_text() for one in drawn.axes for tick in (*one.get_xticklabels(), *one.get_yticklabels())]
    for axis in axes:
        for value in parse_axis(axis).values:
            assert value in shown


def test_a_title_lists_names_and_gives_the_ends_of_numbers() -> None:
    title = sweep_title(swept("defaults.activation=tanh,relu,gelu", "defaults.init.gain=1,1.5,2"))
    assert title == "net: 9 points over defaults.activation (tanh, relu, gelu) and defaults.init.gain (1 to 2)"


@pytest.mark.parametrize("axes", [("defaults.init=small,large",), ("defaults.init=small,he", "probe.trials=1,2"),
                                  ("layers.0.repeat=1,2",), ("defaults.init.gain=0,1",),
                                  ("defaults.init.gain=1,2", "layers.0.repeat=1,2,3")])  # fmt: skip
def test_every_sweep_has_a_picture_and_a_page(axes: tuple[str, ...]) -> None:
    found = swept(*axes)
    assert render(found, ".png").startswith(b"\x89PNG")  # type: ignore[arg-type]
    ElementTree.fromstring(str(render(found, ".svg"), "utf-8"))  # type: ignore[arg-type]
    assert "</html>" in str(render(found, ".html"))


def test_points_run_where_measure_point_says() -> None:
    config = read_config_text(TEXT)
    point = measure_point(Task(config, (), ("x",), 1)).point
    assert point.values == ("x",)
    assert not point.failure


def read_config_text(text: str) -> Any:
    from varprobe.config.loading import ConfigText

    return ConfigText(text, "net", Path(), "net")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--vary", "defaults.init=he,nope"], "nope"),
        (["--vary", "defaults.init.gain=1:2"], "gain"),
        (["--vary", "layers.0.repeat=1:3:3", "-o", "sweep.yaml"], ".json"),
        (["--vary", "layers.0.repeat=1:3:3", "--lesson"], "--lesson"),
        ([], "vary"),
    ],
)  # fmt: skip
def test_mistakes_end_with_one_message(arguments: list[str], word: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(TEXT)
    done = tool("net.json", *arguments, folder=tmp_path)
    _, errors = done.communicate()
    assert done.returncode == 2
    assert word in errors
    assert "hint: " in errors
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]


IMPATIENT = """
import sys
from varprobe.cli.main import run
from varprobe.sweeps import cluster
cluster._PATIENCE = "0.2s"
sys.exit(run(sys.argv[1:]))
"""


def test_a_cluster_that_does_not_answer_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(TEXT)
    command = [sys.executable, "-c", IMPATIENT, "sweep", "net.json", "--vary", "layers.0.repeat=1:3:3"]
    command += ["--cluster", "tcp://127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("varprobe: --cluster: no scheduler answers at tcp://127.0.0.1:1: ")
    assert "\n  hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.json"]
