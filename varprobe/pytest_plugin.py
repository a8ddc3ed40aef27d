"""The pytest plugin: configs as tests, and checks inside tests.

Files called `*.varprobe.yaml` or `*.varprobe.yml` are collected, one test a file; the fixture `varprobe_check` checks a
network from within a test, `varprobe_audit` weights, and `varprobe_grade` a student's. All carry the mark `varprobe`,
and checks leave what was found in the test's properties, which JUnit XML shows. `-p no:varprobe` turns all of it off.

Every pytest session in the environment imports this module: nothing else of varprobe is imported before it is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from varprobe.audit.records import Audit
    from varprobe.config.loading import Experiment
    from varprobe.gate.records import CheckResult
    from varprobe.report.records import Report
    from varprobe.testing import Surroundings

_SUFFIXES = (".varprobe.yaml", ".varprobe.yml")
_FIXTURES = {"varprobe_check", "varprobe_audit", "varprobe_grade"}
_MARK = "varprobe"
_MOST_TRIALS = 1_000_000
# Characters of a config that are searched for its `expect`.
_SEARCHED = 1 << 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Settings of pytest's configuration file."""
    parser.addini("varprobe_alpha", "Chance that any decision of a varprobe check is wrong.", default="0.001")
    parser.addini("varprobe_max_trials", "Trials that a varprobe check may draw.", default="400")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark, and refuses settings that cannot be before anything runs."""
    config.addinivalue_line("markers", f"{_MARK}: holds networks to what is expected of them; takes seconds.")
    _alpha(config, None)
    _max_trials(config, None)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Configs with the double suffix are tests; others are not, even where they are named."""
    if file_path.name.lower().endswith(_SUFFIXES):
        return ConfigFile.from_parent(parent, path=file_path)
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that take the fixture carry the mark."""
    if not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker(_MARK)


class ConfigFile(pytest.File):
    """A config as a file of tests, of which there is one, `check`."""

    def collect(self) -> Iterable[ConfigItem]:
        yield ConfigItem.from_parent(self, name="check")


class ConfigItem(pytest.Item):
    """A config that is held to its `expect`."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.add_marker(_MARK)

    def runtest(self) -> None:
        VarprobeCheck(self)(self.path)

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        return self.path, _line_of_expect(self.path), f"varprobe check {self.path.name}"


def _line_of_expect(path: Path) -> int:
    """The line, from 0, where the block `expect` begins; 0 where it cannot be seen."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_SEARCHED)
    except OSError:
        return 0
    found = re.search(r"^expect\s*:", text, re.M)
    return text.count("\n", 0, found.start()) if found else 0


class VarprobeCheck:
    """What the fixture `varprobe_check` is: called with a network, it fails the test where that is not as expected."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(
        self,
        config: str | Path | Mapping[str, Any] | Experiment,
        *,
        init: str | Mapping[str, Any] | None = None,
        set: Mapping[str, Any] | None = None,
        alpha: float | None = None,
        max_trials: int | None = None,
        baseline: Report | str | Path | None = None,
    ) -> CheckResult:
        """Holds a network to its config's `expect`, or to stability both ways where it has none.

        Arguments:
            config: a path, the config as a mapping, or what `varprobe.load` returned. A path that is not absolute is
                looked for in the folder of the test's file, then in pytest's root folder.
            init: the scheme of every layer that does not name one.
            set: config path -> value, such as `{"layers.0.repeat": 50}`.
            alpha: the chance that any decision is wrong; by default the setting `varprobe_alpha`.
            max_trials: draw no more; by default the setting `varprobe_max_trials`.
            baseline: a report of the same network, or its file, from which no statistic may have drifted; a path is
                looked for as that of a config is.

        Returns:
            What was concluded: everything is met, and `report` is on all trials.
        """
        from varprobe.errors import VarprobeError
        from varprobe.testing import hold

        edits = {} if init is None else {"defaults.init": init}
        try:
            checked = hold(config, {**edits, **(set or {})}, baseline, self._surroundings(alpha, max_trials))
        except (VarprobeError, pytest.UsageError) as error:
            mistake = str(error)
        else:
            return _conclude(self._item, checked)
        pytest.fail(mistake, pytrace=False)  # here, where there is no exception that pytest would show as its cause

    def _surroundings(self, alpha: float | None, max_trials: int | None) -> Surroundings:
        from varprobe.testing import Surroundings

        config = self._item.config
        return Surroundings(
            folders=(self._item.path.parent, config.rootpath),
            shown_from=config.invocation_params.dir,
            processes=getattr(config, "workerinput", {}).get("workercount", 1),
            alpha=_alpha(config, alpha),
            max_trials=_max_trials(config, max_trials),
        )


class VarprobeGrade:
    """What the fixture `varprobe_grade` is: called with weights, it fails the test where they are not of their law."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(
        self,
        weights: Callable[..., Any] | Mapping[str, Any] | str | Path | Any,
        law: str | Mapping[str, str],
        shape: tuple[int, ...] | None = None,
        *,
        layout: str = "torch",
        alpha: float = 1e-6,
        tolerance: float = 0.02,
        draws: int = 8,
        seed: int = 0,
    ) -> CheckResult:
        """Holds weights to a law: no two right answers need have the same numbers.

        Arguments:
            weights: a function, which is called with several seeds; an array, or arrays by name; a file of them.
            law: as the command line takes it, such as `he(mode=fan_out)`; or pattern of names -> law.
            shape: of the array that a function is asked for.
            layout: `torch` (out, in), `keras` or `flax` (in, out).
            alpha: the chance that weights which are drawn from the law fail.
            tolerance: a standard deviation that is off by a smaller share passes.
            draws, seed: calls of a function, and where their seeds come from.

        Returns:
            What was concluded: everything is met.
        """
        from varprobe.errors import VarprobeError
        from varprobe.testing import Marked, grade_weights

        folders = (self._item.path.parent, self._item.config.rootpath)
        asked = Marked(law, shape, layout, alpha, tolerance, draws, seed)
        try:
            graded = grade_weights(weights, asked, folders)
        except VarprobeError as error:
            mistake = str(error)
        else:
            return _conclude(self._item, graded)
        pytest.fail(mistake, pytrace=False)


def _conclude(item: pytest.Item, checked: CheckResult) -> CheckResult:
    """The same, where it passed; what was found goes into the test's properties."""
    from varprobe.reporters.check.junit import properties_of

    item.user_properties += [(f"varprobe.{key}", value) for key, value in properties_of(checked).items()]
    if checked.outcome != "passed":
        from varprobe.reporters.check.terminal import text_of

        pytest.fail(text_of(checked), pytrace=False)
    return checked


@pytest.fixture
def varprobe_grade(request: pytest.FixtureRequest) -> VarprobeGrade:
    """Holds weights to a law, as in `varprobe_grade(init_layer, "he", shape=(256, 128))`."""
    return VarprobeGrade(request.node)


class VarprobeAudit:
    """What the fixture `varprobe_audit` is: called with weights, it fails the test unless they are what was meant."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, what: Any, expect: Mapping[str, str] | None = None, **settings: Any) -> Audit:
        """Audits weights.

        Arguments:
            what, expect, settings: as in `varprobe.audit`. A path that is not absolute is looked for in the folder of
                the test's file, then in pytest's root folder; `alpha` is by default the setting `varprobe_alpha`.

        Returns:
            The audit, which passed.
        """
        from varprobe.errors import VarprobeError
        from varprobe.testing import hold_weights

        alpha = _alpha(self._item.config, settings.pop("alpha", None))
        folders = self._item.path.parent, self._item.config.rootpath
        try:
            told, found = hold_weights(what, expect, folders, alpha=alpha, **settings)
        except VarprobeError as error:
            mistake = str(error)
        else:
            if told:
                pytest.fail(told, pytrace=False)
            return found
        pytest.fail(mistake, pytrace=False)


@pytest.fixture
def varprobe_check(request: pytest.FixtureRequest) -> VarprobeCheck:
    """Holds networks to what is expected of them, as in `varprobe_check("configs/net.yaml", init="xavier")`."""
    return VarprobeCheck(request.node)


@pytest.fixture
def varprobe_audit(request: pytest.FixtureRequest) -> VarprobeAudit:
    """Holds weights to what was meant, as in `varprobe_audit(model, expect={"*.bias": "zeros"})`."""
    return VarprobeAudit(request.node)


def _alpha(config: pytest.Config, given: float | None) -> float:
    value = config.getini("varprobe_alpha") if given is None else given
    try:
        chance = float(value)
    except (TypeError, ValueError):
        chance = 0.0
    if not 0 < chance < 1:
        raise pytest.UsageError(f"{_name('alpha', given)}: must be a chance between 0 and 1, given {value!r}")
    return chance


def _max_trials(config: pytest.Config, given: int | None) -> int:
    value = config.getini("varprobe_max_trials") if given is None else given
    try:
        most = int(str(value))
    except ValueError:
        most = 0
    if not 1 <= most <= _MOST_TRIALS:
        name = _name("max_trials", given)
        raise pytest.UsageError(f"{name}: must be a whole number from 1 to {_MOST_TRIALS:,}, given {value!r}")
    return most


def _name(name: str, given: Any) -> str:
    return f"varprobe_{name}" if given is None else name
