"""The tool as its users see it: whole outputs, streams, files and exit codes."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from golden import Said
from ruamel.yaml import YAML

from varprobe.audit.findings import AUDIT_FINDINGS
from varprobe.cli.main import run as run_command
from varprobe.network.activations import ACTIVATIONS
from varprobe.network.initializers import INITIALIZERS
from varprobe.network.layer_kinds import LAYER_KINDS
from varprobe.results.store import from_plain, load_report, to_dict
from varprobe.verdict.findings import FINDINGS
from varprobe.version import __version__

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
TABLES = {
    "activations": tuple(ACTIVATIONS),
    "initializers": tuple(INITIALIZERS),
    "layers": tuple(LAYER_KINDS),
    "findings": (*FINDINGS, *AUDIT_FINDINGS),
}
SMALL = """\
name: tiny
input: {features: 8}
defaults: {activation: tanh, init: xavier}
layers:
  - dense: 8
    repeat: 4
probe: {batch: 16, trials: 3}
expect: {forward: stable, backward: vanishing}
"""
# Some minutes of work, so that a signal always finds it running.
LONG = "input: {features: 256}\nlayers: [{dense: 256, repeat: 100}]\nprobe: {batch: 128, trials: 5000}\n"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what changes how text looks."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM", "PYTHONIOENCODING")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8", **changes}


def varprobe(*arguments: str, cwd: Path, stdin: str = "", **changes: str) -> Done:
    """The tool in its own process, with pipes."""
    command = [sys.executable, "-m", "varprobe", *arguments]
    done = subprocess.run(
        command, cwd=cwd, input=stdin.encode(), capture_output=True, env=environment(**changes), timeout=30
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small config in it."""
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tool(here: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The tool inside this process; gives how it ended."""

    def call(*arguments: str) -> Done:
        code = run_command(list(arguments))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def without_seconds(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "provenance": {**report["provenance"], "seconds": 0.0}}


def plain_seconds(text: str) -> str:
    return re.sub(r"\d+\.\d\d s$", "0.00 s", text, count=1, flags=re.MULTILINE)


def terminal(*arguments: str, cwd: Path, **changes: str) -> tuple[int, str, str]:
    """The tool with pseudo-terminals as stdout and stderr; gives its code and what it wrote to each."""
    pairs = [pty.openpty() for _ in range(2)]
    process = subprocess.Popen(
        [sys.executable, "-m", "varprobe", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=pairs[0][1],
        stderr=pairs[1][1],
        cwd=cwd,
        env=environment(**{"TERM": "xterm", **changes}),
    )
    for _, child in pairs:
        os.close(child)
    # The report fits into the terminal's buffer; the bar is short.
    written = [b"", b""]
    for number in (1, 0):
        with contextlib.suppress(OSError):
            while chunk := os.read(pairs[number][0], 65536):
                written[number] += chunk
        os.close(pairs[number][0])
    return process.wait(timeout=30), written[0].decode(), written[1].decode()


# --- run: what is printed -------------------------------------------------------------------------------------------


def test_a_run_prints_header_table_and_verdict_and_nothing_else(here: Path) -> None:
    done = varprobe("run", "small.yaml", cwd=here)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "tiny: 4 dense layers, width 8"
    assert re.fullmatch(r"explicit engine, 3 trials of batch 16, float32, seed 0, \d+\.\d\d s", lines[1])
    assert lines[3].split() == ["typical", "draw:", "activation", "│", "theory", "gradient", "│", "theory"]
    assert lines[4].split() == ["#", "layer", "width", *(2 * ["variance", "0.001", "1", "1000"])]
    assert [line.split()[:3] for line in lines[5:9]] == [[str(i), f"dense{i}", "8"] for i in range(1, 5)]
    assert lines[2] == lines[9] == ""
    assert any(re.match(r"expected activations stable: ", line) for line in lines)
    verdict = lines[len(lines) - lines[::-1].index("") :]
    assert re.match(r"\w+( \((\d+ (error|warning|note)s?(, )?)+\))?$", verdict[0])
    started = [re.match(r"(\w+): |-> |  \S", line) for line in verdict[1:]]
    assert all(started)
    assert [one[1] for one in started if one and one[1]] == ["activations", "gradient", "signal"]


def test_a_pipe_gets_plain_text_of_at_most_80_columns(tool: Any, here: Path) -> None:
    long_name = "a network with a name that goes on and on " * 4
    widths = (
        "[{dense: 1000}, {dense: 1, name: a layer with a very long name}, {dense: 120000}, {norm: layer}, {dense: 1}]"
    )
    text = (
        f"name: {long_name}\ninput: {{features: 1, std: 1.0e+20}}\nlayers: {widths}\nprobe: {{batch: 2, trials: 2}}\n"
    )
    (here / "wide.yaml").write_text(text)
    for config in ("small.yaml", "wide.yaml"):
        done = tool("run", config)
        assert (done.code, done.err) == (0, "")
        assert "\x1b" not in done.out
        assert "\r" not in done.out
        assert max(len(line) for line in done.out.splitlines()) <= 80
    assert "widths 1 to 120,000" in done.out
    assert "120,000 " in done.out


def test_a_stream_that_knows_only_ascii_gets_ascii(here: Path) -> None:
    name = "name: a layer with a very long name"
    (here / "names.yaml").write_text(
        SMALL.replace("name: tiny", "name: schön").replace("repeat: 4", f"repeat: 4\n    {name}")
    )
    for config in ("small.yaml", "names.yaml"):
        done = varprobe("run", config, cwd=here, PYTHONIOENCODING="ascii")
        assert (done.code, done.err) == (0, "")
        assert done.out.isascii()


def test_a_terminal_gets_colour_and_no_color_takes_it_away(here: Path) -> None:
    code, out, err = terminal("run", "small.yaml", cwd=here)
    assert (code, err) == (0, "")
    assert re.search(r"\x1b\[[0-9;]*3[123]", out)
    code, out, err = terminal("run", "small.yaml", cwd=here, NO_COLOR="1")
    assert (code, err) == (0, "")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", out)


def test_a_long_run_shows_a_bar_on_the_error_stream_unless_quiet(here: Path) -> None:
    slow = here / "slow.yaml"
    slow.write_text(
        "name: slow\ninput: {features: 64}\nlayers: [{dense: 64, repeat: 60}]\nprobe: {batch: 128, trials: 160}\n"
    )
    code, out, err = terminal("run", "slow.yaml", "--threads", "1", cwd=here)
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)
    found = re.findall(r"slow [^\r]*% *(\d+)/(\d+) layer passes, \d+:\d\d:\d\d left", plain)
    assert len(found) > 3
    passed = [int(done) for done, _ in found]
    assert passed == sorted(passed)
    assert 0 < passed[0] < passed[-1] <= int(found[0][1])
    assert "layer passes" not in out
    assert terminal("run", "slow.yaml", "--quiet", "--threads", "1", cwd=here)[2] == ""


def test_long_networks_are_folded_unless_all_is_given(tool: Any) -> None:
    folded = tool("run", "small.yaml", "--set", "layers.0.repeat=40").out
    every = tool("run", "small.yaml", "--set", "layers.0.repeat=40", "--all").out
    rows = re.compile(r"^ *\d+ dense\d+", re.MULTILINE)
    assert len(rows.findall(every)) == 40
    assert "..." not in every
    left_out = sum(int(number) for number in re.findall(r"\.\.\. (\d+) more", folded))
    assert left_out > 0
    assert len(rows.findall(folded)) + left_out == 40


# --- files ----------------------------------------------------------------------------------------------------------


def test_every_format_is_written_at_once_and_remade_from_the_json(tool: Any, here: Path) -> None:
    measured = tool("run", "small.yaml", "-o", "r.json", "-o", "r.csv", "--output", "r.md")
    assert (measured.code, measured.err) == (0, "")
    assert sorted(path.name for path in here.iterdir()) == ["r.csv", "r.json", "r.md", "small.yaml"]
    shown = tool("show", "r.json", "-o", "s.json", "-o", "s.csv", "-o", "s.md")
    assert shown == measured
    for suffix in ("json", "csv", "md"):
        assert (here / f"s.{suffix}").read_bytes() == (here / f"r.{suffix}").read_bytes()
    rows = csv.DictReader((here / "r.csv").read_text().splitlines())
    assert [row["name"] for row in rows] == ["dense1", "dense2", "dense3", "dense4"]
    assert (here / "r.md").read_text().startswith("# tiny: 4 dense layers, width 8\n")
    assert tool("show", "r.json", "--json").out == (here / "r.json").read_text()


def test_json_on_stdout_is_the_json_of_the_file(tool: Any, here: Path) -> None:
    printed = json.loads(tool("run", "small.yaml", "--json", "-o", "r.json").out)
    assert printed == json.loads((here / "r.json").read_text())
    again = json.loads(tool("run", "small.yaml", "--json").out)
    assert without_seconds(again) == without_seconds(printed)


def test_a_report_survives_the_round_trip_and_fits_its_schema(tool: Any, here: Path) -> None:
    tool("run", "small.yaml", "-o", "r.json", "--set", "layers[0]={block: [{dense: 8}, {norm: rms}, {dropout: 0.1}]}")
    report = load_report(here / "r.json")
    assert from_plain(to_dict(report), "r.json", "report") == report
    schema = json.loads(tool("schema", "report").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(to_dict(report), schema)


def keys(text: str) -> set[str]:
    return set(text.split())


def test_the_report_has_the_keys_that_others_rely_on(tool: Any) -> None:
    report = json.loads(tool("run", "small.yaml", "--json").out)
    assert keys(
        "schema_version name spec settings objective provenance layers verdict prediction formats expect"
    ) == set(report)
    assert keys("varprobe numpy python seed threads seconds") == set(report["provenance"])
    assert keys("kind output_gradient") == set(report["objective"])
    row = report["layers"][0]
    place = keys("index name kind path line repeat_index fan_in fan_out activation_function init engine weights")
    groups = keys("preactivation activation gradient activation_gradient weight_gradient predicted histogram")
    assert place | groups == set(row)
    signal = keys("mean second_moment variance sample_variance")
    assert signal == set(row["preactivation"])
    assert signal | keys("saturated dead max_abs effective_rank") == set(row["activation"])
    for group in ("gradient", "activation_gradient", "weight_gradient"):
        assert keys("second_moment variance") == set(row[group])
    assert keys("edges activation gradient activation_zeros gradient_zeros") == set(row["histogram"])
    assert keys("expected_std std") == set(row["weights"])
    bands = keys("second_moment second_moment_low second_moment_high gradient_second_moment gradient_low gradient_high")
    assert bands | keys("mean variance sample_variance chi1 deviation gradient_deviation") <= set(row["predicted"])
    tested = keys("activation_low activation_high activation_gradient_low activation_gradient_high")
    assert tested | keys("activation_deviation activation_gradient_deviation") <= set(row["predicted"])
    theory = keys("regime fixed_point chi1 xi_q xi_c xi_gradient trainable_depth")
    assert theory <= set(report["prediction"])
    estimate = row["activation"]["variance"]
    assert keys("mean typical low high log10_mean log10_typical trials") == set(estimate)
    assert len(estimate["trials"]) == 3
    verdict = report["verdict"]
    assert keys("overall forward backward signal findings head") == set(verdict)
    direction = keys("label total_log10 error_log10 spread_log10 mean_log10 lost grown deep_half_log10")
    direction |= keys("rate rate_low rate_high depth_scale")
    assert all(direction == set(verdict[name]) for name in ("forward", "backward", "signal"))
    assert keys("share low high") == set(verdict["forward"]["lost"])
    assert all(keys("code severity layer message remedy measured limit") == set(item) for item in verdict["findings"])


def named(schema: Any) -> set[str]:
    """Every key, choice and definition that a schema names; how it nests them differs between pydantic's versions."""
    if isinstance(schema, list):
        return {str(item) for item in schema if isinstance(item, str)}.union(*map(named, schema))
    if not isinstance(schema, dict):
        return set()
    own = {key for part in ("properties", "$defs") for key in schema.get(part, {})}
    return own.union({str(schema["const"])} if "const" in schema else set(), *map(named, schema.values()))


def test_the_shipped_schema_names_what_the_command_prints(tool: Any) -> None:
    printed = tool("schema").out
    assert printed == tool("schema", "config").out
    shipped = json.loads((ROOT / "configs" / "config.schema.json").read_text())
    assert named(shipped) - {"string", "number"} == named(json.loads(printed)) - {"string", "number"}


@pytest.mark.parametrize("source", ["shipped", "printed"])
def test_shipped_configs_fit_the_schema(source: str, tool: Any) -> None:
    shipped = (ROOT / "configs" / "config.schema.json").read_text()
    schema = json.loads(shipped if source == "shipped" else tool("schema").out)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert CONFIGS
    for path in CONFIGS:
        yaml = YAML(typ="safe", pure=True)
        validator.validate(yaml.load(path.read_text()))
    short = {"width": 4, "init": {"name": "he", "mode": "fan_out"}, "activation": {"name": "elu"}}
    assert validator.is_valid({"input": {"features": 4}, "layers": [{"dense": short}]})
    assert not validator.is_valid({"input": {"features": 4}, "layers": [{"dense": 4, "repaet": 2}]})
    assert not validator.is_valid({"input": {"features": 4}, "layers": [{"dense": "4"}]})


# --- the same again, and other settings -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_report_on_any_number_of_threads(tool: Any) -> None:
    one, again, two = (
        json.loads(tool("run", "small.yaml", "--json", "--threads", threads).out) for threads in ("1", "1", "2")
    )
    assert without_seconds(one) == without_seconds(again)
    assert one["layers"] == two["layers"]
    assert (one["provenance"]["threads"], two["provenance"]["threads"]) == (1, 2)


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (["--init", "he"], lambda r: [row["init"] for row in r["layers"]] == ["he"] * 4),
        (["--activation", "relu"], lambda r: [row["activation_function"] for row in r["layers"]] == ["relu"] * 4),
        (["--trials", "5"], lambda r: r["settings"]["trials"] == 5 == len(r["objective"]["output_gradient"]["trials"])),
        (["--batch", "7"], lambda r: r["settings"]["batch"] == 7),
        (["--seed", "9"], lambda r: r["settings"]["seed"] == 9 == r["provenance"]["seed"]),
        (["--engine", "explicit"], lambda r: r["settings"]["engine"] == "explicit"),
        (["--set", "layers.0.repeat=6"], lambda r: len(r["layers"]) == 6),
        (["--set", "layers[0].repeat=6"], lambda r: len(r["layers"]) == 6),
        (["--set", "defaults.init.gain=1.2"], lambda r: r["layers"][0]["init"] == "xavier(gain=1.2)"),
        (["--set", "layers.0.dense.activation=silu"], lambda r: r["layers"][0]["activation_function"] == "silu"),
        (["--set", "name=other"], lambda r: r["name"] == "other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_override_acts(tool: Any, options: list[str], seen: Any) -> None:
    plain = json.loads(tool("run", "small.yaml", "--json").out)
    changed = json.loads(tool("run", "small.yaml", "--json", *options).out)
    assert seen(changed)
    assert not seen(plain)
    if options[0] != "--engine" and options[-1] != "name=other":
        assert changed["layers"] != plain["layers"]


def test_standard_input_is_a_config_whose_files_count_from_the_working_folder(here: Path) -> None:
    np.save(here / "w.npy", np.eye(8))
    config = SMALL.replace("dense: 8", "dense: {width: 8, init: {name: file, path: w.npy}}").replace("name: tiny\n", "")
    done = varprobe("run", "-", cwd=here, stdin=config)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("stdin: 4 dense layers")
    broken = varprobe("run", "-", cwd=here, stdin=config.replace("w.npy", "v.npy"))
    assert broken.code == 2
    assert broken.err.startswith("varprobe: <stdin>:4:")


# --- the small commands ---------------------------------------------------------------------------------------------


def test_the_version_is_printed(here: Path) -> None:
    assert varprobe("--version", cwd=here) == Done(0, f"varprobe {__version__}\n", "")


@pytest.mark.parametrize("command", ["run", "show", "new", "list", "schema"])
def test_the_help_of_every_command_has_an_example(tool: Any, command: str) -> None:
    done = tool(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Example: varprobe {command}" in done.out
    assert f"  {command} " in tool("--help").out


def test_completion_names_the_commands(here: Path) -> None:
    done = varprobe(cwd=here, _VARPROBE_COMPLETE="complete_bash", COMP_WORDS="varprobe s", COMP_CWORD="1")
    assert (done.code, done.out.split()) == (0, ["show", "schema", "sweep"])


@pytest.mark.parametrize("table", sorted(TABLES))
def test_list_prints_every_entry_of_its_table_in_one_piece(tool: Any, table: str) -> None:
    done = tool("list", table)
    assert (done.code, done.err) == (0, "")
    assert max(len(line) for line in done.out.splitlines()) <= 80
    first = [re.split(r"[ (]", line)[0] for line in done.out.splitlines()]
    assert [name for name in TABLES[table] if name not in first] == []


def test_new_writes_a_config_that_runs_and_never_overwrites(tool: Any, here: Path, said: Said) -> None:
    done = tool("new", "mine")
    said(done.out.removesuffix("\n"))
    assert (done.code, done.out[-1], done.err) == (0, "\n", "")
    assert tool("run", "mine.yaml", "--trials", "2", "--batch", "4").code == 0
    text = (here / "mine.yaml").read_text()
    assert fails(tool("new", "mine.yaml")).startswith("varprobe: mine.yaml: exists already\n")
    assert (here / "mine.yaml").read_text() == text
    assert tool("new").code == 0
    assert (here / "network.yaml").is_file()


# --- the user's mistakes --------------------------------------------------------------------------------------------


def fails(done: Done, *parts: str) -> str:
    """CheckRun that a command ended as a mistake of the user's; gives the message."""
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("varprobe: ")
    assert "\n  hint: " in done.err
    assert "Traceback" not in done.err
    assert done.err.count("varprobe: ") == 1
    for part in parts:
        assert part in done.err
    return done.err


HEAD = "input: {features: 4}\nprobe: {batch: 4, trials: 2}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)
# The config, then what the message has to contain: place, field, and what else matters.
BAD_CONFIGS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "empty": ("", ("bad.yaml: ", "empty")),
    "blank": (" \n\n", ("bad.yaml: ", "empty")),
    "comments": ("# nothing\n", ("bad.yaml:1:1: ",)),
    "binary": (b"\x7fELF\0\0\1", ("bad.yaml: ", "binary")),
    "not-utf8": (b"name: a\nname: \xff\n", ("bad.yaml:2: ", "UTF-8")),
    "unparsable": ("input: {features: 4\nlayers: 3\n", ("bad.yaml:2:",)),
    "tab": ("input:\n\tfeatures: 4\n", ("bad.yaml:2:1: ", "tab")),
    "list-at-the-top": ("- dense: 4\n", ("bad.yaml:1:1: ", "a list")),
    "word-at-the-top": ("hello\n", ("bad.yaml:1:1: ", "mapping")),
    "duplicate-key": (
        f"{HEAD}layers: [{{dense: 4}}]\nlayers: [{{dense: 5}}]\n",
        ("bad.yaml:4:1: ", "'layers'", "line 3"),
    ),
    "two-documents": (f"{HEAD}layers: [{{dense: 4}}]\n---\na: 1\n", ("bad.yaml:4:1: ", "document")),
    "tag": (f"{HEAD}layers: !!python/object:os.system [x]\n", ("bad.yaml:3:9: ", "tag")),
    "bomb": (BOMB, ("bad.yaml:5:", "50,000")),
    "alias-of-itself": ("a: &a [*a]\n", ("bad.yaml:1:8: ", "*a")),
    "unknown-key": (
        f"{HEAD}layers: [{{dense: 4}}]\ndefualts: {{init: he}}\n",
        ("bad.yaml:4:", "defualts", "'defaults'"),
    ),
    "unknown-init": (f"{HEAD}layers: [{{dense: {{width: 4, init: xaiver}}}}]\n", ("layers[0].dense.init", "'xavier'")),
    "unknown-activation": (
        f"{HEAD}layers: [{{dense: 4}}, {{activation: rellu}}]\n",
        ("layers[1].activation", "'relu'"),
    ),
    "unknown-argument": (
        f"{HEAD}layers: [{{dense: {{width: 4, init: {{name: he, mood: fan_in}}}}}}]\n",
        ("dense.init.mood", "'mode'"),
    ),
    "no-layers": (HEAD, ("bad.yaml:1:1: layers: ", "required")),
    "empty-layers": (f"{HEAD}layers: []\n", ("bad.yaml:3:9: layers: ",)),
    "no-dense": (f"{HEAD}layers: [{{dropout: 0.5}}]\n", ("bad.yaml:3:9: layers: ", "no dense layer")),
    "two-kinds": (f"{HEAD}layers: [{{dense: 4, norm: layer}}]\n", ("layers[0].norm: ", "dense and norm")),
    "text-for-number": (f"{HEAD}layers: [{{dense: four}}]\n", ("bad.yaml:3:18: layers[0].dense.width: ", "'four'")),
    "quoted-number": (f"{HEAD}layers: [{{dense: '4'}}]\n", ("layers[0].dense.width: ", "without quotes")),
    "underscores": (f"{HEAD}layers: [{{dense: 1_000}}]\n", ("layers[0].dense.width: ", "1000")),
    "leading-zero": (f"{HEAD}layers: [{{dense: 012}}]\n", ("layers[0].dense.width: ", "write 12")),
    "bool-for-number": (f"{HEAD}layers: [{{dense: true}}]\n", ("layers[0].dense.width: ", "true")),
    "list-for-number": (f"{HEAD}layers: [{{dense: [4]}}]\n", ("layers[0].dense.width: ", "a list")),
    "fraction": (f"{HEAD}layers: [{{dense: 4.5}}]\n", ("layers[0].dense.width: ", "4.5")),
    "zero-width": (f"{HEAD}layers: [{{dense: 0}}]\n", ("layers[0].dense.width: ", "at least 1")),
    "negative-width": (f"{HEAD}layers: [{{dense: -4}}]\n", ("layers[0].dense.width: ", "at least 1")),
    "absurd-width": (f"{HEAD}layers: [{{dense: {10**30}}}]\n", ("layers[0].dense.width: ", "at most 100,000,000")),
    "nan-width": (f"{HEAD}layers: [{{dense: .nan}}]\n", ("layers[0].dense.width: ", "nan")),
    "zero-features": ("input: {features: 0}\nlayers: [{dense: 4}]\n", ("bad.yaml:1:19: input.features: ",)),
    "nan-mean": ("input: {features: 4, mean: .nan}\nlayers: [{dense: 4}]\n", ("input.mean: ", "finite", "nan")),
    "infinite-std": ("input: {features: 4, std: .inf}\nlayers: [{dense: 4}]\n", ("input.std: ", "finite", "inf")),
    "negative-std": ("input: {features: 4, std: -1}\nlayers: [{dense: 4}]\n", ("input.std: ", "at least 0")),
    "zero-trials": (
        "input: {features: 4}\nlayers: [{dense: 4}]\nprobe: {trials: 0}\n",
        ("bad.yaml:3:17: probe.trials: ",),
    ),
    "negative-batch": ("input: {features: 4}\nlayers: [{dense: 4}]\nprobe: {batch: -1}\n", ("probe.batch: ", "-1")),
    "absurd-trials": ("input: {features: 4}\nlayers: [{dense: 4}]\nprobe: {trials: 99999999}\n", ("probe.trials: ",)),
    "absurd-batch": ("input: {features: 4}\nlayers: [{dense: 4}]\nprobe: {batch: 9999999999}\n", ("probe.batch: ",)),
    "zero-repeat": (f"{HEAD}layers: [{{dense: 4, repeat: 0}}]\n", ("layers[0].repeat: ", "at least 1")),
    "absurd-repeat": (f"{HEAD}layers: [{{dense: 4, repeat: 1000000}}]\n", ("layers[0].repeat: ", "200,000")),
    "nested-repeats": (
        f"{HEAD}layers: [{{block: [{{block: [{{dense: 4}}], repeat: 9999}}], repeat: 9999}}]\n",
        ("layers[0].repeat: ",),
    ),
    "drop-everything": (f"{HEAD}layers: [{{dropout: 1}}, {{dense: 4}}]\n", ("layers[0].dropout.rate: ", "below 1")),
    "uneven-branch": (f"{HEAD}layers: [{{residual: {{layers: [{{dense: 5}}]}}}}]\n", ("layers[0]: ", "4 into 5")),
    "batch-norm-of-one": (
        "input: {features: 4}\nprobe: {batch: 1}\nlayers: [{dense: 4}, {norm: batch}]\n",
        ("probe.batch: ", "batch of 1"),
    ),
    "unknown-expectation": (
        f"{HEAD}layers: [{{dense: 4}}]\nexpect: {{forward: fine}}\n",
        ("bad.yaml:4:19: expect.forward", "'stable'"),
    ),
    "matrix-free": (
        "input: {features: 4}\nlayers: [{dense: {width: 4, init: keras.he_normal}}]\nprobe: {engine: matrix-free}\n",
        ("probe.engine: ", "dense1 has keras.he_normal weights"),
    ),
    "out-of-memory": ("input: {features: 10000000}\nlayers: [{dense: 10000000}]\n", ("GiB", "the widths")),
    "no-such-weights": (
        f"{HEAD}layers: [{{dense: {{width: 4, init: {{name: file, path: n.npy}}}}}}]\n",
        ("layers[0].dense.init: ", "n.npy", "does not exist"),
    ),
}


@pytest.mark.parametrize("name", sorted(BAD_CONFIGS))
def test_a_bad_config_is_one_clear_message(tool: Any, here: Path, name: str) -> None:
    text, parts = BAD_CONFIGS[name]
    (here / "bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    fails(tool("run", "bad.yaml", "-o", "r.json"), *parts)
    assert sorted(path.name for path in here.iterdir()) == ["bad.yaml", "small.yaml"]


@pytest.mark.parametrize(
    ("array", "member", "parts"),
    [
        (np.zeros((4, 5)), "W", ("has shape (4, 5)", "(fan_out, fan_in)")),
        (np.zeros((4, 4), np.int64), "W", ("int64", "float32")),
        (np.zeros((4, 4), np.complex128), "W", ("complex128",)),
        (np.array([["x"] * 4] * 4, object), "W", ("object",)),
        (np.zeros((4, 4)), "V", ("no key 'V'", "its keys are W")),
    ],
    ids=["shape", "dtype", "complex", "object", "key"],
)
def test_bad_weights_are_one_clear_message(
    tool: Any, here: Path, array: Any, member: str, parts: tuple[str, ...]
) -> None:
    np.savez(here / "w.npz", W=array)
    init = f"{{name: file, path: w.npz, key: {member}}}"
    (here / "bad.yaml").write_text(f"{HEAD}layers: [{{dense: {{width: 4, init: {init}}}}}]\n")
    fails(tool("run", "bad.yaml"), "bad.yaml:3:", "layers[0].dense.init: ", "w.npz", *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["run", "nope.yaml"], ("nope.yaml: no such file",)),
        (["run", "."], (".: is a directory",)),
        (["run", "small.yaml/x"], ("small.yaml/x: ", "Not a directory")),
        (["run", "/proc/self/mem"], ("/proc/self/mem: cannot be read",)),
        (["run", "/dev/zero"], ("/dev/zero: ", "256,000")),
        (["run", "small.yaml", "-o", "nowhere/r.json"], ("nowhere/r.json: ", "'nowhere' does not exist")),
        (["run", "small.yaml", "-o", "small.yaml/r.json"], ("small.yaml/r.json: ", "'small.yaml'")),
        (["run", "small.yaml", "-o", "r.txt"], ("r.txt: ", "'.txt'", ".json, .csv, .md")),
        (["run", "small.yaml", "-o", "r.jsn"], ("r.jsn: ", "did you mean .json?")),
        (["run", "small.yaml", "-o", "report"], ("report: ", "without a suffix")),
        (["run", "small.yaml", "-o", "r.csv", "-o", f"{'x' * 300}.json"], ("x.json: ", "too long")),
        (["run", "small.yaml", "--init", "xaiver"], ("--init: ", "defaults.init", "'xavier'")),
        (["run", "small.yaml", "--activation", "rellu"], ("--activation: ", "defaults.activation", "'relu'")),
        (["run", "small.yaml", "--trials", "0"], ("--trials: probe.trials: ", "at least 1")),
        (["run", "small.yaml", "--trials", ""], ("--trials: probe.trials: ",)),
        (["run", "small.yaml", "--batch", "many"], ("--batch: probe.batch: ", "'many'")),
        (["run", "small.yaml", "--seed", "-1"], ("--seed: probe.seed: ", "at least 0")),
        (["run", "small.yaml", "--engine", "fast"], ("--engine", "'matrix-free'")),
        (["run", "small.yaml", "--engine", "matrix-free", "--init", "sparse"], ("probe.engine: ", "sparse")),
        (["run", "small.yaml", "--threads", "0"], ("--threads",)),
        (["run", "small.yaml", "--set", "layers.9.repeat=2"], ("--set layers.9.repeat=2: ", "no entry 9")),
        (["run", "small.yaml", "--set", "probe.trails=2"], ("--set probe.trails=2: probe.trails: ", "'trials'")),
        (["run", "small.yaml", "--set", "probe.trials=null"], ("--set probe.trials=null: probe.trials: ",)),
        (["run", "small.yaml", "--set", "probe.trials"], ("--set", "path=value")),
        (["run", "small.yaml", "--set", "layers.\u00b2=1"], ("--set",)),
        (["run", "small.yaml", "--colour"], ("--colour",)),
        (["run"], ("CONFIG",)),
        (["rum"], ("'rum'",)),
        (["list", "losses"], ("'losses'", "initializers")),
        (["list"], ("Missing argument",)),
        (["schema", "other"], ("'other'",)),
        (["show"], ("REPORT",)),
        (["show", "nope.json"], ("nope.json: no such file",)),
        (["show", "."], (".: is a directory",)),
        (["new", "nowhere/a"], ("nowhere/a.yaml: ", "'nowhere' does not exist")),
        (["new", "."], (".",)),
        (["new", "x" * 300], ("xxx.yaml: ", "too long")),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_a_bad_command_line_is_one_clear_message(
    tool: Any, here: Path, arguments: list[str], parts: tuple[str, ...]
) -> None:
    fails(tool(*arguments), *parts)
    assert [path.name for path in here.iterdir()] == ["small.yaml"]


def test_messages_hold_no_control_characters_of_the_config(tool: Any, here: Path) -> None:
    for value in (r'{width: 4, init: "\e[31mred"}', r'{width: 4, "\e[31m\n": 1}', r'{width: 4, init: "\ud800"}'):
        (here / "bad.yaml").write_text(f"{HEAD}layers: [{{dense: {value}}}]\n")
        message = fails(tool("run", "bad.yaml"), "bad.yaml:3:")
        assert all(line.isprintable() for line in message.splitlines())
        assert message.count("\n") == 2


REPORT_DAMAGE = {
    "truncated": lambda text: text[: len(text) // 2],
    "other-version": lambda text: text.replace('"schema_version":2', '"schema_version":99'),
    "no-version": lambda text: text.replace('"schema_version":2,', ""),
    "wrong-type": lambda text: text.replace('"trials":3', '"trials":"three"'),
    "nan": lambda text: re.sub(r'"log10_mean":-?\d+\.\d+', '"log10_mean":NaN', text),
    "infinite": lambda text: re.sub(r'"log10_mean":-?\d+\.\d+', '"log10_mean":1e999', text),
    "list": lambda text: f"[{text}]",
    "empty": lambda text: "",
    "binary": lambda text: "\x00\x01\x02" * 100,
    "config": lambda text: SMALL,
    "deep": lambda text: "[" * 100_000,
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("stored")
    (folder / "small.yaml").write_text(SMALL)
    assert run_command(["run", str(folder / "small.yaml"), "-o", str(folder / "r.json")]) == 0
    return (folder / "r.json").read_text()


@pytest.mark.parametrize("name", sorted(REPORT_DAMAGE))
def test_a_damaged_report_is_one_clear_message(tool: Any, here: Path, stored: str, name: str) -> None:
    damaged = REPORT_DAMAGE[name](stored)
    assert damaged != stored
    (here / "r.json").write_text(damaged)
    message = fails(tool("show", "r.json", "-o", "s.md"), "r.json: ")
    assert name != "other-version" or "version 99" in message
    assert not (here / "s.md").exists()


# --- disks, pipes and signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["run", "small.yaml"], ["run", "small.yaml", "--json"], ["list", "findings"]], ids=" ".join
)
def test_a_full_disk_behind_stdout_is_one_line(here: Path, arguments: list[str], said: Said) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "varprobe", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=30, check=False)
    text = done.stderr.decode()
    assert (done.returncode, text[-1]) == (2, "\n")
    said(text.removesuffix("\n"))


@pytest.mark.parametrize("arguments", [["run", "small.yaml", "--json"], ["list", "initializers"]])
def test_a_closed_pipe_ends_quietly(here: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "varprobe", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=here)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), error) == (0, b"")


def test_closed_streams_are_no_fault_of_ours(here: Path) -> None:
    tool = f"{sys.executable} -m varprobe run"
    for line, code in (
        (f"{tool} small.yaml 2>&-", 0),
        (f"{tool} small.yaml -o r.json >&-", None),
        (f"{tool} - <&-", 2),
    ):
        done = subprocess.run(
            line, shell=True, cwd=here, capture_output=True, env=environment(), timeout=30, check=False
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode == code or (code is None and done.returncode in (0, 2))


# One QR decomposition of seconds, which nothing in Python can interrupt.
ONE_LONG_STEP = """
input: {features: 5000}
layers: [{dense: {width: 5000, init: orthogonal}, repeat: 3}]
probe: {batch: 4, trials: 2, engine: explicit}
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("config", "after"), [(LONG, 1.5), (ONE_LONG_STEP, 3.0)], ids=["many layers", "one long step"])
def test_a_signal_ends_a_long_run_at_once_and_leaves_nothing(
    here: Path, config: str, after: float, number: int, code: int
) -> None:
    (here / "small.yaml").write_text(config)
    process = subprocess.Popen(
        [sys.executable, "-m", "varprobe", "run", "small.yaml", "-o", "r.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=here,
    )
    time.sleep(after)
    started = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 1.5
    assert (process.returncode, out) == (code, b"")
    assert err in (b"", b"varprobe: stopped; nothing is kept\n")  # empty where it came while modules were loaded
    assert [path.name for path in here.iterdir()] == ["small.yaml"]
