"""What code prints while a command's output is JSON: each line of it becomes one object on stderr.

Code is a migration's own, with its warnings and its logging, any library below it, and the child processes it starts.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import sys
import threading
from typing import TYPE_CHECKING

from zmig.cli.descriptors import Descriptors
from zmig.process import surroundings

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TextIO

    from _typeshed import ReadableBuffer

    from zmig.cli.output import Output


@contextlib.contextmanager
def as_json(output: Output) -> Generator[None]:
    """Turn what is printed inside the block into objects such as `{"printed": "a line", "stream": "stdout"}`."""
    descriptors = Descriptors(output, lambda name, line: _show(output, name, line))
    stdout, stderr = Printed(output, "stdout", descriptors), Printed(output, "stderr", descriptors)
    others = frozenset(threading.enumerate())
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        surroundings.also_around_code(descriptors.shown),
    ):
        try:
            yield
        finally:
            are_left = descriptors.close()
            stdout.show_rest()
            stderr.show_rest()
            if are_left:
                output.note("note: a process that a migration started lives on; what it prints from now on is not seen")
    if any(not thread.daemon for thread in frozenset(threading.enumerate()) - others):
        sys.stdout, sys.stderr = stdout, stderr  # Python waits for such threads, which may print until then
        atexit.register(stdout.show_rest)
        atexit.register(stderr.show_rest)


def _show(output: Output, name: str, line: str) -> None:
    output.note_document({"printed": line, "stream": name})


class Printed(io.TextIOBase):
    """A text stream that reports each line as it is ended. Closing it does nothing: others print after who closes it.

    It has what a standard stream of Python's has, for code that sets it up; each line is reported at once in any case.
    """

    mode = "w"
    newlines = None
    write_through = False
    line_buffering = True

    def __init__(self, output: Output, name: str, descriptors: Descriptors) -> None:
        self.output = output
        """Where each line is reported; zmig's own words go there as they are."""
        self._name = name
        self._descriptors = descriptors
        self._rest = ""
        self._octets = _Octets(self)
        self._encoding = "utf-8"
        self._errors = "backslashreplace"

    def write(self, text: str, /) -> int:
        """Take text; each line that it ends is reported."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._show(line)
        return len(text)

    def show_rest(self) -> None:
        """Show what no line end came after."""
        rest, self._rest = self._rest, ""
        if rest:
            self._show(rest)

    def _show(self, line: str) -> None:
        self._descriptors.drain()  # what a child wrote before
        _show(self.output, self._name, line)

    @property
    def buffer(self) -> io.RawIOBase:
        """Where octets may be written instead of text."""
        return self._octets

    @property
    def name(self) -> str:
        """What Python calls the stream."""
        return f"<{self._name}>"

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What text is written in."""
        return self._encoding

    @property
    def errors(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What becomes of text that the encoding has no place for."""
        return self._errors

    def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """Take note of what is asked for; it changes nothing of what is reported."""
        self._encoding, self._errors = encoding or self._encoding, errors or self._errors
        if line_buffering is not None:
            self.line_buffering = line_buffering
        if write_through is not None:
            self.write_through = write_through

    def writable(self) -> bool:
        """Whether it takes text, which it always does."""
        return True

    def fileno(self) -> int:
        """Return a descriptor that a child process may be given: its own where that is reported too, else stderr's."""
        if self._descriptors.are_taken:
            return 1 if self._name == "stdout" else 2
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
