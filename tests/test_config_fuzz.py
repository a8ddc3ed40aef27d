"""Whatever a config or a stored report holds: a network, a report or one clear error; never another exception.

Warnings are errors here, as everywhere in the tests.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from varprobe.diagnose import diagnose
from varprobe.errors import VarprobeError
from varprobe.report.records import Report
from varprobe.report.storage import from_dict, load_report, to_dict, to_json
from varprobe.reporters import RENDERERS
from varprobe.reporters.terminal import print_report
from varprobe.spec.activations import ACTIVATIONS
from varprobe.spec.initializers import INITIALIZERS
from varprobe.spec.loading import load
from varprobe.spec.network import NetworkSpec
from varprobe.spec.overrides import Override, parse_assignment

SHIPPED = {path.name: path.read_text() for path in sorted(Path(__file__).parents[1].joinpath("configs").glob("*.yaml"))}
SECONDS = 5.0
TINY_STEPS, TINY_WIDTH = 24, 32


def examples(number: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same examples in every run; not shrunk, which would take minutes where reports are drawn."""
    return settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=number,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def check_error(error: VarprobeError) -> None:
    assert error.message
    assert error.place is not None, f"no place: {error}"
    assert error.hint, f"no hint: {error}"


def settle(source: Any, assignments: Sequence[str] = ()) -> NetworkSpec | None:
    """The network, or None where loading ended in an error as it should be: message, place and hint."""
    started = time.process_time()
    try:
        overrides: list[Override] = [parse_assignment(text) for text in assignments]
        spec = load(source, overrides)
    except VarprobeError as error:
        check_error(error)
        return None
    finally:
        assert time.process_time() - started < SECONDS
    assert isinstance(spec, NetworkSpec)
    return spec


def settle_file(folder: Path, data: str | bytes, assignments: Sequence[str] = ()) -> NetworkSpec | None:
    path = folder / "config.yaml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode(errors="surrogatepass"))
    return settle(path, assignments)


def probe_if_tiny(spec: NetworkSpec | None) -> None:
    """Measures a network that is small, and holds its report to what every report must be."""
    if spec is None or len(spec.steps) > TINY_STEPS:
        return
    if max(max(step.fan_in, step.fan_out) for step in spec.steps) > TINY_WIDTH or spec.input.rows is not None:
        return
    report = diagnose(spec, replace(spec.settings, trials=2, batch=2))
    text = to_json(report)
    assert json.loads(text, parse_constant=refuse) == to_dict(report)
    assert from_dict(to_dict(report)) == report
    show_everywhere(report)


def refuse(token: str) -> None:
    raise AssertionError(f"{token} in a report")


def show_everywhere(report: Report) -> None:
    for suffix in (".json", ".csv", ".md"):  # pictures take too long for this many
        str(RENDERERS[suffix](report)).encode()
    for legacy in (False, True):
        console = Console(file=io.StringIO(), width=80, highlight=False, markup=False, legacy_windows=legacy)
        print_report(report, console, every_row=legacy)


# --- text and bytes -------------------------------------------------------------------------------------------------

TOKENS = (
    "input",
    "layers",
    "dense",
    "features",
    "probe",
    "init",
    "tanh",
    "-",
    "- ",
    ": ",
    ":",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a",
    "*a",
    "!!int",
    "!",
    "|",
    ">",
    "'",
    '"',
    "\\",
    "%YAML 1.1\n",
    "---\n",
    "...",
    "<<: ",
    "? ",
    "#",
    "\t",
    "1",
    "-1",
    "1e3",
    "1e999",
    ".nan",
    "-.inf",
    "0x10",
    "0o7",
    "1_0",
    "012",
    "~",
    "null",
    "true",
    "no",
    "\r",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x1b",
    "é",
    "日",
    "\U0001f600",
    "9" * 500,
    "@",
    "`",
    "=",
)


@examples(250)
@given(data=st.one_of(st.text(), st.binary(), st.lists(st.sampled_from(TOKENS), max_size=25).map("".join)))
def test_any_text_or_bytes_are_a_network_or_a_clear_error(folder: Path, data: str | bytes) -> None:
    settle_file(folder, data)


# --- structured configs ---------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *ACTIVATIONS,
        *INITIALIZERS,
        "rellu",
        "xaiver",
        "auto",
        "file",
        "normal",
        "uniform",
        "constant",
        "layer",
        "batch",
        "rms",
        "random",
        "mse",
        "cross_entropy",
        "float64",
        "stable",
        "",
        "\x1b[31m",
        "[bold]",
        "a\nb",
        "\ud800",
        "../x",
        "\0",
    ]
)
NUMBERS = st.one_of(
    st.integers(-3, 40),
    st.sampled_from(
        [0, -1, 2**31, 2**63, 10**30, 10**400, 1e308, 1e-320, -0.0, 5e-324, 1.0, 0.5, 1e30, -1e30, 1e20, 1e-30]
    ),
    st.floats(),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=8))
ARGUMENTS = st.sampled_from(
    [
        "std",
        "mean",
        "gain",
        "slope",
        "mode",
        "distribution",
        "low",
        "high",
        "value",
        "sw",
        "sb",
        "w0",
        "sparsity",
        "scale",
        "cut",
        "a",
        "b",
        "alpha",
        "threshold",
        "frequency",
        "path",
        "key",
        "nonlinearity",
        "nmae",
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(ARGUMENTS, st.text(max_size=4), st.sampled_from(["name", "dense", "layers"])), inner, max_size=3
        ),
    ),
    max_leaves=6,
)
GOOD_NUMBER = st.one_of(st.floats(-3, 3), st.integers(0, 3), st.just("auto"))


def part(names: Sequence[str]) -> st.SearchStrategy[Any]:
    long = st.builds(
        lambda name, more: {**more, "name": name},
        st.sampled_from(names),
        st.dictionaries(ARGUMENTS, st.one_of(GOOD_NUMBER, GOOD_NUMBER, SCALARS), max_size=2),
    )
    return st.one_of(st.sampled_from(names), long)


ACTIVATION, INIT = part(tuple(ACTIVATIONS)), part(tuple(INITIALIZERS))
BIAS = st.one_of(st.floats(-2, 2), st.fixed_dictionaries({"std": st.floats(0, 2)}))
WIDTH = st.sampled_from([1, 2, 4, 4, 4, 4, 8])
DENSE = st.one_of(
    WIDTH,
    st.fixed_dictionaries({"width": WIDTH}, optional={"activation": ACTIVATION, "init": INIT, "bias": BIAS}),
)
NORM = st.one_of(
    st.sampled_from(["layer", "batch", "rms"]),
    st.fixed_dictionaries({"kind": st.sampled_from(["layer", "batch", "rms"])}, optional={"eps": st.floats(0, 1e30)}),
)
COMMON = {"repeat": st.sampled_from([1, 2, 3, 5]), "name": st.text(min_size=1, max_size=6)}


def entry(kind: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({kind: value}, optional=COMMON)


LEAF = st.one_of(
    entry("dense", DENSE),
    entry("dense", DENSE),
    entry("norm", NORM),
    entry("activation", ACTIVATION),
    entry("dropout", st.floats(0, 1, exclude_max=True)),
)
LAYER = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        entry("block", st.lists(inner, min_size=1, max_size=3)),
        entry(
            "residual",
            st.fixed_dictionaries(
                {"layers": st.lists(inner, min_size=1, max_size=3)},
                optional={"scale": st.floats(-2, 2) | st.just(0) | st.just(1e30)},
            ),
        ),
    ),
    max_leaves=4,
)
LABEL = st.sampled_from(["stable", "vanishing", "exploding", "borderline", "inconclusive", "degenerate"])
CONFIG = st.fixed_dictionaries(
    {
        "input": st.fixed_dictionaries(
            {"features": WIDTH},
            optional={
                "distribution": st.sampled_from(["normal", "uniform", "constant"]),
                "mean": st.one_of(st.floats(-3, 3), st.sampled_from([1e30, -1e30, 1e-30])),
                "std": st.one_of(st.floats(0, 3), st.sampled_from([1e30, 1e-30])),
            },
        ),
        "layers": st.lists(LAYER, min_size=1, max_size=4),
    },
    optional={
        "name": st.text(min_size=1, max_size=8),
        "defaults": st.fixed_dictionaries({}, optional={"activation": ACTIVATION, "init": INIT, "bias": BIAS}),
        "probe": st.fixed_dictionaries(
            {},
            optional={
                "batch": st.sampled_from([2, 3]),
                "trials": st.sampled_from([1, 2]),
                "seed": st.integers(0, 2**63 - 1),
                "dtype": st.sampled_from(["float32", "float64"]),
                "engine": st.sampled_from(["auto", "explicit"]),
                "gradient": st.sampled_from(["random", "mse", "cross_entropy"]),
            },
        ),
        "expect": st.fixed_dictionaries(
            {}, optional={"forward": LABEL, "backward": st.lists(LABEL, min_size=1, max_size=2)}
        ),
    },
)
TREE_EDITS = ("replace", "delete", "add", "repeat")


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a tree, the root first."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


def edited(tree: Any, path: Sequence[Any], edit: str, value: Any) -> Any:
    """A copy of the tree with one edit at `path`."""
    if not path:
        return value if edit == "replace" else tree
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    step, rest = path[0], path[1:]
    if rest or edit == "replace":
        copy[step] = edited(copy[step], rest, edit, value)
    elif edit == "delete":
        del copy[step]
    elif isinstance(copy, dict):
        copy[f"{step}x" if edit == "add" else "name"] = value
    else:
        copy.insert(step, value if edit == "add" else copy[step])
    return copy


@st.composite
def spoiled(draw: st.DrawFn, tree: st.SearchStrategy[Any], value: st.SearchStrategy[Any], most: int = 2) -> Any:
    """A tree with a few random edits at random places."""
    found = draw(tree)
    for _ in range(draw(st.integers(1, most))):
        path = draw(st.sampled_from(places(found)))
        found = edited(found, path, draw(st.sampled_from(TREE_EDITS)), draw(value))
    return found


@examples(120)
@given(config=CONFIG)
@example(
    config={
        "input": {"features": 4, "mean": -1e30, "std": 2.1467257839599996},
        "layers": [
            {
                "block": [{"dropout": 0.7109514545791469}, {"dense": 4, "repeat": 3}, {"dropout": 0.5006743212125995}],
                "repeat": 2,
            },
            {"norm": "batch"},
        ],
    }
)
def test_what_the_grammar_allows_is_measured_without_a_warning(config: dict[str, Any]) -> None:
    probe_if_tiny(settle(config))


@examples(200)
@given(config=spoiled(CONFIG, ANYTHING))
def test_spoiled_configs_are_a_network_or_a_clear_error(folder: Path, config: Any) -> None:
    if isinstance(config, dict):
        probe_if_tiny(settle(config))
    settle_file(folder, json.dumps(config))


@examples(60)
@given(depth=st.integers(0, 120), kind=st.sampled_from(["block", "residual"]), repeat=st.sampled_from([1, 2, 10**6]))
def test_deep_nesting_is_a_network_or_a_clear_error(folder: Path, depth: int, kind: str, repeat: int) -> None:
    layer: dict[str, Any] = {"dense": 2}
    for _ in range(depth):
        layer = {kind: [layer] if kind == "block" else {"layers": [layer]}, "repeat": repeat}
    config = {"input": {"features": 2}, "layers": [layer]}
    probe_if_tiny(settle(config))
    settle_file(folder, json.dumps(config))


# --- shipped configs, damaged ---------------------------------------------------------------------------------------


@st.composite
def damaged_text(draw: st.DrawFn, text: str) -> str:
    """The text with lines or characters deleted, doubled, swapped or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        by_line = draw(st.booleans())
        parts = text.splitlines(keepends=True) if by_line else list(text)
        if not parts:
            return text
        here, there = (draw(st.integers(0, len(parts) - 1)) for _ in range(2))
        edit = draw(st.sampled_from(["delete", "double", "swap", "put"]))
        if edit == "delete":
            del parts[here]
        elif edit == "double":
            parts.insert(here, parts[here])
        elif edit == "swap":
            parts[here], parts[there] = parts[there], parts[here]
        else:
            parts[here] = draw(st.sampled_from(TOKENS))
        text = "".join(parts)
    return text


@examples(250)
@given(text=st.sampled_from(sorted(SHIPPED)).flatmap(lambda name: damaged_text(SHIPPED[name])))
def test_damaged_shipped_configs_are_a_network_or_a_clear_error(folder: Path, text: str) -> None:
    settle_file(folder, text)


# --- overrides ------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [
        "input",
        "features",
        "layers",
        "layers[0]",
        "layers[1]",
        "layers.0",
        "0",
        "1",
        "99999999999999999999",
        "dense",
        "width",
        "init",
        "activation",
        "gain",
        "std",
        "name",
        "probe",
        "trials",
        "batch",
        "gradient",
        "expect",
        "forward",
        "defaults",
        "bias",
        "repeat",
        "residual",
        "block",
        "norm",
        "eps",
        "dtype",
        "seed",
        "engine",
        "nonsense",
    ]
)
VALUES = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=5).map("".join),
    NUMBERS.map(str),
    WORDS,
    st.just("{name: he, gain: auto}"),
    st.just("[{dense: 2}, {norm: batch}]"),
)
ASSIGNMENT = st.one_of(
    st.text(max_size=12),
    st.builds(lambda keys, value: ".".join(keys) + "=" + value, st.lists(KEYS, min_size=1, max_size=4), VALUES),
)
SMALL = {
    "input": {"features": 4},
    "defaults": {"activation": "relu", "init": "he"},
    "layers": [
        {"dense": 4, "repeat": 2},
        {"residual": {"layers": [{"dense": {"width": 4, "init": {"name": "xavier", "gain": 0.5}}}]}},
        {"norm": "batch"},
    ],
    "probe": {"batch": 4, "trials": 2},
    "expect": {"forward": "stable"},
}


@examples(300)
@given(assignments=st.lists(ASSIGNMENT, min_size=1, max_size=2))
@example(assignments=["layers.\u00b2=1"])
@example(assignments=["probe.trials="])
def test_any_assignments_are_a_network_or_a_clear_error(assignments: list[str]) -> None:
    probe_if_tiny(settle(SMALL, assignments))


# --- stored reports -------------------------------------------------------------------------------------------------


def test_surrogates_in_any_place_are_a_clear_error(folder: Path) -> None:
    for config in (
        {"input": {"features": 2}, "layers": [{"dense": {"width": 2, "init": "\ud800"}}]},
        {"input": {"features": 2}, "layers": [{"dense": {"width": 2, "\ud800": 1}}]},
        {"input": {"features": 2}, "layers": [{"dense": 2, "name": "\ud800"}]},
        {"\ud800": 1},
    ):
        assert settle(config) is None
        assert settle_file(folder, json.dumps(config)) is None


def settle_report(folder: Path, data: bytes) -> Report | None:
    path = folder / "report.json"
    path.write_bytes(data)
    try:
        return load_report(path)
    except VarprobeError as error:
        check_error(error)
        return None


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return to_dict(diagnose(load({**SMALL, "layers": SMALL["layers"][:2]})))


@examples(250)
@given(data=st.data())
def test_spoiled_reports_are_refused_or_shown_everywhere(
    folder: Path, stored: dict[str, Any], data: st.DataObject
) -> None:
    value = st.one_of(ANYTHING, st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 10**400]))
    report = settle_report(folder, json.dumps(data.draw(spoiled(st.just(stored), value, most=1))).encode())
    if report is not None:
        show_everywhere(report)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_report_with_a_number_that_is_none_is_refused(folder: Path, stored: dict[str, Any], number: str) -> None:
    path = ("layers", 0, "activation", "variance", "log10_mean")
    text = json.dumps(edited(stored, path, "replace", "here")).replace('"here"', number)
    assert settle_report(folder, text.encode()) is None


@examples(100)
@given(data=st.data())
def test_damaged_bytes_of_a_report_are_refused_or_shown_everywhere(
    folder: Path, stored: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(stored).encode()
    here, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
    report = settle_report(folder, text[:here] + data.draw(st.binary(max_size=4)) + text[here + length :])
    if report is not None:
        show_everywhere(report)


@examples(60)
@given(data=st.one_of(st.binary(), st.text().map(lambda text: text.encode(errors="surrogatepass"))))
def test_what_is_no_report_is_refused(folder: Path, data: bytes) -> None:
    assert settle_report(folder, data) is None
