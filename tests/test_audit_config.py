"""Audits that configs ask for: by `audit` and by `check`, held to baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.config import audit_config_schema, load_audit, run_audit
from varprobe.audit.drift import hold_to_baseline
from varprobe.audit.files import tensors_of_arrays
from varprobe.audit.intent import read_intent
from varprobe.audit.law_moments import moments_of, scatter_of_kurtosis
from varprobe.audit.records import Audit
from varprobe.cli.main import run
from varprobe.config.yaml_tree import parse_yaml
from varprobe.errors import VarprobeError
from varprobe.network.laws import TruncatedNormal, Uniform
from varprobe.results.store import load_result

CONFIG = """\
name: two
arrays: net.npz
constants: {depth: 2}
weights:
  "*.proj": normal(0.02/sqrt(2*depth))
  "*": normal(0.02)
"""


def arrays(seed: int = 0, proj: float = 0.01) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = {f"h.{i}.fc": rng.standard_normal((60, 80), np.float32) * np.float32(0.02) for i in range(3)}
    return made | {f"h.{i}.proj": rng.standard_normal((60, 80), np.float32) * np.float32(proj) for i in range(3)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.yaml").write_text(CONFIG)
    np.savez(tmp_path / "net.npz", **arrays())
    return tmp_path


def test_a_config_says_what_is_audited_and_what_was_meant(folder: Path) -> None:
    found = run_audit(load_audit("audit.yaml"))
    assert (found.name, found.config, found.source, found.outcome) == ("two", "audit.yaml", "net.npz", "passed")
    lines = {one.name: one.intended.line for one in found.tensors if one.intended}
    assert (lines["h.0.proj"], lines["h.0.fc"]) == (5, 6)
    by_mapping = run_audit(load_audit(parse_yaml(CONFIG, "config").plain()))
    assert all(one.intended and one.intended.met for one in by_mapping.tensors)


def test_paths_count_from_the_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert run_audit(load_audit(folder / "audit.yaml")).outcome == "passed"


def test_readings_of_a_config_are_those_of_the_command_line(folder: Path) -> None:
    np.savez(folder / "net.npz", qkv=np.ones((20, 60)), conv=np.ones((8, 2, 3)))
    text = "arrays: net.npz\ntransposed: [qkv]\npacked: {qkv: 3}\ngroups: {conv: 2}\n"
    (folder / "a.yaml").write_text(text)
    tensors = {one.name: (one.fan_in, one.fan_out) for one in run_audit(load_audit("a.yaml")).tensors}
    assert tensors == {"qkv": (20, 20), "conv": (6, 12)}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("name: two", "nme: two", "audit.yaml:1:1: nme: unknown key 'nme'\n  hint: did you mean 'name'?"),
        ('"*": normal', '"*": nrmal', "audit.yaml:6:8: weights.*: 'nrmal(0.02)'"),
        ('"*": normal', '"x*": normal', "audit.yaml:6:3: weights.x*: the pattern 'x*' matches no tensor"),
        ("2*depth", "2*deep", "audit.yaml:5:3: weights.*.proj: "),
        ("net.npz", "no.npz", "audit.yaml:2:9: arrays: "),
        ("arrays: net.npz\n", "", "audit.yaml:1:1: names nothing to audit"),
        ('"*": normal(0.02)', "other: error", "audit.yaml:6:3: weights.other: no pattern matches 'h.0.fc' and 2 more"),
        ("arrays: net.npz", "arrays: net.npz\nalpha: 2", "audit.yaml:3:8: alpha: must be below 1"),
    ],
)
def test_mistakes_have_their_place(folder: Path, before: str, after: str, said: str, capsys: Any) -> None:
    (folder / "audit.yaml").write_text(CONFIG.replace(before, after))
    assert run(["audit", "audit.yaml"]) == 2
    assert said in capsys.readouterr().err
    assert run(["check", "audit.yaml"]) == 2
    assert said.split("\n")[0] in " ".join(capsys.readouterr().out.split())


def test_all_laws_that_are_none_are_told(folder: Path) -> None:
    (folder / "audit.yaml").write_text(CONFIG.replace("normal(", "nrmal("))
    with pytest.raises(VarprobeError) as caught:
        load_audit("audit.yaml")
    assert [one.field for one in caught.value.told] == ["weights.*.proj", "weights.*"]


def test_the_schema_takes_what_the_loader_takes() -> None:
    validator = jsonschema.Draft202012Validator(audit_config_schema())
    plain = parse_yaml(CONFIG, "config").plain()
    assert validator.is_valid(plain)
    for wrong in ({**plain, "nme": 1}, {**plain, "alpha": 0}, {**plain, "layout": "tf"}, {**plain, "packed": {"a": 0}}):
        assert not validator.is_valid(wrong)


def test_a_config_leaves_no_room_for_options_that_say_the_same(folder: Path, capsys: Any) -> None:
    assert run(["audit", "audit.yaml", "--layout", "keras"]) == 2
    assert "--layout is for files of arrays" in capsys.readouterr().err


def test_check_takes_audits_beside_networks(folder: Path, capsys: Any) -> None:
    network = "input: {features: 8}\ndefaults: {init: xavier}\nlayers: [{dense: 8, repeat: 4}]\n"
    (folder / "network.yaml").write_text(network)
    assert run(["check", "audit.yaml", "network.yaml", "-o", "check.json"]) == 0
    out = capsys.readouterr().out
    assert "passed    audit.yaml: two: 6 tensors, 28,800 weights, " in out
    assert out.endswith("\n2 passed\n")
    audited, measured = load_result("check.json").checked
    assert [one.expectation for one in audited.decisions] == ["weights.*", "weights.*.proj", "findings"]
    assert audited.audit
    assert (audited.report, measured.audit) == (None, None)
    np.savez(folder / "net.npz", **arrays(proj=0.02))
    assert run(["check", "audit.yaml", "network.yaml", "--format", "github"]) == 1
    (error, *_) = capsys.readouterr().out.splitlines()
    # Three tensors of 4,800 weights: 2, with a standard error of 1 % of one.
    assert error.startswith("::error file=audit.yaml,line=5,title=varprobe%3A two%3A weights.*.proj FAILED::wanted ")
    assert "the scaling by 1/sqrt(2*depth) is missing" in error


def audit(made: dict[str, Any], meant: dict[str, str] | None = None, **settings: Any) -> Audit:
    chosen = AuditSettings(intent=read_intent(meant or {}), **settings)
    return audit_tensors([tensors_of_arrays(made)], chosen, "net", "arrays")


def drift(before: dict[str, Any], after: dict[str, Any], **settings: Any) -> list[str]:
    found = hold_to_baseline(audit(after, **settings), audit(before), "b.json")
    return [f"{one.code} {one.tensors[0]} {one.message}" for one in found.findings if one.severity == "error"]


def test_another_seed_is_no_drift() -> None:
    # 200 audits of 6 tensors at 0.1 % each: 0.2 false alarms are foreseen; 3 or more come in 1 of 900 runs.
    assert sum(bool(drift(arrays(0), arrays(seed))) for seed in range(1, 201)) < 3


@pytest.mark.parametrize("size", [3, 5, 10, 40])
def test_few_weights_drift_no_more_often_than_alpha(size: int) -> None:
    def drawn(seed: int) -> dict[str, Any]:
        return {"w": np.random.default_rng([size, seed]).standard_normal(size)}

    # 1,000 audits at 1 % each: 10 are foreseen, and 22 or more come in 1 of 1,500 runs.
    assert sum(bool(drift(drawn(2 * seed), drawn(2 * seed + 1), alpha=0.01)) for seed in range(1000)) < 22


def uniform(seed: int, width: float = 0.02) -> Any:
    return np.random.default_rng(seed).uniform(-width * 3**0.5, width * 3**0.5, (60, 80))


def test_what_changed_is_told() -> None:
    old = arrays(0) | {"b": np.zeros(60), "u": uniform(5)}
    assert drift(old, arrays(1) | {"b": np.zeros(60), "u": uniform(6)}) == []
    (shape,) = drift(old, old | {"h.0.fc": uniform(1)})
    assert shape.startswith("drifted h.0.fc its kurtosis went from ")
    (spread,) = drift(old, old | {f"h.{i}.proj": 1.1 * arrays(2)[f"h.{i}.proj"] for i in range(3)})
    assert spread.startswith("drifted h.0.proj its standard deviation went from 0.01")
    (centre,) = drift(old, old | {"u": uniform(7) + 0.004})
    assert centre.startswith("drifted u its mean went from ")
    assert drift(old, old | {"b": np.ones(60)}) == ["drifted b its weights went from 0 to 1, all alike"]
    assert drift(old, old | {"b": uniform(3)[0]})[0].startswith("reshaped b its shape went from 60 to 80")
    gone = {name: values for name, values in old.items() if name != "u"}
    assert drift(old, gone) == ["removed u it is in the baseline alone"]
    assert drift(gone, old) == ["added u it is not in the baseline"]


def test_a_drift_below_the_tolerance_never_counts() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.standard_normal((1000, 1000)), 1.01 * rng.standard_normal((1000, 1000))
    assert drift({"w": old}, {"w": new}) == []  # 1 % is 10 standard errors
    assert len(drift({"w": old}, {"w": new}, tolerance=0.002)) == 1


def test_a_kurtosis_scatters_as_that_of_the_law_that_has_it() -> None:
    for law in (Uniform(-1, 1), TruncatedNormal(1.0, -1.2, 1.2), TruncatedNormal(1.0, -2.2, 2.2)):
        moments = moments_of(law, 1, 1)
        assert moments
        # Between the cuts of the table the curve is convex: 5 % at most of what it is.
        assert scatter_of_kurtosis(moments.kurtosis) == pytest.approx(moments.kurtosis_scatter, rel=0.05)


def test_a_baseline_is_written_and_held_to(folder: Path, capsys: Any) -> None:
    for command in (["audit", "audit.yaml"], ["check", "audit.yaml"]):
        assert run([*command, "--baseline", "b.json", "--update-baseline"]) == 0
        assert capsys.readouterr().out.startswith("wrote b.json\n")
        assert json.loads((folder / "b.json").read_text())["audit_version"] == 1
        assert run([*command, "--baseline", "b.json"]) == 0
        np.savez(folder / "net.npz", **arrays(1) | {"h.0.fc": 1.2 * arrays(1)["h.0.fc"]})
        assert run([*command, "--baseline", "b.json"]) == 1
        assert "drift" in capsys.readouterr().out
        np.savez(folder / "net.npz", **arrays())
    assert run(["audit", "audit.yaml", "--baseline", "c.json"]) == 2
    assert run(["audit", "audit.yaml", "--update-baseline"]) == 2


def test_several_audits_have_a_baseline_each(folder: Path) -> None:
    (folder / "other.yaml").write_text(CONFIG.replace("name: two", "name: other"))
    assert run(["check", "audit.yaml", "other.yaml", "--baseline", "base", "--update-baseline"]) == 0
    assert sorted(path.name for path in (folder / "base").iterdir()) == ["other.json", "two.json"]
    assert run(["check", "audit.yaml", "other.yaml", "--baseline", "base"]) == 0
    (folder / "other.yaml").write_text(CONFIG)
    assert run(["check", "audit.yaml", "other.yaml", "--baseline", "base"]) == 2


def test_a_stored_audit_is_shown_and_makes_no_lesson(folder: Path, capsys: Any) -> None:
    assert run(["audit", "audit.yaml", "-o", "a.json"]) == 0
    told = capsys.readouterr().out
    assert run(["show", "a.json", "-o", "a.html", "-o", "a.xml"]) == 0
    assert capsys.readouterr().out == told
    assert run(["show", "a.json", "-o", "b.html", "--lesson"]) == 2
    assert "the page of an audit asks nothing" in capsys.readouterr().err
    assert not (folder / "b.html").exists()
