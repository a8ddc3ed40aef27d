"""Text on standard output and standard error: nothing in it commands a terminal or a build server.

Names, paths and stored results bring text that is not varprobe's. Everything a command prints leaves through `say`
here or through the console of `reporters.console`, which writes to a `TameStream`.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from varprobe.errors import OutputError, Place
from varprobe.formatting import printable_lines, tame


class StreamError(OutputError):
    """A stream of the process that cannot be written."""


class TameStream:
    """A stream of text that starts no command of a build server, and whose trouble is told as the user's.

    Control characters pass: whoever writes here has taken out those of others, and styles words by them.

    Arguments:
        commands: the text is workflow commands made on purpose, with everything in them escaped.
    """

    def __init__(self, stream: TextIO, *, commands: bool = False) -> None:
        self._stream, self._commands = stream, commands

    def write(self, text: str) -> int:
        """Writes whole lines."""
        return self._guard(self._stream.write, text if self._commands else tame(text))

    def flush(self) -> None:
        """Hands over what was written."""
        self._guard(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _guard(self, work: Any, *given: str) -> Any:
        try:
            return work(*given)
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "standard error" if self._stream is sys.stderr else "standard output"
            hint = "check where it leads: its rights, the disk's space, limits on the size of files"
            reason = error.strerror or str(error)
            raise StreamError(f"cannot be written: {reason}", hint=hint, place=Place(name)) from None


def say(text: str, *, error: bool = False, end: str = "\n", commands: bool = False) -> None:
    """Prints lines of plain text; what no terminal should see in them becomes `?`.

    Arguments:
        error: on standard error, and at once.
        commands: as for `TameStream`.

    Raises:
        StreamError: where it cannot be written.
        BrokenPipeError: where nobody reads on.
    """
    stream = TameStream(sys.stderr if error else sys.stdout, commands=commands)
    stream.write(printable_lines(text) + end)
    if error:
        stream.flush()
