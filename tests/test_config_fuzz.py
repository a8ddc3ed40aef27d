"""Whatever a config or a stored report holds: a network, a report or one clear error; never another exception.

Warnings are errors here, as everywhere in the tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.contract import probe_if_tiny, settle, settle_file, settle_report, show_everywhere
from tests.fuzz.grammar import ANYTHING, ASSIGNMENT, CONFIG, SMALL, TOKENS, damaged_text, edited, spoiled
from varprobe.config.loading import load
from varprobe.diagnose import diagnose
from varprobe.results.store import to_dict

SHIPPED = {path.name: path.read_text() for path in sorted(Path(__file__).parents[1].joinpath("configs").glob("*.yaml"))}


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


# --- text and bytes -------------------------------------------------------------------------------------------------


@examples(250)
@given(data=st.one_of(st.text(), st.binary(), st.lists(st.sampled_from(TOKENS), max_size=25).map("".join)))
def test_any_text_or_bytes_are_a_network_or_a_clear_error(folder: Path, data: str | bytes) -> None:
    settle_file(folder, data)


# --- structured configs ---------------------------------------------------------------------------------------------


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


@examples(250)
@given(text=st.sampled_from(sorted(SHIPPED)).flatmap(lambda name: damaged_text(SHIPPED[name])))
def test_damaged_shipped_configs_are_a_network_or_a_clear_error(folder: Path, text: str) -> None:
    settle_file(folder, text)


# --- overrides ------------------------------------------------------------------------------------------------------


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
