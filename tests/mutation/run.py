"""Mutation testing of verdict, statistics and config; `reports/mutation.md` has results.

    python tests/mutation/run.py --sample 200            # from the repository's root, with the extra `test`
    python tests/mutation/run.py --only verdict/rule.py:17 gate/check.py:3

A seeded sample of the mutants of each group. The result is kept in a file, and what it holds is not run again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from driver import FLAGS, ROOT, Driver
from operators import Mutant, mutants

from varprobe.verdict.intervals import binomial_interval

CONFIG = "loading document config_schema expect_schema expecting sections overrides fields parameters unroll build"
GROUPS = {
    "verdict": ("verdict/*.py",),
    "statistics": ("gate/*.py", "verdict/intervals.py", "report/estimates.py", "comparison.py"),
    "config": tuple(f"config/{name}.py" for name in CONFIG.split()),
}
TESTS = (
    "config verdict gate gate_answers expect intervals error_rates findings compare initializers predict check_formats "
    "formats theory_coverage width frozen finding_words gate_levels estimates "
    "config_words"
)


def modules(group: str) -> list[Path]:
    """The files of a group; one that two groups name belongs to the second."""
    found = {path for pattern in GROUPS[group] for path in (ROOT / "varprobe").glob(pattern)}
    return sorted(found - {ROOT / "varprobe/verdict/intervals.py"} if group == "verdict" else found)


def chosen(group: str, asked: argparse.Namespace) -> list[tuple[str, Path, Mutant]]:
    """Name, file and mutant of those to be tried."""
    every = [
        (f"{path.relative_to(ROOT / 'varprobe')}:{mutant.number}", path, mutant)
        for path in modules(group)
        for mutant in mutants(path.read_text())
    ]
    if asked.only:
        return [each for each in every if each[0] in asked.only]
    some = random.Random(asked.seed).sample(every, min(asked.sample, len(every)))
    return sorted(some, key=lambda each: (each[1], each[2].number))


def summary(group: str, names: list[str], known: dict[str, list[object]]) -> str:
    """A line for the group and one for each room in it, then the survivors."""
    lived = [name for name in names if not str(known[name][0]).startswith("killed")]
    totals = Counter({group: len(names)}) + Counter(name.partition(":")[0] for name in names)
    left = Counter({group: len(lived)}) + Counter(name.partition(":")[0] for name in lived)
    lines = []
    for room, total in totals.items():
        low, high = binomial_interval(total - left[room], total, 0.05)
        share = (total - left[room]) / total
        lines.append(f"{room:28} {total - left[room]:4} of {total:4} killed, {share:.1%} ({low:.1%} to {high:.1%})")
    return "\n".join([*lines, *(f"  {name} {known[name]}" for name in lived)])


def main() -> int:
    parser = argparse.ArgumentParser(description="mutation testing of verdict, statistics and config")
    parser.add_argument("--group", choices=GROUPS, action="append", help="by default all three")
    parser.add_argument("--sample", type=int, default=200, help="mutants of each group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="these mutants, such as verdict/rule.py:17; again, if they were run")
    parser.add_argument(
        "--retry", default="", metavar="survived", help="of those that were run, the ones that ended so"
    )
    parser.add_argument("--tests", default=TESTS, help="files of tests, without test_ and .py")
    parser.add_argument("--budget", type=float, default=8.0, help="seconds of tests for a mutant")
    parser.add_argument("--result", type=Path, default=Path("mutation.json"))
    parser.add_argument("--reached", type=Path, default=Path("mutation_reached.json"), help="made where it is missing")
    asked = parser.parse_args()
    groups = {group: chosen(group, asked) for group in asked.group or GROUPS}
    files = [path for group in GROUPS for path in modules(group)]
    jobs = [job for jobs in groups.values() for job in jobs]
    known = json.loads(asked.result.read_text()) if asked.result.exists() else {}
    new = [job for job in jobs if asked.only or str(known.get(job[0], [asked.retry])[0]) == asked.retry]
    driver = Driver(new, files, asked.result, asked.reached, asked.budget)
    tests = [f"tests/test_{name}.py" for name in asked.tests.split()]
    status = pytest.main([*FLAGS, *tests, *(str(path.relative_to(ROOT)) for path in files)], plugins=[driver])
    known = json.loads(asked.result.read_text()) if asked.result.exists() else {}
    for group, jobs in groups.items():
        print(summary(group, [name for name, _, _ in jobs], known))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
