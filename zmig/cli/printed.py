"""What code prints while a command's output is JSON: each line of it becomes one object on stderr.

Code is a migration's own, with its warnings and its logging, and any library below it. What a child process writes
is its own.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TextIO

    from _typeshed import ReadableBuffer

    from zmig.cli.output import Output


@contextlib.contextmanager
def as_json(output: Output) -> Generator[None]:
    """Turn what is printed inside the block into objects such as `{"printed": "a line", "stream": "stdout"}`."""
    stdout, stderr = Printed(output, "stdout"), Printed(output, "stderr")
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            yield
        finally:
            stdout.tell_rest()
            stderr.tell_rest()


class Printed(io.TextIOBase):
    """A text stream that tells each line as it is ended. Closing it does nothing: others print after who closes it."""

    def __init__(self, output: Output, name: str) -> None:
        self._output = output
        self._name = name
        self._rest = ""
        self._octets = _Octets(self)

    def write(self, text: str, /) -> int:
        """Take text; each line that it ends is told."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._tell(line)
        return len(text)

    def tell_rest(self) -> None:
        """Tell what no line end came behind."""
        rest, self._rest = self._rest, ""
        if rest:
            self._tell(rest)

    def _tell(self, line: str) -> None:
        self._output.note_document({"printed": line, "stream": self._name})

    @property
    def buffer(self) -> io.RawIOBase:
        """Where octets may be written instead of text."""
        return self._octets

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What text is written in."""
        return "utf-8"

    def writable(self) -> bool:
        """Whether it takes text, which it always does."""
        return True

    def fileno(self) -> int:
        """Return stderr's descriptor, which a child process may be given."""
        return _standard_error().fileno()

    def close(self) -> None:
        """Do nothing."""


class _Octets(io.RawIOBase):
    def __init__(self, printed: Printed) -> None:
        self._printed = printed

    def write(self, octets: ReadableBuffer, /) -> int:
        self._printed.write(bytes(octets).decode(errors="backslashreplace"))
        return memoryview(octets).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._printed.fileno()

    def close(self) -> None:
        pass


def _standard_error() -> TextIO:
    if sys.__stderr__ is None:
        raise io.UnsupportedOperation("fileno")
    return sys.__stderr__
