"""Output files and streams: the old file or the new one, never half; no temporary stays; a closed pipe ends quietly."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varprobe.cli.app import COMMANDS
from varprobe.cli.main import run as run_command
from varprobe.errors import OutputError
from varprobe.output import check_writable, reports_target, write_file, write_folder
from varprobe.temporary import own_temporary

ROOT = Path(__file__).parents[1]
SMALL = "name: tiny\ninput: {features: 8}\nlayers: [{dense: 8, repeat: 5}]\nprobe: {batch: 4, trials: 2}\n"
# Minutes of work: where this is not refused at once, the test takes too long.
LONG = "input: {features: 256}\nlayers: [{dense: 256, repeat: 100}]\nprobe: {batch: 128, trials: 5000}\n"
OLD = "old " * 5000


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, a report and a sweep."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.yaml").write_text(SMALL)
    np.save(folder / "w.npy", np.ones((4, 6)))
    assert run_command(["run", str(folder / "small.yaml"), "-o", str(folder / "r.json"), "--quiet"]) == 0
    return folder


# --- pipes ----------------------------------------------------------------------------------------------------------

PRINTING = (
    *(
        "run small.yaml",
        "run small.yaml --json",
        "predict small.yaml --explain --number-formats",
        "predict small.yaml --json",
    ),
    *(
        "show r.json --all",
        "show r.json --json",
        "tune small.yaml",
        "compare r.json r.json",
        "compare r.json r.json --json",
        "check small.yaml",
        "check small.yaml --format github",
        "audit w.npy",
    ),
    *("sweep small.yaml --vary probe.seed=1,2 --threads 1", "new other.yaml", "gain relu", "gain --json"),
    *("list activations", "list initializers", "list layers", "list findings"),
    *(
        "grade small.yaml --verdict stable",
        "lab -o -",
        "guide",
        "guide configs",
        "schema config",
        "schema report",
        "schema sweep",
        "schema comparison",
        "schema check",
    ),
    *("--help", "run --help", "--version"),
)


# One process that has everything imported, and a child of it for each command, which ends as the command does.
CHILDREN = """
import json, os, sys
from importlib import import_module
import varprobe.diagnose, varprobe.reporters.report.terminal, varprobe.results.store, varprobe.tuning
from varprobe.cli.app import COMMANDS
from varprobe.cli.main import main
for name in COMMANDS:
    import_module(f"varprobe.cli.{name}")
codes = {}
for command in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        os.close(writer)
        main(command.split())
    codes[command] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""


def test_a_pipe_that_is_closed_ends_every_command_quietly(made: Path) -> None:
    command = [sys.executable, "-c", CHILDREN, *PRINTING]
    done = subprocess.run(command, capture_output=True, cwd=made, env=environment(), check=True)
    assert done.stderr == b""
    assert json.loads(done.stdout) == dict.fromkeys(PRINTING, 0)
    assert sorted(path.name for path in made.iterdir()) == ["other.yaml", "r.json", "small.yaml", "w.npy"]


def test_every_command_is_tried_with_a_closed_pipe() -> None:
    """But `lesson`, which measures for long and prints one line."""
    assert set(COMMANDS) - {"lesson"} == {command.split()[0] for command in PRINTING if not command.startswith("-")}


# --- disks ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 32 KiB; skipped where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no rights to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def check_refused(error: OutputError, folder: Path) -> None:
    assert "nothing was written" in error.hint
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"r.json": OLD}


def test_a_full_disk_leaves_the_old_file(tiny_disk: Path) -> None:
    (tiny_disk / "r.json").write_text(OLD)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_file(tiny_disk / "r.json", "new " * 5000)
    check_refused(caught.value, tiny_disk)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_folder(tiny_disk / "lessons", {"a.html": "x" * 1000, "b/c.html": "x" * 40_000})
    check_refused(caught.value, tiny_disk)


def test_a_limit_on_the_size_of_files_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(OLD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(OutputError, match="File too large") as caught:
            write_file(tmp_path / "r.json", "x" * 40_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    check_refused(caught.value, tmp_path)


def test_a_disk_that_is_read_only_is_refused_before_anything_is_measured(tiny_disk: Path) -> None:
    (tiny_disk / "long.yaml").write_text(LONG)
    (tiny_disk / "there.json").write_text(OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    for name in ("r.json", "there.json"):
        assert run_command(["run", str(tiny_disk / "long.yaml"), "-o", str(tiny_disk / name)]) == 2
    assert run_command(["new", str(tiny_disk / "n.yaml")]) == 2
    assert run_command(["lesson", str(tiny_disk / "lessons")]) == 2


def test_a_folder_without_rights_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """By a process that is not root, whom nothing is forbidden."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if os.getuid() == 0:
        child = os.fork()
        if child == 0:  # pragma: no cover  # ends here
            for folder in (tmp_path, *list(tmp_path.parents)[:-1]):
                with contextlib.suppress(OSError):
                    os.chmod(folder, os.stat(folder).st_mode | 0o011)
            os.setuid(65534)
            os._exit(_refused(closed / "r.json"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    else:
        assert _refused(closed / "r.json") == 0


def _refused(target: Path) -> int:
    try:
        check_writable(target)
    except OutputError as error:
        return 0 if "cannot be written" in error.message else 1
    return 2


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "away.json").symlink_to(tmp_path / "nowhere" / "r.json")
    (tmp_path / "link.json").symlink_to("r.json")
    for name, word in (("pipe.json", "no ordinary file"), ("away.json", "does not exist")):
        with pytest.raises(OutputError, match=word):
            check_writable(tmp_path / name)
    check_writable(tmp_path / "link.json")
    write_file(tmp_path / "link.json", "x")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "r.json").read_text() == "x"


def test_rights_are_kept_and_new_files_follow_the_mask(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("x")
    (tmp_path / "old.md").chmod(0o640)
    before = os.umask(0o077)
    try:
        write_file(tmp_path / "old.md", "y")
        write_file(tmp_path / "new.md", "y")
        write_folder(tmp_path / "folder", {"a": "b"})
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("old.md", "new.md", "folder")] == [
        0o640,
        0o600,
        0o700,
    ]


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/etc/evil", "a/b", "..", ".", "~", "-", "\u5f00" * 200, "a\nb", "\0", "<script>", "con.json"],
)
def test_a_network_s_name_is_no_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = reports_target(name, ".md")
    write_file(target, "x")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == [target.name]
    assert target.suffix == ".md"


# --- signals --------------------------------------------------------------------------------------------------------

# The command, ended by a signal at one point of the way to the disk.
ENDED = """
import os, signal, sys
from varprobe.cli.main import main
real = os.{point}
def ending(*arguments):
    {before}os.kill(os.getpid(), {number})
    done = real(*arguments)
    {after}os.kill(os.getpid(), {number})
    return done
os.{point} = ending
main(sys.argv[1:])
"""
POINTS = [("fsync", True), ("fsync", False), ("replace", True), ("replace", False)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_in_the_middle_of_writing_leaves_one_whole_file(
    made: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    whole = (made / "r.json").read_text()
    running = []
    for point, before in POINTS:
        folder = tmp_path / f"{point}-{before}"
        folder.mkdir()
        (folder / "s.json").write_text(OLD)
        text = ENDED.format(
            point=point, number=int(number), before="" if before else "0 and ", after="0 and " if before else ""
        )
        command = [sys.executable, "-c", text, "show", str(made / "r.json"), "-o", str(folder / "s.json")]
        running.append(
            (folder, (point, before), subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL))
        )
    for folder, at, process in running:
        assert process.wait(timeout=60) == code
        assert (folder / "s.json").read_text() == (whole if at == ("replace", False) else OLD)
        left = [path for path in folder.iterdir() if path.name != "s.json"]
        assert len(left) == (number == signal.SIGKILL and at != ("replace", False))


WRITING = """
import sys
from pathlib import Path
from typing import Any
from varprobe.output import write_file
print("begun", flush=True)
for number in range(10**9):
    write_file(Path(sys.argv[1]), str(number % 10) * 300_000)
"""


def test_a_process_that_is_killed_at_any_moment_leaves_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    seen = set()
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(target)], env=environment(), stdout=subprocess.PIPE
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.02 + 0.007 * attempt)
        process.kill()
        process.wait()
        process.stdout.close()
        if target.exists():
            text = target.read_text()
            assert len(text) == 300_000
            assert len(set(text)) == 1
            seen.add(text[0])
    assert seen


LEAVING = """
import os, signal, sys
from pathlib import Path
from varprobe.output import write_file, write_folder
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # the last moment before it is there
if sys.argv[1] == "file":
    write_file(Path("out.txt"), "text")
else:
    write_folder(Path("out"), {"a/b.txt": "text", "c.txt": "text"})
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(kind: str, tmp_path: Path) -> None:
    (tmp_path / ".varprobe-notes").write_text("the user's own")
    (tmp_path / ".varprobe-0123456789abcdef").symlink_to(tmp_path / ".varprobe-notes")
    own = sorted(tmp_path.iterdir())
    subprocess.run([sys.executable, "-c", LEAVING, kind], cwd=tmp_path, check=False)
    assert len(list(tmp_path.iterdir())) == 3
    write_file(tmp_path / "other.txt", "text")
    assert sorted(tmp_path.iterdir()) == [*own, tmp_path / "other.txt"]


def test_what_a_living_process_writes_is_left_to_it(tmp_path: Path) -> None:
    def make(path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    with own_temporary(tmp_path / "one", make) as temporary:
        write_file(tmp_path / "other", "text")
        assert temporary.path.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_is_removed_before_it_is_locked_is_made_again(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(path: Path) -> int:
        made.append(path)
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        if len(made) == 1:
            path.unlink()
        return number

    with own_temporary(tmp_path / "one", make) as temporary:
        assert temporary.path.exists()
    assert made == [temporary.path] * 2
    assert not list(tmp_path.iterdir())


# --- what a command imports -----------------------------------------------------------------------------------------

IMPORTED = """
import sys
from varprobe.cli.main import run
assert run(sys.argv[1:]) == 0
print(*sorted(name for name in sys.modules if name.startswith("varprobe.cli.") or name == "rich"), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "others"), [("run small.yaml --json", set()), ("schema config", set()), ("--help", set(COMMANDS))]
)
def test_a_command_imports_no_other_and_rich_only_to_print(made: Path, command: str, others: set[str]) -> None:
    line = [sys.executable, "-c", IMPORTED, *command.split()]
    done = subprocess.run(line, capture_output=True, cwd=made, env=environment(), text=True, check=True)
    imported = done.stderr.split()
    assert "rich" not in imported
    own = {command.split()[0]} & set(COMMANDS)
    assert {name.rpartition(".")[2] for name in imported} & set(COMMANDS) == own | others


def test_the_help_of_every_command_is_plain_and_fits(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in COMMANDS:
        assert run_command([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert text.isascii()
        assert max(map(len, text.splitlines())) <= 80
        assert f"Example: varprobe {name}" in text
        if name in ("run", "predict", "check", "compare", "sweep", "tune"):
            headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
            assert headings[:3] == ["Arguments:", "The network:", "How to measure:"]
            assert headings[-2:] == ["Output:", "Options:"]


def test_show_refuses_what_a_kind_of_result_does_not_have(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, other = str(made / "r.json"), str(made / "c.json")
    assert run_command(["compare", report, report, "-o", other, "--quiet"]) == 0
    capsys.readouterr()
    for option in ("--all", "--number-formats"):
        assert run_command(["show", other, option]) == 2
        assert "are for reports, and this is a comparison" in capsys.readouterr().err
        assert run_command(["show", report, option]) == 0
    (made / "c.json").unlink()
