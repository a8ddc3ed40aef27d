"""The way in: runs the commands and turns what they raise into messages and exit codes.

0 done; 1 an expectation failed (`check`); 2 the user's mistake; 3 a fault of varprobe's, with a traceback;
130 after Ctrl-C, 143 after SIGTERM. A closed pipe ends quietly.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import re
import signal
import sys
from types import FrameType

from varprobe.errors import OutputError, VarprobeError, nearest
from varprobe.machine import has_folder
from varprobe.streams import StreamError, TameStream, say

# What a mistake in varprobe would meet: a path that it made up, a folder in place of a file.
_OURS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EBADF)
_HELP = "`varprobe --help` and `varprobe COMMAND --help` show what there is"


def main(arguments: list[str] | None = None) -> None:
    """The `varprobe` command. Never returns: it ends the process with its exit code."""
    signal.signal(signal.SIGTERM, _end_by_signal)
    signal.signal(signal.SIGINT, _end_by_signal)
    _open_streams()
    # Numpy is not loaded yet, and starts so many threads; `probe.measure` says why one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Deep networks make many small records and no cycles: looking for cycles as often as by default takes a third of
    # the time of a deep prediction.
    gc.set_threshold(1_000_000, 50, 100)
    code = run(sys.argv[1:] if arguments is None else arguments)
    if code > 128:  # by a signal: do not wait for what is still at work
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    # The interpreter, as it ends, need not look for cycles in all that was imported: a fifth of a short run.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """One command line; gives the exit code."""
    import typer

    from varprobe.cli.app import app

    # The base of all usage errors; some typers take it from click, others carry their own.
    usage_error: type[Exception] = typer.BadParameter.__mro__[2]
    try:
        code = app(arguments, prog_name="varprobe", standalone_mode=False)
        TameStream(sys.stdout).flush()
        return code if isinstance(code, int) else 0
    except StreamError as error:
        _discard_output()
        return _complain(str(error))
    except VarprobeError as error:
        return _complain(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _complain("stopped", 130)
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as stop:
        # typer turns a closed pipe into exit code 1, whatever it is told; nothing else leads here with 1.
        return _closed_pipe() if stop.code == 1 else int(stop.code or 0)
    except MemoryError:
        return _complain("out of memory\n  hint: lower --batch, --trials or the widths")
    except usage_error as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message.startswith("Usage:"):  # no command at all
            say(message, error=True)
            return 2
        message = " ".join(message.split())
        return _complain(f"{message}\n  hint: {_nearest_word(message)}{_HELP}")
    except OSError as error:
        return _complain(_tell_refusal(error)) if _is_circumstance(error) else _fault()
    except Exception:
        return _fault()


def _nearest_word(message: str) -> str:
    """Which of the words that were legal was probably meant."""
    found = re.search(r"'([^']*)' is not one of ('[^']*'(?:, '[^']*')*)", message)
    near = nearest(found[1], re.findall(r"'([^']*)'", found[2])) if found else None
    return f"did you mean '{near}'? " if near else ""


def _open_streams() -> None:
    """Closed streams swallow what is written; characters that a stream does not know become question marks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # open until the process ends
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _closed_pipe() -> int:
    """Nobody reads on."""
    _discard_output()
    return 0


def _discard_output() -> None:
    """What is still in the buffer must not raise at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _is_circumstance(error: OSError) -> bool:
    """Whether the system refuses for reasons that are not varprobe's: disks, limits, rights, a folder that is gone."""
    return error.errno not in _OURS or not has_folder()


def _tell_refusal(error: OSError) -> str:
    """What the system refused, in a line, and the way out."""
    if not has_folder():
        return "the current folder is gone\n  hint: go to one that exists"
    what = f"{error.filename}: " if error.filename else ""
    reason = " ".join(str(error.strerror or error).split())
    return f"{what}the system refuses: {reason}\n  hint: check rights, limits, and the space on the disk"


def _complain(message: str, code: int = 2) -> int:
    with contextlib.suppress(OSError, OutputError):  # somebody may have closed stderr
        say(f"varprobe: {message}", error=True)
    return code


def _fault() -> int:
    import traceback

    with contextlib.suppress(OSError, OutputError):
        say(traceback.format_exc(), error=True, end="")
    return _complain("this is a fault of varprobe's, please report it with the lines above", 3)


def _end_by_signal(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
