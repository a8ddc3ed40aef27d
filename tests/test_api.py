"""What Python users call: every form of a config, keywords as the command line's options, errors with its messages."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import varprobe
from varprobe.cli.main import run as command
from varprobe.errors import VarprobeError
from varprobe.results.store import to_json

TEXT = """\
name: net
input: {features: 12}
layers:
  - {dense: 12, repeat: 5}
probe: {trials: 3, batch: 8}
"""
CONFIG: dict[str, Any] = {
    "name": "net",
    "input": {"features": 12},
    "layers": [{"dense": 12, "repeat": 5}],
    "probe": {"trials": 3, "batch": 8},
}
# Each with what a person would ask it, and what in the answer follows from the network alone.
CALLS: dict[str, Callable[..., Any]] = {
    "run": lambda source, **more: varprobe.run(source, **more).layers,
    "measure": lambda source, **more: varprobe.measure(source, **more).statistics.log_activation_second_moment.tolist(),
    "predict": lambda source, **more: varprobe.predict(source, **more).layers,
    "derive": lambda source, **more: varprobe.derive(source, **more).rows,
    "check": lambda source, **more: varprobe.check(source, **{"max_trials": 3, **more}).report.layers,
    "compare": lambda source, **more: varprobe.compare(source, source, **more).reports[1].layers,
    "sweep": lambda source, **more: varprobe.sweep(source, {"probe.seed": [4]}, threads=1, **more).points,
    "tune": lambda source, **more: varprobe.tune(source, **more).measured,
    "load": lambda source, **more: varprobe.load(source, **more).network.steps,
}


def without_places(result: Any) -> Any:
    """The same without lines, which a mapping has not."""
    text = repr(result)
    return [part for part in text.replace(")", ",").split(",") if "line=" not in part and "seconds=" not in part]


@pytest.mark.parametrize("name", CALLS)
def test_every_function_takes_a_config_in_every_form(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    forms = (path, str(path), TEXT, CONFIG, varprobe.load(path))
    first, *others = [without_places(CALLS[name](form)) for form in forms]
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", CALLS)
def test_every_function_takes_the_edits_of_the_command_line(name: str) -> None:
    edited = {**CONFIG, "layers": [{"dense": 12, "repeat": 7}], "probe": {"trials": 4, "batch": 6}}
    edited["defaults"] = {"init": {"name": "he", "gain": 1.2}, "activation": "relu"}
    given: dict[str, Any] = {"init": {"name": "he", "gain": 1.2}, "activation": "relu", "trials": 4, "batch": 6}
    more = {"max_trials": 4} if name == "check" else {}
    found = CALLS[name](CONFIG, set={"layers.0.repeat": 7}, **given, **more)
    assert without_places(found) == without_places(CALLS[name](edited, **more))
    assert without_places(found) != without_places(CALLS[name](CONFIG, **more))


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("predict", "derive")])
def test_what_draws_takes_seed_and_engine(name: str) -> None:
    edited = {**CONFIG, "probe": {**CONFIG["probe"], "seed": 5, "engine": "matrix-free"}}
    found = without_places(CALLS[name](CONFIG, seed=5, engine="matrix-free"))
    assert found == without_places(CALLS[name](edited))


def test_the_keywords_mean_what_the_options_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    options = "--init he --activation relu --trials 4 --batch 6 --seed 9 --engine explicit --set layers.0.repeat=7"
    assert command(["run", str(path), *options.split(), "--json"]) == 0
    theirs = json.loads(capsys.readouterr().out)
    ours = json.loads(
        to_json(
            varprobe.run(
                path, init="he", activation="relu", trials=4, batch=6, seed=9, engine="explicit",
                set={"layers.0.repeat": 7},
            )
        )
    )  # fmt: skip
    theirs["provenance"].pop("seconds"), ours["provenance"].pop("seconds")
    assert ours == theirs


MISTAKES: dict[str, tuple[str, dict[str, Any]]] = {
    "--init xaver": ("init", {"init": "xaver"}),
    "--activation rellu": ("activation", {"activation": "rellu"}),
    "--trials 0": ("trials", {"trials": 0}),
    "--batch many": ("batch", {"batch": "many"}),
    "--seed 1.5": ("seed", {"seed": 1.5}),
    "--set layers.9.repeat=2": ("set layers.9.repeat=2", {"set": {"layers.9.repeat": 2}}),
    "--set layers.0.repeat=-1": ("set layers.0.repeat=-1", {"set": {"layers.0.repeat": -1}}),
    "--set probe.dtype=half": ("set probe.dtype=half", {"set": {"probe.dtype": "half"}}),
}


@pytest.mark.parametrize("option", MISTAKES)
@pytest.mark.parametrize("name", ["run", "tune"])
def test_a_mistake_is_an_exception_with_the_message_of_the_command_line(
    name: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    place, keywords = MISTAKES[option]
    assert command([name, str(path), *option.split()]) == 2
    told = capsys.readouterr().err.removeprefix("varprobe: ").rstrip()
    with pytest.raises(VarprobeError) as raised:
        CALLS[name](path, **keywords)
    theirs = option if option.startswith("--set") else option.split()[0]
    assert str(raised.value) == told.replace(theirs, place)


@pytest.mark.parametrize("name", CALLS)
def test_a_mistake_in_a_text_has_its_line_and_a_missing_file_is_one(name: str) -> None:
    with pytest.raises(VarprobeError, match=r"^config:4:6: layers\[0\]\.dens: unknown key"):
        CALLS[name](TEXT.replace("dense: 12", "dens: 12"))
    with pytest.raises(VarprobeError, match=r"^config: layers\[0\]\.dens: unknown key"):
        CALLS[name]({**CONFIG, "layers": [{"dens": 12}]})
    with pytest.raises(VarprobeError, match=r"^no/such\.yaml: no such file"):
        CALLS[name]("no/such.yaml")
    with pytest.raises(VarprobeError, match="a value of type list is no config"):
        CALLS[name]([CONFIG])


def test_a_file_whose_name_looks_like_text_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a: b.yaml").write_text(TEXT)
    assert varprobe.load("a: b.yaml").network.name == "net"


def test_an_edited_experiment_is_still_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    assert varprobe.check(varprobe.load(path), max_trials=3, batch=4).config == str(path)
    assert varprobe.load(varprobe.load(path), trials=2).folder == tmp_path


def test_numbers_of_numpy_are_numbers() -> None:
    loaded = varprobe.load(CONFIG, trials=np.int64(4), set={"defaults.init": {"name": "he", "gain": np.float32(1.5)}})
    assert loaded.network.settings.trials == 4
    assert loaded.document["defaults"]["init"]["gain"] == 1.5
    found = varprobe.sweep(CONFIG, {"defaults.init.gain": np.linspace(0.5, 1.5, 3)}, threads=1)
    assert found.axes[0].values == ("0.5", "1.0", "1.5")


def test_a_random_seed_is_a_new_one_that_the_report_has() -> None:
    first, second = (varprobe.run(CONFIG, seed="random").settings.seed for _ in range(2))
    assert first != second
    assert varprobe.run(CONFIG, seed=first).layers != varprobe.run(CONFIG, seed=second).layers


def test_settings_and_keywords_do_not_contradict_each_other() -> None:
    settings = varprobe.Settings(batch=8, trials=2)
    assert varprobe.run(CONFIG, settings, init="small").settings.trials == 2
    with pytest.raises(VarprobeError, match=r"^trials: `settings` says trials and batch already"):
        varprobe.run(CONFIG, settings, trials=3, batch=4)
    with pytest.raises(VarprobeError, match=r"^threads: must be a whole number from 1 to 1,024, given 0"):
        varprobe.run(CONFIG, threads=0)


def test_a_network_without_its_config_takes_no_edits() -> None:
    spec = varprobe.load(CONFIG).network
    assert varprobe.derive(spec).rows == varprobe.derive(CONFIG).rows
    with pytest.raises(VarprobeError, match="a NetworkSpec takes no edits"):
        varprobe.measure(spec, trials=3)
    with pytest.raises(VarprobeError, match="a value of type NetworkSpec is no config"):
        varprobe.run(spec)  # type: ignore[arg-type]


# --- several networks -----------------------------------------------------------------------------------------------


def test_a_comparison_takes_reports_and_schemes(tmp_path: Path) -> None:
    report = varprobe.run(CONFIG)
    path = tmp_path / "stored.json"
    path.write_text(to_json(report))
    found = varprobe.compare(report, path, CONFIG, init="small, xavier")
    assert found.names == ("1: net", "2: net", "3: net, small", "4: net, xavier")
    assert found.reports[0] is report
    assert found.reports[1] == report
    assert found.reports[3].layers == report.layers
    listed = varprobe.compare(CONFIG, init=["small", {"name": "he", "gain": 2}], names=["a", "b"])
    assert listed.names == ("a", "b")
    assert varprobe.compare(CONFIG, init=["small", {"name": "he", "gain": 2}]).names[1] == "net, {name: he, gain: 2}"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: varprobe.compare(CONFIG), "^one network is nothing to compare\n  hint: name more, or several"),
        (lambda: varprobe.compare(), "^there is no network to compare"),
        (lambda: varprobe.compare(CONFIG, CONFIG, names=["a"]), "^names: 1 for 2 networks"),
        (lambda: varprobe.tune(CONFIG, by="edges"), "^by: unknown way 'edges'\n  hint: did you mean 'edge'?"),
        (lambda: varprobe.tune(CONFIG, sb=0.1), '^sb: goes with by="edge"'),
        (lambda: varprobe.tune(CONFIG, by="edge", sb=-1), "^sb: must be a number from 0 to 1e.06, given -1"),
        (lambda: varprobe.sweep(CONFIG, {"probe.seed": 5}), "^vary: probe.seed: needs a list of values or a text"),
        (lambda: varprobe.load(CONFIG, set=["a=1"]), r"^set: must be a mapping from paths to values, given \['a=1'\]"),
    ],
)
def test_what_cannot_be_asked_is_said(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(VarprobeError, match=message):
        call()


# --- stored results -------------------------------------------------------------------------------------------------


def test_a_stored_result_is_shown_from_a_path_its_text_and_its_data(tmp_path: Path) -> None:
    report = varprobe.run(CONFIG)
    text = to_json(report)
    path = tmp_path / "stored.json"
    path.write_text(text)
    for stored in (path, str(path), text, json.loads(text)):
        assert varprobe.show(stored) == report


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("no/such.json", r"^no/such\.json: no such file"),
        ("{}", "^result: schema_version: is no varprobe report"),
        ({"a": io}, "^is no plain data: "),
        (5, "^a value of type int is no stored result"),
    ],
)
def test_what_is_no_stored_result_is_said(stored: Any, message: str) -> None:
    with pytest.raises(VarprobeError, match=message):
        varprobe.show(stored)


# --- the house ------------------------------------------------------------------------------------------------------


def test_importing_varprobe_loads_nothing_that_only_some_need() -> None:
    code = "import varprobe, sys; print([m for m in ('pandas', 'matplotlib', 'typer', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_run_from_python_needs_no_pictures_and_no_tables() -> None:
    code = (
        f"import varprobe, sys; varprobe.run({CONFIG!r}, trials=1); varprobe.predict({CONFIG!r});"
        "print([m for m in ('pandas', 'matplotlib', 'typer', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
