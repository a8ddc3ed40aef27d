"""Results as Python shows them: every kind, in a console, a notebook, a figure, a file, a data frame."""

from __future__ import annotations

import builtins
import html
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import varprobe
from varprobe.audit.audit import AuditSettings, audit_tensors
from varprobe.audit.files import tensors_of_arrays
from varprobe.audit.intent import read_intent
from varprobe.errors import VarprobeError
from varprobe.formatting import power
from varprobe.gate.check import gather
from varprobe.gate.records import CheckError
from varprobe.presentable import Presentable
from varprobe.presentation.kinds import SHOWN, shown_of
from varprobe.presentation.notebook import MAX_BYTES
from varprobe.reporters.check.words import subject
from varprobe.results.kinds import RESULTS, find, render
from varprobe.results.store import load_result


def network(depth: int = 6, name: str = "net", **more: Any) -> dict[str, Any]:
    defaults = {"activation": "tanh", "init": "small"}
    probe = {"trials": 5, "batch": 8}
    layers = [{"dense": 12, "repeat": depth}]
    return {"name": name, "input": {"features": 12}, "defaults": defaults, "layers": layers, "probe": probe, **more}


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """One result of each kind, by its key in `SHOWN`."""
    report, checked = varprobe.run(network()), varprobe.check(network())
    with ThreadPoolExecutor(1) as executor:
        swept = varprobe.sweep(network(), {"layers.0.repeat": [3, 6]}, executor=executor)
    return {
        "report.records:Report": report,
        "comparison:Comparison": varprobe.compare(report, network(), init="xavier"),
        "sweeps.records:Sweep": swept,
        "gate.records:CheckResult": checked,
        "gate.records:CheckRun": gather([checked]),
        "audit.records:Audit": audit_tensors(
            [tensors_of_arrays({"w": np.random.default_rng(0).normal(0, 1, (30, 40))})],
            AuditSettings(intent=read_intent({"w": "normal(0.02)"})),
            "net",
            "net.npz",
        ),
        "tuning:Tuning": varprobe.tune(network()),
    }


@pytest.fixture
def result(request: pytest.FixtureRequest, results: dict[str, Any]) -> Any:
    return results[request.param]


every_kind = pytest.mark.parametrize("result", SHOWN, indirect=True)


def test_every_kind_of_result_shows_itself() -> None:
    assert {kind.record for kind in RESULTS.values()} <= set(SHOWN)
    for path in SHOWN:
        assert issubclass(find(path), Presentable), path
        assert find(path).__repr__ is Presentable.__repr__, path


@every_kind
def test_a_repr_has_the_verdict_first_and_ten_lines_at_most(result: Any) -> None:
    lines = repr(result).splitlines()
    assert 3 <= len(lines) <= 10
    assert max(map(len, lines)) <= 102
    assert re.search("vanishing|FAILED|1 failed|stable both ways, confirmed", lines[0]), lines[0]
    assert lines[-1].startswith(".summary() says all; ")
    assert (".plot()" in lines[-1]) == bool(shown_of(result).picture)


def test_a_repr_of_much_says_how_much_more_there_is(results: dict[str, Any]) -> None:
    report = results["report.records:Report"]
    finding = report.verdict.findings[0]
    many = replace(report, verdict=replace(report.verdict, findings=(finding,) * 30))
    assert repr(many).splitlines()[-2] == "  and 26 more"
    assert len(repr(many).splitlines()) == 10


@every_kind
def test_a_name_from_a_config_cannot_leave_its_line(result: Any) -> None:
    evil = "a\x1b[31m\nb"
    named = next((field.name for field in fields(result) if field.name in ("name", "names")), None)
    if named is None:
        return
    made = replace(result, **{named: (evil,) * len(result.names) if named == "names" else evil})
    assert "\x1b" not in repr(made) + made.summary()
    assert len(repr(made).splitlines()) <= 10


def test_the_summary_of_a_report_has_every_finding_and_remedy(results: dict[str, Any]) -> None:
    report = results["report.records:Report"]
    told = report.summary()
    assert max(map(len, told.splitlines())) <= 100
    assert told.startswith("vanishing: ")
    assert power(report.verdict.forward.total_log10) in told.splitlines()[0]
    for finding in report.verdict.findings:
        assert finding.message in " ".join(told.split())
        assert finding.remedy in " ".join(told.split())


def test_the_summary_of_a_check_has_every_decision(results: dict[str, Any]) -> None:
    checked = results["gate.records:CheckResult"]
    told = checked.summary()
    assert told.startswith("FAILED: 1 of 3 expectations met\n")
    for decision in checked.decisions:
        assert f"{subject(decision)}: wanted {decision.wanted}, found " in told
        assert decision.remedy in " ".join(told.split())
    assert results["gate.records:CheckRun"].summary() == f"1 failed\n{told}"


def test_a_check_that_could_not_be_made_says_why(results: dict[str, Any]) -> None:
    broken = replace(
        results["gate.records:CheckResult"],
        outcome="error",
        decisions=(),
        report=None,
        trouble=CheckError("bad", "do it"),
    )
    assert repr(broken).startswith("ERROR: bad\n")
    assert "hint: do it" in broken.summary()
    assert broken._repr_html_() is None
    with pytest.raises(VarprobeError, match="was not measured, there is no picture"):
        broken.plot()


# --- notebooks ------------------------------------------------------------------------------------------------------


def page_of(shown: str) -> str:
    (frame,) = re.findall(r'<iframe sandbox="allow-scripts" [^>]*srcdoc="([^"]*)"></iframe>', shown)
    return html.unescape(frame)


@every_kind
def test_a_notebook_shows_the_page_in_a_sandboxed_frame(result: Any) -> None:
    shown = result._repr_html_()
    if not shown_of(result).picture:
        assert shown is None
        return
    assert len(shown.encode()) <= MAX_BYTES == 200_000
    page = page_of(shown)
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    # It may run its own scripts, and reach neither the notebook nor the network.
    assert "allow-same-origin" not in shown
    assert "default-src 'none'" in page


@pytest.mark.parametrize(("depth", "kind"), [(6, "page"), (40, "thinned"), (400, "picture")])
def test_what_a_notebook_shows_is_small_at_any_depth(depth: int, kind: str) -> None:
    report = varprobe.run(network(depth), init="xavier", trials=2)
    shown = report._repr_html_()
    assert shown is not None
    assert len(shown.encode()) <= MAX_BYTES
    assert ("<iframe" in shown) == (kind != "picture")
    assert ("to be small" in shown) == (kind == "thinned")
    assert ("data:image/png;base64," in shown) == (kind == "picture")
    if kind != "picture":
        assert page_of(shown).count("<tr") > depth


def test_a_page_that_is_whole_is_the_page_that_is_saved(results: dict[str, Any]) -> None:
    report = results["report.records:Report"]
    assert page_of(report._repr_html_()) == render(report, ".html")


def test_a_name_from_a_config_stays_text_in_a_notebook(results: dict[str, Any]) -> None:
    evil = '"><script>alert(1)</script>'
    report = replace(results["report.records:Report"], name=evil)
    shown = report._repr_html_()
    assert shown.count("<iframe") == 1
    assert "<script>alert" not in html.unescape(shown).replace(page_of(shown), "")
    assert "<script>alert" not in page_of(shown)


# --- figures --------------------------------------------------------------------------------------------------------


@every_kind
def test_a_plot_is_a_figure_that_shows_itself(result: Any) -> None:
    if not shown_of(result).picture:
        with pytest.raises(VarprobeError, match=r"^plot: an? \w+ has no picture"):
            result.plot()
        return
    figure = result.plot()
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_report_is_drawn_on_given_axes(results: dict[str, Any]) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert results["report.records:Report"].plot(left) is figure
    assert left.get_ylabel()
    assert len(left.lines) >= 2
    assert not right.lines
    with pytest.raises(VarprobeError, match=r"^ax: the picture of a comparison has several axes"):
        results["comparison:Comparison"].plot(left)


# --- files ----------------------------------------------------------------------------------------------------------


@every_kind
def test_a_result_is_saved_in_every_format_that_its_table_lists(result: Any, tmp_path: Path) -> None:
    for suffix in shown_of(result).formats:
        target = tmp_path / f"made{suffix}"
        result.save(target)
        assert target.stat().st_size > 50, suffix
    with pytest.raises(VarprobeError, match=r"no format is known by the suffix '\.xyz'\n  hint: known are \."):
        result.save(tmp_path / "made.xyz")
    with pytest.raises(VarprobeError, match="does not exist"):
        result.save(tmp_path / "none" / "made.json")


@pytest.mark.parametrize("result", [kind.record for kind in RESULTS.values()], indirect=True)
def test_what_is_saved_is_read_again(result: Any, tmp_path: Path) -> None:
    result.save(str(tmp_path / "made.JSON"))
    again = varprobe.show(tmp_path / "made.JSON")
    assert type(again) is type(result)
    assert again == result


def test_a_single_check_is_saved_as_a_run_of_one(results: dict[str, Any], tmp_path: Path) -> None:
    results["gate.records:CheckResult"].save(tmp_path / "check.json")
    assert load_result(tmp_path / "check.json") == results["gate.records:CheckRun"]


def test_a_tuning_is_saved_as_the_config_with_its_changes(tmp_path: Path) -> None:
    head = "# mine\nname: net\ninput: {features: 12}\ndefaults: {init: small}  # too small\n"
    text = f"{head}layers:\n  - {{dense: 12, repeat: 6}}\n"
    tuning = varprobe.tune(text)
    tuning.save(tmp_path / "tuned.yaml")
    tuned = (tmp_path / "tuned.yaml").read_text()
    assert tuned.startswith("# mine\n")
    assert "# too small" in tuned
    assert varprobe.load(tmp_path / "tuned.yaml").document == tuning.tuned.document
    assert varprobe.run(tmp_path / "tuned.yaml").verdict.overall == "stable"


def test_only_a_page_asks_before_it_shows(results: dict[str, Any], tmp_path: Path) -> None:
    report = results["report.records:Report"]
    report.save(tmp_path / "page.html", lesson=True)
    assert (tmp_path / "page.html").read_text() == render(report, ".html", lesson=True)
    with pytest.raises(VarprobeError, match=r"^lesson: there is no page to ask in"):
        report.save(tmp_path / "page.png", lesson=True)


# --- data frames ----------------------------------------------------------------------------------------------------


def test_without_pandas_a_frame_says_so(results: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(
        VarprobeError, match=r"^to_frame: needs pandas, which is not installed\n  hint: pip install pandas"
    ):
        results["report.records:Report"].to_frame()
