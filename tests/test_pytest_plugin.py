"""The pytest plugin, in test runs of its own: what passes, what fails and how that reads, and what is left alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from varprobe.gate.records import MAX_TRIALS
from varprobe.pytest_plugin import _line_of_expect
from varprobe.verdict.records import ALPHA

GUIDE = (Path(__file__).parents[1] / "varprobe/guide/ci.md").read_text()

HEALTHY = """\
input: {features: 32}
layers:
  - dense: {width: 32, activation: relu, init: he}
    repeat: 6
probe: {batch: 8}
"""
EXPECTED = HEALTHY + "expect: {forward: stable}\n"
BROKEN = HEALTHY.replace("he}", "small}")
MISSPELT = HEALTHY.replace("relu", "rellu")
# Narrow and deep: a few trials do not tell.
OPEN = HEALTHY.replace("32", "8").replace("repeat: 6", "repeat: 60")


def files(pytester: pytest.Pytester, **texts: str) -> None:
    """Configs of those names with the suffix that pytest collects."""
    for name, text in texts.items():
        (pytester.path / f"{name}.varprobe.yaml").write_text(text)


FLAGS = ("-W", "error", "-p", "no:cacheprovider")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """In a process of its own: NumPy cannot be loaded twice in one."""
    return pytester.runpytest_subprocess(*FLAGS, *arguments)


def collect(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Without a check, and so in this process."""
    return pytester.runpytest_inprocess(*FLAGS, "--strict-markers", *arguments)


def properties(report: Path) -> list[dict[str, str]]:
    """Those of each test case of a JUnit report."""
    cases = ElementTree.parse(report).iter("testcase")
    return [{str(one.get("name")): str(one.get("value")) for one in case.iter("property")} for case in cases]


def test_a_config_that_is_as_expected_passes(pytester: pytest.Pytester) -> None:
    files(pytester, deep=EXPECTED)
    result = run(pytester, "-v", "--junitxml=report.xml")
    result.stdout.fnmatch_lines(["deep.varprobe.yaml::check PASSED*"])
    assert result.ret == 0
    (found,) = properties(pytester.path / "report.xml")
    assert found == {
        "varprobe.network": "deep",
        "varprobe.outcome": "passed",
        "varprobe.trials": "20",
        "varprobe.max_trials": str(MAX_TRIALS),
        "varprobe.looks": "1",
        "varprobe.alpha": str(ALPHA),
        "varprobe.seed": "0",
    }


def test_a_config_that_is_not_fails_in_the_words_of_the_terminal(pytester: pytest.Pytester) -> None:
    files(pytester, deep=BROKEN)
    result = run(pytester, "--junitxml=report.xml")
    assert result.ret == 1
    command = [sys.executable, "-m", "varprobe", "check", "deep.varprobe.yaml"]
    terminal = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, timeout=60).stdout
    said = [line.strip() for line in terminal.splitlines()[1:-2]]
    assert "FAILED activations: wanted stable, found vanishing" in said[0]
    shown = result.stdout.str()
    assert "".join(said).replace(" ", "") in re.sub(r"\s", "", shown)
    assert "Traceback" not in shown
    assert "pytest_plugin.py" not in shown
    result.stdout.fnmatch_lines(
        [
            "*_ varprobe check deep.varprobe.yaml _*",
            "FAILED deep.varprobe.yaml::check - Failed: FAILED activations: wanted*",
        ]
    )
    assert properties(pytester.path / "report.xml")[0]["varprobe.outcome"] == "failed"


def test_what_cannot_be_decided_fails_and_says_how_many_trials_would_do(pytester: pytest.Pytester) -> None:
    files(pytester, deep=OPEN)
    pytester.makeini("[pytest]\nvarprobe_max_trials = 6\nvarprobe_alpha = 0.01\n")
    result = run(pytester, "--junitxml=report.xml")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["UNDECIDED activations: wanted stable*", "*-> 6 trials did not decide it*"])
    (found,) = properties(pytester.path / "report.xml")
    assert found["varprobe.outcome"] == "undecided"
    assert (found["varprobe.trials"], found["varprobe.max_trials"], found["varprobe.alpha"]) == ("6", "6", "0.01")


def test_a_mistake_in_a_config_is_told_with_its_place(pytester: pytest.Pytester) -> None:
    files(pytester, deep=MISSPELT)
    result = run(pytester)
    assert result.ret == 1
    place = "deep.varprobe.yaml:3:36: layers[[]0].dense.activation: unknown activation 'rellu'"
    result.stdout.fnmatch_lines([place, "  hint: did you mean 'relu'?*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


def test_only_the_double_suffix_is_collected(pytester: pytest.Pytester) -> None:
    files(pytester, deep=EXPECTED)
    for name in ("deep.yaml", "varprobe.yaml", "other.varprobe.json"):
        (pytester.path / name).write_text(EXPECTED)
    (pytester.path / "wide.varprobe.yml").write_text(EXPECTED)
    result = collect(pytester, "--collect-only", "-q")
    assert result.outlines[:3] == ["deep.varprobe.yaml::check", "wide.varprobe.yml::check", ""]


def test_the_mark_selects_both_kinds_of_tests(pytester: pytest.Pytester) -> None:
    files(pytester, deep=EXPECTED, wide=EXPECTED)
    pytester.makepyfile(
        test_net="def test_net(varprobe_check): pass\ndef test_other(): pass",
    )
    of_us = ["deep.varprobe.yaml::check", "test_net.py::test_net", "wide.varprobe.yaml::check"]
    for mark, wanted in (("varprobe", of_us), ("not varprobe", ["test_net.py::test_other"])):
        result = collect(pytester, "--collect-only", "-q", "-m", mark)
        assert result.outlines[: len(wanted) + 1] == [*wanted, ""]
    by_name = collect(pytester, "--collect-only", "-q", "-k", "wide")
    assert by_name.outlines[:2] == ["wide.varprobe.yaml::check", ""]
    assert "@pytest.mark.varprobe" in collect(pytester, "--markers").stdout.str()


def test_without_the_plugin_nothing_is_collected(pytester: pytest.Pytester) -> None:
    files(pytester, deep=BROKEN)
    result = collect(pytester, "-p", "no:varprobe")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


FIXTURE = """
    import varprobe
    from pathlib import Path

    def test_beside_the_test(varprobe_check):
        done = varprobe_check("near.varprobe.yaml", set={"layers.0.repeat": 3, "probe.seed": 10})
        assert (len(done.report.layers), done.report.settings.seed, done.config) == (3, 10, "nets/near.varprobe.yaml")

    def test_below_the_root_and_from_another_folder(varprobe_check, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        done = varprobe_check("configs/far.yaml", init={"name": "he", "mode": "fan_out"})
        assert done.config == "configs/far.yaml"
        assert done.report.verdict.overall == "stable"

    def test_without_a_file(varprobe_check):
        config = {"input": {"features": 16}, "layers": ({"dense": 16, "repeat": 4},), "probe": {"batch": 8}}
        assert varprobe_check(config).outcome == "passed"
        assert varprobe_check(varprobe.load(config), alpha=0.01, max_trials=100).alpha == 0.01

    def test_with_a_baseline(varprobe_check, tmp_path):
        from varprobe.results.store import to_json

        (tmp_path / "stored.json").write_text(to_json(varprobe_check("near.varprobe.yaml").report))
        done = varprobe_check("near.varprobe.yaml", baseline=tmp_path / "stored.json", set={"probe.seed": 1})
        assert [one.expectation for one in done.decisions][-1] == "baseline"
"""


def test_the_fixture_gives_what_the_check_concluded(pytester: pytest.Pytester) -> None:
    for folder in ("nets", "configs"):
        (pytester.path / folder).mkdir()
    (pytester.path / "nets/near.varprobe.yaml").write_text(EXPECTED)
    (pytester.path / "configs/far.yaml").write_text(BROKEN.replace(", init: small", ""))
    pytester.makepyfile(test_net=FIXTURE)
    (pytester.path / "test_net.py").rename(pytester.path / "nets/test_net.py")
    result = run(pytester, "nets/test_net.py", "--junitxml=report.xml")
    result.assert_outcomes(passed=4)
    assert [one["varprobe.outcome"] for one in properties(pytester.path / "report.xml")] == ["passed"] * 4


FAILING = """
    import varprobe

    CONFIG = {"name": "<b>", "input": {"features": 16}, "layers": [{"dense": 16, "repeat": 4}], "probe": {"batch": 8}}

    def test_vanishing(varprobe_check):
        varprobe_check("deep.varprobe.yaml", init="small")

    def test_absent(varprobe_check):
        varprobe_check("nowhere.yaml")

    def test_absent_baseline(varprobe_check):
        varprobe_check("deep.varprobe.yaml", baseline="nowhere.json")

    def test_bad_edit(varprobe_check):
        varprobe_check(CONFIG, set={"layers[0].dense": "wide"})

    def test_bad_path(varprobe_check):
        varprobe_check(CONFIG, set={"layers 0": 1})

    def test_loaded(varprobe_check):
        varprobe_check(varprobe.load(CONFIG), init="he")

    def test_bad_chance(varprobe_check):
        varprobe_check(CONFIG, alpha=1)

    def test_bad_trials(varprobe_check):
        varprobe_check(CONFIG, max_trials=2.5)
"""
# In the order of the tests: what the first line of each failure is.
FAILURES = (
    "FAILED activations: wanted stable, found vanishing*",
    "nowhere.yaml: no such file in *",
    "nowhere.json: no such file in *",
    "set layers[[]0].dense=wide: layers[[]0].dense*: must be a whole number*",
    "set: cannot read 'layers 0=1' as path=value",
    "a network that has been loaded takes no init and no set",
    "alpha: must be a chance between 0 and 1, given 1",
    "max_trials: must be a whole number from 1 to 1,000,000, given 2.5",
)


def test_the_fixture_fails_the_test_with_one_message(pytester: pytest.Pytester) -> None:
    files(pytester, deep=HEALTHY.replace(", init: he", ""))
    pytester.makepyfile(test_net=FAILING)
    result = run(pytester, "test_net.py")
    result.assert_outcomes(failed=len(FAILURES))
    result.stdout.fnmatch_lines([line for first in FAILURES for line in ("*_ test_*", first)], consecutive=False)
    result.stdout.no_fnmatch_line("*Error*")
    result.stdout.no_fnmatch_line("*During handling*")
    result.stdout.no_fnmatch_line(">*")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("varprobe_alpha = 2", "varprobe_alpha: must be a chance between 0 and 1, given '2'"),
        ("varprobe_alpha = few", "varprobe_alpha: must be a chance between 0 and 1, given 'few'"),
        ("varprobe_max_trials = 0", "varprobe_max_trials: must be a whole number from 1 to 1,000,000, given '0'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_once(pytester: pytest.Pytester, setting: str, message: str) -> None:
    files(pytester, deep=EXPECTED)
    pytester.makeini(f"[pytest]\n{setting}\n")
    result = collect(pytester)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in result.stderr.str()


def test_a_fault_of_varprobes_is_no_mistake_of_the_users(pytester: pytest.Pytester) -> None:
    files(pytester, deep=EXPECTED)
    pytester.makeconftest("import varprobe.testing\ndef broken(*a, **b): raise ValueError('fault')\n"
                          "varprobe.testing.check = broken")  # fmt: skip
    result = run(pytester)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*testing.py:*", "E*ValueError: fault"])


def test_workers_share_the_cores_and_find_the_same(pytester: pytest.Pytester) -> None:
    files(pytester, deep=EXPECTED, flat=BROKEN)
    pytester.makepyfile(
        """
        import varprobe.testing
        from varprobe.engine.schedule import available_cores

        def test_net(varprobe_check):
            done = varprobe_check("deep.varprobe.yaml")
            assert done.report.provenance.threads == max(1, available_cores() // 2)
        """
    )
    result = run(pytester, "-n2", "-v", "--junitxml=report.xml")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*PASSED*deep.varprobe.yaml::check*", "FAILED activations: wanted stable*"])
    assert all(one["varprobe.trials"] == "20" for one in properties(pytester.path / "report.xml"))


def test_a_session_that_checks_nothing_loads_nothing(pytester: pytest.Pytester) -> None:
    files(pytester, deep=EXPECTED)
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            assert [name for name in sys.modules if name.startswith("varprobe.")] == ["varprobe.pytest_plugin"]
            assert not {"numpy", "pydantic", "rich", "typer", "ruamel.yaml", "matplotlib"} & set(sys.modules)
        """
    )
    # Other plugins of this environment load numpy and pydantic by themselves.
    result = run(pytester, "-m", "not varprobe", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEALTHY, 0),
        (EXPECTED, 5),
        ("# expect: nothing\nexpect :\n  forward: stable\n", 1),
        ("expected: 1\n  expect: 2\n", 0),
        ("\xff", 0),
    ],
)
def test_a_config_is_reported_at_its_expectations(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "deep.varprobe.yaml"
    path.write_text(text, encoding="latin-1")
    assert _line_of_expect(path) == line


def test_a_config_that_has_vanished_is_reported_at_its_top(tmp_path: Path) -> None:
    assert _line_of_expect(tmp_path / "deep.varprobe.yaml") == 0


def test_the_example_of_the_guide_passes(pytester: pytest.Pytester) -> None:
    (example,) = re.findall(r"^```py\n(.*?)^```", GUIDE, re.M | re.S)
    (pytester.path / "configs").symlink_to(Path(__file__).parents[1] / "configs")
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests/test_net.py").write_text(example)
    run(pytester, "tests").assert_outcomes(passed=1)
