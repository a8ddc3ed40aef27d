"""Runs tests against mutants, each in a fork of one process that has imported and collected everything.

In the fork the function's code is replaced, and the tests that reach the changed line run, quick ones first, until one
fails. What runs at the import, such as tables, is tried with everything imported anew. Tests above
`SLOWEST` are left out, and so are those beyond the budget of a mutant. Which tests reach a line is found first, each
test alone on empty caches.
"""

from __future__ import annotations

import functools
import gc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from operators import Mutant, mutated

ROOT = Path(__file__).parents[2]
SLOWEST = 1.0  # seconds of the processor
MEMORY = 4 * 2**30
FLAGS = ("-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=-q --doctest-modules")


class Driver:
    """Takes the place of pytest's loop over the tests."""

    def __init__(
        self, jobs: Sequence[tuple[str, Path, Mutant]], files: list[Path], result: Path, reached: Path, budget: float
    ) -> None:
        self.jobs, self.files, self.result, self.reached, self.budget = jobs, files, result, reached, budget
        self.sources = {path: path.read_text() for path in files}
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for path in self.files:
            importlib.import_module(_dotted(path))
        everything = gc.get_objects()
        self.caches = [each for each in everything if isinstance(each, functools._lru_cache_wrapper)]
        self.functions = [each for each in everything if isinstance(each, FunctionType)]
        del everything
        gc.freeze()  # forks share it, and no collection looks through it again
        reached = self.all_reached(session)
        items = {item.nodeid: item for item in session.items}
        known = json.loads(self.result.read_text()) if self.result.exists() else {}
        for name, path, mutant in self.jobs:
            tests = [items[test] for test in _tests(reached, path, mutant, self.budget) if test in items]
            limit = 10 + 4 * sum(reached["seconds"][item.nodeid] for item in tests)
            at_import = mutant.function is None or mutant.line in reached["imports"][str(path)]
            outcome = self.outcome(path, mutant, tests, limit, anew=at_import) if tests else "not reached"
            known[name] = [outcome, mutant.line, mutant.change, len(tests)]
            self.result.write_text(json.dumps(known, indent=0))
            print(name, *known[name], flush=True)
        return True

    def all_reached(self, session: pytest.Session) -> dict[str, Any]:
        """Seconds by test (null where it is left out), and by file and line the tests that reach it."""
        store: dict[str, Any] = {"seconds": {}, "lines": {str(path): {} for path in self.files}, "imports": {}}
        if self.reached.exists():
            store = json.loads(self.reached.read_text())
        new = [item for item in session.items if item.nodeid not in store["seconds"]]
        if new:
            if not (child := os.fork()):
                self.reached.write_text(json.dumps(self.traced(new, store)))
                os._exit(0)
            os.waitpid(child, 0)
            store = json.loads(self.reached.read_text())
        return store

    def traced(self, items: list[pytest.Item], store: dict[str, Any]) -> dict[str, Any]:
        tracer = coverage.Coverage(data_file=None, include=list(store["lines"]), config_file=False)
        tracer.start()
        for item in items:
            self.empty_caches()
            tracer.switch_context(item.nodeid)
            self.failed, started = False, time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            took = time.process_time() - started
            store["seconds"][item.nodeid] = None if self.failed or took > SLOWEST else took
        tracer.switch_context("import")
        _forget()
        for path in self.files:
            importlib.import_module(_dotted(path))
        tracer.stop()
        for file, lines in store["lines"].items():
            found = tracer.get_data().contexts_by_lineno(file)
            store["imports"][file] = [line for line, tests in found.items() if "import" in tests]
            for line, tests in found.items():
                lines.setdefault(str(line), []).extend(test for test in tests if store["seconds"].get(test))
        return store

    def empty_caches(self) -> None:
        for each in self.caches:
            each.cache_clear()

    def outcome(self, path: Path, mutant: Mutant, tests: list[pytest.Item], limit: float, *, anew: bool) -> str:
        code = compile(mutated(self.sources[path], mutant.number), str(path), "exec")
        names = [item.nodeid for item in tests]
        status = _in_a_fork(lambda: self.killed(mutant.function, path, code, tests), limit) if mutant.function else 0
        if anew:
            status = status or _in_a_fork(lambda: _run_anew(path, code, names), limit)
        outcomes = {0: "survived", 1 << 8: "killed", signal.SIGKILL: "killed by time", signal.SIGALRM: "killed by time"}
        return outcomes.get(status, f"status {status}")

    def killed(self, function: tuple[str, int], path: Path, code: CodeType, tests: list[pytest.Item]) -> bool:
        self.empty_caches()
        _replace(function, path, code, self.functions)
        for item, following in zip(tests, [*tests[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return True
        return False


def _in_a_fork(killed: Callable[[], bool], limit: float) -> int:
    """The status of a process that ends with 1 where a test fails, or something else does."""
    if not (child := os.fork()):
        _silence()
        signal.alarm(int(20 * limit))  # for what waits without end
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            os._exit(killed())
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _tests(reached: dict[str, Any], path: Path, mutant: Mutant, budget: float) -> list[str]:
    """The tests for a mutant: of the file that has had the least time so far, the quickest that is left."""
    lines, seconds = reached["lines"][str(path)], reached["seconds"]
    near = {test for tests in lines.values() for test in tests} or {test for test, took in seconds.items() if took}
    if mutant.function:  # a line that begins no statement may have no tests of its own
        above = range(mutant.line, mutant.function[1], -1)
        near = set(next((tests for line in above if (tests := lines.get(str(line)))), []))
    files: dict[str, list[str]] = {}
    for test in sorted(near, key=lambda test: (seconds[test], test), reverse=True):
        files.setdefault(test.partition("::")[0], []).append(test)
    chosen, spent = [], dict.fromkeys(files, 0.0)
    while files and sum(spent.values()) < budget:
        file = min(files, key=lambda file: spent[file])
        chosen.append(files[file].pop())
        spent[file] += seconds[chosen[-1]]
        if not files[file]:
            del files[file]
    return chosen


def _replace(function: tuple[str, int], path: Path, module: CodeType, known: list[FunctionType]) -> None:
    """Gives every live copy of a function its changed code."""

    def codes(code: CodeType) -> Iterator[CodeType]:
        yield code
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield from codes(each)

    def wanted(code: CodeType) -> bool:
        return (code.co_qualname, code.co_firstlineno) == function and code.co_filename == str(path)

    (changed,) = filter(wanted, codes(module))
    live = [each for each in known if wanted(each.__code__)]
    if not live:
        os._exit(9)
    for each in live:
        each.__code__ = changed


def _run_anew(path: Path, code: CodeType, tests: list[str]) -> bool:
    """Runs the tests in modules that are imported anew, one of them changed."""

    class Changed(importlib.machinery.SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            return code

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: Any) -> Any:
            if name != _dotted(path):
                return None
            return importlib.util.spec_from_file_location(name, path, loader=Changed(name, str(path)))

    _forget()
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
    importlib.import_module(_dotted(path))  # now: later pytest would find it first, and take the file itself
    imported = "ignore::pytest.PytestAssertRewriteWarning"
    return pytest.main([*FLAGS, "-x", "-W", imported, *tests]) != pytest.ExitCode.OK


def _forget() -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in ("varprobe", "conftest") or name.startswith("test_"):
            del sys.modules[name]


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
