"""Commands killed at random moments: nothing half written, no process left over, and a sweep goes on to the same end.

`python -m tests.fuzz.kills 300 0 3600` kills in 300 folders by seed 0, for 3600 seconds at most, and counts; the exit
code is 1 where something broke. Moments are spread evenly over the time that a command takes here, and a little beyond:
those that came to their end are counted apart.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CONFIG = """
input: {features: 32}
defaults: {activation: tanh, init: small}
layers: [{dense: 32, repeat: 12}]
probe: {batch: 32, trials: 8}
"""
SWEEP = ("sweep", "net.yaml", "--vary", "defaults.init={name: xavier},he,small", "--vary", "layers.0.repeat=4:18:8")
COMMANDS = {
    "run": ("run", "net.yaml", "-o", "out.json", "-o", "out.html", "-o", "out.png"),
    "check": ("check", "net.yaml", "-o", "out.json", "-o", "out.xml"),
    "sweep": (*SWEEP, "--threads", "2", "-o", "out.json", "-o", "out.csv"),
    "tune": ("tune", "net.yaml", "-o", "out.yaml"),
    "lesson": ("lesson", "out", "--threads", "1"),
}
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Seconds that processes may take to notice that they are alone.
PATIENCE = 10.0
# A sweep is killed so often, at most, before it may come to its end.
MOST_IN_A_ROW = 3


def begin(folder: Path, command: str) -> subprocess.Popen[bytes]:
    """The command in the folder."""
    line = [sys.executable, "-m", "varprobe", *COMMANDS[command]]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(line, cwd=folder, stdout=quiet, stderr=quiet, start_new_session=True)


def prepare(folder: Path) -> None:
    """The config, and nothing else."""
    folder.mkdir()
    (folder / "net.yaml").write_text(CONFIG)


def contents(folder: Path) -> dict[str, bytes]:
    """Files by path, the config aside."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "net.yaml")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def is_left(folder: Path) -> bool:
    """Whether a process stands in the folder after so long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not any(_stands_in(process, folder) for process in Path("/proc").glob("[0-9]*")):
            return False
        time.sleep(0.05)
    return True


def _stands_in(process: Path, folder: Path) -> bool:
    try:
        return os.readlink(process / "cwd") == str(folder)
    except OSError:
        return False


def find_faults(folder: Path, whole: dict[str, bytes]) -> list[str]:
    """What is wrong with the files in the folder: each is not there, or like that of a whole run."""
    found = []
    for name, content in contents(folder).items():
        if name.endswith(".part") or name.startswith(".varprobe-"):
            continue
        if name not in whole:
            found.append(f"{name} is of no whole run")
        elif not is_alike(name, content, whole[name]):
            found.append(f"{name} is half written: {len(content)} of {len(whole[name])} bytes")
    folders = {name.split("/")[0] for name in contents(folder) if "/" in name and not name.startswith(".")}
    if folders and {name for name in contents(folder) if not name.startswith(".")} != set(whole):
        found.append("a folder is half written")
    return found


def is_alike(name: str, content: bytes, whole: bytes) -> bool:
    """Whether two files are of the same run, the time that it took aside, which stands in them."""
    if content == whole:
        return True
    if name.endswith(".json"):
        try:
            return json.loads(content).keys() == json.loads(whole).keys()
        except ValueError:
            return False
    ending = whole[-12:]
    return abs(len(content) - len(whole)) < 64 and content.endswith(ending)


def main(amount: int, seed: int = 0, enough: int = 86_400) -> int:
    """Kills in so many folders, or for so many seconds, and prints what was found."""
    end = time.monotonic() + enough
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as base:
        root = Path(os.path.realpath(base))
        whole, seconds = {}, {}
        for command in COMMANDS:
            prepare(root / command)
            started = time.monotonic()
            begin(root / command, command).wait()
            seconds[command], whole[command] = time.monotonic() - started, contents(root / command)
        for number in range(amount):
            if time.monotonic() > end:
                break
            command = chance.choice(list(COMMANDS))
            folder = root / f"{number}"
            prepare(folder)
            for _ in range(chance.randint(1, MOST_IN_A_ROW) if command == "sweep" else 1):
                kill_once(folder, command, chance, seconds[command], counts, faults)
                faults += [f"{command}: {fault}" for fault in find_faults(folder, whole[command])]
            if command != "sweep":
                continue
            kept = sum(max(0, path.read_bytes().count(b"\n") - 1) for path in folder.glob("*.part"))
            counts["sweep, goes on with kept points"] += bool(kept)
            code = begin(folder, command).wait()
            counts["sweep, brought to its end"] += 1
            if code or contents(folder) != whole[command]:
                faults.append(f"sweep: ended with {code} and {sorted(contents(folder))}, not the bytes of a whole one")
    for name, count in sorted(counts.items()):
        print(f"{count:5} {name}")
    print(f"{len(faults):5} faults", *faults, sep="\n      ")
    return bool(faults)


def kill_once(
    folder: Path, command: str, chance: random.Random, seconds: float, counts: Counter[str], faults: list[str]
) -> None:
    """Begins the command, ends it at a random moment, and looks for processes that are left."""
    running = begin(folder, command)
    time.sleep(chance.uniform(0, 1.1 * seconds))
    by = chance.choice(SIGNALS)
    counts[f"{command}, {'killed' if running.poll() is None else 'came to its end before'}"] += 1
    running.send_signal(by)
    running.wait()
    if is_left(folder):
        faults.append(f"{command}: a process is left after {by.name}")


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
