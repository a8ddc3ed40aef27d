"""The fuzz campaign: configs, overrides, arrays and stored records of every damage, each one accepted or refused.

    python -m tests.fuzz.campaign --inputs 200000

tries so many inputs, the same for the same `--seed`, in `--processes` processes at a time, each with a limit on its
memory and on the seconds that one input may take (`limits`). An input fails where it ends in anything but a network,
a report or one clear error (`contract`). The first of each kind of failure is kept in `tests/fuzz/corpus`, which the
ordinary tests try again; `reports/fuzz.md` says what was found. Ends with 1 where anything failed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.limits import CPU_SECONDS, MEMORY, WALL_SECONDS
from tests.fuzz.sources import ROOT, SOURCES
from tests.fuzz.worker import Failure, Share
from varprobe.version import __version__

CORPUS = Path(__file__).parent / "corpus"
# Inputs of one process.
_SHARE = 5000


def main(arguments: list[str] | None = None) -> int:
    """Runs the campaign; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign", description="Tries damaged inputs.")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", choices=SOURCES, help="one category alone")
    parser.add_argument("--report", type=Path, default=ROOT / "reports" / "fuzz.md")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.processes) as pool:
        jobs = [
            pool.submit(_share, category, number, count, Path(folder) / str(index))
            for index, (category, number, count) in enumerate(_plan(chosen.inputs, chosen.seed, chosen.only))
        ]
        shares = []
        for job in jobs:
            shares.append(job.result())
            _tell(shares[-1], len(shares), len(jobs))
    kept = _keep(shares)
    chosen.report.write_text(_written(shares, kept, chosen.seed, time.monotonic() - started))
    return 1 if any(share.failed for share in shares) else 0


def _plan(inputs: int, seed: int, only: str | None) -> Iterator[tuple[str, int, int]]:
    """Category, seed and number of inputs of every process."""
    for category, (portion, _) in SOURCES.items():
        if only not in (None, category):
            continue
        left, part = inputs if only else math.ceil(inputs * portion), 0
        while left > 0:
            digest = hashlib.sha256(f"{seed} {category} {part}".encode()).digest()
            yield category, int.from_bytes(digest[:4], "little"), min(left, _SHARE)
            left, part = left - _SHARE, part + 1


def _share(category: str, number: int, count: int, folder: Path) -> Share:
    command = [sys.executable, "-m", "tests.fuzz.worker", category, str(number), str(count), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        found = json.loads(done.stdout.splitlines()[-1])
        failures = [Failure(**failure) for failure in found.pop("failures")]
        return Share(**found, failures=failures)
    details = done.stderr.decode(errors="replace")[-2000:]
    if not folder.joinpath(".now").exists():
        raise RuntimeError(details)
    suffix, _, data = (folder / ".now").read_bytes().partition(b"\0")  # what it died of
    signature = f"process ended with {done.returncode}: {details.strip().splitlines()[-1:]}"
    failure = Failure(signature, details, suffix.decode(), base64.b64encode(data).decode())
    return Share(category, tried=1, failed=1, failures=[failure])


def _tell(share: Share, done: int, total: int) -> None:
    print(f"{done}/{total} {share.category}: {share.tried:,} tried, {share.failed:,} failed", flush=True)
    for failure in share.failures:
        print(f"  {failure.signature}\n    {failure.details.strip().splitlines()[-1][:300]}", flush=True)


def _keep(shares: list[Share]) -> dict[str, str]:
    """Writes the first input of each kind of failure into the corpus; gives the files' names by signature."""
    kept: dict[str, str] = {}
    for share in shares:
        for failure in share.failures:
            if failure.signature in kept:
                continue
            data = base64.b64decode(failure.data)
            name = f"{share.category.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:8]}{failure.suffix}"
            CORPUS.joinpath(name).write_bytes(data)
            kept[failure.signature] = name
    return kept


def _written(shares: list[Share], kept: dict[str, str], seed: int, seconds: float) -> str:
    tried, failed = sum(share.tried for share in shares), sum(share.failed for share in shares)
    accepted = sum(share.accepted for share in shares)
    slowest, largest = max(shares, key=lambda s: s.slowest), max(shares, key=lambda s: s.memory)
    corpus = sum(path.is_file() for path in CORPUS.iterdir())
    lines = [
        "# Fuzz campaign",
        "",
        f"Made by `python -m tests.fuzz.campaign --inputs {tried} --seed {seed}` with varprobe {__version__}, in "
        f"{seconds / 60:.0f} minutes.",
        "",
        f"{tried:,} inputs: {accepted:,} were accepted, {tried - accepted - failed:,} refused with one clear message, "
        f"{failed:,} failed. An input fails where it ends in a traceback, a warning or a message without place and "
        f"hint, takes more than {CPU_SECONDS:.0f} s of processor time ({WALL_SECONDS:.0f} s in all), or more than "
        f"{MEMORY // 2**30} GiB of memory beyond what the process had, or where anything that it holds is executed.",
        "",
        "| inputs | tried | accepted | failed | mean ms | slowest s | largest MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for category in SOURCES:
        own = [share for share in shares if share.category == category]
        if not own:
            continue
        total = sum(share.tried for share in own)
        mean = 1000 * sum(share.seconds for share in own) / total
        worst = max(share.slowest for share in own), max(share.memory for share in own) / 2**20
        counts = total, sum(share.accepted for share in own), sum(share.failed for share in own)
        lines.append(
            f"| {category} | {' | '.join(f'{n:,}' for n in counts)} | {mean:.1f} | {worst[0]:.2f} | {worst[1]:.1f} |"
        )
    lines += ["", f"The slowest, {slowest.slowest:.2f} s: `{_quoted(slowest.slowest_case)}`", ""]
    lines += [f"The largest, {largest.memory / 2**20:.1f} MiB: `{_quoted(largest.memory_case)}`", ""]
    if kept:
        lines += ["What failed in this run, and the input that was put into the corpus for it:", ""]
        lines += [*(f"- `{_quoted(signature)}`: {name}" for signature, name in kept.items()), ""]
    lines.append(
        f"`tests/fuzz/corpus` holds {corpus} inputs, past failures among them; the ordinary tests try them all."
    )
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("`", "'")


if __name__ == "__main__":
    raise SystemExit(main())
