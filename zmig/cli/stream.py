"""Standard streams that outlive their reader: what is written after it has gone is dropped, without an error."""

from __future__ import annotations

import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Unwritable(Exception):
    """A stream takes no more text: a full disk, for example."""


class Stream:
    """One of the standard streams."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="backslashreplace")

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking at it."""
        return self.file.isatty()

    def can_show(self, text: str) -> bool:
        """Whether its encoding has these characters."""
        try:
            text.encode(self.file.encoding or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def write(self, text: str) -> None:
        """Write text. Raises Unwritable where that is impossible, except when its reader has gone."""
        try:
            self.file.write(text)
        except OSError as error:
            self._discard(error)

    def flush(self) -> None:
        """Hand everything written to the system. Raises like `write`."""
        try:
            self.file.flush()
        except OSError as error:
            self._discard(error)

    def _discard(self, error: OSError) -> None:
        """Point the descriptor at nothing, so that the interpreter's own flush at exit does not fail again."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise Unwritable(error.strerror or str(error)) from error
