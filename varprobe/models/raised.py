"""What somebody's code raises, told as his mistake: its last line, and where it was raised."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from varprobe.errors import Place, VarprobeError
from varprobe.streams import say

# Frames of these files led to the code that raised, and say nothing of it.
_OURS = (str(Path(__file__).parents[1]), "<frozen importlib")


@contextmanager
def told_as_mistake(what: str, *, full: bool) -> Iterator[None]:
    """Turns what the code inside raises into a `VarprobeError`; only Ctrl-C passes.

    Arguments:
        what: whose code it is.
        full: print the whole traceback to standard error first.
    """
    try:
        yield
    except (VarprobeError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit() of a factory too
        if full:
            shown = traceback.format_exception(error.with_traceback(_behind_ours(error.__traceback__)))
            say("".join(shown), error=True, end="")
        raise VarprobeError(
            f"{what} raised {_last_line(error)}",
            hint="mend it there" if full else "--traceback shows how it came there",
            place=_place(error),
        ) from None


def _behind_ours(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame of the code inside."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename.startswith(_OURS):
        start = start.tb_next
    return start or trace


def _last_line(error: BaseException) -> str:
    """What Python ends a traceback with, in one line."""
    text = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: BaseException) -> Place | None:
    """Of the deepest frame in code that is not installed, or else of the deepest."""
    if isinstance(error, SyntaxError) and error.filename:
        return Place(_relative(error.filename), error.lineno, error.offset)
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(_OURS)]
    if not frames:
        return None
    installed = tuple({sys.prefix, sys.base_prefix, str(Path(traceback.__file__).parent)})
    own = [one for one in frames if "site-packages" not in one.filename and not one.filename.startswith(installed)]
    last = (own or frames)[-1]
    return Place(_relative(last.filename), last.lineno)


def _relative(filename: str) -> str:
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except ValueError:
        return filename
