"""What a check says has changed since its baseline, before it speaks of drift; in every format."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from golden import Said
from test_check_formats import checked, checks, commands, junit, markdown, printed, sarif, text_of

import varprobe
from varprobe.cli.main import run as run_command
from varprobe.gate.difference import differ, differences
from varprobe.gate.records import Decision, Difference, SinceBaseline
from varprobe.report.records import Report
from varprobe.reporters.check.terminal import text_of as text_of_one
from varprobe.reporters.check.words import since_lines
from varprobe.results.store import from_json, render_json, to_json

NETWORK: dict[str, Any] = {
    "name": "net",
    "input": {"features": 16},
    "defaults": {"activation": "tanh", "init": "xavier"},
    "layers": [{"dense": 16, "repeat": 6}, {"dense": {"width": 16, "activation": "linear"}}],
    "probe": {"batch": 16},
}


def told(before: Any, after: Any) -> list[tuple[str, str | None, str | None]]:
    return [(one.path, one.before, one.after) for one in differences({**NETWORK, **before}, {**NETWORK, **after})]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({}, {"probe": {"batch": 16, "trials": 20, "seed": 0, "gradient": "random"}}, []),
        ({"defaults": {}}, {"defaults": None}, []),
        ({"input": {"features": 16}}, {"input": {"features": 16, "std": 1}}, []),
        ({}, {"defaults": {"activation": "tanh", "init": "he"}}, [("defaults.init", "xavier", "he")]),
        (
            {},
            {"defaults": {"activation": "tanh", "init": {"name": "xavier", "gain": 1.5}}},
            [("defaults.init.gain", None, "1.5")],
        ),
        ({}, {"probe": {"batch": 16, "seed": 7}}, [("probe.seed", "0", "7")]),
        ({"expect": {"forward": "stable"}}, {}, [("expect", "{forward: stable}", None)]),
        ({"layers": [{"dense": 8}]}, {"layers": [8]}, []),
        ({"layers": [{"dense": 8}]}, {"layers": [{"dense": {"width": 8}, "repeat": 1}]}, []),
        ({"layers": [8]}, {"layers": [{"dense": 8, "repeat": 3}]}, [("layers[0].repeat", "1", "3")]),
        (
            {"layers": [{"dense": 8}, {"dense": 4}]},
            {"layers": [{"dense": 8}, {"norm": "layer"}, {"dense": {"width": 4, "init": "he"}}]},
            [("layers[1]", None, "{norm: layer}"), ("layers[2].dense.init", None, "he")],
        ),
        (
            {"layers": [{"dropout": 0.1}, {"dense": 8}, {"norm": "batch"}]},
            {"layers": [{"dense": 8}]},
            [("layers[0]", "{dropout: 0.1}", None), ("layers[2]", "{norm: batch}", None)],
        ),
        (
            {"layers": [{"residual": {"layers": [{"dense": 8}, {"dense": 8}]}, "repeat": 4}]},
            {"layers": [{"residual": {"scale": 0.5, "layers": [{"dense": 8}, {"dense": 9}]}, "repeat": 4}]},
            [("layers[0].residual.layers[1].dense", "8", "9"), ("layers[0].residual.scale", None, "0.5")],
        ),
    ],
)
def test_configs_differ_key_by_key(before: Any, after: Any, expected: list[Any]) -> None:
    assert told(before, after) == expected


def test_many_layers_are_compared_without_taking_ages() -> None:
    many = {"layers": [{"dense": 8} for _ in range(3000)]}
    other = {"layers": [{"dense": 9}, *({"dense": 8} for _ in range(3000))]}
    found = told(many, other)
    assert found == [("layers[0].dense", "8", "9"), ("layers[3000]", None, "{dense: 8}")]


def test_a_long_value_is_shortened() -> None:
    ((_, _, after),) = told({}, {"layers": [*NETWORK["layers"], {"block": [{"dense": 8}] * 100}]})
    assert after is not None
    assert len(after) <= 121
    assert "..." in after


@cache
def baseline() -> Report:
    return varprobe.run(NETWORK)


def test_layers_and_versions_are_named() -> None:
    old = replace(baseline(), provenance=replace(baseline().provenance, numpy="1.26.4", python="3.9.1"))
    deeper = varprobe.run({**NETWORK, "layers": [{"norm": "layer"}, {"dense": 16, "repeat": 9}]})
    since = differ(old, deeper)
    assert since.removed == ()
    assert since.added == ("norm1", "dense8", "dense9")
    assert [(one.path, one.before) for one in since.versions] == [("numpy", "1.26.4"), ("python", "3.9.1")]
    assert differ(deeper, old).removed == ("norm1", "dense8", "dense9")
    assert differ(old, old).is_nothing


SINCE = SinceBaseline(
    (Difference("defaults.init", "xavier", "he"), Difference("layers[3]", None, "{norm: layer}")),
    ("head",),
    ("norm1", "dense7", "dense8", "dense9", "trunk", "trunk"),
    (Difference("numpy", "1.26.4", "2.1.0"),),
)
DRIFT = Decision("baseline", "no drift beyond noise", "failed", "gradient.variance went from 1 to 3", "Write it anew.")
LABEL = Decision("forward", "stable", "failed", "vanishing", "Multiply.", layer=2, line=4)


def test_a_failure_begins_with_what_changed_in_every_format(said: Said) -> None:
    made = checks(checked("a.yaml", "failed", LABEL, DRIFT, since=SINCE))
    said(printed(made).strip())
    said(text_of("github", made).replace("%0A", "\n").split("::warning")[0].strip())
    notice, first, second, *_ = commands(made)
    assert (notice[0], notice[1]["title"]) == ("notice", "varprobe: a since the baseline")
    assert notice[2].split("\n")[0] == "defaults.init: xavier -> he"
    assert [first[1]["title"], second[1]["title"]] == [
        "varprobe: a: baseline FAILED",
        "varprobe: a: activations FAILED",
    ]
    failures = {case.get("name"): case.findtext("failure") for case in junit(made).iter("testcase")}
    assert str(failures["baseline"]).startswith("since the baseline: defaults.init: xavier -> he\n")
    assert "since the baseline" not in str(failures["forward"])
    text = text_of("markdown", made)
    assert text.index("Since the baseline:") < text.index("numpy: 1.26.4") < text.index("| expectation |")
    assert markdown(made)
    since, *others = sarif(made)["results"]
    assert (since["ruleId"], since["level"]) == ("since-baseline", "note")
    assert "numpy: 1.26.4 -> 2.1.0" in since["message"]["text"]
    assert others[0]["ruleId"] == "expect/baseline"
    assert from_json(render_json(made).encode(), "check.json") == made
    assert text_of_one(made.checked[0]).startswith("since the baseline: defaults.init: xavier -> he\n")
    assert "since the baseline: defaults.init: xavier -> he" in made.checked[0].summary()


def test_what_passed_tells_what_changed_and_nothing_where_nothing_did() -> None:
    passed = checks(checked("a.yaml", "passed", since=SINCE))
    assert "\n  since the baseline: defaults.init: xavier -> he\n" in printed(passed)
    assert not [result for result in sarif(passed)["results"] if result["ruleId"] == "since-baseline"]
    nothing = SinceBaseline((), (), (), ())
    for made in (checked("a.yaml", "passed", since=nothing), checked("a.yaml", "failed", LABEL)):
        assert since_lines(made) == []
    (line,) = since_lines(checked("a.yaml", "failed", DRIFT, since=nothing))
    assert line == "config, layers and versions of varprobe, numpy and python are the same"


def test_of_many_differences_ten_are_told() -> None:
    many = replace(SINCE, config=tuple(Difference(f"layers[{i}].dense", "1", "2") for i in range(14)))
    lines = since_lines(checked("a.yaml", "failed", DRIFT, since=many))
    assert lines[9:11] == ["layers[9].dense: 1 -> 2", "and 4 more differences of the config; -o check.json has all"]


def test_the_command_says_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    text = json.dumps(NETWORK)
    Path("net.yaml").write_text(text)
    Path("base.json").write_text(to_json(baseline()).replace('"numpy":"', '"numpy":"0.'))
    assert run_command(["check", "net.yaml", "--baseline", "base.json", "-q"]) == 0
    assert "  since the baseline: numpy: 0." in capfd.readouterr().out
    Path("net.yaml").write_text(text.replace("xavier", "he").replace(": 6}", ": 7}"))
    assert run_command(["check", "net.yaml", "--baseline", "base.json", "-q"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[1:4] == [
        "  since the baseline: defaults.init: xavier -> he",
        "    layers[0].repeat: 6 -> 7",
        "    1 layer added: dense8",
    ]
    assert re.match(r"    numpy: 0\.\S+ -> \d", lines[4])
    assert lines[5].startswith("  FAILED baseline: ")
